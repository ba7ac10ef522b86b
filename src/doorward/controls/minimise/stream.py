"""What long answers go through while they stream: arrays by element, JSON lines and texts by line.

A filter that refuses does so in the middle of an answer: all that is left then is to break it off.
"""

import re
from typing import Any, Final, Protocol

from doorward.controls.minimise.json_text import CODE, parsed, written
from doorward.controls.minimise.shape import Shape
from doorward.controls.minimise.splitting import ArraySplitter, LineSplitter
from doorward.controls.minimise.texts import Cleaner, Cleaning
from doorward.denial import Denied

_BEGINS_KEY: Final = re.compile(rb"-----BEGIN (?:[A-Z]{1,12} ){0,2}PRIVATE KEY-----")
_ENDS_KEY: Final = re.compile(rb"-----END (?:[A-Z]{1,12} ){0,2}PRIVATE KEY-----")
_BLANK: Final = re.compile(rb"\A[ \t\r]*\n?\Z")
_LINE_BYTES: Final = 65_536
"""Longest line of a text that is looked at in one piece, where it can be cut."""
_TRACE_LINES: Final = 200
"""Most lines left out after one that tells about the inside: somebody may only have mentioned it."""


class Values(Protocol):
    """What is done with data of the answer: declared members kept, misfits noted."""

    shape: Shape | None
    """Of one element, or line."""

    def keep(self, value: Any) -> int:
        """How many members were taken out of one element. Errors: Denied."""

    def findings(self) -> list[str]:
        """What else was noted."""


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
        return counted(self.dropped, self.masked, self.replaced)


def counted(dropped: int, masked: int, replaced: int) -> list[str]:
    """What was done to an answer, as it stands in the record."""
    found = []
    if dropped:
        found.append(f"minimise.undeclared_field:{dropped}")
    if masked:
        found.append(f"minimise.masked:{masked}")
    if replaced:
        found.append(f"minimise.internals:{replaced}")
    return found


class _JsonPieces:
    """JSON values one after the other, each read, kept to what is declared, cleaned, and written if it changed."""

    __slots__ = ("_cleaning", "_values", "counts")

    def __init__(self, values: Values, cleaning: Cleaning) -> None:
        self._values, self._cleaning = values, cleaning
        self.counts = Counts()

    def cleaned(self, piece: bytes, *, is_one: bool = False) -> bytes:
        """The piece, a list of values, as it may leave; `is_one`: of exactly one. Errors: Denied."""
        values = parsed(piece)
        if is_one and len(values) != 1:
            raise Denied(CODE, "a line is not one JSON value")
        dropped = sum([self._values.keep(value) for value in values])
        self.counts.dropped += dropped
        kinds = self._cleaning.kinds_in_json(piece)
        if kinds:
            cleaner = self._cleaning.cleaner(kinds)
            for place, value in enumerate(values):
                if isinstance(value, (str, dict, list)):
                    values[place] = cleaner.clean(value, self._values.shape)
            self.counts.add(cleaner)
            dropped += cleaner.masked_count + cleaner.replaced_count
        return written(values) if dropped else piece

    def findings(self) -> list[str]:
        """What was done."""
        return [*self.counts.findings(), *self._values.findings()]


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
        return self._pieces.findings()

    def _written(self, elements: bytes) -> bytes:
        cleaned = self._pieces.cleaned(b"[" + elements + b"]")
        begins, self._has_begun = b"," if self._has_begun else b"[", True
        return begins + cleaned.strip(b" \t\r\n")[1:-1]


class JsonLinesFilter:
    """JSON values, one a line."""

    __slots__ = ("_limit", "_pieces", "_splitter")

    def __init__(self, values: Values, cleaning: Cleaning, limit: int) -> None:
        self._pieces = _JsonPieces(values, cleaning)
        self._splitter, self._limit = LineSplitter(2 * limit), limit

    def feed(self, data: bytes) -> bytes:
        """What may leave now. Errors: Denied."""
        lines = self._splitter.feed(data)
        if self._splitter.held_bytes > self._limit:
            raise Denied(CODE, f"a line is larger than {self._limit} bytes")
        return b"".join([self._written(line) for line in lines])

    def end(self) -> bytes:
        """What may leave at the end. Errors: Denied."""
        return b"".join([self._written(line) for line in self._splitter.end()])

    def findings(self) -> list[str]:
        """What was done."""
        return self._pieces.findings()

    def _written(self, line: bytes) -> bytes:
        if not line.strip(b" \t\r\n"):
            return line
        piece = b"[" + line + b"]"
        cleaned = self._pieces.cleaned(piece, is_one=True)
        return line if cleaned is piece else cleaned[1:-1] + b"\n"


class TextFilter:
    """Text, line by line. What tells about the inside goes on to the next blank line, a key to its last line."""

    __slots__ = ("_cleaning", "_dropped", "_ends", "_splitter", "counts")

    def __init__(self, cleaning: Cleaning) -> None:
        self._cleaning, self._splitter = cleaning, LineSplitter(_LINE_BYTES)
        self._ends: re.Pattern[bytes] | None = None
        """What ends the lines that are being left out; None: none are."""
        self._dropped = 0
        self.counts = Counts()

    def feed(self, data: bytes) -> bytes:
        """What may leave now."""
        return self._together(self._splitter.feed(data))

    def end(self) -> bytes:
        """What may leave at the end."""
        return self._together(self._splitter.end())

    def findings(self) -> list[str]:
        """What was done."""
        return self.counts.findings()

    def _together(self, lines: list[bytes]) -> bytes:
        whole = b"".join(lines)
        if self._ends is None and not self._cleaning.scanner.kinds(whole):
            return whole
        return b"".join([self._cleaned(line) for line in lines])

    def _cleaned(self, line: bytes) -> bytes:
        ends = self._ends
        if ends is not None:
            self._dropped += 1
            if self._dropped >= _TRACE_LINES or (ends.search(line) is not None and not _is_in_key_after(line)):
                self._ends = None
                return line if ends is _BLANK and self._dropped < _TRACE_LINES else b""
            return b""
        if not self._cleaning.scanner.kinds(line):
            return line
        bare = line.rstrip(b"\r\n")
        cleaner = self._cleaning.cleaner(self._cleaning.scanner.kinds(line))
        cleaned = cleaner.clean_bytes(bare, by_line=False)
        self.counts.add(cleaner)
        if cleaner.replaced_count:
            is_key = _BEGINS_KEY.search(line) is not None
            self._dropped = 0
            self._ends = (_ENDS_KEY if _is_in_key_after(line) else None) if is_key else _BLANK
        return cleaned + line[len(bare) :]


def _is_in_key_after(line: bytes) -> bool:
    """Whether a key goes on behind the line, which may end one and begin another."""
    return line.rfind(b"-----BEGIN ") > line.rfind(b"-----END ")
