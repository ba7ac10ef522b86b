"""The token endpoint: statements ID-10, -11, -12, -13, -17, -19, -20, -28 of the reference."""

import asyncio
import base64
from typing import Any
from urllib.parse import quote_plus

import httpx
import pytest
from starlette.applications import Starlette

from doorward.controls.authenticate import LOCAL_AUDIENCE
from doorward.identity.app import IdentitySettings, create_app
from doorward.identity.clients import add_client, disable_client
from doorward.identity.sealing import ServerSecret
from doorward.jose import Expected, generate_key, public_key_from_jwk, split_unverified, verify_jwt
from doorward.store import Store

NOW = 1_800_000_000.0
ISSUER = "https://issuer.example"
SECRET = ServerSecret(b"s" * 32)
KEYS = [generate_key("ES256"), generate_key("EdDSA")]
FORM = {"content-type": "application/x-www-form-urlencoded"}


def ask(app: Starlette, method: str, path: str, **more: Any) -> httpx.Response:
    async def once() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ISSUER) as http:
            return await http.request(method, path, **more)

    return asyncio.run(once())


class Provider:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = NOW
        self.app = create_app(store, KEYS, IdentitySettings(issuer=ISSUER), secret=SECRET, clock=lambda: self.now)
        _, self.secret = add_client(
            store, "batch", now=NOW, roles=["reader"], scopes=["read", "write"], claims={"account_id": "a-1"}
        )

    def post(self, body: str = "grant_type=client_credentials", *, basic: str | None = "", **headers: str) -> Any:
        if basic is not None:
            pair = basic or f"batch:{self.secret}"
            headers["authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        return ask(self.app, "POST", "/oauth/token", content=body, headers=FORM | headers)

    def error(self, *args: Any, **kwargs: Any) -> tuple[int, str]:
        answer = self.post(*args, **kwargs)
        return answer.status_code, answer.json()["error"]


@pytest.fixture
def provider(store: Store) -> Provider:
    return Provider(store)


def test_a_client_gets_a_token_the_gateway_accepts(provider: Provider) -> None:
    answer = provider.post()
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 600, "read write")
    jwk = ask(provider.app, "GET", "/oauth/jwks").json()["keys"][0]
    expected = Expected(issuer=ISSUER, audience=LOCAL_AUDIENCE, types=frozenset({"at+jwt"}))
    claims = verify_jwt(split_unverified(body["access_token"]), public_key_from_jwk(jwk), expected, now=NOW)
    wanted = {"sub": "batch", "client_id": "batch", "roles": ["reader"], "account_id": "a-1", "exp": NOW + 600}
    assert {name: claims[name] for name in wanted} == wanted
    assert {"iat", "jti", "iss", "aud"} <= set(claims)


def test_no_two_tokens_share_an_id(provider: Provider) -> None:
    assert len({provider.post().json()["access_token"] for _ in range(5)}) == 5


def test_the_secret_may_come_in_the_form(provider: Provider) -> None:
    body = f"grant_type=client_credentials&client_id=batch&client_secret={provider.secret}"
    assert provider.post(body, basic=None).status_code == 200


def test_user_and_password_of_basic_are_form_decoded(provider: Provider) -> None:
    _, secret = add_client(provider.store, "b@tch", now=NOW)
    assert provider.post(basic=f"{quote_plus('b@tch')}:{secret}").status_code == 200


def test_fewer_scopes_may_be_asked_for_and_are_told(provider: Provider) -> None:
    assert provider.post("grant_type=client_credentials&scope=read").json()["scope"] == "read"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("", "invalid_request"),
        ("scope=read", "invalid_request"),
        ("grant_type=client_credentials&grant_type=client_credentials", "invalid_request"),
        ("grant_type=password&username=a&password=b", "unsupported_grant_type"),
        ("grant_type=authorization_code&code=x", "invalid_grant"),
        ("grant_type=implicit", "unsupported_grant_type"),
        ("grant_type=client_credentials&scope=read+admin", "invalid_scope"),
        ("grant_type=client_credentials&resource=https%3A%2F%2Fother", "invalid_target"),
        ("grant_type=client_credentials&client_id=other", "invalid_request"),
        ("grant_type=client_credentials&client_secret=x", "invalid_request"),
        ("grant_type=%FF", "invalid_request"),
        ("&".join(f"a{n}=1" for n in range(40)), "invalid_request"),
        ("grant_type", "invalid_request"),
    ],
)
def test_a_request_that_is_not_in_order_is_refused(provider: Provider, body: str, error: str) -> None:
    assert provider.error(body) == (400, error)


def test_a_form_that_is_too_long_is_refused(provider: Provider) -> None:
    assert provider.error("a=" + "x" * 9000)[0] == 413


def test_a_body_that_is_no_form_is_refused(provider: Provider) -> None:
    assert provider.error(**{"content-type": "application/json"}) == (400, "invalid_request")


def test_parameters_in_the_query_are_refused(provider: Provider) -> None:
    answer = ask(
        provider.app, "POST", "/oauth/token?client_secret=x", content="grant_type=client_credentials", headers=FORM
    )
    assert answer.json()["error"] == "invalid_request"


@pytest.mark.parametrize("basic", ["batch:wrong", "nobody:wrong", "batch", ":", "batch:"])
def test_a_client_that_cannot_prove_itself_is_refused_with_a_challenge(provider: Provider, basic: str) -> None:
    answer = provider.post(basic=basic)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert answer.headers["cache-control"] == "no-store"


def test_no_authentication_at_all_is_refused(provider: Provider) -> None:
    assert provider.error(basic=None) == (401, "invalid_client")


def test_a_disabled_client_gets_no_token(provider: Provider) -> None:
    disable_client(provider.store, "batch", now=NOW)
    assert provider.error() == (401, "invalid_client")


def test_a_client_that_guesses_has_to_wait_and_may_try_again_later(provider: Provider) -> None:
    for _ in range(10):
        assert provider.error(basic="batch:wrong") == (401, "invalid_client")
    waiting = provider.post()
    assert (waiting.status_code, waiting.headers["retry-after"]) == (429, "61")
    assert add_client(provider.store, "other", now=NOW)
    assert provider.error(basic="other:wrong") == (401, "invalid_client")
    provider.now = NOW + 60
    assert provider.post().status_code == 200


def test_success_costs_no_allowance(provider: Provider) -> None:
    assert {provider.post().status_code for _ in range(20)} == {200}


def test_every_key_is_published_and_none_is_private(provider: Provider) -> None:
    keys = ask(provider.app, "GET", "/oauth/jwks").json()["keys"]
    assert [key["kid"] for key in keys] == [key.id for key in KEYS]
    assert not [key for key in keys if "d" in key]


def test_the_metadata_say_what_there_is(provider: Provider) -> None:
    metadata = ask(
        provider.app, "GET", "/.well-known/oauth-authorization-server", headers={"host": "evil.example"}
    ).json()
    assert metadata["issuer"] == ISSUER
    assert metadata["token_endpoint"] == f"{ISSUER}/oauth/token"
    assert metadata["jwks_uri"] == f"{ISSUER}/oauth/jwks"
    assert metadata["grant_types_supported"] == [
        "authorization_code",
        "client_credentials",
        "refresh_token",
        "urn:ietf:params:oauth:grant-type:device_code",
        "urn:ietf:params:oauth:grant-type:token-exchange",
    ]


def test_an_issuer_with_a_path_is_served_below_it(store: Store) -> None:
    app = create_app(store, KEYS, IdentitySettings(issuer="https://issuer.example/door"), secret=SECRET)
    assert ask(app, "GET", "/door/oauth/jwks").status_code == 200
    assert ask(app, "GET", "/.well-known/oauth-authorization-server/door").json()["issuer"].endswith("/door")


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_the_token_endpoint_takes_nothing_but_post(provider: Provider, method: str) -> None:
    assert ask(provider.app, method, "/oauth/token").status_code == 405


def test_a_person_who_goes_astray_gets_a_page_and_a_program_two_words(provider: Provider) -> None:
    page = ask(provider.app, "GET", "/nowhere", headers={"accept": "text/html,*/*;q=0.8"})
    assert page.status_code == 404
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert 'href="/account"' in page.text
    plain = ask(provider.app, "GET", "/nowhere")
    assert (plain.status_code, plain.text) == (404, "Not Found")
