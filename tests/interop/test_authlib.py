"""Authlib's client for Python against a running Doorward."""

import warnings
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.interop.person import Person
from tests.interop.world import CALLBACK, World
from tests.waiting import until

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Authlib announces its own future with each import
    from authlib.integrations.base_client.errors import OAuthError
    from authlib.integrations.requests_client import OAuth2Session

from joserfc import jwt
from joserfc.jwk import KeySet

pytestmark = pytest.mark.timeout(120)
SCOPE = "openid profile orders:read offline_access"


def session(world: World, client: str, method: str = "client_secret_basic") -> tuple[Any, dict[str, Any]]:
    made = OAuth2Session(
        client,
        world.secrets[client] or None,
        scope=SCOPE,
        redirect_uri=CALLBACK,
        code_challenge_method="S256",
        token_endpoint_auth_method=method,
    )
    made.trust_env, made.verify = False, str(world.authority)
    return made, made.get(f"{world.issuer}/.well-known/openid-configuration", withhold_token=True).json()


@pytest.mark.parametrize(
    ("client", "method"),
    [("web", "client_secret_basic"), ("web", "client_secret_post"), ("spa", "none")],
    ids=["basic", "post", "public"],
)
def test_a_person_signs_in_and_the_token_is_refreshed_and_revoked(
    world: World, person: Person, client: str, method: str
) -> None:
    http, told = session(world, client, method)
    verifier = "v" * 64
    url, state = http.create_authorization_url(told["authorization_endpoint"], code_verifier=verifier, nonce="n-1")
    landed = person.visit(url)
    token = http.fetch_token(told["token_endpoint"], authorization_response=landed, state=state, code_verifier=verifier)
    assert http.get(world.api).json() == {"orders": 3}
    assert http.get(told["userinfo_endpoint"]).json()["sub"] == "alice"
    keys = KeySet.import_key_set(http.get(told["jwks_uri"], withhold_token=True).json())
    claims = jwt.decode(token["id_token"], keys, algorithms=told["id_token_signing_alg_values_supported"]).claims
    assert (claims["iss"], claims["aud"], claims["nonce"]) == (world.issuer, client, "n-1")
    first = token["refresh_token"]
    again = http.refresh_token(told["token_endpoint"], refresh_token=first)
    assert (again["refresh_token"] != first) == (client == "spa"), "a public client's is replaced"
    assert http.get(world.api).status_code == 200
    if client != "spa":
        known = http.introspect_token(told["introspection_endpoint"], token=again["access_token"]).json()
        assert known["active"] is True
    gone = http.revoke_token(told["revocation_endpoint"], token=again["refresh_token"])
    assert gone.status_code == 200
    until(lambda: http.get(world.api).status_code == 401, "a revoked token is still taken")


def test_a_program_gets_a_token_in_its_own_name(world: World) -> None:
    http, told = session(world, "batch")
    token = http.fetch_token(told["token_endpoint"], grant_type="client_credentials", scope="orders:read")
    assert token["scope"] == "orders:read"
    assert http.get(world.api).json() == {"orders": 3}


def test_a_wrong_verifier_is_told_in_a_way_the_client_understands(world: World, person: Person) -> None:
    http, told = session(world, "web")
    url, state = http.create_authorization_url(told["authorization_endpoint"], code_verifier="v" * 64)
    landed = person.visit(url)
    assert parse_qs(urlsplit(landed).query)["iss"] == [world.issuer]
    with pytest.raises(OAuthError, match="invalid_grant"):
        http.fetch_token(told["token_endpoint"], authorization_response=landed, state=state, code_verifier="w" * 64)
