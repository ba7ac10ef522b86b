import orjson
import pytest

from doorward.controls.minimise import MinimisePolicy, Release, compile_release
from doorward.denial import Denied
from doorward.errors import PolicyError
from doorward.exchange import Caller, Exchange, Header, Headers, Request, Response, Source
from doorward.modes import ObservedRelease
from doorward.operation import ApiDescription, MediaType, Operation, ResponseDescription, Schema

ITEM = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "amount": {"type": "number"},
        "note": {"type": "string"},
        "pin": {"type": "string", "writeOnly": True},
        "child": {"$ref": "#/Item"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
}
JSON = "application/json"
PUBLIC = Caller(subject="alice", kind="user", issuer="local")


def answer(status: str, media: dict[str, Schema | None], *headers: str) -> ResponseDescription:
    content = {name: MediaType(name=name, schema=schema) for name, schema in media.items()}
    return ResponseDescription(status=status, content=content, headers=frozenset(headers))


DECLARED = {
    "200": answer("200", {JSON: {"$ref": "#/Item"}, "text/csv": {"type": "string"}, "image/*": None}),
    "201": answer("201", {JSON: None}, "cache-control"),
    "2XX": answer("2XX", {JSON: {"type": "object", "properties": {"ok": {}}}}),
    "404": answer("404", {"application/problem+json": {"type": "object", "properties": {"title": {"type": "string"}}}}),
    "503": answer("503", {JSON: {"type": "object", "properties": {"title": {"type": "string"}}}}),
}


def exchange(
    body: object, *, status: int = 200, media: bytes = b"application/json", more: tuple[Header, ...] = ()
) -> Exchange:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    made = Exchange(
        id="0" * 32,
        now=0.0,
        ticks=0.0,
        source=Source(address="192.0.2.1"),
        request=Request("GET", b"/items", b"/items", b"", Headers([])),
    )
    headers = [(b"content-length", b"%d" % len(raw)), *more]
    if media:
        headers.append((b"content-type", media))
    made.response = Response(status, headers, raw)
    return made


def release(policy: MinimisePolicy | None = None, responses: dict[str, ResponseDescription] | None = None) -> Release:
    description = ApiDescription(
        title="t",
        version="3.1.0",
        operations=(),
        document={},
        resolve=lambda schema: ITEM if "$ref" in schema else schema,
    )
    operation = Operation(id="x", method="GET", path="/items", template="/items", responses=responses or DECLARED)
    return compile_release(operation, policy or MinimisePolicy(), description)


def released(made: Exchange, policy: MinimisePolicy | None = None) -> Response:
    release(policy).apply(made)
    assert made.response is not None
    return made.response


def header(response: Response, name: bytes) -> list[bytes]:
    return [value for field, value in response.headers if field == name]


def test_a_declared_answer_passes_byte_for_byte() -> None:
    raw = b'{ "id" : "1", "amount": 1.10, "tags": ["a"] }'
    made = exchange(raw)
    assert released(made).body is raw
    assert made.findings == []


def test_undeclared_and_write_only_members_are_dropped_and_counted_at_any_depth() -> None:
    made = exchange({"id": "1", "hash": "x", "child": {"id": "2", "pin": "1234", "child": {"salt": "y"}}})
    response = released(made)
    assert orjson.loads(response.body or b"") == {"id": "1", "child": {"id": "2", "child": {}}}
    assert made.findings == ["minimise.undeclared_field:3"]
    assert header(response, b"content-length") == [b"%d" % len(response.body or b"")]


def test_numbers_keep_their_digits_when_the_answer_is_rewritten() -> None:
    made = exchange(b'{"amount":1.10,"secret":1}')
    assert released(made).body == b'{"amount":1.10}'
    made = exchange(b'{"id":123456789012345678901234567890,"secret":1}')
    assert released(made).body == b'{"id":123456789012345678901234567890}'


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"<html>",
        b'{"id":1,"id":2}',
        b"[]",
        b'{"id":{"a":1}}',
        b'{"tags":{"a":1}}',
        b'{"tags":[["x"]]}',
        b'{"amount":NaN}',
        b"",
        b"\xff",
    ],
)
def test_an_answer_that_is_not_the_declared_json_is_refused(body: bytes) -> None:
    if body == b"":
        assert released(exchange(body)).body == b""
        return
    with pytest.raises(Denied) as refusal:
        release().apply(exchange(body))
    assert refusal.value.code == "minimise.response_schema"


def test_a_compressed_answer_is_refused_because_nobody_could_read_it() -> None:
    with pytest.raises(Denied):
        release().apply(exchange(b"\x1f\x8b", more=((b"content-encoding", b"gzip"),)))
    assert released(exchange({"id": "1"}, more=((b"content-encoding", b"identity"),))).status == 200


@pytest.mark.parametrize(
    ("status", "media"), [(200, b"text/html"), (200, b""), (200, b"application/xml"), (101, b"text/html")]
)
def test_an_undeclared_status_or_media_type_is_refused(status: int, media: bytes) -> None:
    made = exchange(b"<html>", status=status, media=media)
    with pytest.raises(Denied):
        release().apply(made)


def test_undeclared_answers_pass_when_the_policy_says_so() -> None:
    policy = MinimisePolicy(insecure_undeclared_responses=True)
    assert released(exchange(b"<html>", media=b"text/html"), policy).body == b"<html>"


@pytest.mark.parametrize(
    ("status", "body", "left"),
    [
        (200, {"id": "1", "ok": 1}, {"id": "1"}),
        (202, {"id": "1", "ok": 1}, {"ok": 1}),
        (201, {"id": "1", "ok": 1}, {"id": "1", "ok": 1}),
    ],
)
def test_the_exact_status_comes_before_its_class(status: int, body: object, left: object) -> None:
    assert orjson.loads(released(exchange(body, status=status)).body or b"") == left


def test_default_describes_what_nothing_else_does() -> None:
    made = exchange({"id": "1", "x": 2}, status=418)
    release(responses={"default": DECLARED["200"]}).apply(made)
    assert made.response is not None
    assert orjson.loads(made.response.body or b"") == {"id": "1"}


@pytest.mark.parametrize("status", [400, 409, 422])
def test_an_undeclared_client_error_keeps_its_status_and_loses_its_body(status: int) -> None:
    made = exchange(b"<html>stack</html>", status=status, media=b"text/html", more=((b"retry-after", b"5"),))
    response = released(made)
    assert response.status == status
    assert orjson.loads(response.body or b"")["status"] == status
    assert header(response, b"content-type") == [b"application/problem+json"]
    assert header(response, b"retry-after") == [b"5"]
    assert made.findings == [f"minimise.undeclared_error:{status}"]


def test_a_declared_client_error_is_filtered() -> None:
    made = exchange({"title": "no", "trace": "x"}, status=404, media=b"application/problem+json")
    assert orjson.loads(released(made).body or b"") == {"title": "no"}


@pytest.mark.parametrize("status", [500, 503, 599])
def test_a_server_error_loses_its_body_declared_or_not(status: int) -> None:
    made = exchange({"title": "secret", "sql": "select"}, status=status)
    response = released(made)
    assert b"secret" not in (response.body or b"")
    assert response.status == status
    assert made.findings == [f"minimise.upstream_error:{status}"]


def test_a_declared_server_error_passes_filtered_when_the_policy_says_so() -> None:
    made = exchange({"title": "down", "sql": "select"}, status=503)
    assert released(made, MinimisePolicy(insecure_upstream_errors=True)).body == b'{"title":"down"}'


def test_an_undeclared_redirect_keeps_its_head_and_loses_its_page() -> None:
    made = exchange(b"<a>", status=302, media=b"text/html", more=((b"location", b"/x"),))
    response = released(made)
    assert (response.body, header(response, b"location")) == (b"", [b"/x"])


@pytest.mark.parametrize(
    ("method", "status", "media", "reads"),
    [
        ("GET", 200, b"application/json", True),
        ("GET", 200, b"application/json; charset=utf-8", True),
        ("GET", 200, b"text/csv", True),
        ("GET", 200, b"image/png", False),
        ("GET", 200, b"text/html", True),
        ("GET", 500, b"text/html", True),
        ("GET", 204, b"", False),
        ("GET", 304, b"application/json", False),
        ("HEAD", 200, b"application/json", False),
    ],
)
def test_a_body_is_read_only_where_it_is_filtered_or_replaced(
    method: str, status: int, media: bytes, reads: bool
) -> None:
    made = exchange(b"", status=status, media=media)
    made.request.method = method
    assert made.response is not None
    assert release().reads_body(made, made.response) is reads


def test_a_reset_content_answer_is_filtered_like_any_other() -> None:
    made = exchange({"ok": 1, "hash": "x"}, status=205)
    assert made.response is not None
    assert release().reads_body(made, made.response)
    assert released(made).body == b'{"ok":1}'
    undeclared = {"200": DECLARED["200"]}
    with pytest.raises(Denied):
        release(responses=undeclared).apply(exchange({"hash": "x"}, status=205))
    release(responses=undeclared).apply(exchange(b"", status=205, media=b""))


def test_a_streamed_answer_gets_its_head_cleaned() -> None:
    made = exchange(b"", media=b"image/png", more=((b"server", b"x"),))
    assert made.response is not None
    made.response.body = None
    response = released(made)
    assert response.body is None
    assert header(response, b"server") == []
    assert header(response, b"content-length") == [b"0"]


def test_fields_that_tell_about_the_server_never_leave() -> None:
    revealing = (b"server", b"x-powered-by", b"x-aspnet-version", b"via", b"x-internal")
    made = exchange({"id": "1"}, more=tuple((name, b"secret") for name in revealing))
    response = released(made, MinimisePolicy(strip_headers=["X-Internal"]))
    assert not any(value == b"secret" for _, value in response.headers)


def test_security_fields_come_once_whatever_the_upstream_sent() -> None:
    sent = (
        (b"x-content-type-options", b"x"),
        (b"strict-transport-security", b"max-age=0"),
        (b"content-security-policy", b"x"),
    )
    response = released(exchange({"id": "1"}, more=sent))
    assert header(response, b"x-content-type-options") == [b"nosniff"]
    assert header(response, b"strict-transport-security") == [b"max-age=31536000"]
    assert header(response, b"referrer-policy") == [b"no-referrer"]
    assert header(response, b"content-security-policy") == [b"default-src 'none'; frame-ancestors 'none'"]


def test_strict_transport_security_is_for_https_only() -> None:
    made = exchange({"id": "1"})
    made.request.scheme = "http"
    assert header(released(made), b"strict-transport-security") == []
    assert header(released(exchange({"id": "1"}), MinimisePolicy(hsts_s=0)), b"strict-transport-security") == []


@pytest.mark.parametrize(
    ("caller", "status", "cache"),
    [(PUBLIC, 200, [b"no-store"]), (None, 200, [b"max-age=9"]), (PUBLIC, 201, [b"max-age=9"])],
)
def test_an_answer_to_a_caller_is_not_stored_unless_the_description_declares_caching(
    caller: Caller | None, status: int, cache: list[bytes]
) -> None:
    made = exchange({"id": "1"}, status=status, more=((b"cache-control", b"max-age=9"),))
    made.caller = caller
    assert header(released(made), b"cache-control") == cache


def test_card_numbers_are_masked_and_internals_replaced() -> None:
    made = exchange({"note": "card 4111-1111-1111-1111", "tags": ["Traceback (most recent call last): x", "ok"]})
    response = released(made)
    assert orjson.loads(response.body or b"") == {"note": "card ****-****-****-1111", "tags": ["[removed]", "ok"]}
    assert made.findings == ["minimise.masked:1", "minimise.internals:1"]


PERSON: dict[str, Schema | None] = {
    JSON: {
        "type": "object",
        "properties": {
            "email": {"type": "string", "format": "email"},
            "note": {"type": "string"},
            "account": {"type": "string", "format": "iban"},
            "card": {"type": "string", "format": "iban"},
            "friends": {"type": "array", "items": {"allOf": [{"type": "string"}, {"format": "email"}]}},
            "next": {"type": "object", "additionalProperties": True},
        },
    }
}


def test_personal_data_is_masked_only_where_it_is_not_declared_as_such() -> None:
    iban, card, mail = "DE89370400440532013000", "4111111111111111", "ada@example.com"
    body = {
        "email": mail,
        "note": f"{mail} {iban}",
        "account": iban,
        "card": card,
        "friends": [mail, mail],
        "next": {"email": mail, "list": [mail]},
    }
    made = exchange(body)
    policy = MinimisePolicy(mask=["email", "iban"])
    release(policy, {"200": answer("200", PERSON)}).apply(made)
    assert made.response is not None
    assert orjson.loads(made.response.body or b"") == {
        "email": mail,
        "note": "a***@example.com DE89**************3000",
        "account": iban,
        "card": "************1111",
        "friends": [mail, mail],
        "next": {"email": "a***@example.com", "list": ["a***@example.com"]},
    }
    assert made.findings == ["minimise.masked:4"]


TEXTS: dict[str, ResponseDescription] = {
    "200": answer("200", {"text/*": None, "application/xml": None}),
}


def released_text(made: Exchange, policy: MinimisePolicy | None = None) -> Response:
    release(policy, TEXTS).apply(made)
    assert made.response is not None
    return made.response


@pytest.mark.parametrize(
    ("media", "text", "left"),
    [
        (b"text/csv", b"id,card\r\n1,4111 1111 1111 1111\r\n", b"id,card\r\n1,**** **** **** 1111\r\n"),
        (b"text/csv", b"1,fine\n2,ORA-01756: quoted\n3,fine", b"1,fine\n[removed]\n3,fine"),
        (b"text/csv", b"1,-----BEGIN PRIVATE KEY-----\nMIIB\n2,fine", b"[removed]"),
        (b"text/plain; charset=utf-8", b"Traceback (most recent call last):\n  secret()", b"[removed]"),
        (b"text/html", "<p>Zo\u00eb 4111111111111111</p>".encode(), "<p>Zo\u00eb ************1111</p>".encode()),
        (b"application/xml", b"<card>4111111111111111</card>", b"<card>************1111</card>"),
    ],
)
def test_a_text_is_masked_and_replaced_like_a_string(media: bytes, text: bytes, left: bytes) -> None:
    response = released_text(exchange(text, media=media))
    assert response.body == left
    assert header(response, b"content-length") == [b"%d" % len(left)]


@pytest.mark.parametrize(
    "text", [b"", b"id,card\n1,4111111111111112\n", b"\xff\xfe\x00\x80 not UTF-8", "Zo\u00eb".encode()]
)
def test_a_clean_text_passes_byte_for_byte(text: bytes) -> None:
    made = exchange(text, media=b"text/csv", more=((b"etag", b'"1"'),))
    response = released_text(made)
    assert (response.body, header(response, b"etag"), made.findings) == (text, [b'"1"'], [])


@pytest.mark.parametrize(
    ("media", "length", "reads"),
    [
        (b"text/csv", b"1048576", True),
        (b"text/csv", b"1048577", False),
        (b"text/csv", b"", False),
        (b"text/event-stream", b"10", False),
        (b"text/css", b"10", False),
    ],
)
def test_a_long_text_is_streamed_line_by_line_and_code_as_it_is(media: bytes, length: bytes, reads: bool) -> None:
    made = exchange(b"", media=media)
    assert made.response is not None
    made.response.headers[0] = (b"content-length", length)
    policy = release(None, TEXTS)
    assert policy.reads_body(made, made.response) is reads
    if not reads:
        made.response.body = None
        policy.apply(made)
        assert made.findings == []
        assert (made.body_filter is not None) is (media == b"text/csv")
        assert bool(header(made.response, b"content-length")) is (media != b"text/csv")


def test_a_compressed_text_leaves_as_it_is_and_the_record_says_that_nobody_read_it() -> None:
    made = exchange(b"\x1f\x8b", media=b"text/plain", more=((b"content-encoding", b"gzip"),))
    assert released_text(made).body == b"\x1f\x8b"
    assert made.findings == ["minimise.unread_text"]


def test_masking_and_replacing_can_be_relaxed() -> None:
    policy = MinimisePolicy(insecure_card_numbers=True, insecure_internals=True)
    body = {"note": "4111111111111111", "tags": ["ORA-01756: quoted string not properly terminated"]}
    assert orjson.loads(released(exchange(body), policy).body or b"") == body


LINES = b"application/x-ndjson"
EACH: dict[str, ResponseDescription] = {
    "200": answer(
        "200",
        {
            "application/x-ndjson": {"$ref": "#/Item"},
            "application/jsonl": {"type": "array", "items": {"$ref": "#/Item"}},
            "application/ndjson": {"type": "string"},
            "application/json-seq": {"$ref": "#/Item"},
            "application/geo+json-seq": {"type": "string"},
        },
    )
}


@pytest.mark.parametrize("media", [LINES, b"application/jsonl; charset=utf-8"])
def test_json_lines_are_filtered_one_by_one_and_clean_lines_stay_byte_for_byte(media: bytes) -> None:
    raw = b'{ "id": "1" }\r\n\n{"id":"2","hash":"x"}\n{"note":"4111111111111111","pin":"1"}\n{"id":"3"}'
    made = exchange(raw, media=media)
    compiled = release(responses=EACH)
    assert made.response is not None
    assert compiled.reads_body(made, made.response)
    compiled.apply(made)
    assert made.response.body == b'{ "id": "1" }\r\n\n{"id":"2"}\n{"note":"************1111"}\n{"id":"3"}'
    assert made.findings == ["minimise.undeclared_field:2", "minimise.masked:1"]
    assert header(made.response, b"content-type") == [media]


@pytest.mark.parametrize("body", [b'{"id":"1"}\n{"id":', b'{"id":"1"} {"id":"2"}\n', b'[{"id":"1"}]\n', b"<html>"])
def test_a_line_that_is_not_the_declared_json_is_refused(body: bytes) -> None:
    with pytest.raises(Denied) as refusal:
        release(responses=EACH).apply(exchange(body, media=LINES))
    assert refusal.value.code == "minimise.response_schema"


def test_a_json_sequence_of_objects_is_refused_unless_the_policy_lets_it_pass() -> None:
    raw = b'\x1e{"id":"1","hash":"x"}\n'
    with pytest.raises(Denied):
        release(responses=EACH).apply(exchange(raw, media=b"application/json-seq"))
    made = exchange(raw, media=b"application/json-seq")
    release(MinimisePolicy(insecure_undeclared_responses=True), EACH).apply(made)
    assert made.response is not None
    assert made.response.body == raw


@pytest.mark.parametrize("media", [b"application/ndjson", b"application/geo+json-seq"])
def test_a_sequence_without_an_object_schema_is_streamed(media: bytes) -> None:
    made = exchange(b'{"a":1}\n', media=media)
    assert made.response is not None
    assert not release(responses=EACH).reads_body(made, made.response)


def test_an_exchange_without_an_answer_is_left_alone() -> None:
    made = exchange({"id": "1"})
    made.response = None
    release().apply(made)
    assert made.response is None


def test_invented_media_types_do_not_fill_the_memory() -> None:
    compiled = release()
    for number in range(200):
        made = exchange(b"x", media=b"text/x%d" % number)
        assert made.response is not None
        assert compiled.reads_body(made, made.response)
    assert len(compiled.planner.compiled) <= 64


STRICT_ITEM = {
    "type": "object",
    "required": ["id", "pin"],
    "properties": {
        "id": {"type": "integer"},
        "rate": {"type": "number", "multipleOf": 0.01},
        "state": {"enum": ["open", "closed"]},
        "pin": {"type": "string", "writeOnly": True},
    },
}


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b'{"id":1,"rate":19.99,"state":"open"}', ""),
        (b'{"id":1,"pin":"a password that is removed","undeclared":[1]}', ""),
        (b'{"id":"1 or its password"}', "#/id"),
        (b'{"id":1,"rate":0.001}', "#/rate"),
        (b'{"id":1,"state":"sold"}', "#/state"),
        (b'{"state":"open"}', "#"),
    ],
)
def test_values_that_do_not_fit_are_noted_or_refused_as_the_policy_says(body: bytes, place: str) -> None:
    declared = {"200": answer("200", {JSON: STRICT_ITEM})}
    outcomes = {}
    for values in ("pass", "report", "refuse"):
        made = exchange(body)
        try:
            release(MinimisePolicy(values=values), declared).apply(made)
        except Denied as denied:
            outcomes[values] = f"{denied.code} {denied.detail.partition(':')[0]}"
        else:
            outcomes[values] = "".join(each for each in made.findings if "unfit_value" in each)
    noted = f"minimise.unfit_value:{place}" if place else ""
    refused = f"minimise.response_schema {place}" if place else ""
    assert outcomes == {"pass": "", "report": noted, "refuse": refused}


def test_a_schema_no_linear_engine_takes_is_not_judged_and_does_not_load_where_misfits_are_refused() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(?!x)"}}}
    declared = {"200": answer("200", {JSON: schema})}
    made = exchange(b'{"a":"xx","b":1}')
    release(None, declared).apply(made)
    assert made.findings == ["minimise.undeclared_field:1"]
    with pytest.raises(PolicyError):
        release(MinimisePolicy(values="refuse"), declared)


ROWS = {"type": "array", "items": {
    "type": "object",
    "required": ["id"],
    "properties": {"id": {"type": "integer"}, "mail": {"type": "string", "format": "email"}, "note": {"type": "string"}},
}}  # fmt: skip
ROW = {"id": 1, "mail": "alice@example.com", "note": "to bob@example.com, 4111 1111 1111 1111", "hash": "x"}


def streamed(raw: bytes, policy: MinimisePolicy, schema: Schema, size: int = 1000) -> tuple[bytes, list[str]]:
    """The body in pieces, and what the closing record would say."""
    made = exchange(raw)
    assert made.response is not None
    made.response.body = None
    compiled = release(policy, {"200": answer("200", {JSON: schema})})
    assert compiled.streams(made, made.response)
    compiled.apply(made)
    body_filter = made.body_filter
    assert body_filter is not None
    pieces = [body_filter.feed(raw[start : start + size]) for start in range(0, len(raw), size)]
    return b"".join([*pieces, body_filter.end()]), body_filter.findings()


def test_an_array_leaves_in_pieces_as_it_leaves_whole() -> None:
    policy = MinimisePolicy(mask=["email"])
    raw = orjson.dumps([ROW] * 300)
    made = exchange(raw)
    release(policy, {"200": answer("200", {JSON: ROWS})}).apply(made)
    assert made.response is not None
    left, findings = streamed(raw, policy, ROWS)
    assert left == made.response.body
    assert b'"alice@example.com"' in left, "the description declares it"
    assert b"b***@example.com, **** **** **** 1111" in left
    assert findings == made.findings == ["minimise.undeclared_field:300", "minimise.masked:300"]


def test_a_value_that_does_not_fit_is_noted_or_breaks_the_answer_off_in_pieces_too() -> None:
    raw = orjson.dumps([ROW] * 3000 + [{"id": "x"}])
    _, findings = streamed(raw, MinimisePolicy(), ROWS)
    assert "minimise.unfit_value:#/id" in findings
    with pytest.raises(Denied):
        streamed(raw, MinimisePolicy(values="refuse"), ROWS)


def test_an_array_that_is_held_to_keywords_of_the_whole_is_not_cut_where_misfits_are_refused() -> None:
    schema = {**ROWS, "minItems": 2000}
    made = exchange(b"[]")
    assert made.response is not None
    declared = {"200": answer("200", {JSON: schema})}
    assert not release(MinimisePolicy(values="refuse"), declared).streams(made, made.response)
    assert streamed(orjson.dumps([ROW] * 3000), MinimisePolicy(), schema)[1][0].startswith("minimise.undeclared")


def test_nothing_is_filtered_in_pieces_for_http_1_0_nor_where_the_control_only_observes() -> None:
    made = exchange(b"[]")
    assert made.response is not None
    compiled = release(None, {"200": answer("200", {JSON: ROWS})})
    assert not ObservedRelease(compiled).streams(made, made.response)
    made.request.http_version = "1.0"
    assert not compiled.streams(made, made.response)


def test_characters_that_a_serialiser_escapes_hide_nothing() -> None:
    raw = b'{"note":"call \\u002B49 30 5550101 or \\u0034111 1111 1111 1111"}'
    assert orjson.loads(released(exchange(raw), MinimisePolicy(mask=["phone"])).body or b"") == {
        "note": "call +** ** ***0101 or **** **** **** 1111"
    }


def test_numbers_keep_their_digits_beside_large_integers() -> None:
    raw = b'{"amount":1.10,"note":"4111111111111111","id":"a","child":{"amount":123456789012345678901234567890}}'
    left = released(exchange(raw)).body or b""
    assert b'"amount":1.10' in left
    assert b"123456789012345678901234567890" in left
    assert b"4111" not in left


def test_a_content_type_is_compiled_once_however_it_is_written() -> None:
    compiled = release()
    for number in range(200):
        compiled.apply(exchange(b'{"id":"1"}', media=b"application/json; charset=utf-%d" % number))
    assert len(compiled.planner.compiled) == 1
    assert len(compiled.planner.spelled) == 64


def test_names_that_nobody_declared_do_not_stand_in_the_record() -> None:
    schema = {
        "type": "object",
        "properties": {"people": {"additionalProperties": {"properties": {"n": {"type": "integer"}}}}},
    }
    made = exchange(b'{"people":{"alice@example.com":{"n":"x"}}}')
    release(None, {"200": answer("200", {JSON: schema})}).apply(made)
    assert made.findings == ["minimise.unfit_value:#/people/*/*"]
