"""The chunked coding: the same bytes give the same body however they are cut, and every count has an end."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.controls.transport import ChunkedBody
from doorward.controls.transport.chunked import CHUNK_COUNT, EXTENSION_BYTES, TRAILER_BYTES
from doorward.denial import Denied


def read(raw: bytes, cuts: list[int]) -> tuple[bytes, bool, bytes]:
    body, data, edges = ChunkedBody(), b"", sorted({0, len(raw), *(cut % (len(raw) + 1) for cut in cuts)})
    for start, end in itertools.pairwise(edges):
        data += body.feed(body.rest + raw[start:end]) if not body.is_complete else b""
    return data, body.is_complete, body.rest


@given(st.lists(st.binary(min_size=1, max_size=30), max_size=5), st.lists(st.integers(0, 500), max_size=10))
def test_a_body_is_the_same_however_it_is_cut(pieces: list[bytes], cuts: list[int]) -> None:
    raw = b"".join(b"%x;a=b\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\nX: y\r\n\r\n"
    assert read(raw, cuts) == (b"".join(pieces), True, b"")


@given(st.binary(max_size=60))
def test_any_bytes_are_read_refused_or_awaited(raw: bytes) -> None:
    try:
        whole = read(raw, [])
    except Denied:
        return
    assert len(whole[0]) <= len(raw)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"1\r\na\r\n" * (CHUNK_COUNT + 1), "chunk_size"),
        (b"1;" + b"x" * EXTENSION_BYTES + b"\r\n", "chunk_extension"),
        (b"1;" + b"x" * (EXTENSION_BYTES + 100), "chunk_extension"),
        (b"0\r\n" + b"X: y\r\n" * TRAILER_BYTES, "header_name"),
        (b"0\r\nX: " + b"y" * (TRAILER_BYTES + 1), "header_name"),
        (b"11111111111111111\r\n", "chunk_size"),
    ],
)
def test_nothing_in_a_body_may_be_endless(raw: bytes, code: str) -> None:
    with pytest.raises(Denied) as refusal:
        ChunkedBody().feed(raw)
    assert refusal.value.code == f"transport.{code}"


def test_bytes_behind_the_body_belong_to_the_next_message() -> None:
    assert read(b"0\r\n\r\nGET / ", []) == (b"", True, b"GET / ")
