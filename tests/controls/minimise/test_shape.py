import copy

import pytest

from doorward.controls.minimise.shape import ShapeCompiler
from doorward.denial import Denied
from doorward.operation import ApiDescription, Schema

SCHEMAS: dict[str, Schema] = {
    "#/Cat": {"type": "object", "properties": {"meow": {"type": "string"}}},
    "#/Dog": {"type": "object", "properties": {"bark": {"type": "string"}, "of": {"$ref": "#/Dog"}}},
    "#/Secret": {"type": "string", "writeOnly": True},
}


def compiler() -> ShapeCompiler:
    def resolve(schema: Schema) -> Schema:
        while "$ref" in schema:
            schema = SCHEMAS[schema["$ref"]]
        return schema

    return ShapeCompiler(ApiDescription(title="t", version="3.1.0", operations=(), document={}, resolve=resolve))


@pytest.mark.parametrize(
    ("schema", "value", "left"),
    [
        ({"properties": {"a": {}}}, {"a": {"x": 1}, "b": 2}, {"a": {"x": 1}}),
        ({"allOf": [{"$ref": "#/Cat"}, {"$ref": "#/Dog"}]}, {"meow": 1, "bark": 2, "x": 3}, {"meow": 1, "bark": 2}),
        ({"oneOf": [{"$ref": "#/Cat"}, {"$ref": "#/Dog"}]}, {"meow": 1, "bark": 2, "x": 3}, {"meow": 1, "bark": 2}),
        ({"$ref": "#/Dog"}, {"of": {"of": {"bark": 1, "x": 2}}}, {"of": {"of": {"bark": 1}}}),
        ({"type": "array", "items": {"$ref": "#/Cat"}}, [{"meow": 1, "x": 2}, {"x": 3}], [{"meow": 1}, {}]),
        ({"properties": {"a": {}}, "additionalProperties": True}, {"a": 1, "b": 2}, {"a": 1, "b": 2}),
        ({"additionalProperties": {"$ref": "#/Cat"}}, {"k": {"meow": 1, "x": 2}}, {"k": {"meow": 1}}),
        ({"patternProperties": {"^x-": {"$ref": "#/Cat"}}}, {"x-a": {"meow": 1, "x": 2}}, {"x-a": {"meow": 1}}),
        (
            {"properties": {"id": {}}, "patternProperties": {"^x-": {}}, "additionalProperties": False},
            {"id": 1, "x-a": 2, "password_hash": 3, "ax-": 4},
            {"id": 1, "x-a": 2},
        ),
        ({"patternProperties": {"^(?=x)": {}, "[": {}, "^y": False}}, {"x": 1, "[": 2, "y": 3}, {}),
        (
            {"patternProperties": {"^x-": {"$ref": "#/Cat"}}, "additionalProperties": {"$ref": "#/Dog"}},
            {"x-a": {"meow": 1, "z": 2}, "b": {"bark": 1, "meow": 2}},
            {"x-a": {"meow": 1}, "b": {"bark": 1}},
        ),
        ({"properties": {"s": {"$ref": "#/Secret"}}, "additionalProperties": True}, {"s": 1, "t": 2}, {"t": 2}),
        ({"properties": {"s": {"$ref": "#/Secret"}}, "additionalProperties": {"type": "string"}}, {"s": "1"}, {}),
        ({"properties": {"s": {"$ref": "#/Secret"}}, "patternProperties": {"": {}}}, {"s": "1", "t": 2}, {"t": 2}),
        ({"properties": {"s": {"allOf": [{"$ref": "#/Secret"}]}}, "additionalProperties": True}, {"s": 1}, {}),
        ({"allOf": [{"properties": {"s": {"$ref": "#/Secret"}}}, {"properties": {"s": {}}}]}, {"s": 1}, {}),
        ({"oneOf": [{"properties": {"s": {"$ref": "#/Secret"}}}, {"type": "object"}]}, {"s": 1, "t": 2}, {"t": 2}),
        ({"type": "object", "additionalProperties": False}, {"a": 1}, {}),
        ({"type": "object"}, {"a": {"b": [1]}}, {"a": {"b": [1]}}),
        ({}, {"a": 1}, {"a": 1}),
        ({"oneOf": [{"$ref": "#/Cat"}, {"type": "object"}]}, {"x": 1}, {"x": 1}),
        ({"oneOf": [{"$ref": "#/Cat"}, {"type": "null"}]}, {"meow": 1, "x": 1}, {"meow": 1}),
        ({"properties": {"s": {"$ref": "#/Secret"}, "t": {"type": "string", "writeOnly": True}}}, {"s": 1, "t": 2}, {}),
        (
            {"if": {}, "then": {"properties": {"a": {}}}, "properties": {"b": {}}},
            {"a": 1, "b": 2, "c": 3},
            {"a": 1, "b": 2},
        ),
        ({"type": "array"}, [{"a": 1}], [{"a": 1}]),
        ({"type": "array", "prefixItems": [{"$ref": "#/Cat"}]}, [{"meow": 1, "x": 2}], [{"meow": 1}]),
        ({"type": ["object", "null"], "properties": {"a": {}}}, None, None),
    ],
)
def test_what_the_schema_declares_stays_and_the_rest_goes(schema: Schema, value: object, left: object) -> None:
    kept = copy.deepcopy(value)
    compiler().shape((schema,)).keep(kept)
    assert kept == left


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, {"a": 1}),
        ({"type": "object", "properties": {"a": {"type": "string"}}}, {"a": [1]}),
        ({"type": "array", "items": {"type": "integer"}}, [{"a": 1}]),
        ({"$ref": "#/Cat"}, [{}]),
        ({"enum": ["a"]}, {"a": 1}),
    ],
)
def test_an_object_or_list_where_none_is_declared_is_refused(schema: Schema, value: object) -> None:
    with pytest.raises(Denied):
        compiler().shape((schema,)).keep(value)


def test_hidden_and_unmatched_members_are_counted() -> None:
    schema = {"properties": {"s": {"$ref": "#/Secret"}}, "patternProperties": {"^x-": {}}}
    assert compiler().shape((schema,)).keep({"s": 1, "x-a": 2, "hash": 3}) == 2
    assert compiler().shape(({**schema, "additionalProperties": True},)).keep({"s": 1, "x-a": 2, "hash": 3}) == 1


def test_an_answer_nested_without_end_is_refused() -> None:
    deep: dict[str, object] = {}
    for _ in range(100):
        deep = {"of": deep}
    with pytest.raises(Denied):
        compiler().shape(({"$ref": "#/Dog"},)).keep(deep)


def test_a_shape_is_made_once() -> None:
    made = compiler()
    assert made.shape(({"$ref": "#/Dog"},)) is made.shape(({"$ref": "#/Dog"},))
