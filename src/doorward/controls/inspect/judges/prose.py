"""How much running text stands around a construct: people write about attacks, and code, without attacking."""

import re
from typing import Final

_WORD: Final = re.compile(r"(?<![\w.$/\\[\]@=-])[A-Za-z][A-Za-z']{1,24}(?=\s|[,.!?:](?:\s|$)|$)")
"""A word as it stands in a sentence: no part of a name with dots, of a path or of a variable."""
_COMMENT: Final = re.compile(
    r"(?<!\*)/\*.{0,160}?(?:\*/|\Z)|<!--.{0,160}?(?:-->|\Z)|(?:^|[\n;])[ \t]{0,8}(?://|#)[^\n]{0,160}", re.DOTALL
)
_REACH: Final = 160


def prose_words(value: str, end: int) -> int:
    """How many plain words stand before `end`, counting up to ten in the 160 characters before it.

    >>> prose_words("please look at {{7*7}}", 15), prose_words("{{7*7}}", 0)
    (3, 0)
    """
    return min(10, sum(1 for _ in _WORD.finditer(value, max(0, end - _REACH), end)))


def is_prose(value: str, start: int, end: int) -> bool:
    """Whether what stands from `start` to `end` is mentioned in a sentence: at least four plain words around it.

    Words in a comment before it do not count: there an attacker writes what he likes.
    """
    before = without_comments(value[max(0, start - _REACH) : start])
    words = prose_words(before, len(before))
    return words >= 4 or words + prose_words(value[end : end + _REACH], _REACH) >= 4


def without_comments(value: str) -> str:
    """The text with comments of programs and markup as blanks; one that does not end takes the rest along."""
    return _COMMENT.sub(" ", value)
