from typing import Any

import pytest
from tests.controls.validate.carrying import body_document, code_of, posting

from doorward.errors import PolicyError
from doorward.schemas.closing import Closer

TEXT = {"type": "string"}
BASE = {"type": "object", "required": ["kind"], "properties": {"kind": TEXT}}
CAT = {"allOf": [{"$ref": "#/components/schemas/Base"}, {"type": "object", "properties": {"meow": TEXT}}]}
DOG = {"allOf": [{"$ref": "#/components/schemas/Base"}, {"properties": {"bark": TEXT}, "required": ["bark"]}]}
SCHEMAS = {
    "Base": BASE,
    "Cat": CAT,
    "Dog": DOG,
    "Both": {"oneOf": [{"$ref": "#/components/schemas/Cat"}, {"$ref": "#/components/schemas/Dog"}]},
    "Open": {"type": "object", "properties": {"a": TEXT}, "additionalProperties": True},
    "Free": {"type": "object"},
    "Mixed": {"properties": {"id": TEXT}, "anyOf": [{"properties": {"a": TEXT}}, {"properties": {"b": TEXT}}]},
    "Conditional": {"properties": {"a": TEXT}, "if": {"required": ["a"]}, "then": {"properties": {"b": TEXT}}},
    "Negated": {"properties": {"a": TEXT}, "not": {"properties": {"a": {"const": "x"}}, "required": ["a"]}},
    "Listed": {"type": "array", "items": {"$ref": "#/components/schemas/Cat"}},
    "Patterned": {"type": "object", "patternProperties": {"^x-": TEXT}},
    "Wide": {"type": "integer", "format": "int32"},
    "Never": False,
    "ReadOnly": {
        "allOf": [
            {"properties": {"id": {"$ref": "#/components/schemas/Id"}, "n": TEXT}},
            {"required": ["id", "n"]},
        ]
    },
    "Id": {"type": "integer", "readOnly": True},
}


@pytest.mark.parametrize(
    ("name", "body", "code"),
    [
        ("Base", b'{"kind":"k"}', ""),
        ("Base", b'{"kind":"k","x":1}', "validate.unknown_property"),
        ("Cat", b'{"kind":"k","meow":"m"}', ""),
        ("Cat", b'{"kind":"k","meow":"m","x":1}', "validate.unknown_property"),
        ("Both", b'{"kind":"k","meow":"m"}', ""),
        ("Both", b'{"kind":"k","bark":"m"}', ""),
        ("Both", b'{"kind":"k","bark":"m","x":1}', "validate.unknown_property"),
        ("Both", b'{"kind":"k","meow":1}', "validate.schema"),
        ("Open", b'{"a":"a","x":1}', ""),
        ("Free", b'{"x":1}', ""),
        ("Mixed", b'{"id":"i","a":"a"}', ""),
        ("Mixed", b'{"id":"i","x":"a"}', "validate.unknown_property"),
        ("Conditional", b'{"a":"a","b":"b"}', ""),
        ("Conditional", b'{"b":"b"}', "validate.unknown_property"),
        ("Negated", b'{"a":"y"}', ""),
        ("Negated", b'{"a":"x"}', "validate.schema"),
        ("Listed", b'[{"kind":"k"}]', ""),
        ("Listed", b'[{"kind":"k","x":1}]', "validate.unknown_property"),
        ("Patterned", b'{"x-a":"a"}', ""),
        ("Patterned", b'{"a":"a"}', "validate.unknown_property"),
        ("Wide", b"2147483647", ""),
        ("Wide", b"2147483648", "validate.schema"),
        ("Never", b"1", "validate.unknown_property"),
        ("ReadOnly", b'{"n":"n"}', ""),
        ("ReadOnly", b'{"n":"n","id":1}', "validate.unknown_property"),
    ],
)
def test_an_object_takes_what_its_composition_declares_and_no_more(name: str, body: bytes, code: str) -> None:
    post = posting(body_document({"$ref": f"#/components/schemas/{name}"}, schemas=SCHEMAS))
    assert code_of(lambda: post(body)) == code


@pytest.mark.parametrize(
    ("schema", "key"),
    [
        ({"type": "object", "properties": []}, "#/s/properties"),
        ({"allOf": {}}, "#/s/allOf"),
        ({"properties": {"a/b": {"items": 3}}}, "#/s/properties/a~1b/items"),
        ({"properties": {"a": {"$ref": "#/nowhere"}}}, "#/s/properties/a"),
        ({"$dynamicRef": "#x"}, "#/s"),
        ({"properties": {"a": {"pattern": "(?=x)"}}}, "#/s/properties/a/pattern"),
    ],
)
def test_a_schema_that_cannot_be_judged_by_names_its_place(schema: Any, key: str) -> None:
    with pytest.raises(PolicyError) as mistake:
        Closer({"s": schema}, closes=True).build(schema, "#/s")
    assert mistake.value.key == key


def test_a_wrong_keyword_names_its_place_in_the_document() -> None:
    schemas = {"A": {"properties": {"n": {"type": "integr"}}}}
    with pytest.raises(PolicyError) as mistake:
        posting(body_document({"$ref": "#/components/schemas/A"}, schemas=schemas))
    assert mistake.value.key == "#/components/schemas/A/properties/n/type"
