"""What a scanner is sent, what its answer means, and whose files it sees. Asking it is tested in tests/gateway."""

from typing import Any

import pytest
from tests.controls.validate.carrying import body_document, code_of, denial_of, document_of, posting, sender

from doorward.controls.validate import AntivirusPolicy, ValidatePolicy, body_mode, compile_scan
from doorward.controls.validate.antivirus import instream, judge_answer, unscanned
from doorward.exchange import Exchange, Headers, Request, Source
from doorward.pipeline.planning import scan_plan
from doorward.policy.openapi import description_from_document

NAMED = ValidatePolicy(antivirus=AntivirusPolicy(address="/run/clamd"))
FILE = {"type": "string", "format": "binary"}
FORM = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "a": FILE, "many": {"type": "array", "items": FILE}},
}


def an_exchange() -> Exchange:
    request = Request("POST", b"/", b"/", b"", Headers([]))
    return Exchange(id="0" * 32, now=1e9, ticks=1.0, source=Source(address="192.0.2.1"), request=request)


def test_a_file_is_sent_in_pieces_that_put_together_are_the_file() -> None:
    data = bytes(range(256)) * 1000
    stream = b"".join(instream(data))
    assert stream.startswith(b"zINSTREAM\0")
    found, at = b"", 10
    while size := int.from_bytes(stream[at : at + 4], "big"):
        found += stream[at + 4 : at + 4 + size]
        at += 4 + size
    assert found == data
    assert len(stream) == at + 4
    assert b"".join(instream(b"")) == b"zINSTREAM\0\0\0\0\0"


def test_a_signature_is_named_in_the_record_and_not_to_the_client() -> None:
    denied = denial_of(lambda: judge_answer(b"stream: Win.Trojan.X-1 FOUND\0", "file"))
    assert (denied.code, denied.detail, denied.public) == ("validate.malware", "file: Win.Trojan.X-1", None)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"stream: OK",
        b"stream: OK\n",
        b"stream: ok\0",
        b"1: stream: OK\0",
        b"stream: \x1b[2J FOUND\0",
        b"stream: OK\0\0",
    ],
)
def test_any_other_answer_is_unscanned(answer: bytes) -> None:
    assert code_of(lambda: judge_answer(answer, "file")) == "validate.unscanned"
    assert code_of(lambda: judge_answer(b"stream: OK\0", "file")) == ""


def multipart(*parts: tuple[str, str, bytes]) -> bytes:
    made = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + data + b"\r\n"
        for name, more, data in parts
    ]
    return b"".join(made) + b"--b--\r\n"


def test_files_of_a_form_are_scanned_and_fields_are_not() -> None:
    send = sender(document_of({"/things": {"post": {"requestBody": {"content": {"multipart/form-data": {"schema": FORM}}}, "responses": {}}}}), antivirus=NAMED.antivirus)  # fmt: skip
    name = '; filename="f.txt"'
    body = multipart(("title", "", b"a"), ("a", name, b"one"), ("many", name, b"two"), ("many", "", b"three"))
    exchange = send("POST", b"/things", [(b"content-type", b"multipart/form-data; boundary=b")], body)
    assert exchange.uploads == (("a", b"one"), ("many", b"two"), ("many", b"three"))


def test_a_body_that_is_one_file_is_scanned_and_other_bodies_are_not() -> None:
    settings: dict[str, Any] = {"antivirus": NAMED.antivirus}
    assert posting(body_document(FILE, media_type="image/png"), b"image/png", **settings)(b"x").uploads == (
        ("body", b"x"),
    )
    assert posting(body_document({}, media_type="*/*"), b"image/png", **settings)(b"x").uploads == (("body", b"x"),)
    assert posting(body_document({}), **settings)(b"{}").uploads == ()
    assert posting(body_document({}, media_type="*/*"), **settings)(b"{}").uploads == ()


def test_without_a_scanner_nothing_is_kept_for_it() -> None:
    assert posting(body_document({}, media_type="*/*"), b"image/png")(b"x").uploads == ()


@pytest.mark.parametrize(
    ("media_type", "is_asked"),
    [
        ("multipart/form-data", True),
        ("image/png", True),
        ("*/*", True),
        ("application/json", False),
        ("text/plain", False),
    ],
)
def test_only_operations_that_take_files_ask(media_type: str, is_asked: bool) -> None:
    operation = description_from_document(body_document({}, media_type=media_type)).operations[0]
    assert (compile_scan(operation, NAMED) is not None) is is_asked
    assert compile_scan(operation, ValidatePolicy()) is None
    assert body_mode(operation, NAMED) == "read"


def test_the_mode_of_validate_decides_what_becomes_of_a_verdict() -> None:
    operation = description_from_document(body_document({}, media_type="image/png")).operations[0]
    enforced, observed = scan_plan(operation, NAMED, "enforce"), scan_plan(operation, NAMED, "observe")
    assert scan_plan(operation, NAMED, "off") is None
    assert enforced is not None
    assert observed is not None
    exchange = an_exchange()
    assert code_of(lambda: enforced.settle(exchange, unscanned("away"))) == "validate.unscanned"
    assert exchange.findings == []
    observed.settle(exchange, unscanned("away"))
    assert exchange.findings == ["observe:validate.unscanned"]
    enforced.settle(exchange, None)
    assert exchange.findings == ["observe:validate.unscanned"]
