"""requests-oauth2client for Python against a running Doorward: it pushes requests and proves possession of keys."""

from typing import Any

import pytest
import requests
from requests_oauth2client import (
    AccessDenied,
    AuthorizationPending,
    BearerToken,
    DPoPToken,
    IdToken,
    InvalidClient,
    InvalidGrant,
    InvalidRequest,
    InvalidTarget,
    OAuth2AccessTokenAuth,
    OAuth2Client,
    PublicApp,
    SlowDown,
)
from tests.interop.person import Person
from tests.interop.world import CALLBACK, World
from tests.waiting import until

pytestmark = pytest.mark.timeout(120)
SCOPE = "openid profile orders:read offline_access"


def session(world: World, certificate: str | None = None) -> requests.Session:
    http = requests.Session()
    http.trust_env, http.verify, http.cert = False, str(world.authority), certificate
    return http


def client_of(world: World, name: str, **more: Any) -> OAuth2Client:
    more.setdefault("id_token_signed_response_alg", "ES256")
    return OAuth2Client.from_discovery_endpoint(
        issuer=world.issuer,
        client_id=name,
        client_secret=world.secrets[name] or None,
        redirect_uri=CALLBACK,
        session=session(world),
        **more,
    )


def device_of(world: World) -> OAuth2Client:
    # version 1.8.0 does not take this endpoint from the metadata
    return client_of(world, "tv", device_authorization_endpoint=told(world)["device_authorization_endpoint"])


def told(world: World) -> dict[str, Any]:
    with session(world) as http:
        return dict(http.get(f"{world.issuer}/.well-known/openid-configuration", timeout=30).json())


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
    until(lambda: asked_api(world, again) == 401, "a revoked token is still taken")
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


def test_a_device_is_told_to_wait_for_its_user(world: World) -> None:
    client = device_of(world)
    asked = client.authorize_device(scope="orders:read")
    assert (asked.interval, asked.is_expired()) == (5, False)
    with pytest.raises(AuthorizationPending):
        client.device_code(asked)
    with pytest.raises((SlowDown, AuthorizationPending)):
        client.device_code(asked)


def test_a_device_gets_tokens_when_its_user_allowed_it_elsewhere(world: World, person: Person) -> None:
    client = device_of(world)
    asked = client.authorize_device(scope="orders:read offline_access")
    person.visit(str(asked.verification_uri_complete))
    assert "/auth/device/answer" in person.seen
    token = client.device_code(asked)
    assert asked_api(world, token) == 200
    assert asked_api(world, client.refresh_token(token)) == 200


def test_a_device_whose_user_says_no_is_told(world: World, person: Person) -> None:
    client = device_of(world)
    asked = client.authorize_device(scope="orders:read")
    person.visit(str(asked.verification_uri_complete), answer="deny")
    with pytest.raises(AccessDenied):
        client.device_code(asked)


def test_a_service_exchanges_what_it_was_called_with(world: World) -> None:
    called_with = client_of(world, "batch").client_credentials(scope="orders:read")
    service = client_of(world, "orders")
    token = service.token_exchange(subject_token=called_with, audience="inventory")
    known = service.introspect_token(token)
    assert (token.scope, known["active"]) == ("orders:read", True)
    assert asked_api(world, token) == 401, "it is for the next service alone"
    with pytest.raises(InvalidTarget):
        service.token_exchange(subject_token=called_with, audience="billing")
    with pytest.raises(InvalidRequest):
        service.token_exchange(subject_token="x", subject_token_type="access_token", audience="inventory")


def test_a_certificate_proves_a_client_and_binds_its_token(world: World) -> None:
    client = OAuth2Client(
        told(world)["mtls_endpoint_aliases"]["token_endpoint"],
        auth=PublicApp("partner"),
        session=session(world, str(world.partner)),
    )
    token = client.client_credentials(scope="orders:read")
    assert asked_api(world, token) == 401
    with session(world, str(world.partner)) as shown:
        assert shown.get(world.api, auth=token, timeout=30).status_code == 200
    with pytest.raises(InvalidClient):
        OAuth2Client(client.token_endpoint, auth=PublicApp("partner"), session=session(world)).client_credentials()
