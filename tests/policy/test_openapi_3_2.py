"""What OpenAPI 3.2 adds to 3.1, as far as requests and answers show it."""

from typing import Any

import pytest
from tests.controls.validate.carrying import code_of, document_of, sender

from doorward.errors import PolicyError
from doorward.policy.openapi import description_from_document

JSON = [(b"content-type", b"application/json")]
FORM = "application/x-www-form-urlencoded"
FILTER = {
    "type": "object",
    "required": ["kind"],
    "properties": {"kind": {"enum": ["a", "b"]}, "limit": {"type": "integer"}, "tag": {"type": "array", "items": {}}},
}


def document(item: dict[str, Any], **components: Any) -> dict[str, Any]:
    return document_of({"/things": item}, components=components) | {"openapi": "3.2.0"}


def query_string(content: dict[str, Any]) -> dict[str, Any]:
    return document({"get": {"parameters": [{"name": "q", "in": "querystring", "content": content}], "responses": {}}})


def test_the_method_query_has_a_body_that_is_held_to_its_schema() -> None:
    body = {"required": True, "content": {"application/json": {"schema": FILTER}}}
    made = document({"query": {"requestBody": body, "responses": {}}})
    send = sender(made)
    assert code_of(lambda: send("QUERY", b"/things", JSON, b'{"kind":"a"}')) == ""
    assert code_of(lambda: send("QUERY", b"/things", JSON, b'{"kind":"c"}')) == "validate.schema"
    assert code_of(lambda: send("QUERY", b"/things", JSON, b'{"kind":"a","x":1}')) == "validate.unknown_property"
    assert code_of(lambda: send("POST", b"/things", JSON, b'{"kind":"a"}')) == "validate.method"
    (operation,) = description_from_document(made).operations
    assert not operation.changes_state


def test_additional_operations_are_operations_with_their_method() -> None:
    made = document(
        {"get": {"responses": {}}, "additionalOperations": {"COPY": {"operationId": "copy", "responses": {}}}}
    )
    operations = description_from_document(made).operations
    assert [(each.method, each.id) for each in operations] == [("GET", "get /things"), ("COPY", "copy")]
    assert operations[1].pointer == "#/paths/~1things/additionalOperations/COPY"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (b"?kind=a&limit=5&tag=x&tag=y", ""),
        (b"?kind=c", "validate.parameter"),
        (b"?kind=a&limit=many", "validate.parameter"),
        (b"?kind=a&kind=b", "validate.parameter"),
        (b"?kind=a&debug=1", "validate.parameter"),
    ],
)
def test_a_query_described_as_one_form_is_held_to_its_schema(query: bytes, code: str) -> None:
    send = sender(query_string({FORM: {"schema": FILTER}}))
    assert code_of(lambda: send("GET", b"/things" + query)) == code


def test_a_query_described_as_anything_but_a_form_does_not_load() -> None:
    with pytest.raises(PolicyError, match="is described by application/json"):
        description_from_document(query_string({"application/json": {"schema": {}}}))


def test_each_value_of_a_sequence_is_held_to_its_item_schema() -> None:
    body = {
        "content": {"application/jsonl": {"itemSchema": {"type": "object", "properties": {"n": {"type": "integer"}}}}}
    }
    send = sender(document({"post": {"requestBody": body, "responses": {}}}))
    lines = [(b"content-type", b"application/jsonl")]
    assert code_of(lambda: send("POST", b"/things", lines, b'{"n":1}\n{"n":2}\n')) == ""
    assert code_of(lambda: send("POST", b"/things", lines, b'{"n":1}\n{"n":"2"}\n')) == "validate.schema"


def test_media_types_and_their_schemas_are_found_by_reference() -> None:
    media = {"Thing": {"schema": {"$ref": "#/components/schemas/Thing"}}}
    body = {"content": {"application/json": {"$ref": "#/components/mediaTypes/Thing"}}}
    schemas = {"Thing": {"type": "object", "properties": {"a": {"type": "string"}}}}
    send = sender(document({"post": {"requestBody": body, "responses": {}}}, mediaTypes=media, schemas=schemas))
    assert code_of(lambda: send("POST", b"/things", JSON, b'{"a":"x"}')) == ""
    assert code_of(lambda: send("POST", b"/things", JSON, b'{"a":1}')) == "validate.schema"


def test_cookies_have_a_style_of_their_own() -> None:
    parameter = {"name": "theme", "in": "cookie", "style": "cookie", "schema": {"enum": ["dark", "light"]}}
    send = sender(document({"get": {"parameters": [parameter], "responses": {}}}))
    assert code_of(lambda: send("GET", b"/things", [(b"cookie", b"theme=dark; other=1")])) == ""
    assert code_of(lambda: send("GET", b"/things", [(b"cookie", b"theme=pink")])) == "validate.parameter"


def test_media_types_of_parameters_are_found_by_reference_too() -> None:
    limit = {"type": "object", "properties": {"limit": {"type": "integer", "maximum": 10}}}
    media = {"Q": {"schema": limit}, "F": {"schema": limit}}
    parameter = {"name": "q", "in": "query", "content": {"application/json": {"$ref": "#/components/mediaTypes/Q"}}}
    send = sender(document({"get": {"parameters": [parameter], "responses": {}}}, mediaTypes=media))
    assert code_of(lambda: send("GET", b'/things?q={"limit":5}')) == ""
    assert code_of(lambda: send("GET", b'/things?q={"limit":5000}')) == "validate.parameter"
    assert code_of(lambda: send("GET", b'/things?q={"admin":true}')) == "validate.parameter"
    whole = {"name": "q", "in": "querystring", "content": {FORM: {"$ref": "#/components/mediaTypes/F"}}}
    send = sender(document({"get": {"parameters": [whole], "responses": {}}}, mediaTypes=media))
    assert code_of(lambda: send("GET", b"/things?limit=5")) == ""
    assert code_of(lambda: send("GET", b"/things?limit=50")) == "validate.parameter"
