import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.controls.audit.sanitise import FIELD_BYTES, clean, clean_bytes, was_cut

HOSTILE = {
    "a\r\nINFO admin logged in": "a\\x0d\\x0aINFO admin logged in",
    "\x1b[2J\x1b[31m": "\\x1b[2J\\x1b[31m",
    "\x00": "\\x00",
    "\x7f": "\\x7f",
    "\x9b31m": "\\u009b31m",
    "gpj.\u202etxt": "gpj.\\u202etxt",
    "\u2066\u2069": "\\u2066\\u2069",
    "\u2028\u2029": "\\u2028\\u2029",
    "\ufeff\u200b": "\\ufeff\\u200b",
    "\ud800": "\\ud800",
    "\U000e0041": "\\U000e0041",
    "\\x0a": "\\\\x0a",
}


@pytest.mark.parametrize("text", HOSTILE)
def test_what_moves_a_terminal_or_forges_a_line_is_escaped(text: str) -> None:
    assert clean(text) == HOSTILE[text]


def test_ordinary_text_is_kept_in_every_language() -> None:
    for text in ("curl/8.5", "Ünïcödé", "日本語", "🙂", ""):
        assert clean(text) == text


def test_bytes_that_are_not_utf8_are_told_from_text_that_looks_escaped() -> None:
    assert clean_bytes(b"\xff") == "\\xff"
    assert clean_bytes(b"\\xff") == "\\\\xff"


@given(st.text())
def test_nothing_unprintable_ever_comes_out(text: str) -> None:
    assert clean(text).isprintable()


@given(st.binary(), st.binary())
def test_different_bytes_stay_different(one: bytes, other: bytes) -> None:
    assert (clean_bytes(one) == clean_bytes(other)) == (one == other)


@given(st.text(max_size=80), st.integers(1, 40))
def test_a_field_keeps_its_cap_and_says_when_it_was_cut(text: str, cap: int) -> None:
    cleaned = clean(text, cap)
    kept = re.sub(r" \[cut: [0-9]+ bytes, sha256 [0-9a-f]{64}\]$", "", cleaned) if was_cut(cleaned, cap) else cleaned
    assert len(kept.encode()) <= cap
    assert was_cut(cleaned, cap) == (cleaned != clean(text, 10_000))


def test_a_megabyte_becomes_one_kibibyte_and_its_hash() -> None:
    text = "x" * (1 << 20)
    cleaned = clean(text)
    assert len(cleaned) < FIELD_BYTES + 120
    assert hashlib.sha256(text.encode()).hexdigest() in cleaned
    assert "1048576 bytes" in cleaned


def test_a_text_that_imitates_the_mark_is_not_taken_for_a_cut_one() -> None:
    assert not was_cut(clean("a [cut: 9 bytes, sha256 00]"))
