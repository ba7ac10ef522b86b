"""One spelling for a path, whatever was written."""

from urllib.parse import quote, unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.controls.transport import canonical_path
from doorward.denial import Denied


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        (b"/", b"/"),
        (b"/a/b", b"/a/b"),
        (b"/a/b/", b"/a/b/"),
        (b"/items/a%20b", b"/items/a%20b"),
        (b"/files/v1.2", b"/files/v1.2"),
        (b"/files/v1%2e2", b"/files/v1.2"),
        (b"/files/...", b"/files/..."),
        (b"/files/.hidden", b"/files/.hidden"),
        (b"/u/%c3%a9", b"/u/%C3%A9"),
        (b"/%41%7e%5f", b"/A~_"),
        (b"/a%23b%3fc", b"/a%23b%3Fc"),
        (b"/100%25", b"/100%25"),
        (b"/100%25x", b"/100%25x"),
        (b"/a:b@c!$&'()*+,=", b"/a:b@c!$&'()*+,="),
        (b"/%E2%80%A6", b"/%E2%80%A6"),
    ],
)
def test_a_path_has_one_spelling(written: bytes, canonical: bytes) -> None:
    assert canonical_path(written) == canonical
    assert canonical_path(canonical) == canonical


@pytest.mark.parametrize(
    ("written", "code"),
    [
        (b"", "start_line"),
        (b"a", "start_line"),
        (b"/../a", "path_traversal"),
        (b"/a/%2e%2e/b", "path_traversal"),
        (b"/a//b", "path_traversal"),
        (b"/a/.", "path_traversal"),
        (b"/.", "path_traversal"),
        (b"/a%2Fb", "path_traversal"),
        (b"/%2561", "path_double"),
        (b"/%252e", "path_double"),
        (b"/%2525%32e", "path_double"),
        (b"/a;b", "path_matrix"),
        (b"/a%3Bb", "path_matrix"),
        (b"/a#b", "path_fragment"),
        (b"/a\\b", "path_bytes"),
        (b"/a%5Cb", "path_bytes"),
        (b"/%00", "path_bytes"),
        (b"/%0a", "path_bytes"),
        (b"/%7F", "path_bytes"),
        (b"/%C2%80", "path_bytes"),
        (b"/%C0%AF", "path_bytes"),
        (b"/%ED%A0%80", "path_bytes"),
        (b"/%EF%BC%8F", "path_bytes"),
        (b"/%EF%BC%8E", "path_bytes"),
        (b"/\xe9", "path_bytes"),
        (b"/%", "path_bytes"),
        (b"/%4", "path_bytes"),
        (b"/%4g", "path_bytes"),
        (b"/a b", "path_bytes"),
        (b"/a\n", "path_bytes"),
    ],
)
def test_a_path_with_several_readings_is_refused(written: bytes, code: str) -> None:
    with pytest.raises(Denied) as refusal:
        canonical_path(written)
    assert refusal.value.code == f"transport.{code}"


@given(st.binary(max_size=40))
def test_whatever_is_accepted_means_the_same_and_is_stable(path: bytes) -> None:
    try:
        canonical = canonical_path(b"/" + path)
    except Denied:
        return
    assert canonical_path(canonical) == canonical
    assert unquote_to_bytes(canonical) == unquote_to_bytes(b"/" + path)
    decoded = unquote_to_bytes(canonical)
    assert not {b"..", b".", b""} & set(decoded[1:].split(b"/")[:-1])
    assert not set(decoded) & set(b"\\;\0\r\n")


@given(st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1, max_size=20))
def test_letters_and_digits_of_every_script_may_stand_in_a_path(text: str) -> None:
    assert canonical_path(b"/" + quote(text, safe="").encode()) == b"/" + quote(text, safe="").encode()
