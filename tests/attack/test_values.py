"""Values for schemas nobody here wrote: valid or refused, never wrong."""

from typing import Any

import pytest

from doorward.attack.asking import draft
from doorward.attack.pattern import matching
from doorward.attack.values import NoSampleError, another, is_free_text, sample
from doorward.policy.openapi import description_from_document


def same(schema: Any) -> Any:
    return schema


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"const": 5}, 5),
        ({"type": "string", "example": "x"}, "x"),
        ({"examples": ["y"]}, "y"),
        ({"enum": ["a", "b"]}, "a"),
        ({"type": "integer", "minimum": 10}, 10),
        ({"type": "integer", "exclusiveMinimum": 10}, 11),
        ({"type": "integer", "minimum": 10, "exclusiveMinimum": True}, 11),
        ({"type": "integer", "maximum": -3}, -3),
        ({"type": "number", "minimum": 7, "multipleOf": 5}, 10),
        ({"type": "string", "minLength": 3}, "aaa"),
        ({"type": ["null", "boolean"]}, True),
        ({"type": "array", "items": {"type": "null"}, "minItems": 2}, [None, None]),
        ({"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}, "b": {}}}, {"a": 1}),
        ({"type": "object", "minProperties": 1, "properties": {"a": {"const": 2}}}, {"a": 2}),
        ({"allOf": [{"properties": {"a": {"const": 1}}, "required": ["a"]}, {"type": "object"}]}, {"a": 1}),
        (True, "a"),
        ({"type": "object", "required": ["a", "b"], "properties": {"a": True}}, {"a": "a", "b": "a"}),
        ({"type": "string", "examples": {"one": {"value": "x"}}}, "a"),
        ({"oneOf": [{"type": "integer", "minimum": 5, "maximum": 4}, {"const": "ok"}]}, "ok"),
    ],
)
def test_a_sample_is_the_smallest_valid_value(schema: Any, value: object) -> None:
    assert sample(schema, same) == value


def test_an_example_of_another_type_is_not_taken() -> None:
    shown = {"type": "object", "example": '{"user": "ann"}'}
    assert sample(shown, same) == {}
    assert sample({"example": "of any type"}, same) == "of any type"
    assert sample({"type": ["string", "null"], "example": "b"}, same) == "b"


def test_an_example_of_several_segments_is_not_taken_for_a_path_parameter() -> None:
    path = {"name": "p", "in": "path", "required": True, "schema": {"type": "string"}, "example": "a/b"}
    item = {"get": {"parameters": [path], "responses": {"200": {"description": "it"}}}}
    document = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/x/{p}": item}}
    description = description_from_document(document)
    assert draft(description.operations[0], description).ask("reader").target == "/x/a"


def test_a_schema_without_an_end_is_refused() -> None:
    endless: dict[str, Any] = {"type": "object", "required": ["self"], "properties": {}}
    endless["properties"]["self"] = endless
    with pytest.raises(NoSampleError):
        sample(endless, same)


def test_bounds_that_exclude_everything_are_refused() -> None:
    with pytest.raises(NoSampleError):
        sample({"type": "integer", "minimum": 5, "maximum": 4}, same)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"^[A-Z]{3}$", "AAA"),
        (r"^\d{2}-\w+$", "00-a"),
        (r"^(foo|bar)x?$", "foo"),
        (r"^https://a\.example/[a-z0-9-]{1,40}\.png$", "https://a.example/a.png"),
        (r"^[^a]$", None),
        (r"^(?!x)y$", None),
    ],
)
def test_a_text_is_made_for_plain_patterns_only(pattern: str, text: str | None) -> None:
    assert matching(pattern) == text


def test_a_longer_text_is_made_where_the_pattern_allows_it() -> None:
    assert matching("^[a-z]+$", min_length=5) == "aaaaa"


@pytest.mark.parametrize("value", ["acc-1009", "9", "zz", "ff-ff", "...", 41])
def test_another_value_differs(value: object) -> None:
    assert another(value) != value


def test_a_closed_or_shaped_text_is_not_free() -> None:
    assert is_free_text({"type": "string", "maxLength": 10}, "short")
    for schema in ({"type": "string", "maxLength": 2}, {"enum": ["a"]}, {"format": "date"}, {"type": "integer"}):
        assert not is_free_text(schema, "short")
