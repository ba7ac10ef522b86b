"""Telling what is wrong is never dearer than it must be, and alternatives are told apart as answers need it."""

from typing import Any

import pytest

from doorward.schemas.judge import Judge

NODE = {"$ref": "#/defs/Node"}
TREE = {
    "Node": {"oneOf": [{"$ref": "#/defs/Leaf"}, {"$ref": "#/defs/Add"}, {"$ref": "#/defs/Mul"}]},
    "Leaf": {"type": "object", "properties": {"op": {"const": "leaf"}}, "required": ["op"]},
    "Add": {"type": "object", "properties": {"op": {"const": "add"}, "a": NODE, "b": NODE}, "required": ["op"]},
    "Mul": {"type": "object", "properties": {"op": {"const": "mul"}, "a": NODE, "b": NODE}, "required": ["op"]},
}
LISTED: dict[str, Any] = {
    "Node": {"anyOf": [{"$ref": "#/defs/Node2"}, {"type": "null"}]},
    "Node2": {"properties": {"next": NODE}},
}


@pytest.mark.parametrize("depth", [4, 60])
def test_a_value_of_a_schema_that_doubles_with_each_level_is_refused_at_once(depth: int) -> None:
    value: dict[str, Any] = {"op": "wrong"}
    for _ in range(depth):
        value = {"op": "add", "a": value, "b": {"op": "leaf"}}
    judge = Judge(NODE, {"defs": TREE}, "#", closes=True)
    assert not judge.fits(value)
    for is_small in (True, False):
        (failure,) = judge.failures(value, is_small=is_small)
        assert (failure.pointer, failure.detail) == ("#", "does not fit the declared schema")


def test_a_schema_that_leads_back_to_itself_once_tells_the_place() -> None:
    value: dict[str, Any] = {"next": {"next": 7}}
    judge = Judge(NODE, {"defs": {**LISTED, "Node2": {"type": "object", **LISTED["Node2"]}}}, "#", closes=True)
    assert not judge.fits(value)
    assert "declared schema" not in judge.failures(value, is_small=True)[0].detail


def test_alternatives_that_differ_by_their_members_alone_fit_as_answers() -> None:
    one = {"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string"}, "a": {"type": "string"}}}
    other = {
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"type": "string"}, "b": {"type": "string"}},
    }
    schema = {"oneOf": [one, other]}
    assert not Judge(schema, {}, "#", closes=False).fits({"kind": "one", "a": "1"})
    loose = Judge(schema, {}, "#", closes=False, loosens=True)
    assert loose.fits({"kind": "one", "a": "1"})
    assert not loose.fits({"kind": 1})
