from functools import partial

import pytest
from tests.controls.validate.carrying import body_document, code_of, denial_of, sender

from doorward.exchange import Exchange


def post(*headers: tuple[bytes, bytes]) -> Exchange:
    return sender(body_document({"type": "object"}))("POST", b"/things", headers, b"{}")


@pytest.mark.parametrize(
    "value",
    [
        b"application/json",
        b"Application/JSON; charset=UTF-8",
        b'application/json ;charset="utf-8"',
        b"application/json; v=1",
    ],
)
def test_the_declared_media_type_passes_however_it_is_written(value: bytes) -> None:
    assert code_of(lambda: post((b"content-type", value))) == ""


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"json",
        b"text/plain",
        b"application/json, text/html",
        b"application/json;x={",
        b"application/json; charset",
        b"application/json;",
        b"application/json; charset=utf-8; charset=utf-8",
        b'application/json; a="b',
        b"application/json\x0b",
        b"application/xml",
        b"application/jsonx",
        b" application/json",
    ],
)
def test_b5_every_other_content_type_is_refused(value: bytes) -> None:
    assert code_of(lambda: post((b"content-type", value))) == "validate.content_type"


@pytest.mark.parametrize("name", [b"application/grpc", b"application/grpc+proto", b"application/grpc-web-text"])
def test_b12_grpc_is_not_taken_unread(name: bytes) -> None:
    assert code_of(lambda: post((b"content-type", name))) == "validate.content_type"


def test_a_body_without_a_content_type_is_refused_and_told_what_is_taken() -> None:
    denied = denial_of(post)
    assert denied.code == "validate.content_type"
    assert denied.headers == ((b"accept", b"application/json"),)


@pytest.mark.parametrize("charset", [b"utf-7", b"utf-16", b"ibm037", b'"utf-16le"', b"latin-1", b"shift_jis"])
def test_b4_a_charset_other_than_utf_8_is_refused(charset: bytes) -> None:
    assert code_of(lambda: post((b"content-type", b"application/json; charset=" + charset))) == "validate.charset"


@pytest.mark.parametrize(
    ("coding", "code"),
    [(b"gzip", "validate.content_encoding"), (b"identity, br", "validate.content_encoding"), (b"identity", "")],
)
def test_b8_a_content_coding_is_refused(coding: bytes, code: str) -> None:
    headers = ((b"content-type", b"application/json"), (b"content-encoding", coding))
    assert code_of(lambda: post(*headers)) == code


def test_ever_new_content_types_do_not_fill_the_memory() -> None:
    send = sender(body_document({"type": "object"}))
    for number in range(200):
        headers = [(b"content-type", b"application/json; v=%d" % number)]
        assert code_of(partial(send, "POST", b"/things", headers, b"{}")) == ""
