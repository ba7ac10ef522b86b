"""OpenID Connect: metadata, dynamic registration, request objects, keys."""

import json
from typing import Any

from sqlalchemy import update
from tests.conformance.bank import Bank, client_assertion
from tests.conformance.ground import Ground, stayed
from tests.conformance.registrant import Registrant
from tests.conformance.scorecard import module, not_applicable
from tests.identity.lab import CALLBACK, KEY, SECRET, VERIFIER
from tests.identity.test_client_keys import served

from doorward.identity.app import create_app
from doorward.identity.clients import replace_keys
from doorward.jose import generate_key, public_jwks, split_unverified, verify_signature
from doorward.store import clients

_RSA = generate_key("RS256", rsa_bits=2048)
_NOTHING_OF_ITS_OWN = "registered without it: pages show no picture and no link that a client chose for itself"


@module("oidcc-discovery-endpoint-verification")
def discovery(ground: Ground) -> None:
    """Metadata hold what the specifications require."""
    told = ground.metadata()
    assert told["issuer"] == ground.issuer
    for name in ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"):
        assert told[name].startswith(f"{ground.issuer}/")
    for name, least in (
        ("scopes_supported", "openid"),
        ("response_types_supported", "code"),
        ("subject_types_supported", "public"),
        ("claims_supported", "sub"),
        ("token_endpoint_auth_methods_supported", "client_secret_basic"),
    ):
        assert least in told[name], name
    assert told["id_token_signing_alg_values_supported"]


@module("oidcc-idtoken-rs256")
def rs256(ground: Ground) -> None:
    """A client registered for RS256 gets an RS256 ID token."""
    ground.app = create_app(ground.store, [KEY, _RSA], ground.settings, secret=SECRET, clock=lambda: ground.now)
    assert "RS256" in ground.metadata()["id_token_signing_alg_values_supported"]
    with ground.store.begin() as connection:
        connection.execute(update(clients).where(clients.c.name == "web").values(id_token_algorithm="RS256"))
    token = split_unverified(ground.traded(ground.person().authorized()).json()["id_token"])
    assert token.jws.algorithm == "RS256"
    assert verify_signature(token, _RSA.public)["sub"] == "alice"


not_applicable(
    __name__,
    "oidcc-userinfo-rs256",
    "userinfo_signed_response_alg=RS256: signed UserInfo.",
    "UserInfo is JSON over TLS, never signed",
)


@module("oidcc-server-rotate-keys")
def rotate_keys(ground: Ground) -> None:
    """After a rotation the key set has a new key and still the old one; what the old one signed still holds."""
    tokens = ground.whole()
    new = generate_key("ES256")
    ground.app = create_app(ground.store, [new, KEY], ground.settings, secret=SECRET, clock=lambda: ground.now)
    published = [key["kid"] for key in ground.ask("GET", "/oauth/jwks").json()["keys"]]
    assert published == [new.id, KEY.id]
    assert ground.userinfo(tokens["access_token"])["sub"] == "alice"
    again = ground.refresh(tokens["refresh_token"]).json()
    assert split_unverified(again["access_token"]).jws.key_id == new.id


@module("oidcc-refresh-token-rp-key-rotation", note="the set is replaced by the operator; a `jwks_uri` is tested apart")
def client_key_rotation(ground: Ground) -> None:
    """A client publishes a new key; an assertion with the new kid works then."""
    bank, new = Bank(ground), generate_key("ES256")
    given = {"grant_type": "refresh_token", "refresh_token": bank.tokens()["refresh_token"]}

    def refreshed(key: Any) -> int:
        headers = {"dpop": bank.proof("/oauth/token")}
        return ground.post("/oauth/token", headers=headers, **given, **bank.assertion(key)).status_code

    assert refreshed(new) == 401
    replace_keys(ground.store, "bank", now=ground.now, jwks=json.dumps(public_jwks([new])).encode())
    assert refreshed(new) == 200


@module("oidcc-ensure-client-assertion-with-iss-aud-succeeds")
def issuer_as_audience(ground: Ground) -> None:
    """A client assertion with the issuer as aud is accepted."""
    bank = Bank(ground)
    assert bank.trade(bank.code(), proves=bank.assertion(aud=ground.issuer)).status_code == 200


for _name, _summary in (
    ("oidcc-request-uri-signed-rs256", "request_uri to an RS256-signed request object succeeds."),
    ("oidcc-request-uri-unsigned", "request_uri to an unsigned request object succeeds."),
):
    not_applicable(__name__, _name, _summary, "nothing is fetched from a request_uri (`request_uri_not_supported`)")


def _two_places(ground: Ground, *uris: str) -> None:
    with ground.store.begin() as connection:
        connection.execute(update(clients).where(clients.c.name == "web").values(redirect_uris=list(uris)))


@module("oidcc-ensure-redirect-uri-in-authorization-request")
def which_redirect_uri(ground: Ground) -> None:
    """A client with two redirect URIs sends none: an error page."""
    _two_places(ground, CALLBACK, f"{CALLBACK}/two")
    stayed(ground.visitor().ask_authorization(redirect_uri=None))


@module("oidcc-redirect-uri-query-OK")
def registered_query(ground: Ground) -> None:
    """A registered redirect_uri with a query works."""
    uri = f"{CALLBACK}?foo=bar"
    _two_places(ground, uri)
    visitor = ground.person()
    visitor.ask_authorization(redirect_uri=uri)
    location = visitor.send("/auth/consent", answer="allow").headers["location"]
    assert location.startswith(f"{uri}&code=")


@module("oidcc-redirect-uri-query-mismatch")
def query_mismatch(ground: Ground) -> None:
    """The query differs from the registered one: an error page."""
    _two_places(ground, f"{CALLBACK}?foo=bar")
    stayed(ground.visitor().ask_authorization(redirect_uri=f"{CALLBACK}?foo=baz"))


@module("oidcc-redirect-uri-query-added")
def query_added(ground: Ground) -> None:
    """A query added to a registered URI without one: an error page."""
    stayed(ground.visitor().ask_authorization(redirect_uri=f"{CALLBACK}?foo=bar"))


@module("oidcc-redirect-uri-regfrag")
def fragment(ground: Ground) -> None:
    """Registration of a redirect_uri with a fragment: an error."""
    answer = Registrant(ground).register(redirect_uris=[f"{CALLBACK}#foobar"])
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_redirect_uri")


@module("oidcc-registration-jwks-uri")
def keys_at_a_place(ground: Ground) -> None:
    """Registration with jwks_uri succeeds, the flow works."""
    key = generate_key("ES256")
    with served(tls=True) as place:
        place.publish(key.public)
        program = Registrant(ground)
        made = program.registered(token_endpoint_auth_method="private_key_jwt", jwks_uri=place.url)
        assert made["jwks_uri"] == place.url
        assert "client_secret" not in made
        code = ground.person().authorized(made["client_id"])
        proves = client_assertion(key, made["client_id"], aud=ground.issuer, now=ground.now)
        given = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        assert ground.post("/oauth/token", **given, **proves).status_code == 200
        assert place.asked_count == 1


for _name, _summary in (
    ("oidcc-registration-logo-uri", "logo_uri is shown on the login page."),
    ("oidcc-registration-policy-uri", "policy_uri is linked on the login page."),
    ("oidcc-registration-tos-uri", "tos_uri is linked on the login page."),
):
    not_applicable(__name__, _name, _summary, _NOTHING_OF_ITS_OWN)

not_applicable(
    __name__,
    "oidcc-registration-sector-uri",
    "sector_identifier_uri listing the redirect URI: success.",
    "subjects are public (`subject_types_supported`); a sector is for pairwise ones and is refused",
)


@module("oidcc-registration-sector-bad", note="every sector is refused, for subjects are public")
def wrong_sector(ground: Ground) -> None:
    """sector_identifier_uri not listing it: an error."""
    answer = Registrant(ground).register(sector_identifier_uri="https://app.example/sector.json")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")


not_applicable(
    __name__,
    "oidcc-3rd_party-init-login",
    "initiate_login_uri is stored and returned.",
    "not kept, and the answer leaves it out: nothing here starts a sign-in at a client",
)


@module("oidcc-3rd_party-init-login-nohttps")
def plain_start(ground: Ground) -> None:
    """initiate_login_uri without https: refused."""
    answer = Registrant(ground).register(initiate_login_uri="http://app.example/login")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")


not_applicable(
    __name__,
    "oidcc-ensure-request-without-nonce-fails",
    "Hybrid and implicit flows: a missing nonce is refused.",
    "there is no hybrid and no implicit flow",
)
