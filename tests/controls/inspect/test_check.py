import json
from datetime import date
from urllib.parse import urlencode

import pytest
from pydantic import ValidationError

from doorward.controls.inspect import Exclusion, InspectPolicy, compile_check
from doorward.controls.inspect.fields import Fields, pins_text, texts
from doorward.controls.inspect.verdict import THREATS
from doorward.denial import Denied
from doorward.exchange import UNPARSED, Exchange, Headers, Request, Source
from doorward.operation import ApiDescription, Location, MediaType, Operation, Parameter, RequestBody, Schema

ATTACK = "x' OR 1=1 --"
TREE: Schema = {"type": "object", "properties": {"text": {"type": "string"}, "child": {"$ref": "#/Tree"}}}
NOTE: Schema = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "size": {"type": "integer"},
        "state": {"type": "string", "enum": ["new", "' or 1=1 --"]},
        "items": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "tree": {"$ref": "#/Tree"},
    },
}


def description() -> ApiDescription:
    return ApiDescription(
        title="t",
        version="3.1.0",
        operations=(),
        document={},
        resolve=lambda schema: TREE if "$ref" in schema else schema,
    )


def parameter(name: str, location: Location, schema: Schema) -> Parameter:
    return Parameter(name=name, location=location, required=False, schema=schema, style="form", explode=True)


def operation(*parameters: Parameter, media: str | None = "application/json", schema: Schema = NOTE) -> Operation:
    content = {media: MediaType(name=media, schema=schema)} if media else {}
    return Operation(
        id="note",
        method="POST",
        path="/notes",
        template="/notes",
        parameters=parameters,
        request_body=RequestBody(required=True, content=content) if media else None,
    )


def exchange(
    body: object = None, *, query: bytes = b"", headers: tuple[tuple[bytes, bytes], ...] = (), now: float = 0.0
) -> Exchange:
    raw = b"" if body is None else json.dumps(body).encode()
    request = Request("POST", b"/notes", b"/notes", query, Headers(list(headers)), body=raw)
    made = Exchange(id="0" * 32, now=now, ticks=0.0, source=Source(address="192.0.2.1"), request=request)
    if body is not None:
        made.json_body = body
    return made


def refusal(
    made: Exchange, checked: Operation, policy: InspectPolicy | None = None, *, pins: bool = True
) -> Denied | None:
    check = compile_check(checked, policy or InspectPolicy(), description(), pins=pins)
    assert check is not None
    try:
        check(made)
    except Denied as denied:
        return denied
    return None


TEXT_QUERY = parameter("q", "query", {"type": "string"})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"text": ATTACK}, "/text"),
        ({"items": [{"name": "a"}, {"name": ATTACK}]}, "/items/*/name"),
        ({"labels": {"a": ATTACK}}, "/labels/a"),
        ({"labels": {ATTACK: "a"}}, f"/labels/{ATTACK}"),
        ({"tree": {"child": {"child": {"text": ATTACK}}}}, "/tree/child/child/text"),
        ({"size": ATTACK}, "/size"),
        ([[ATTACK]], "/*/*"),
        (ATTACK, ""),
    ],
)
def test_an_attack_is_found_in_every_corner_of_a_json_body(body: object, field: str) -> None:
    denied = refusal(exchange(body), operation())
    assert denied is not None
    assert denied.code == "inspect.sql"
    assert denied.detail.startswith(f"{field}: ")


def test_a_harmless_body_passes() -> None:
    body = {"text": "O'Brien & sons; it's 5 o'clock", "size": 4, "labels": {"a": "b"}, "items": [{"name": "c < d"}]}
    assert refusal(exchange(body), operation()) is None


def test_a_value_the_description_lists_is_not_judged() -> None:
    assert refusal(exchange({"state": "' or 1=1 --"}), operation()) is None


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (b"q=x%27+OR+1=1+--", "inspect.sql"),
        (b"q=..%2F..%2Fetc%2Fpasswd", "inspect.traversal"),
        (b"q=%3Cscript%3Ealert(1)%3C/script%3E", "inspect.xss"),
        (b"a=b&q=1;cat+/etc/passwd", "inspect.command"),
        (b"q=%2527%2520or%25201=1", "inspect.sql"),
        (b"q=%c0%ae%c0%ae/%c0%ae%c0%ae/etc/passwd", "inspect.traversal"),
        (b"%3Cscript%3Ealert(1)%3C/script%3E=1", "inspect.xss"),
    ],
)
def test_query_names_and_values_are_judged_decoded(query: bytes, code: str) -> None:
    denied = refusal(exchange(query=query), operation(TEXT_QUERY, media=None))
    assert denied is not None
    assert denied.code == code


def test_a_harmless_query_passes() -> None:
    assert refusal(exchange(query=b"q=select+a+plan%21&page=2"), operation(TEXT_QUERY, media=None)) is None


def test_a_path_value_is_judged() -> None:
    made = exchange()
    made.path_values = {"id": ATTACK}
    denied = refusal(made, operation(parameter("id", "path", {"type": "string"}), media=None))
    assert denied is not None
    assert denied.detail.startswith("path:id: ")


@pytest.mark.parametrize(
    ("location", "header", "place"),
    [
        ("header", (b"x-note", b"x' OR 1=1 --"), "header:x-note"),
        ("cookie", (b"cookie", b"a=b; x-note=x' OR 1=1 --"), "cookie:x-note"),
    ],
)
def test_declared_headers_and_cookies_are_judged(location: Location, header: tuple[bytes, bytes], place: str) -> None:
    denied = refusal(
        exchange(headers=(header,)), operation(parameter("X-Note", location, {"type": "string"}), media=None)
    )
    assert denied is not None
    assert denied.detail.startswith(f"{place}: ")


def test_an_undeclared_header_is_not_this_controls_business() -> None:
    made = exchange(headers=((b"user-agent", b"x' OR 1=1 --"),))
    assert refusal(made, operation(TEXT_QUERY, media=None)) is None


def test_a_form_is_judged_pair_by_pair() -> None:
    made = exchange(headers=((b"content-type", b"application/x-www-form-urlencoded; charset=utf-8"),))
    made.request.body = b"a=b&note=x%27+OR+1=1+--"
    denied = refusal(made, operation(media="application/x-www-form-urlencoded"))
    assert denied is not None
    assert denied.detail.startswith("form:note: ")


def test_a_text_body_is_judged_whole() -> None:
    made = exchange(headers=((b"content-type", b"text/plain"),))
    made.request.body = ATTACK.encode()
    denied = refusal(made, operation(media="text/plain", schema={"type": "string"}))
    assert denied is not None
    assert denied.detail.startswith("body: ")


def test_the_detail_names_field_and_construct_but_not_the_value() -> None:
    denied = refusal(exchange({"text": ATTACK}), operation())
    assert denied is not None
    assert ATTACK not in denied.detail
    assert denied.public is None


def test_an_operation_without_free_text_is_not_inspected() -> None:
    numbers = {"type": "array", "items": {"type": "number"}}
    pinned = operation(
        parameter("id", "path", {"type": "string", "format": "uuid"}), media="application/json", schema=numbers
    )
    assert compile_check(pinned, InspectPolicy(), description()) is None
    assert compile_check(operation(media=None), InspectPolicy(), description()) is None


def sent(raw: bytes, media: bytes) -> Exchange:
    made = exchange(headers=((b"content-type", media),))
    made.request.body = raw
    return made


ENUM: Schema = {"type": "string", "enum": ["on", "off"]}


@pytest.mark.parametrize("media", ["text/plain", "other/json", "text/*", "application/xml"])
def test_a_pinned_schema_counts_only_for_bodies_that_validate_reads(media: str) -> None:
    declared = operation(media=media, schema=ENUM)
    name = media.replace("*", "plain").encode()
    denied = refusal(sent(b"x' OR 1=1; drop table users --", name), declared)
    assert denied is not None
    assert denied.code == "inspect.sql"
    assert refusal(sent(b"on", name), declared) is None
    for read in ("application/json", "text/json", "application/merge-patch+json"):
        assert compile_check(operation(media=read, schema=ENUM), InspectPolicy(), description()) is None


@pytest.mark.parametrize(
    ("location", "made", "place"),
    [
        ("header", exchange(headers=((b"id", b"1 or 1=1 --"),)), "header:id"),
        ("cookie", exchange(headers=((b"cookie", b"id=1 or 1=1 --"),)), "cookie:id"),
        ("query", exchange(query=b"id=1%20or%201=1%20--"), "query:id"),
        ("query", exchange(query=b"undeclared=1+or+1=1+--"), "query:undeclared"),
    ],
)
def test_pinned_parameters_are_judged_where_nobody_enforces_the_description(
    location: Location, made: Exchange, place: str
) -> None:
    pinned = operation(parameter("id", location, {"type": "integer"}), media=None)
    denied = refusal(made, pinned, pins=False)
    assert denied is not None
    assert denied.detail.startswith(f"{place}: ")
    assert refusal(exchange(query=b"id=1"), pinned, pins=False) is None


def test_a_pinned_path_value_is_judged_where_nobody_enforces_the_description() -> None:
    pinned = operation(parameter("id", "path", {"type": "integer"}), media=None)
    made = exchange()
    made.path_values = {"id": "1 or 1=1 --"}
    denied = refusal(made, pinned, pins=False)
    assert denied is not None
    assert denied.detail.startswith("path:id: ")


def test_an_enum_member_is_judged_like_any_text_where_nobody_enforces_the_description() -> None:
    assert refusal(exchange({"state": "' or 1=1 --"}), operation(), pins=False) is not None


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b'{"text":"1 union select password from users","more":1}', "/text"),
        (b'{"text":"1 union select password from users","text":"x"}', "body"),
        (b'{"text":"1 union select password from users","n":' + b"9" * 5_000 + b"}", "body"),
        (b'{"text":"1 \\u0075nion select password from users",}', "body"),
        (b'{"text":"\\"quoted\\" \' or 1=1 --",}', "body"),
        (b'{"text":"1 union select password from users', "body"),
        (b"[" * 300 + b'"1 union select password from users"' + b"]" * 300, "body"),
    ],
)
def test_json_that_validate_did_not_hand_on_is_judged_text_by_text(raw: bytes, field: str) -> None:
    denied = refusal(sent(raw, b"application/json"), operation(), pins=False)
    assert denied is not None
    assert denied.code == "inspect.sql"
    assert denied.detail.startswith(f"{field}: ")


@pytest.mark.parametrize("raw", [b'{"text":"O\'Brien & sons","more":1}', b'{"text":"it is 5 o\'clock",}', b"[1, 2"])
def test_harmless_json_that_validate_did_not_hand_on_passes(raw: bytes) -> None:
    assert refusal(sent(raw, b"application/json"), operation(), pins=False) is None


def test_json_under_another_content_type_is_judged_text_by_text() -> None:
    raw = b'{"text":"1 union select password from users"}'
    assert refusal(sent(raw, b"text/plain"), operation(), pins=False) is not None
    assert refusal(sent(b'{"text":"select a seat"}', b"text/plain"), operation(), pins=False) is None


def test_every_line_of_a_repeated_header_is_judged() -> None:
    declared = operation(parameter("X-Tags", "header", {"type": "array", "items": {"type": "string"}}), media=None)
    made = exchange(headers=((b"x-tags", b"a"), (b"x-tags", b"b"), (b"x-tags", ATTACK.encode())))
    denied = refusal(made, declared)
    assert denied is not None
    assert denied.detail.startswith("header:x-tags: ")


@pytest.mark.parametrize("text", [".env", "phpinfo()"])
def test_what_is_refused_as_a_bare_text_is_refused_inside_a_document(text: str) -> None:
    assert refusal(exchange(query=f"q={text}".encode()), operation(TEXT_QUERY)) is not None
    assert refusal(exchange({"text": text}), operation()) is not None
    made = sent(f"text={text}".encode(), b"application/x-www-form-urlencoded")
    made.json_body = {"text": text}
    assert refusal(made, operation(media="application/x-www-form-urlencoded")) is not None


@pytest.mark.parametrize(
    ("schema", "is_pinned"),
    [
        ({"type": "integer"}, True),
        ({"type": ["number", "null"]}, True),
        ({"type": "string", "format": "date-time"}, True),
        ({"type": "string", "enum": ["a"]}, True),
        ({"const": 1}, True),
        ({"oneOf": [{"type": "integer"}, {"type": "boolean"}]}, True),
        ({"allOf": [{"type": "string"}, {"enum": ["a"]}]}, True),
        ({"type": "array", "items": {"type": "integer"}}, True),
        ({"oneOf": [{"type": "integer"}, {"type": "string"}]}, False),
        ({"type": "string"}, False),
        ({"type": "string", "format": "email"}, False),
        ({"type": ["string", "integer"]}, False),
        ({"$ref": "#/Tree"}, False),
        ({}, False),
        (None, False),
    ],
)
def test_a_field_is_pinned_when_no_text_of_the_clients_choosing_fits(schema: Schema | None, is_pinned: bool) -> None:
    assert pins_text(schema, description()) is is_pinned


ENTRY = {
    "class": "sql",
    "operation": "POST /notes",
    "field": "/text",
    "reason": "notes quote SQL",
    "until": date(2026, 1, 31),
}
EXCLUDED = Exclusion.model_validate(ENTRY)
LAST_SECOND = 1_769_903_999.0


def test_an_exclusion_lets_its_class_pass_in_its_field() -> None:
    policy = InspectPolicy(exclude=(EXCLUDED,))
    assert refusal(exchange({"text": ATTACK}, now=LAST_SECOND), operation(), policy) is None


@pytest.mark.parametrize(
    ("body", "now"),
    [
        ({"text": ATTACK}, LAST_SECOND + 1),
        ({"labels": {"text": ATTACK}}, 0.0),
        ({"text": "<script>alert(1)</script>"}, 0.0),
    ],
)
def test_an_exclusion_ends_and_covers_no_other_field_or_class(body: object, now: float) -> None:
    assert refusal(exchange(body, now=now), operation(), InspectPolicy(exclude=(EXCLUDED,))) is not None


@pytest.mark.parametrize("is_parsed", [True, False])
def test_an_exclusion_names_a_form_field_whoever_reads_the_form(is_parsed: bool) -> None:
    policy = InspectPolicy(exclude=(Exclusion.model_validate({**ENTRY, "field": "form:text"}),))
    for name, is_refused in (("text", False), ("other", True)):
        made = exchange({name: ATTACK}, headers=((b"content-type", b"application/x-www-form-urlencoded"),))
        made.request.body = urlencode({name: ATTACK}).encode()
        if not is_parsed:
            made.json_body = UNPARSED
        assert (refusal(made, operation(), policy, pins=is_parsed) is not None) is is_refused


def test_a_class_switched_off_is_not_looked_for() -> None:
    policy = InspectPolicy(insecure_classes_off=("sql",))
    assert refusal(exchange({"text": ATTACK}), operation(), policy) is None
    assert refusal(exchange({"text": "<script>alert(1)</script>"}), operation(), policy) is not None


def test_no_check_is_left_when_every_class_is_off() -> None:
    policy = InspectPolicy(insecure_classes_off=THREATS)
    assert compile_check(operation(), policy, description()) is None


def test_suspicious_text_beyond_the_bound_is_refused_unread() -> None:
    padding = "cats & dogs; <b>birds</b> " * 500
    denied = refusal(exchange({"text": padding}), operation(), InspectPolicy(judged_bytes=4_096))
    assert denied is not None
    assert "B11" in denied.detail
    assert refusal(exchange({"text": padding}), operation()) is None


def test_plain_text_of_any_length_costs_no_budget() -> None:
    assert refusal(exchange({"text": "plain words " * 100_000}), operation(), InspectPolicy(judged_bytes=4_096)) is None


@pytest.mark.parametrize(
    "entry",
    [
        {"class": "sql", "operation": "POST /notes", "field": "/text", "reason": "short", "until": "2026-01-31"},
        {"class": "all", "operation": "POST /notes", "field": "/text", "reason": "long enough", "until": "2026-01-31"},
        {"class": "sql", "operation": "*", "field": "/text", "reason": "long enough", "until": "2026-01-31"},
        {"class": "sql", "operation": "POST /notes", "field": "text", "reason": "long enough", "until": "2026-01-31"},
        {"class": "sql", "operation": "POST /notes", "field": "/text", "reason": "long enough"},
    ],
)
def test_a_wide_or_endless_exclusion_does_not_load(entry: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        InspectPolicy.model_validate({"exclude": [entry]})


def test_an_exclusion_loads_from_plain_data() -> None:
    entry = {
        "class": "sql",
        "operation": "POST /notes",
        "field": "/text",
        "reason": "notes quote SQL",
        "until": "2026-01-31",
    }
    assert InspectPolicy.model_validate({"exclude": [entry]}).exclude == (EXCLUDED,)


def test_hostile_member_names_cost_no_memory() -> None:
    fields = Fields((NOTE,), description())
    assert fields.member("x1") is fields.member("x2")
    assert fields.member("text") is fields.member("text")


def test_deep_nesting_does_not_exhaust_the_stack() -> None:
    deep: object = ATTACK
    for _ in range(50_000):
        deep = [deep]
    assert [text for _, text, _ in texts(deep, Fields((), description()))] == [ATTACK]
