"""Targets: the values a request carries, against the readings of other well-known parsers."""

import json
import math
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qsl, quote_plus

from tests.fuzz.target import Bytes, Target, exchange, expect_code

from doorward.controls.validate import ValidatePolicy, body_check, parameters_check
from doorward.controls.validate.form import TooMany, ascii_text, pairs
from doorward.controls.validate.json_text import JsonReader
from doorward.controls.validate.styles import delimited_value, header_value, path_value
from doorward.controls.validate.wire import NotText, Shape, scalar
from doorward.denial import Denied
from doorward.exchange import UNPARSED, Check
from doorward.operation import Location, Parameter
from doorward.policy.openapi import description_from_document

_POLICY: Final = ValidatePolicy()
_SCALARS: Final = ("integer", "number", "boolean", "string")


def form(data: bytes) -> None:
    """Pairs are those that the standard library reads, and written again they are the same."""
    try:
        text = ascii_text(data)
        found = pairs(text, 100)
    except (NotText, TooMany):
        return
    assert len(found) <= 100
    assert found == parse_qsl(text, keep_blank_values=True, errors="strict", separator="&")
    again = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in found)
    assert pairs(again, 101) == found


def value(data: bytes) -> None:
    """A scalar of wire text is what JSON reads in it, or the text itself."""
    choices = Bytes(data)
    mask = choices.number(15) + 1
    types = [kind for bit, kind in enumerate(_SCALARS) if mask & 1 << bit]
    text = choices.rest().decode("latin-1")
    try:
        found = scalar(text, types)
    except NotText:
        return
    if isinstance(found, str):
        assert "string" in types
        assert found == text
    else:
        assert found == json.loads(text)
        assert not isinstance(found, float) or math.isfinite(found)


def style(data: bytes) -> None:
    """Every style of a parameter makes a value of the declared shape out of text, or says why not."""
    choices = Bytes(data)
    schema = _SHAPES[choices.number(len(_SHAPES))]
    shape = Shape(schema, lambda each: each)
    location, styles, read = _STYLES[choices.number(len(_STYLES))]
    named = styles[choices.number(len(styles))]
    parameter = Parameter(
        name="p", location=location, required=True, schema=schema, style=named, explode=bool(choices.number(2))
    )
    text = choices.rest().decode("latin-1")
    try:
        found = read(parameter, shape, text)
    except NotText:
        return
    wanted = {"array": list, "object": dict}.get(shape.kind, (str, int, float))
    assert isinstance(found, wanted)
    if isinstance(found, list | dict):
        assert len(found) <= len(text) + 1


_SHAPES: Final[tuple[dict[str, Any], ...]] = (
    {"type": "string"},
    {"type": "integer"},
    {"type": "array", "items": {"type": "integer"}},
    {"type": "array", "items": {"type": "string"}},
    {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "array", "items": {"type": "boolean"}}}},
    {"type": "object", "additionalProperties": {"type": "number"}},
)
_STYLES: Final[tuple[tuple[Location, tuple[str, ...], Any], ...]] = (
    ("path", ("simple", "label", "matrix"), path_value),
    ("header", ("simple",), header_value),
    ("query", ("form", "spaceDelimited", "pipeDelimited"), delimited_value),
)


def parameters(data: bytes) -> None:
    """Query, cookies and header fields of one operation fit its description or are refused, with the parameter's name."""
    query, _, rest = data.partition(b"\n")
    header, _, cookie = rest.partition(b"\n")
    made = exchange("POST", b"/things?" + query, [(b"x-list", header), (b"cookie", cookie)])
    made.path_values = {}
    try:
        _checks()[0](made)
    except Denied as denied:
        expect_code(denied, "validate.parameter")
        return
    assert {location for location, _ in made.parameters} <= {"query", "header", "cookie"}


def body(data: bytes) -> None:
    """A form or JSON body fits its schema or is refused with a pointer; what is taken was read."""
    choices = Bytes(data)
    kind = (b"application/json", b"application/x-www-form-urlencoded")[choices.number(2)]
    made = exchange("POST", b"/things", [(b"content-type", kind)], choices.rest())
    try:
        _checks()[1](made)
    except Denied as denied:
        expect_code(denied, "validate.")
        return
    assert isinstance(made.json_body, dict) or (made.json_body is UNPARSED and not made.request.body)


@cache
def _checks() -> tuple[Check, Check]:
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 8},
            "size": {"type": "integer", "minimum": 0},
            "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "uniqueItems": True},
            "more": {"type": "object", "additionalProperties": {"type": "number"}},
        },
    }
    declared = [
        {"name": "id", "in": "query", "schema": {"type": "integer"}},
        {"name": "list", "in": "query", "schema": {"type": "array", "items": {"type": "number"}}},
        {"name": "pipes", "in": "query", "style": "pipeDelimited", "explode": False, "schema": _SHAPES[3]},
        {"name": "deep", "in": "query", "style": "deepObject", "schema": _SHAPES[4]},
        {"name": "loose", "in": "query", "schema": _SHAPES[4]},
        {"name": "data", "in": "query", "content": {"application/json": {"schema": {"type": "object"}}}},
        {"name": "x-list", "in": "header", "schema": _SHAPES[2]},
        {"name": "sid", "in": "cookie", "schema": {"type": "string", "pattern": "^[a-z]+$"}},
    ]
    content = {name: {"schema": schema} for name in ("application/json", "application/x-www-form-urlencoded")}
    operation = {"parameters": declared, "requestBody": {"content": content}, "responses": {}}
    document = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/things": {"post": operation}}}
    description = description_from_document(document)
    (only,) = description.operations
    whole = body_check(only, _POLICY, description)
    assert whole is not None
    return parameters_check(only, _POLICY, description), whole


def json_text(data: bytes) -> None:
    """JSON that is taken is what the standard library reads, in UTF-8 and without a member twice; so is what is not."""
    policy = ValidatePolicy(json_depth=8, json_members=64, json_number_digits=20)
    ours: Any = None
    refused: Denied | None = None
    try:
        ours = JsonReader(policy).read(data)
    except Denied as denied:
        expect_code(denied, "validate.json_")
        refused = denied
    if refused is not None:
        assert refused.code != "validate.json_syntax" or _strict(data) is _WRONG, refused
        return
    theirs = _strict(data)
    assert theirs is not _WRONG
    assert json.dumps(ours) == json.dumps(theirs)


_WRONG: Final = object()


def _strict(data: bytes) -> Any:
    def unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(members)
        if len(made) != len(members):
            raise ValueError("a member comes twice")
        return made

    def no_constant(name: str) -> None:
        raise ValueError(name)

    try:
        text = data.decode("utf-8")
        found = json.loads(text, object_pairs_hook=unique, parse_constant=no_constant)
        json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return _WRONG
    return found


_FORM_WORDS: Final = (
    *(
        b"a",
        b"=",
        b"&",
        b"+",
        b"%20",
        b"%",
        b"%zz",
        b"%c3%a4",
        b"%ff",
        b";",
        b"id=1",
        b"list=1",
        b"list=2,3",
        b"pipes=a|b",
    ),
    *(
        b"deep[a]=1",
        b"deep[",
        b"]",
        b"data={}",
        b"b=true,false",
        b"\n",
        b"sid=a",
        b"; ",
        b"1e5",
        b"-0",
        b"true",
        b"%2C",
    ),
)
JSON_WORDS: Final = (
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b":",
        b",",
        b'"a"',
        b'"name":"x"',
        b'"size":1',
        b'"tags":["a"]',
        b'"more":{"x":1.5}',
    ),
    *(
        b"null",
        b"true",
        b"NaN",
        b"Infinity",
        b"-0",
        b"1e5",
        b"1e400",
        b"0.1",
        b"00",
        b"\\u0041",
        b"\\ud800",
        b"\\",
        b" ",
    ),
    *(b"\xef\xbb\xbf", b"\xff", b"\x00", b"123456789012345678901", b"{}", b"[]", b'"__proto__":', b"\t", b"\\udc00"),
)
_STYLE_WORDS: Final = (
    b",",
    b".",
    b";",
    b"p=",
    b"=",
    b"a",
    b"1",
    b"true",
    b"|",
    b" ",
    b";p=1",
    b"a,1",
    b"a=1",
    b"-1",
    b"01",
    b"e",
)

TARGETS: Final[dict[str, Target]] = {
    "form": Target(form, _FORM_WORDS),
    "value": Target(value, _STYLE_WORDS),
    "style": Target(style, _STYLE_WORDS),
    "parameters": Target(parameters, _FORM_WORDS),
    "body": Target(body, JSON_WORDS + _FORM_WORDS),
    "json_text": Target(json_text, JSON_WORDS),
}
