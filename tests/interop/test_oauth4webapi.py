"""`oauth4webapi` for JavaScript against a running Doorward: as a client, and as an API that judges its tokens."""

from typing import Any

import pytest
from tests.interop import node
from tests.interop.person import Person
from tests.interop.test_requests_oauth2client import client_of
from tests.interop.world import World

pytestmark = [
    pytest.mark.skipif(not node.IS_INSTALLED, reason="make .venv/.npm installs the clients in JavaScript"),
    pytest.mark.timeout(120),
]


def flow(world: World, person: Person, name: str, client: str, **more: Any) -> dict[str, Any]:
    given = world.given(client, flow=name, **more)
    return node.flow("oauth4webapi.mjs", world.authority, person.visit, given)


def test_every_endpoint_answers_as_the_standards_say_and_another_api_judges_the_tokens(
    world: World, person: Person
) -> None:
    came = flow(world, person, "whole", "web")
    assert came["same"], "one document on both well-known paths"
    assert came["user"]["sub"] == "alice"
    expected = {"sub": "alice", "client_id": "web", "scope": "offline_access openid orders:read profile"}
    assert came["judged"] == came["judged_again"] == expected | {"bound": False}
    assert {name: came["known"][name] for name in ("active", *expected)} == {"active": True} | expected
    assert came["id_token_as_access_token"] is not None
    assert came["after"] == {"active": False}


@pytest.mark.parametrize("algorithm", ["ES256", "PS256", "Ed25519"])
def test_a_request_pushed_with_a_proof_binds_code_and_tokens_to_its_key(
    world: World, person: Person, algorithm: str
) -> None:
    came = flow(world, person, "pushed_and_bound", "spa", algorithm=algorithm)
    assert came["without_the_key"] == "invalid_grant"
    assert (came["type"], came["api"], came["user"]["sub"]) == ("dpop", 200, "alice")


def test_a_device_polls_until_its_user_allowed_it_elsewhere(world: World, person: Person) -> None:
    came = flow(world, person, "device", "tv", scope="orders:read")
    assert came["interval"] == 5
    assert came["judged"] == {"sub": "alice", "client_id": "tv", "scope": "orders:read", "bound": False}
    assert came["second"] in ("slow_down", "invalid_grant")


def test_a_service_exchanges_a_token_for_the_next_service(world: World, person: Person) -> None:
    subject = client_of(world, "batch").client_credentials(scope="orders:read").access_token
    came = flow(world, person, "exchange", "orders", subject=subject)
    assert (came["sub"], came["act"]["sub"]) == ("batch", "orders")
    assert came["type"] == "urn:ietf:params:oauth:token-type:access_token"
    assert came["elsewhere"] == "invalid_target"


def test_a_client_with_a_certificate_goes_to_the_other_addresses_and_its_tokens_are_bound(
    world: World, person: Person
) -> None:
    came = flow(world, person, "certificate", "partner", certificate=str(world.partner))
    assert came["without"] == "OAUTH_WWW_AUTHENTICATE_CHALLENGE", "so it names a 401"
    assert came["user"]["sub"] == "alice"
    assert (came["bound"], came["api"]) == (True, 200)
    assert came["stolen"] == "OAUTH_WWW_AUTHENTICATE_CHALLENGE"
