"""What an object says it is decides what may stand in it."""

import copy
from typing import Any

import pytest

from doorward.controls.minimise.shape import ShapeCompiler
from doorward.policy.openapi import description_from_document

PET = {
    "type": "object",
    "properties": {"kind": {"type": "string"}, "name": {"type": "string"}},
    "discriminator": {"propertyName": "kind", "mapping": {"puss": "#/components/schemas/Cat"}},
}
CAT = {"allOf": [{"$ref": "#/components/schemas/Pet"}, {"properties": {"meow": {}, "chip": {"writeOnly": True}}}]}
DOG = {"allOf": [{"$ref": "#/components/schemas/Pet"}, {"properties": {"bark": {}}}]}
LONE_CAT = {"type": "object", "properties": {"kind": {"type": "string"}, "meow": {}}}
LONE_DOG = {"type": "object", "properties": {"kind": {"type": "string"}, "bark": {}}}
FREE = {"type": "object"}
COMPONENTS = {
    "Pet": PET,
    "Cat": CAT,
    "Dog": DOG,
    "LoneCat": LONE_CAT,
    "LoneDog": LONE_DOG,
    "Free": FREE,
    "Puppy": {"allOf": [{"$ref": "#/components/schemas/Dog"}, {"properties": {"age": {}}}]},
    "Same": {"allOf": [{"$ref": "#/components/schemas/Pet"}]},
    "Hiding": {
        "type": "object",
        "properties": {
            "kind": {"type": "string"},
            "pin": {"writeOnly": True},
            "ssn": {"x-doorward-roles": ["clerk"]},
        },
    },
    "Other": {"type": "object", "properties": {"secret": {}}},
}


def reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def either(*names: str, **discriminator: Any) -> dict[str, Any]:
    return {"oneOf": [reference(name) for name in names], "discriminator": {"propertyName": "kind", **discriminator}}


@pytest.mark.parametrize(
    ("schema", "value", "left"),
    [
        (either("LoneCat", "LoneDog"), {"kind": "LoneCat", "meow": 1, "bark": 2}, {"kind": "LoneCat", "meow": 1}),
        (either("LoneCat", "LoneDog"), {"kind": "LoneDog", "meow": 1, "bark": 2}, {"kind": "LoneDog", "bark": 2}),
        (either("LoneCat", "Free"), {"kind": "LoneCat", "bark": 2}, {"kind": "LoneCat"}),
        (either("LoneCat", "Free"), {"kind": "Free", "bark": 2}, {"kind": "Free", "bark": 2}),
        (
            either("LoneCat", "LoneDog", mapping={"d": "#/components/schemas/LoneDog", "c": "LoneCat"}),
            [{"kind": "d", "meow": 1}, {"kind": "c", "meow": 1}],
            [{"kind": "d"}, {"kind": "c", "meow": 1}],
        ),
        (either("LoneCat", "LoneDog", defaultMapping="LoneCat"), {"meow": 1, "bark": 2}, {"meow": 1}),
        # Whoever says nothing, or what nobody declared, is held to all alternatives together.
        (either("LoneCat", "LoneDog"), {"meow": 1, "bark": 2, "x": 3}, {"meow": 1, "bark": 2}),
        (either("LoneCat", "LoneDog"), {"kind": "Other", "secret": 1, "bark": 2}, {"kind": "Other", "bark": 2}),
        (either("LoneCat", "LoneDog"), {"kind": 7, "meow": 1, "x": 2}, {"kind": 7, "meow": 1}),
        # The parent names its children: their members may stand where the parent is declared.
        (
            reference("Pet"),
            {"kind": "Dog", "name": "n", "bark": 1, "meow": 2},
            {"kind": "Dog", "name": "n", "bark": 1},
        ),
        (reference("Pet"), {"kind": "puss", "meow": 1, "chip": 2}, {"kind": "puss", "meow": 1}),
        (reference("Pet"), {"kind": "Other", "secret": 1}, {"kind": "Other"}),
        (reference("Pet"), {"kind": "nothing", "x": 1}, {"kind": "nothing"}),
        (reference("Dog"), {"kind": "Cat", "meow": 1, "bark": 2}, {"kind": "Cat", "bark": 2}),
        (reference("Pet"), {"kind": "Puppy", "bark": 1, "age": 2, "meow": 3}, {"kind": "Puppy", "bark": 1, "age": 2}),
        # Wrappers say nothing themselves: a description beside a reference, a reference or null.
        ({"allOf": [reference("Pet")]}, {"kind": "Dog", "bark": 1, "meow": 2}, {"kind": "Dog", "bark": 1}),
        (
            {"anyOf": [reference("Pet"), {"type": "null"}]},
            {"kind": "Dog", "bark": 1, "meow": 2},
            {"kind": "Dog", "bark": 1},
        ),
        (
            {"anyOf": [either("LoneCat", "LoneDog"), {"type": "null"}]},
            {"kind": "LoneCat", "meow": 1, "bark": 2},
            {"kind": "LoneCat", "meow": 1},
        ),
        (reference("Same"), {"kind": "Same", "name": "n", "x": 1}, {"kind": "Same", "name": "n"}),
        # What one alternative hides leaves with none, however free the one is that the object names.
        (either("Hiding", "Free"), {"kind": "Free", "pin": 1, "ssn": 2, "x": 3}, {"kind": "Free", "x": 3}),
    ],
)
def test_only_the_members_of_the_named_alternative_leave(schema: dict[str, Any], value: Any, left: Any) -> None:
    document = {"openapi": "3.1.0", "paths": {}, "components": {"schemas": copy.deepcopy(COMPONENTS)}}
    compiler = ShapeCompiler(description_from_document(document))
    wanted = {"type": "array", "items": schema} if isinstance(value, list) else schema
    compiler.shape((wanted,)).keep(value)
    assert value == left


def test_an_upstream_that_invents_names_fills_no_memory() -> None:
    document = {"openapi": "3.1.0", "paths": {}, "components": {"schemas": copy.deepcopy(COMPONENTS)}}
    shape = ShapeCompiler(description_from_document(document)).shape((reference("Pet"),))
    for number in range(1000):
        shape.keep({"kind": f"k{number}"})
    assert len(shape._discriminator._made) <= 256  # type: ignore[union-attr]
