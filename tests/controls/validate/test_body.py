from typing import Any

import pytest
from tests.controls.validate.carrying import body_document, code_of, denial_of, document_of, posting, sender

from doorward.controls.validate import body_check, body_mode
from doorward.controls.validate.policy import ArchivesPolicy, ValidatePolicy
from doorward.exchange import UNPARSED
from doorward.operation import MediaType, Operation, RequestBody
from doorward.policy.openapi import description_from_document

ORDER: dict[str, Any] = {
    "type": "object",
    "required": ["amount"],
    "properties": {
        "amount": {"type": "number", "minimum": 0},
        "note": {"type": "string"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "id": {"type": "integer", "readOnly": True},
    },
}


def test_a_body_that_fits_is_kept_as_data() -> None:
    exchange = posting(body_document(ORDER))(b'{"amount": 1.5, "note": "x"}')
    assert exchange.json_body == {"amount": 1.5, "note": "x"}


def test_a_body_that_does_not_fit_is_told_the_place_and_never_the_value() -> None:
    denied = denial_of(lambda: posting(body_document(ORDER))(b'{"amount": "hunter2"}'))
    assert denied.code == "validate.schema"
    assert denied.public == {"errors": [{"pointer": "#/amount", "detail": "must be of type number"}]}
    assert "hunter2" not in str(denied)


def test_a_large_body_is_told_its_first_mistake_only() -> None:
    post = posting(body_document({"type": "array", "items": {"type": "integer"}}))
    denied = denial_of(lambda: post(b"[" + b'"x",' * 5000 + b'"x"]'))
    assert denied.public is not None
    assert denied.public["errors"] == [{"pointer": "#/0", "detail": "must be of type integer"}]


def test_an_undeclared_member_is_refused_and_may_be_allowed() -> None:
    body = b'{"amount": 1, "is_admin": true}'
    denied = denial_of(lambda: posting(body_document(ORDER))(body))
    assert denied.code == "validate.unknown_property"
    assert denied.public == {"errors": [{"pointer": "#/is_admin", "detail": "is not declared"}]}
    assert posting(body_document(ORDER), allow_unknown_properties=True)(body).json_body is not UNPARSED


def test_a_read_only_member_is_refused_and_may_be_allowed() -> None:
    body = b'{"amount": 1, "id": 7}'
    assert code_of(lambda: posting(body_document(ORDER))(body)) == "validate.unknown_property"
    assert code_of(lambda: posting(body_document(ORDER), read_only_properties="allow")(body)) == ""


def test_a_required_body_must_be_there() -> None:
    required, optional = sender(body_document(ORDER, required=True)), sender(body_document(ORDER))
    assert code_of(lambda: required("POST", b"/things")) == "validate.schema"
    assert (
        code_of(lambda: required("POST", b"/things", [(b"content-type", b"application/json")], b""))
        == "validate.schema"
    )
    assert code_of(lambda: optional("POST", b"/things")) == ""


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"amount=2&tags=a&tags=b%20c", {"amount": 2, "tags": ["a", "b c"]}),
        (b"amount=2.5&note=a+b", {"amount": 2.5, "note": "a b"}),
    ],
)
def test_a_form_becomes_typed_data(body: bytes, value: object) -> None:
    document = body_document(ORDER, media_type="application/x-www-form-urlencoded")
    assert posting(document, b"application/x-www-form-urlencoded")(body).json_body == value


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"amount=1&amount=2", "validate.json_duplicate"),
        (b"amount=1&other=2", "validate.unknown_property"),
        (b"amount=1;note=2", "validate.schema"),
        (b"amount=%u0031", "validate.schema"),
        (b"amount=\xff", "validate.schema"),
        (b"amount=1&note=%ff", "validate.schema"),
        (b"amount=x", "validate.schema"),
        (b"note=x", "validate.schema"),
        (b"&".join([b"tags=x"] * 1001), "validate.json_limit"),
    ],
)
def test_b10_an_ambiguous_form_is_refused(body: bytes, code: str) -> None:
    document = body_document(ORDER, media_type="application/x-www-form-urlencoded")
    assert code_of(lambda: posting(document, b"application/x-www-form-urlencoded")(body)) == code


def test_json_under_another_json_type_is_judged_too() -> None:
    document = body_document(ORDER, media_type="application/vnd.order+json")
    assert code_of(lambda: posting(document, b"application/vnd.order+json")(b'{"amount": "x"}')) == "validate.schema"
    assert posting(document, b"application/vnd.order+json")(b'{"amount": 1}').json_body == {"amount": 1}


def test_json_that_a_media_range_lets_in_is_judged_too() -> None:
    post = posting(body_document(ORDER, media_type="*/*"))
    assert code_of(lambda: post(b'{"amount": "x"}')) == "validate.schema"
    assert code_of(lambda: post(b'{"amount": 1}')) == ""


@pytest.mark.parametrize(
    ("names", "mode"),
    [
        ((), "none"),
        (("application/json",), "read"),
        (("text/plain",), "read"),
        (("image/png",), "stream"),
        (("application/octet-stream", "image/png"), "stream"),
        (("application/octet-stream", "application/json"), "read"),
    ],
)
def test_only_content_that_no_control_reads_is_streamed(names: tuple[str, ...], mode: str) -> None:
    content = {name: MediaType(name=name, schema=None) for name in names}
    body = RequestBody(required=False, content=content) if names else None
    operation = Operation(id="x", method="POST", path="/x", template="/x", request_body=body)
    assert body_mode(operation, ValidatePolicy()) == mode
    looking = body_mode(operation, ValidatePolicy(archives=ArchivesPolicy()))
    assert looking == ("none" if mode == "none" else "read")


def test_streamed_content_has_no_body_check_and_still_a_judged_head() -> None:
    document = body_document({"type": "string", "format": "binary"}, media_type="image/png")
    description = description_from_document(document)
    assert body_check(description.operations[0], ValidatePolicy(), description) is None
    send = sender(document)
    assert code_of(lambda: send("POST", b"/things", [(b"content-type", b"image/png")], b"x")) == ""
    assert code_of(lambda: send("POST", b"/things", [(b"content-type", b"text/html")], b"x")) == "validate.content_type"


def test_a_recursive_schema_judges_every_level() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Node"}, "n": {"type": "integer"}}}
    post = posting(body_document({"$ref": "#/components/schemas/Node"}, schemas={"Node": node}))
    assert code_of(lambda: post(b'{"next": {"next": {"n": 1}}}')) == ""
    assert code_of(lambda: post(b'{"next": {"next": {"n": "1"}}}')) == "validate.schema"
    assert code_of(lambda: post(b'{"next": {"next": {"m": 1}}}')) == "validate.unknown_property"


def test_ten_thousand_operations_load_and_compile_within_the_time_of_a_test() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}, "next": {"$ref": "#/components/schemas/Node"}}}
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Node"}}}}
    parameters = [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}}]
    paths = {
        f"/things{number}/{{id}}": {"parameters": parameters, "put": {"requestBody": body, "responses": {}}}
        for number in range(10_000)
    }
    send = sender(document_of(paths, schemas={"Node": schema}))
    assert send("PUT", b"/things9999/1", [(b"content-type", b"application/json")], b'{"n": 1}').json_body == {"n": 1}
