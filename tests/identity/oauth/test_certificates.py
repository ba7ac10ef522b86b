"""Clients by certificate and tokens bound to it (RFC 8705): ID-25, ID-48 to ID-50 of the reference.

What the connection proved is put where the server puts it; the server itself is tried in `tests/processes`.
"""

import datetime as dt
from dataclasses import replace
from typing import Any

import httpx
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.identity.lab import CALLBACK, ISSUER, VERIFIER, Lab

from doorward.errors import PolicyError
from doorward.exchange import ClientCertificate
from doorward.gateway.client_certificate import thumbprint
from doorward.gateway.issuer_mtls import PATHS
from doorward.identity.client_certificates import SCOPE_KEY, ShownCertificate, require_tls_name
from doorward.identity.clients import add_client, disable_client, replace_keys
from doorward.jose import generate_key, sign_proof, split_unverified
from doorward.store import Store

MTLS = "https://issuer.example:8445"
GRANT = {"grant_type": "client_credentials"}


def self_signed(name: str = "client", days: int = 10_000) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    begin = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    made = builder.not_valid_before(begin).not_valid_after(begin + dt.timedelta(days=days)).sign(key, hashes.SHA256())
    return made.public_bytes(Encoding.PEM)


def shown_of(pem: bytes) -> ShownCertificate:
    der = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    return ShownCertificate(thumbprint=thumbprint(der), vouched=None)


def vouched(**names: Any) -> ShownCertificate:
    print_ = names.pop("thumbprint", "t" * 43)
    found = ClientCertificate(thumbprint=print_, **{"subject": "CN=bank,O=Example", **names})
    return ShownCertificate(thumbprint=print_, vouched=found)


BANK = vouched(dns_names=("bank.example",), uris=("spiffe://example/bank",), emails=("ops@bank.example",))


class Wire(Lab):
    """A provider behind a listener that asks for certificates; `shown` is what the next connection proved."""

    shown: ShownCertificate | None = None

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.settings = replace(self.settings, mtls=MTLS)
        self.app: ASGIApp = self.wired(self.made_app())  # type: ignore[assignment]

    def wired(self, app: ASGIApp) -> ASGIApp:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            scope[SCOPE_KEY] = self.shown
            await app(scope, receive, send)

        return answer

    def by(
        self, shown: ShownCertificate | None, client: str, path: str = "/oauth/token", **more: str
    ) -> httpx.Response:
        self.shown = shown
        try:
            return self.post(path, client_id=client, **(more or GRANT))
        finally:
            self.shown = None


@pytest.fixture
def lab(store: Store) -> Wire:
    return Wire(store)


def cnf(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return split_unverified(answer.json()["access_token"])._claims.get("cnf")


def is_refused(answer: httpx.Response) -> bool:
    return (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    "name",
    [
        "subject_dn=CN=bank,O=Example",
        "san_dns=bank.example",
        "san_uri=spiffe://example/bank",
        "san_email=ops@bank.example",
    ],
)
def test_exactly_the_registered_field_counts(lab: Wire, name: str) -> None:
    """ID-49."""
    add_client(lab.store, "bank", now=lab.now, tls_name=name)
    assert cnf(lab.by(BANK, "bank")) == {"x5t#S256": BANK.thumbprint}
    field, _, value = name.partition("=")
    same = {"subject_dn": value, "san_dns": (value,), "san_uri": (value,), "san_email": (value,)} | {field: ()}
    elsewhere = vouched(
        subject=same["subject_dn"] or "CN=x",
        dns_names=same["san_dns"],
        uris=same["san_uri"],
        emails=same["san_email"],
    )
    assert is_refused(lab.by(elsewhere, "bank")), "the value in another field"
    assert is_refused(lab.by(None, "bank"))


def test_a_certificate_that_nobody_vouches_for_has_no_names(lab: Wire) -> None:
    """ID-49."""
    add_client(lab.store, "bank", now=lab.now, tls_name="san_dns=bank.example")
    assert is_refused(lab.by(replace(BANK, vouched=None), "bank"))


def test_a_self_signed_certificate_counts_by_itself(lab: Wire) -> None:
    """ID-49."""
    mine, other = self_signed(), self_signed()
    add_client(lab.store, "shop", now=lab.now, certificate=mine)
    assert cnf(lab.by(shown_of(mine), "shop")) == {"x5t#S256": shown_of(mine).thumbprint}
    for wrong in (shown_of(other), BANK, None):
        assert is_refused(lab.by(wrong, "shop"))
    replace_keys(lab.store, "shop", now=lab.now, certificate=mine + other)
    assert cnf(lab.by(shown_of(other), "shop"))
    replace_keys(lab.store, "shop", now=lab.now, certificate=other)
    assert is_refused(lab.by(shown_of(mine), "shop"))
    disable_client(lab.store, "shop", now=lab.now)
    assert is_refused(lab.by(shown_of(other), "shop"))


def test_a_client_by_certificate_has_no_other_way(lab: Wire) -> None:
    """ID-12."""
    add_client(lab.store, "bank", now=lab.now, tls_name="san_dns=bank.example")
    assert is_refused(lab.by(BANK, "bank", client_secret="", **GRANT))
    assert is_refused(lab.by(BANK, "web")), "a certificate is not the way of a client with a secret"
    lab.shown = BANK
    assert is_refused(lab.post("/oauth/token", headers={"authorization": "Basic YmFuazo="}, **GRANT))


def test_no_header_stands_for_a_certificate(lab: Wire) -> None:
    """ID-50."""
    pem = self_signed()
    add_client(lab.store, "shop", now=lab.now, certificate=pem)
    der = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER).hex()
    for name in ("client-cert", "x-forwarded-client-cert", "x-ssl-cert", SCOPE_KEY):
        assert is_refused(lab.post("/oauth/token", headers={name: der}, client_id="shop", **GRANT))


@pytest.mark.parametrize("path", ["/oauth/introspect", "/oauth/revoke"])
def test_every_endpoint_knows_the_client(lab: Wire, path: str) -> None:
    add_client(lab.store, "bank", now=lab.now, tls_name="san_dns=bank.example")
    assert lab.by(BANK, "bank", path, token="none").status_code == 200
    assert is_refused(lab.by(None, "bank", path, token="none"))


def test_introspection_tells_the_binding(lab: Wire) -> None:
    add_client(lab.store, "bank", now=lab.now, tls_name="san_dns=bank.example")
    token = lab.by(BANK, "bank").json()["access_token"]
    told = lab.by(BANK, "bank", "/oauth/introspect", token=token).json()
    assert (told["token_type"], told["cnf"]) == ("Bearer", {"x5t#S256": BANK.thumbprint})


class Person:
    """A user's tokens of a public client, fetched over a connection with a certificate."""

    def __init__(self, lab: Wire, client: str = "spa") -> None:
        self.lab, self.client = lab, client
        code = lab.code(client, scope="openid offline_access")
        self.body = self.ask(
            BANK, grant_type="authorization_code", code=code, code_verifier=VERIFIER, redirect_uri=CALLBACK
        ).json()

    def ask(self, shown: ShownCertificate | None, **form: str) -> httpx.Response:
        self.lab.shown = shown
        answer = self.lab.post("/oauth/token", **{**self.lab.authenticated(self.client), **form})
        self.lab.shown = None
        return answer

    def refresh(self, shown: ShownCertificate | None) -> httpx.Response:
        return self.ask(shown, grant_type="refresh_token", refresh_token=self.body["refresh_token"])

    def userinfo(self, shown: ShownCertificate | None) -> int:
        self.lab.shown = shown
        header = {"authorization": f"Bearer {self.body['access_token']}"}
        answer = self.lab.ask("GET", "/oauth/userinfo", headers=header)
        self.lab.shown = None
        return answer.status_code


NEXT = vouched(thumbprint="n" * 43, dns_names=("bank.example",))


def test_a_public_clients_refresh_token_is_bound_to_its_certificate(lab: Wire) -> None:
    """ID-25."""
    person = Person(lab)
    for wrong in (None, NEXT):
        assert person.refresh(wrong).json()["error"] == "invalid_grant"
    assert cnf(person.refresh(BANK)) == {"x5t#S256": BANK.thumbprint}, "who came without it has spent nothing"


def test_another_client_proves_itself_anew_and_may_have_the_next_certificate(lab: Wire) -> None:
    person = Person(lab, "web")
    assert cnf(person.refresh(NEXT)) == {"x5t#S256": NEXT.thumbprint}


def test_userinfo_takes_a_bound_token_over_its_certificate_alone(lab: Wire) -> None:
    """ID-48."""
    person = Person(lab)
    assert person.userinfo(BANK) == 200
    assert (person.userinfo(None), person.userinfo(NEXT)) == (401, 401)


def test_a_token_may_be_bound_to_key_and_certificate_and_then_needs_both(lab: Wire) -> None:
    key = generate_key("ES256")
    add_client(lab.store, "bank", now=lab.now, tls_name="san_dns=bank.example")
    lab.now += 60
    lab.shown = BANK
    for number, url in enumerate((f"{MTLS}/oauth/token", f"{ISSUER}/oauth/token")):
        proof = sign_proof(key, {"jti": f"j{number}", "htm": "POST", "htu": url, "iat": lab.now})
        answer = lab.post("/oauth/token", headers={"dpop": proof}, client_id="bank", **GRANT)
        assert cnf(answer) == {"jkt": key.public.thumbprint, "x5t#S256": BANK.thumbprint}
        assert answer.json()["token_type"] == "DPoP"


def test_the_metadata_tell_the_other_listener(lab: Wire, store: Store) -> None:
    """ID-18."""
    told = lab.ask("GET", "/.well-known/oauth-authorization-server").json()
    aliases = told["mtls_endpoint_aliases"]
    assert aliases["token_endpoint"] == f"{MTLS}/oauth/token"
    assert {address.removeprefix(MTLS) for address in aliases.values()} < {*PATHS}
    # every endpoint at which clients prove themselves: one with a certificate can nowhere else
    assert {name for name in told if name.endswith("_endpoint")} - {
        "authorization_endpoint",
        "end_session_endpoint",
    } == {*aliases}
    assert told["tls_client_certificate_bound_access_tokens"] is True
    methods = {"tls_client_auth", "self_signed_tls_client_auth"}
    assert methods < set(told["token_endpoint_auth_methods_supported"])
    lab.settings = replace(lab.settings, mtls="")
    lab.app = lab.made_app()
    told = lab.ask("GET", "/.well-known/oauth-authorization-server").json()
    assert "mtls_endpoint_aliases" not in told
    assert not methods & set(told["token_endpoint_auth_methods_supported"])


@pytest.mark.parametrize(
    "text", ["", "san_dns", "san_dns=", "cn=x", "subject_dn=no name", "san_dns=a\nb", "san_uri=" + "x" * 513]
)
def test_a_name_that_is_none_is_not_registered(text: str) -> None:
    with pytest.raises(PolicyError):
        require_tls_name(text)


def test_what_is_not_self_signed_or_over_is_not_registered(lab: Wire) -> None:
    leaf = trustme.CA().issue_cert("client.example").cert_chain_pems[0].bytes()
    for pem in (b"", b"nonsense", leaf, self_signed(days=1)):
        with pytest.raises(PolicyError):
            add_client(lab.store, "new", now=lab.now, certificate=pem)
    with pytest.raises(PolicyError, match="one way"):
        add_client(lab.store, "new", now=lab.now, certificate=self_signed(), tls_name="san_dns=a.example")
    with pytest.raises(PolicyError, match="public"):
        add_client(
            lab.store, "new", now=lab.now, is_public=True, redirect_uris=[CALLBACK], tls_name="san_dns=a.example"
        )
