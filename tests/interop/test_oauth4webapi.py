"""`oauth4webapi` for JavaScript against a running Doorward: as a client, and as an API that judges its tokens."""

from typing import Any

import pytest
from tests.interop import node
from tests.interop.person import Person
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
