"""Long answers in pieces leave as they would whole, however they are cut on the way."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.controls.minimise.shape import Shape
from doorward.controls.minimise.splitting import ArraySplitter, LineSplitter
from doorward.controls.minimise.stream import ArrayFilter, JsonLinesFilter, TextFilter
from doorward.controls.minimise.texts import CARDS, INTERNALS, SECRETS, Cleaning
from doorward.denial import Denied
from doorward.exchange import BodyFilter

CLEANING = Cleaning(CARDS | INTERNALS | SECRETS)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(alphabet='ab"\\[]{},: \n\x7fé', max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


class DropSecret:
    """Drops the member `secret` of an object."""

    shape: Shape | None = None

    def keep(self, value: Any) -> int:
        return int(isinstance(value, dict) and value.pop("secret", ...) is not ...)

    def findings(self) -> list[str]:
        return []


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def through(body_filter: BodyFilter, data: bytes, size: int = 1) -> bytes:
    return b"".join([*map(body_filter.feed, pieces(data, size)), body_filter.end()])


def eagerly(splitter: ArraySplitter, piece: bytes) -> bytes:
    """Look at the piece at once."""
    splitter._needs = 0
    return splitter.feed(piece)


@given(st.lists(VALUES, max_size=6), st.integers(1, 40), st.booleans())
def test_an_array_is_cut_between_its_elements_wherever_its_pieces_end(
    values: list[Any], size: int, spaced: bool
) -> None:
    data = orjson.dumps(values, option=orjson.OPT_INDENT_2 if spaced else 0)
    splitter = ArraySplitter(1 << 20)
    found = [*(eagerly(splitter, piece) for piece in pieces(data, size)), splitter.end()]
    together = b",".join(text for text in found if text)
    assert orjson.loads(b"[" + together + b"]") == values
    for text in found:
        orjson.loads(b"[" + text + b"]")  # each is whole elements


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[1", b"[1}", b"[1] 2", b"[1]]", b"[1,]", b'["a', b"[[1]", b"[[1] [2]]"[1:-1], b"1", b"[[1][2]]"],
)
@pytest.mark.parametrize("size", [1, 100])
def test_what_is_no_array_is_refused_at_the_latest_at_its_end(body: bytes, size: int) -> None:
    with pytest.raises(Denied) as refused:
        through(ArrayFilter(DropSecret(), CLEANING, 1 << 20), body, size)
    assert refused.value.code == "minimise.response_schema"


@pytest.mark.parametrize("body", [b"[,1]", b"[1,,2]", b"[1 2]", b'[{"a":1,"a":2}]', b"[NaN]", b"[[1}]", b"[{1]]"])
def test_elements_that_are_no_json_are_refused(body: bytes) -> None:
    with pytest.raises(Denied):
        through(ArrayFilter(DropSecret(), CLEANING, 1 << 20), body)


@given(st.lists(st.dictionaries(st.sampled_from(["id", "secret", "note"]), VALUES, max_size=3)), st.integers(1, 99))
def test_what_leaves_in_pieces_is_what_would_leave_whole(values: list[Any], size: int) -> None:
    left = through(ArrayFilter(DropSecret(), CLEANING, 1 << 20), orjson.dumps(values), size)
    assert orjson.loads(left) == [{name: each[name] for name in each if name != "secret"} for each in values]


def test_an_array_in_which_nothing_had_to_go_leaves_byte_for_byte() -> None:
    data = b'[ {"id" : 1.10}, [ ] , "x" ]'
    assert through(ArrayFilter(DropSecret(), CLEANING, 99), data, 5).replace(b" ", b"") == data.replace(b" ", b"")


def test_an_element_has_a_largest_size() -> None:
    with pytest.raises(Denied, match="larger than"):
        through(ArrayFilter(DropSecret(), CLEANING, 1 << 20), b'["' + b"x" * (3 << 20), 65_536)


def test_a_long_element_is_not_looked_at_over_and_over() -> None:
    data = b'["' + b"x" * (4 << 20) + b'"]'
    splitter = ArraySplitter(8 << 20)
    looks = [0]
    for piece in pieces(data, 65_536):
        splitter.feed(piece)
        if splitter._needs // 2 != looks[-1]:
            looks.append(splitter._needs // 2)
    assert splitter.end() == data[1:-1]
    assert sum(looks) < 4 * len(data)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_json_lines_are_kept_to_what_is_declared_line_by_line(size: int) -> None:
    body_filter = JsonLinesFilter(DropSecret(), CLEANING, 1 << 20)
    data = b'{"id":1}\n\n{"id":2,"secret":3}\r\n"4111111111111111"'
    assert through(body_filter, data, size) == b'{"id":1}\n\n{"id":2}\n"************1111"\n'
    assert body_filter.findings() == ["minimise.undeclared_field:1", "minimise.masked:1"]
    with pytest.raises(Denied):
        through(JsonLinesFilter(DropSecret(), CLEANING, 1 << 20), b'{"id":1}\n{"id":', size)


KEY = b"-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nAbCd\n-----END RSA PRIVATE KEY-----\n"


@pytest.mark.parametrize("size", [1, 13, 1000])
def test_texts_are_cleaned_line_by_line_and_keys_from_first_line_to_last(size: int) -> None:
    body_filter = TextFilter(CLEANING)
    data = (
        b"a,4111111111111111\r\n"
        + KEY
        + b"after \xff\nTraceback (most recent call last):\n  x(password='p')\nKeyError\n\nend"
    )
    left = through(body_filter, data, size)
    assert left == b"a,************1111\r\n[removed]\nafter \xff\n[removed]\n\nend"
    assert body_filter.findings() == ["minimise.masked:1", "minimise.internals:2"]


def test_a_mention_of_a_key_does_not_swallow_the_rest_of_a_text() -> None:
    text = b"write -----BEGIN PRIVATE KEY----- first\n" + b"line\n" * 1000
    left = through(TextFilter(CLEANING), text, 4096)
    assert left.startswith(b"[removed]\n")
    assert left.count(b"line\n") == 800


def test_two_keys_on_each_others_heels_are_both_left_out() -> None:
    text = KEY.rstrip(b"\n") + KEY + b"after\n"
    assert through(TextFilter(CLEANING), text, 7) == b"[removed]\nafter\n"


def test_a_line_without_an_end_is_cut_where_no_number_can_stand() -> None:
    splitter = LineSplitter(100)
    lines = [*splitter.feed(b"<a>4111 1111 1111 1111</a>" * 60), *splitter.end()]
    assert b"".join(lines) == b"<a>4111 1111 1111 1111</a>" * 60
    assert all(line.endswith(b">") for line in lines)
    held = LineSplitter(100)
    assert held.feed(b"4111 1111 1111 1111 " * 60) == [], "nothing tells where a number ends"
    assert held.feed(b"x" * 500) == [b"4111 1111 1111 1111 " * 60 + b"x" * 500]


def test_cards_in_one_long_line_are_all_masked() -> None:
    text = b"<r>" + b"<c>4111 1111 1111 1111</c>" * 20_000 + b"</r>"
    assert b"4111" not in through(TextFilter(CLEANING), text, 50_000)


def test_small_pieces_are_gathered_and_not_joined_one_by_one() -> None:
    lines, array = LineSplitter(1 << 20), ArraySplitter(1 << 20)
    array.feed(b"[")
    for _ in range(5000):
        lines.feed(b"x")
        array.feed(b"1,")
    assert len(lines._held) == 5000
    assert len(array._waiting) == 5001
