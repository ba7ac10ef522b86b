from typing import Any

import orjson
import pytest

from doorward.errors import PolicyError
from doorward.operation import Operation
from doorward.policy.document import Policy
from doorward.policy.operation_policy import OperationPolicy


def policy_of(**settings: Any) -> Policy:
    written = {"api": "o.yaml", "upstream": "http://127.0.0.1:9", "insecure_plain_http": True, **settings}
    return Policy.model_validate_json(orjson.dumps(written))


def operation(extension: dict[str, Any] | None = None) -> Operation:
    return Operation(id="x", method="GET", path="/v1/x", template="/x", extension=extension or {})


def test_an_operation_is_public_only_when_somebody_said_so() -> None:
    assert not policy_of().is_public(operation())
    assert policy_of(public=["GET /x"]).is_public(operation())
    assert policy_of(operations={"GET /x": {"public": True}}).is_public(operation())
    assert policy_of().is_public(operation({"public": True}))


def test_the_policy_wins_over_the_description() -> None:
    described = operation(
        {"public": True, "modes": {"inspect": "off", "limits": "observe"}, "limits": {"body_bytes": 1}}
    )
    policy = policy_of(operations={"GET /x": {"public": False, "modes": {"inspect": "enforce"}}})
    assert not policy.is_public(described)
    assert policy.modes_of(described) == {"inspect": "enforce", "limits": "observe"}
    assert policy.limits_of(described).body_bytes == 1


EACH_WAY: dict[str, tuple[Any, Any]] = {
    "public": (True, False),
    "limits": ({"body_bytes": 1}, {"body_bytes": 2}),
    "validate": ({"json_depth": 5}, {"json_depth": 6}),
    "graphql": ({"depth": 2}, {"depth": 3}),
    "websocket": ({}, {"subprotocols": ["chat"]}),
    "proof": ("dpop", "certificate"),
    "sign_answers": (True, False),
}


@pytest.mark.parametrize("name", EACH_WAY)
def test_each_setting_of_an_operation_is_the_policys_and_else_the_descriptions(name: str) -> None:
    described, written = EACH_WAY[name]
    attribute = "validate_" if name == "validate" else name
    only_here = policy_of(operations={"GET /x": {name: written}}).operation_policy(operation())
    only_there = policy_of(operations={"GET /x": {}}).operation_policy(operation({name: described}))
    both = policy_of(operations={"GET /x": {name: written}}).operation_policy(operation({name: described}))
    assert getattr(both, attribute) == getattr(only_here, attribute)
    assert getattr(only_there, attribute) != getattr(only_here, attribute)
    assert getattr(only_there, attribute) == getattr(
        policy_of().operation_policy(operation({name: described})), attribute
    )


def test_every_setting_of_an_operation_is_tried_in_both_places() -> None:
    # `body` has one value, and `modes` a test of its own
    known = {field.alias or name for name, field in OperationPolicy.model_fields.items()}
    assert known == {*EACH_WAY, "modes", "body"}


def test_an_operation_changes_what_it_names_and_keeps_the_rest() -> None:
    policy = policy_of(
        limits={"body_bytes": 10, "head_s": 3.0},
        validate={"json_depth": 5},
        operations={"GET /x": {"limits": {"body_bytes": 20}, "validate": {"json_members": 7}}},
    )
    assert (policy.limits_of(operation()).body_bytes, policy.limits_of(operation()).head_s) == (20, 3.0)
    strictness = policy.validate_of(operation())
    assert (strictness.json_depth, strictness.json_members) == (5, 7)
    other = Operation(id="y", method="GET", path="/y", template="/y")
    assert policy.limits_of(other).body_bytes == 10


def test_an_extension_that_is_no_setting_is_refused_with_its_place() -> None:
    with pytest.raises(PolicyError) as mistake:
        policy_of().is_public(operation({"publik": True}))
    assert mistake.value.key == "GET /x x-doorward.publik"
    assert mistake.value.hint == "did you mean `public`?"


def test_a_policy_survives_being_written_and_read_as_json() -> None:
    policy = policy_of(
        roles={"r": ["GET *"]},
        owners={"/x/{id}": {"claim": "caller.id"}},
        limits={"per_caller": "5/second"},
        validate={"json_depth": 9},
    )
    written = policy.model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert Policy.model_validate_json(orjson.dumps(written)) == policy
