"""Where in a text the construct stands that a judge refused, for the record: its shape, not its words."""

import re
from typing import Final

from doorward.controls.inspect.verdict import Judge

OPENS: Final = "⟦"
CLOSES: Final = "⟧"
"""Around the construct."""
EXCERPT_CHARS: Final = 256
"""Longest text searched. Finding the place asks the judge some sixteen times; a long hostile text must not pay that."""
_AROUND: Final = 24
"""Characters shown on either side of the construct."""
_LETTERS: Final = re.compile(r"[^\W\d_]")
_DIGITS: Final = re.compile(r"\d")


def excerpt(text: str, judge: Judge, *, is_plain: bool) -> str:
    """The text around what `judge` refuses in it, the construct in brackets; empty for a long text.

    Letters are `x` and digits `0` unless `is_plain`: the punctuation tells what happened, and nobody's words are kept.
    """
    if len(text) > EXCERPT_CHARS:
        return ""
    start, end = _span(text, judge)
    pieces = (text[max(0, start - _AROUND) : start], text[start:end], text[end : end + _AROUND])
    before, construct, after = pieces if is_plain else map(_shape, pieces)
    return f"{before}{OPENS}{construct}{CLOSES}{after}"


def _span(text: str, judge: Judge) -> tuple[int, int]:
    """The shortest part that is refused by itself, found by halving; the whole text where halving finds none."""
    low, end = 0, len(text)
    while low < end:
        middle = (low + end) // 2
        low, end = (low, middle) if judge(text[:middle]) is not None else (middle + 1, end)
    start, high = 0, end
    while start < high:
        middle = (start + high + 1) // 2
        start, high = (middle, high) if judge(text[middle:end]) is not None else (start, middle - 1)
    return (start, end) if judge(text[start:end]) is not None else (0, len(text))


def _shape(text: str) -> str:
    return _DIGITS.sub("0", _LETTERS.sub("x", text))
