import asyncio
import hashlib
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from starlette.applications import Starlette
from tests.identity.ca.authorities import NOW, SECRET, made, request_for

from doorward.exchange import ClientCertificate
from doorward.identity import ca
from doorward.identity.app import IdentitySettings, create_app
from doorward.identity.ca.certificates import Issued
from doorward.identity.client_certificates import SCOPE_KEY, ShownCertificate
from doorward.jose import generate_key
from doorward.store import Store


def fetched(app: Starlette, path: str) -> httpx.Response:
    async def once() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://login.example") as http:
            return await http.get(f"/base{path}")

    return asyncio.run(once())


def served(store: Store) -> Starlette:
    settings = IdentitySettings(issuer="https://login.example/base")
    return create_app(store, [generate_key("ES256")], settings, secret=SECRET, clock=lambda: NOW)


def test_the_lists_are_served_in_der_and_know_a_revocation_at_once(store: Store) -> None:
    authority, _ = made(store)
    one = ca.issue(store, SECRET, "partner", ca.Granted(), now=NOW)
    app = served(store)
    for path in ("/ca/crl", f"/ca/crl/{authority.issuing.id}"):
        answer = fetched(app, path)
        assert answer.headers["content-type"] == "application/pkix-crl"
        assert len(x509.load_der_x509_crl(answer.content)) == 0
    ca.revoke_certificates(store, "partner", now=NOW)
    found = x509.load_der_x509_crl(fetched(app, "/ca/crl").content)
    assert found.get_revoked_certificate_by_serial_number(one.certificate.serial_number) is not None
    assert fetched(app, f"/ca/crl/{authority.root.id}").status_code == 404
    assert fetched(app, "/ca/crl/x").status_code == 404


def test_the_certificates_of_the_authority_are_served_and_no_key(store: Store) -> None:
    made(store)
    text = fetched(served(store), "/ca/certificates").text
    assert len(x509.load_pem_x509_certificates(text.encode())) == 2
    assert "PRIVATE" not in text


def test_without_an_authority_there_is_nothing(store: Store) -> None:
    for path in ("/ca/crl", "/ca/certificates"):
        assert fetched(served(store), path).status_code == 404


def renewal(app: Starlette, shown: object, body: bytes) -> httpx.Response:
    """What a connection with that certificate is answered."""

    async def with_certificate(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, SCOPE_KEY: shown}, receive, send)

    async def once() -> httpx.Response:
        transport = httpx.ASGITransport(with_certificate)
        async with httpx.AsyncClient(transport=transport, base_url="https://login.example") as http:
            return await http.post("/base/ca/renew", content=body)

    return asyncio.run(once())


def shown_by(issued: Issued, **changes: str) -> ShownCertificate:
    der = issued.certificate.public_bytes(Encoding.DER)
    fingerprint = hashlib.sha256(der).hexdigest()
    facts = {"thumbprint": "t", "subject": "CN=partner", "serial": issued.record.serial, "fingerprint": fingerprint}
    return ShownCertificate(thumbprint="t", vouched=ClientCertificate(**(facts | changes)))  # type: ignore[arg-type]


def test_whoever_shows_a_certificate_may_renew_it_and_nobody_elses(store: Store) -> None:
    made(store)
    old = ca.issue(store, SECRET, "partner", ca.Granted(roles=["reader"]), now=NOW)
    app, request = served(store), request_for(subject="partner")
    for shown in (None, "x", ShownCertificate(thumbprint="t", vouched=None)):
        assert renewal(app, shown, request).status_code == 403
    # Another authority's certificate with the same serial is another certificate.
    assert renewal(app, shown_by(old, fingerprint="0" * 64), request).status_code == 400
    assert renewal(app, shown_by(old), request_for(subject="admin")).status_code == 400
    assert renewal(app, shown_by(old), b"x" * 16_385).status_code == 413
    answer = renewal(app, shown_by(old), request)
    assert answer.status_code == 200
    new = x509.load_pem_x509_certificates(answer.content)[0]
    assert new.public_key() == x509.load_pem_x509_csr(request).public_key()
    listed = {each.serial: each for each in ca.list_certificates(store)}
    assert listed[f"{new.serial_number:032x}"].roles == ("reader",)


def test_a_lost_answer_is_given_again_and_another_key_gets_none(store: Store) -> None:
    made(store)
    old = ca.issue(store, SECRET, "partner", ca.Granted(), now=NOW)
    app, request = served(store), request_for()
    first = renewal(app, shown_by(old), request)
    assert renewal(app, shown_by(old), request).content == first.content
    assert renewal(app, shown_by(old), request_for()).status_code == 400
    assert len(ca.list_certificates(store)) == 2
    ca.revoke_certificates(store, old.record.serial, now=NOW)
    assert renewal(app, shown_by(old), request).status_code == 400
