"""A text that a regular expression accepts, for the plain expressions that API descriptions hold."""

import re
from collections.abc import Iterator
from typing import Final

_CLASSES: Final = {"d": "0", "w": "a", "s": " ", "D": "a", "W": "-", "S": "a"}
_MOST_REPEATS: Final = 64


class _Unsupported(Exception):
    """Something the reader of expressions does not know."""


def matching(pattern: str, *, min_length: int = 0) -> str | None:
    """A text that `pattern` finds itself in, at least `min_length` long; None when none could be made.

    Best effort: the first branch, the fewest repeats that reach the length. What comes back was checked with `re`.

    >>> matching("^[A-Z]{3}-[0-9]+$"), matching("^acc-[0-9]{4}$"), matching("(?<=a)b")
    ('AAA-0', 'acc-0000', None)
    """
    try:
        compiled = re.compile(pattern)
        for spare in (0, min_length):
            text = "".join(_Reader(pattern, spare).alternatives())
            if len(text) >= min_length and compiled.search(text):
                return text
    except (_Unsupported, re.error):
        return None
    return None


class _Reader:
    """Reads an expression from left to right and writes the simplest text it stands for."""

    def __init__(self, pattern: str, spare: int) -> None:
        self._pattern, self._at, self._spare = pattern, 0, spare

    def alternatives(self) -> Iterator[str]:
        """The pieces of the first branch; the others are read over."""
        is_first = True
        while self._at < len(self._pattern) and self._pattern[self._at] != ")":
            if self._pattern[self._at] == "|":
                self._at += 1
                is_first = False
                continue
            piece = self._atom()
            count = self._repeats()
            if is_first:
                yield piece * count

    def _take(self) -> str:
        character = self._pattern[self._at]
        self._at += 1
        return character

    def _atom(self) -> str:
        match self._take():
            case "^" | "$":
                return ""
            case ".":
                return "a"
            case "(":
                return self._group()
            case "[":
                return self._set()
            case "\\":
                return self._escape()
            case character:
                return character

    def _group(self) -> str:
        if self._pattern.startswith("?:", self._at):
            self._at += 2
        elif self._pattern.startswith("?", self._at):
            raise _Unsupported
        text = "".join(self.alternatives())
        self._at += 1
        return text

    def _set(self) -> str:
        if self._pattern.startswith("^", self._at):
            raise _Unsupported
        first = ""
        while (character := self._take()) != "]" or not first:
            first = first or (self._escape() if character == "\\" else character)
        return first

    def _escape(self) -> str:
        character = self._take()
        if character in _CLASSES:
            return _CLASSES[character]
        if character.isalnum():
            raise _Unsupported
        return character

    def _repeats(self) -> int:
        found = re.compile(r"([?*+])|\{([0-9]+)(,?)([0-9]*)\}").match(self._pattern, self._at)
        if not found:
            return 1
        self._at = found.end()
        sign, low, comma, high = found.groups()
        least = {"?": 0, "*": 0, "+": 1}[sign] if sign else int(low)
        most = {"?": 1}.get(sign, _MOST_REPEATS) if sign else int(high or _MOST_REPEATS) if comma else least
        return min(max(least, self._spare), most) if self._spare else least
