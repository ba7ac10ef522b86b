"""What long answers go through while they stream: arrays by element, JSON lines and texts by line.

A filter that refuses does so in the middle of an answer: all that is left then is to break it off.
"""

import re
from typing import Any, Final, Protocol

from doorward.controls.minimise.json_text import parsed, written
from doorward.controls.minimise.splitting import ArraySplitter, LineSplitter
from doorward.controls.minimise.texts import REPLACEMENT, Cleaner, Cleaning

_BEGINS_KEY: Final = re.compile(rb"-----BEGIN (?:[A-Z]{1,12} ){0,2}PRIVATE KEY-----")
_ENDS_KEY: Final = re.compile(rb"-----END (?:[A-Z]{1,12} ){0,2}PRIVATE KEY-----")
_LINE_BYTES: Final = 65_536
"""Longest line of a text that is looked at in one piece."""


class Values(Protocol):
    """What is done with data of the answer: declared members kept, misfits noted, texts cleaned."""

    def keep(self, value: Any) -> int:
        """How many members were taken out of it. Errors: Denied."""


class Counts:
    """What was done to an answer so far."""

    __slots__ = ("dropped", "masked", "replaced")

    def __init__(self) -> None:
        self.dropped = self.masked = self.replaced = 0

    def add(self, cleaner: Cleaner) -> None:
        """Add what a cleaner did."""
        self.masked += cleaner.masked_count
        self.replaced += cleaner.replaced_count

    def findings(self) -> list[str]:
        """As they stand in the record."""
        named = {
            "minimise.undeclared_field": self.dropped,
            "minimise.masked": self.masked,
            "minimise.internals": self.replaced,
        }
        return [f"{name}:{count}" for name, count in named.items() if count]


class _JsonPieces:
    """JSON values one after the other, each read, kept to what is declared, cleaned, and written if it changed."""

    __slots__ = ("_cleaning", "_values", "counts")

    def __init__(self, values: Values, cleaning: Cleaning) -> None:
        self._values, self._cleaning = values, cleaning
        self.counts = Counts()

    def cleaned(self, piece: bytes) -> bytes:
        """The piece as it may leave. Errors: Denied."""
        value = parsed(piece)
        dropped = self._values.keep(value)
        self.counts.dropped += dropped
        kinds = self._cleaning.scanner.kinds(piece)
        if kinds:
            cleaner = self._cleaning.cleaner(kinds)
            if isinstance(value, (str, dict, list)):
                value = cleaner.clean(value)
            self.counts.add(cleaner)
            dropped += cleaner.masked_count + cleaner.replaced_count
        return written(value) if dropped else piece


class ArrayFilter:
    """A JSON array, some elements at a time."""

    __slots__ = ("_has_begun", "_pieces", "_splitter")

    def __init__(self, values: Values, cleaning: Cleaning, limit: int) -> None:
        """`limit`: most bytes of one element."""
        self._pieces = _JsonPieces(values, cleaning)
        self._splitter = ArraySplitter(limit)
        self._has_begun = False

    def feed(self, data: bytes) -> bytes:
        """What may leave now. Errors: Denied."""
        elements = self._splitter.feed(data)
        return self._written(elements) if elements else b""

    def end(self) -> bytes:
        """What may leave at the end. Errors: Denied."""
        elements = self._splitter.end()
        last = self._written(elements) if elements else b""
        return last + (b"]" if self._has_begun else b"[]")

    def findings(self) -> list[str]:
        """What was done."""
        return self._pieces.counts.findings()

    def _written(self, elements: bytes) -> bytes:
        cleaned = self._pieces.cleaned(b"[" + elements + b"]")
        begins, self._has_begun = b"," if self._has_begun else b"[", True
        return begins + cleaned.strip(b" \t\r\n")[1:-1]


class JsonLinesFilter:
    """JSON values, one a line."""

    __slots__ = ("_limit", "_pieces", "_splitter")

    def __init__(self, values: Values, cleaning: Cleaning, limit: int) -> None:
        self._pieces = _JsonPieces(values, cleaning)
        self._splitter, self._limit = LineSplitter(limit), limit

    def feed(self, data: bytes) -> bytes:
        """What may leave now. Errors: Denied."""
        return b"".join([self._written(line) for line in self._splitter.feed(data)])

    def end(self) -> bytes:
        """What may leave at the end. Errors: Denied."""
        return b"".join([self._written(line) for line in self._splitter.end()])

    def findings(self) -> list[str]:
        """What was done."""
        return self._pieces.counts.findings()

    def _written(self, line: bytes) -> bytes:
        if not line.strip(b" \t\r\n"):
            return line
        cleaned = self._pieces.cleaned(line)
        return cleaned if cleaned is line else cleaned + b"\n"


class TextFilter:
    """Text, line by line; a private key goes from its first line to its last one."""

    __slots__ = ("_cleaning", "_is_in_key", "_splitter", "counts")

    def __init__(self, cleaning: Cleaning) -> None:
        self._cleaning, self._splitter = cleaning, LineSplitter(_LINE_BYTES)
        self._is_in_key = False
        self.counts = Counts()

    def feed(self, data: bytes) -> bytes:
        """What may leave now."""
        return self._together(self._splitter.feed(data))

    def end(self) -> bytes:
        """What may leave at the end."""
        return self._together(self._splitter.end())

    def _together(self, lines: list[bytes]) -> bytes:
        whole = b"".join(lines)
        if not self._is_in_key and not self._cleaning.scanner.kinds(whole):
            return whole
        return b"".join([self._cleaned(line) for line in lines])

    def findings(self) -> list[str]:
        """What was done."""
        return self.counts.findings()

    def _cleaned(self, line: bytes) -> bytes:
        if self._is_in_key:
            self._is_in_key = _ENDS_KEY.search(line) is None
            return b""
        kinds = self._cleaning.scanner.kinds(line)
        if not kinds:
            return line
        cleaner = self._cleaning.cleaner(kinds)
        bare = line.rstrip(b"\r\n")
        cleaned = cleaner.clean_bytes(bare, by_line=False)
        self.counts.add(cleaner)
        if _BEGINS_KEY.search(line) is not None and cleaned == REPLACEMENT.encode():
            self._is_in_key = _ENDS_KEY.search(line) is None
        return cleaned + line[len(bare) :]
