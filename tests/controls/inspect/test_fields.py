"""Where the description says what a text holds, and which of its words count."""

from dataclasses import replace
from typing import Any

import pytest
from tests.controls.inspect.test_check import description, exchange, operation, parameter, refusal

from doorward.controls.inspect import InspectPolicy
from doorward.controls.inspect.fields import Fields, declared_contents
from doorward.denial import Denied
from doorward.operation import MediaType, RequestBody, Schema

SQL = "x' OR 1=1 UNION SELECT password FROM users --"
TEXT: Schema = {"type": "string"}
CODE: Schema = {"type": "string", "x-doorward": {"contains": "code"}}
HTML: Schema = {"type": "string", "x-doorward": {"contains": "html"}}
PASSWORD: Schema = {"type": "string", "format": "password"}


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        (CODE, "code"),
        ({"oneOf": [CODE, {"type": "string", "maxLength": 5}]}, ""),
        ({"anyOf": [CODE, HTML]}, ""),
        ({"oneOf": [CODE, {"type": "integer"}, {"const": "none"}, {"type": ["null", "array"]}]}, "code"),
        ({"oneOf": [CODE, {"anyOf": [CODE, TEXT]}]}, ""),
        ({"allOf": [TEXT, CODE]}, "code"),
        ({"allOf": [HTML, CODE]}, ""),
        ({"allOf": [{"anyOf": [CODE, TEXT]}, CODE]}, "code"),
        ({"x-doorward": {"contains": "code"}, "anyOf": [TEXT, CODE]}, "code"),
        ({"x-doorward": {"contains": "code"}, "anyOf": [TEXT, HTML]}, ""),
        ({"oneOf": [PASSWORD, TEXT]}, "secret"),
        (PASSWORD, "password"),
        ({}, ""),
        ({"type": "integer"}, ""),
    ],
)
def test_a_field_holds_what_every_branch_says_that_takes_text(schema: Schema, kind: str) -> None:
    assert declared_contents((schema,), description()).kind == kind


def test_a_schema_that_combines_itself_takes_any_text() -> None:
    endless: dict[str, Any] = {"type": "string"}
    endless["anyOf"] = [endless]
    assert declared_contents((endless,), description()).kind == ""


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"oneOf": [{"properties": {"t": CODE}}, {"properties": {"t": TEXT}}]}, ""),
        ({"oneOf": [{"properties": {"t": CODE}}, {"additionalProperties": TEXT}]}, ""),
        ({"oneOf": [{"properties": {"t": CODE}}, {"additionalProperties": True}]}, ""),
        ({"oneOf": [{"properties": {"t": CODE}}, {"patternProperties": {"^t": TEXT}}]}, ""),
        ({"oneOf": [{"properties": {"t": CODE}}, {"properties": {"u": TEXT}}]}, "code"),
    ],
)
def test_a_member_holds_what_every_branch_says_that_takes_it(schema: Schema, kind: str) -> None:
    assert Fields((schema,), description()).member("t").contents.kind == kind


def test_the_first_items_of_a_list_are_items_too() -> None:
    assert Fields(({"prefixItems": [TEXT], "items": CODE},), description()).items().contents.kind == ""


def test_one_media_type_does_not_relax_another() -> None:
    content = {
        name: MediaType(name=name, schema={"properties": {"text": schema}})
        for name, schema in (("application/json", TEXT), ("application/vnd.x+json", CODE))
    }
    checked = replace(operation(), request_body=RequestBody(required=True, content=content))
    found = {}
    for sent in (*content, "application/merge-patch+json"):
        denied = refusal(exchange({"text": SQL}, headers=((b"content-type", sent.encode()),)), checked)
        found[sent] = denied.code if denied else ""
    assert found == {
        "application/json": "inspect.sql",
        "application/vnd.x+json": "",
        "application/merge-patch+json": "inspect.sql",
    }


def detail(body: object = None, *, pins: bool = True, raw: bytes = b"", media: bytes = b"", query: bytes = b"") -> str:
    made = exchange(body, headers=((b"content-type", media or b"application/json"),), query=query)
    if raw:
        made.request.body = raw
    schema = {"properties": {"pin": PASSWORD, "either": {"anyOf": [PASSWORD, TEXT]}, "text": TEXT}}
    checked = operation(parameter("pin", "query", PASSWORD), media=media.decode() or "application/json", schema=schema)
    denied = refusal(made, checked, InspectPolicy(insecure_excerpts=True), pins=pins)
    assert isinstance(denied, Denied)
    return denied.detail


@pytest.mark.parametrize("pins", [True, False])
def test_the_record_keeps_nothing_of_a_password(pins: bool) -> None:
    form = b"application/x-www-form-urlencoded"
    for kept in (
        detail({"pin": SQL}, pins=pins),
        detail({"either": SQL}, pins=pins),
        detail({"pin": "%27 or 1=1--"}, pins=pins),
        detail(query=b"pin=x'+or+1=1--", pins=pins),
        detail(raw=b'{"pin":"x\' or 1=1--"}', pins=pins),
        detail(raw=b'{"pin":"x\' or 1=1--",}', pins=pins),
        detail(raw=b"pin=x'+or+1=1--", media=form, pins=pins),
        detail(raw=b"<pin>x' or 1=1--</pin>", media=b"application/xml", pins=pins),
    ):
        assert "⟦" not in kept
        assert kept.endswith("%)")
    assert "⟦" in detail({"text": SQL}, pins=pins)
    assert "⟦" in detail({"pin2": SQL}, pins=pins)
