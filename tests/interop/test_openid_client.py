"""`openid-client` for JavaScript, a relying party certified by the OpenID Foundation, against a running Doorward."""

from typing import Any

import pytest
from tests.interop import node
from tests.interop.person import Person
from tests.interop.world import BANK_KEY, BYE, World

pytestmark = [
    pytest.mark.skipif(not node.IS_INSTALLED, reason="make .venv/.npm installs the clients in JavaScript"),
    pytest.mark.timeout(120),
]


def flow(world: World, person: Person, name: str, client: str, **more: Any) -> dict[str, Any]:
    given = world.given(client, flow=name, **more)
    return node.flow("openid_client.mjs", world.authority, person.visit, given)


def test_a_person_signs_in_and_the_tokens_work_until_they_are_revoked(world: World, person: Person) -> None:
    came = flow(world, person, "code", "web", max_age=600)
    assert person.seen[0] == "/auth/login"
    assert came["answered"] == ["code", "iss", "state"]
    assert came["first"]["type"] == "bearer"
    assert came["first"]["claims"]["sub"] == "alice"
    assert came["user"] == {"sub": "alice", "preferred_username": "alice"}
    assert (came["api"], came["api_refreshed"]) == (200, 200)
    assert (came["active"], came["active_refresh"], came["active_after"]) == (True, True, False)
    assert came["refresh_after"]["error"] == "invalid_grant"


def test_the_secret_may_come_in_the_form(world: World, person: Person) -> None:
    came = flow(world, person, "posted", "web")
    assert (came["api"], came["user"]["sub"]) == (200, "alice")


def test_a_pushed_request_brings_tokens_and_one_that_was_not_pushed_none(world: World, person: Person) -> None:
    came = flow(world, person, "pushed", "pushing")
    assert came["asked"] == ["client_id", "request_uri"]
    assert (came["api"], came["unpushed"]) == (200, "invalid_request")


@pytest.mark.parametrize("clock", [0, -3600], ids=["clock right", "clock an hour late, so a nonce is needed"])
def test_a_public_client_with_a_key_gets_tokens_that_are_worth_nothing_without_it(
    world: World, person: Person, clock: int
) -> None:
    came = flow(world, person, "bound", "spa", clock=clock)
    assert came["first"]["type"] == "dpop"
    assert came["refreshed"] == {"type": "dpop", "rotated": True}
    assert (came["api"], came["api_refreshed"], came["user"]["sub"]) == (200, 200, "alice")
    assert came["as_bearer"] == 401
    assert came["other_key"]["status"] == 401
    assert came["refresh_other_key"]["error"] == "invalid_grant"


def test_a_program_gets_tokens_in_its_own_name(world: World, person: Person) -> None:
    came = flow(world, person, "own_name", "batch", scope="orders:read")
    assert (came["type"], came["scope"], came["api"]) == ("bearer", "orders:read", 200)
    assert (came["bound"], came["api_bound"]) == ("dpop", 200)
    assert came["too_much"]["error"] == "invalid_scope"


def test_a_code_is_good_once_and_for_its_verifier_alone(world: World, person: Person) -> None:
    came = flow(world, person, "twice", "web")
    assert (came["second"]["error"], came["first_after"]) == ("invalid_grant", False)
    assert came["another_verifier"]["error"] == "invalid_grant"


def test_a_client_signs_for_itself_and_sends_no_secret(world: World, person: Person) -> None:
    came = flow(world, person, "signed", "bank", key=BANK_KEY.jwk())
    assert (came["first"]["type"], came["api"], came["api_refreshed"]) == ("dpop", 200, 200)
    assert came["refreshed"] == {"type": "dpop", "rotated": False}


def test_a_client_signs_its_person_out_and_gets_them_back(world: World, person: Person) -> None:
    came = flow(world, person, "signed_out", "leaving", bye=BYE)
    assert came == {"bye": f"{BYE}?state=bye-1", "silent": "login_required"}
