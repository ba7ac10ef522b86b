"""Rows B6 and B7: one reading of a multipart body, whatever part of it is odd."""

import pytest

from doorward.controls.validate.multipart import parts
from doorward.denial import Denied

HEAD = b'Content-Disposition: form-data; name="a"'


def body(*made: bytes, boundary: bytes = b"b", end: bytes = b"--\r\n") -> bytes:
    return b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in made) + b"--" + boundary + end


def read(raw: bytes, boundary: str | None = "b", limit: int = 10) -> list[tuple[str, str | None, str, bytes]]:
    read_as = {} if boundary is None else {"boundary": boundary}
    return [(one.name, one.filename, one.media_type, one.data) for one in parts(raw, read_as, limit)]


def part(head: bytes = HEAD, data: bytes = b"1") -> bytes:
    return head + b"\r\n\r\n" + data


FILE = b'Content-Disposition: form-data; name="f"; filename="cat (1).png"\r\nContent-Type: image/png'


def test_fields_and_files_are_read_in_order() -> None:
    raw = body(
        part(), part(FILE, b"\x89PNG\r\n\x1a\n\r\n--c"), part(b'content-disposition: form-data; name="\xc3\xa9"', b"")
    )
    assert read(raw) == [
        ("a", None, "text/plain", b"1"),
        ("f", "cat (1).png", "image/png", b"\x89PNG\r\n\x1a\n\r\n--c"),
        ("é", None, "text/plain", b""),
    ]
    assert read(raw[:-2]) == read(raw)


def test_lengths_and_codings_that_say_nothing_new_are_taken() -> None:
    head = (
        HEAD + b"\r\nContent-Length: 1\r\nContent-Transfer-Encoding: binary\r\nContent-Type: text/plain; charset=UTF-8"
    )
    assert read(body(part(head))) == [("a", None, "text/plain", b"1")]


@pytest.mark.parametrize("boundary", ["b", "-" * 40 + "x1", "a" * 70, "a b'()+_,-./:=?c"])
def test_a_boundary_of_any_lawful_form_is_taken(boundary: str) -> None:
    assert len(read(body(part(), boundary=boundary.encode()), boundary)) == 1


MALFORMED = {
    "B6-no-boundary": (body(part()), None),
    "B6-long-boundary": (body(part(), boundary=b"a" * 71), "a" * 71),
    "B6-boundary-ends-in-blank": (body(part(), boundary=b"a "), "a "),
    "B6-boundary-with-line-end": (body(part()), "b\r\nc"),
    "B6-empty-boundary": (body(part(), boundary=b""), ""),
    "B6-preamble": (b"text\r\n" + body(part()), "b"),
    "B6-empty-line-before": (b"\r\n" + body(part()), "b"),
    "B6-epilogue": (body(part()) + b"text", "b"),
    "B6-two-ends": (body(part()) + body(part()), "b"),
    "B6-no-end": (b"--b\r\n" + part() + b"\r\n", "b"),
    "B6-cut-end": (body(part(), end=b"-"), "b"),
    "B6-nothing": (b"", "b"),
    "B6-line-feed-only": (body(part()).replace(b"\r\n", b"\n"), "b"),
    "B6-line-feed-in-head": (body(part(HEAD + b"\nX: y")), "b"),
    "B6-boundary-begins-another": (b"--b\r\n" + part() + b"\r\n--bc\r\n" + part() + b"\r\n--b--\r\n", "b"),
    "B6-blank-behind-boundary": (b"--b \r\n" + part() + b"\r\n--b--\r\n", "b"),
    "B6-no-head": (body(b"1"), "b"),
    "B6-no-colon": (body(part(HEAD + b"\r\nhello")), "b"),
    "B6-folded": (body(part(b'Content-Disposition: form-data;\r\n name="a"')), "b"),
    "B6-unknown-field": (body(part(HEAD + b"\r\nX-Other: 1")), "b"),
    "B6-disposition-twice": (body(part(HEAD + b"\r\n" + HEAD)), "b"),
    "B6-no-disposition": (body(part(b"Content-Type: text/plain")), "b"),
    "B6-attachment": (body(part(b'Content-Disposition: attachment; name="a"')), "b"),
    "B6-no-name": (body(part(b"Content-Disposition: form-data")), "b"),
    "B6-name-twice": (body(part(HEAD + b'; name="b"')), "b"),
    "B6-bare-name": (body(part(b"Content-Disposition: form-data; name=a")), "b"),
    "B6-filename-star": (body(part(HEAD + b"; filename*=UTF-8''a.png")), "b"),
    "B6-filename-continued": (body(part(HEAD + b'; filename*0*="a"')), "b"),
    "B6-escaped-quote": (body(part(b'Content-Disposition: form-data; name="a\\"b"')), "b"),
    "B6-filename-first": (body(part(b'Content-Disposition: form-data; filename="a"; name="a"')), "b"),
    "B6-base64": (body(part(HEAD + b"\r\nContent-Transfer-Encoding: base64")), "b"),
    "B6-other-length": (body(part(HEAD + b"\r\nContent-Length: 2")), "b"),
    "B6-nested": (body(part(HEAD + b"\r\nContent-Type: multipart/mixed; boundary=c")), "b"),
    "B6-not-utf8": (body(part(b'Content-Disposition: form-data; name="\xff"')), "b"),
    "B6-long-head": (body(part(HEAD + b"\r\nContent-Type: text/plain;a=" + b"x" * 5000)), "b"),
}


@pytest.mark.parametrize("row", MALFORMED)
def test_what_parsers_disagree_about_is_refused(row: str) -> None:
    raw, boundary = MALFORMED[row]
    with pytest.raises(Denied) as denied:
        read(raw, boundary)
    assert denied.value.code == "validate.multipart"


def test_b7_a_charset_in_the_middle_is_seen() -> None:
    odd = part(HEAD.replace(b'"a"', b'"m"') + b"\r\nContent-Type: text/plain; charset=utf-7")
    with pytest.raises(Denied) as denied:
        read(body(part(), odd, part(HEAD.replace(b'"a"', b'"z"'))))
    assert denied.value.code == "validate.charset"


def test_b6_more_parts_than_allowed_are_not_read() -> None:
    assert len(read(body(*[part()] * 10))) == 10
    with pytest.raises(Denied) as denied:
        read(body(*[part()] * 11))
    assert denied.value.code == "validate.json_limit"
