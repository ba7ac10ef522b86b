import asyncio

import httpx
from cryptography import x509
from starlette.applications import Starlette
from tests.identity.ca.authorities import NOW, SECRET, made

from doorward.identity import ca
from doorward.identity.app import IdentitySettings, create_app
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
