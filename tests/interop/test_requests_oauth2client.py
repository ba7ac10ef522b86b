"""requests-oauth2client for Python against a running Doorward: it pushes requests and proves possession of keys."""

from typing import Any

import pytest
import requests
from requests_oauth2client import (
    BearerToken,
    DPoPToken,
    IdToken,
    InvalidGrant,
    InvalidRequest,
    OAuth2AccessTokenAuth,
    OAuth2Client,
)
from tests.interop.person import Person
from tests.interop.world import CALLBACK, World, eventually

pytestmark = pytest.mark.timeout(120)
SCOPE = "openid profile orders:read offline_access"


def client_of(world: World, name: str, **more: Any) -> OAuth2Client:
    more.setdefault("id_token_signed_response_alg", "ES256")
    http = requests.Session()
    http.trust_env, http.verify = False, str(world.authority)
    return OAuth2Client.from_discovery_endpoint(
        issuer=world.issuer,
        client_id=name,
        client_secret=world.secrets[name],
        redirect_uri=CALLBACK,
        session=http,
        **more,
    )


def asked_api(world: World, auth: Any) -> int:
    return requests.get(world.api, auth=auth, verify=str(world.authority), timeout=30).status_code


def test_a_person_signs_in_and_the_id_token_is_what_the_library_expects(world: World, person: Person) -> None:
    client = client_of(world, "web")
    request = client.authorization_request(scope=SCOPE)
    landed = request.validate_callback(person.visit(request.uri))
    token = client.authorization_code(landed, validate=True)
    assert isinstance(token, BearerToken)
    assert isinstance(token.id_token, IdToken)
    assert token.id_token.sub == "alice"
    assert client.userinfo(token)["sub"] == "alice"
    assert client.introspect_token(token)["active"] is True
    assert asked_api(world, token) == 200
    again = client.refresh_token(token)
    assert asked_api(world, again) == 200
    assert client.revoke_refresh_token(again)
    eventually(lambda: asked_api(world, again) == 401, "a revoked token is still taken")
    with pytest.raises(InvalidGrant):
        client.refresh_token(again)


def test_a_pushed_request_with_a_key_leads_to_tokens_that_need_it(world: World, person: Person) -> None:
    client = client_of(world, "pushing", dpop_bound_access_tokens=True)
    request = client.authorization_request(scope=SCOPE)
    pushed = client.pushed_authorization_request(request)
    landed = request.validate_callback(person.visit(pushed.uri))
    # not validate=True: version 1.8.0 loses the key of a bound token when it judges the ID token beside it
    token = client.authorization_code(landed, validate=False)
    assert isinstance(token, DPoPToken)
    assert asked_api(world, token) == 200
    assert asked_api(world, BearerToken(token.access_token)) == 401
    again = client.refresh_token(token)
    assert asked_api(world, again) == 200


def test_a_program_renews_its_bound_token_by_itself(world: World) -> None:
    client = client_of(world, "batch", dpop_bound_access_tokens=True)
    token = client.client_credentials(scope="orders:read")
    assert isinstance(token, DPoPToken)
    assert asked_api(world, OAuth2AccessTokenAuth(client, token)) == 200


def test_a_push_of_nonsense_is_told_in_a_way_the_client_understands(world: World) -> None:
    client = client_of(world, "pushing")
    request = client.authorization_request(scope=SCOPE, redirect_uri="https://evil.example/callback")
    with pytest.raises(InvalidRequest):
        client.pushed_authorization_request(request)
