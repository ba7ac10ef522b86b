"""A JSON array cut between its elements while it arrives, and text cut between its lines."""

import re
from typing import Final

from doorward.controls.minimise.json_text import CODE
from doorward.denial import Denied

_STRING: Final = rb'"(?:[^"\\]++|\\.)*+"'
# Possessive: what is matched once is not looked at again.
_BRACKET: Final = re.compile(rb'(?:[^"\[\]{}]++|' + _STRING + rb")*+([\[\]{}])", re.DOTALL)
_COMMA: Final = re.compile(rb'(?:[^",\[\]{}]++|' + _STRING + rb")*+,", re.DOTALL)
_SPACE: Final = b" \t\r\n"
_OPENING: Final = frozenset(b"[{")
_BATCH_BYTES: Final = 65_536
"""So much is gathered before it is looked at."""


class ArraySplitter:
    """Cuts one array into texts of whole elements, in order, each a list without its brackets.

    Whether the elements are JSON is for the caller to find out; here only strings and brackets count. Linear: what is
    unfinished is looked at again only when as much has come again.
    """

    __slots__ = ("_buffer", "_depth", "_ended", "_limit", "_looked", "_needs", "_owes", "_waiting", "_waiting_bytes")

    def __init__(self, limit: int) -> None:
        """`limit`: most bytes that an element may have."""
        self._limit = limit
        self._buffer = b""
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        """What came since the buffer was looked at."""
        self._depth = 0
        self._looked = 0
        """How much of the buffer the depth speaks of."""
        self._needs = _BATCH_BYTES
        self._owes = False
        """A comma was taken: an element must follow."""
        self._ended = False

    def feed(self, data: bytes) -> bytes:
        """The elements that are complete now; empty when none is. Errors: Denied `minimise.response_schema`."""
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        if len(self._buffer) + self._waiting_bytes < min(self._needs, self._limit):
            return b""
        elements = self._cut()
        rest = len(self._buffer)
        if rest > self._limit:
            raise Denied(CODE, f"an element of the array is larger than {self._limit} bytes")
        self._needs = max(_BATCH_BYTES, 2 * rest)
        return elements

    def end(self) -> bytes:
        """The elements that are left. Errors: Denied when the array is not complete, or something stands behind it."""
        elements = self._cut()
        if not self._ended or self._buffer.strip(_SPACE):
            raise Denied(CODE, "the answer is not one complete JSON array")
        return elements

    def _cut(self) -> bytes:
        self._buffer = b"".join([self._buffer, *self._waiting])
        self._waiting, self._waiting_bytes = [], 0
        if self._ended:
            return b""
        if self._depth == 0:
            self._begin()
            if self._depth == 0:
                return b""
        boundary, end = self._boundary()
        if end is not None:
            elements, self._buffer, self._ended = self._buffer[:end], self._buffer[end + 1 :], True
        else:
            elements, self._buffer = self._buffer[:boundary], self._buffer[boundary:]
            self._looked -= boundary
        return self._whole(elements)

    def _begin(self) -> None:
        text = self._buffer.lstrip(_SPACE)
        if text[:1] == b"[":
            self._buffer, self._depth, self._looked = text[1:], 1, 0
        elif text:
            raise Denied(CODE, "the answer is not a JSON array")

    def _boundary(self) -> tuple[int, int | None]:
        """Behind which byte the last whole element ends, and where the array does, if it does."""
        buffer, at, depth, boundary = self._buffer, self._looked, self._depth, 0
        while (found := _BRACKET.match(buffer, at)) is not None:
            if buffer[found.start(1)] in _OPENING:
                depth += 1
            else:
                depth -= 1
                if depth == 0:
                    if found[1] != b"]":
                        raise Denied(CODE, "the array does not end as one")
                    return boundary, found.start(1)
                if depth == 1:
                    boundary = found.end()
            at = found.end()
        self._looked, self._depth = at, depth
        if depth == 1:
            while (comma := _COMMA.match(buffer, at)) is not None:
                boundary, at = comma.end() - 1, comma.end()
            self._looked = max(self._looked, boundary)
        return boundary, None

    def _whole(self, elements: bytes) -> bytes:
        """The elements without the comma before them. A comma in front of nothing is no JSON."""
        text = elements.strip(_SPACE)
        if not text:
            return b""
        if self._owes:
            if text[:1] != b",":
                raise Denied(CODE, "two elements of the array without a comma between them")
            text = text[1:]
            if not text.strip(_SPACE):
                raise Denied(CODE, "a comma in the array with nothing behind it")
        self._owes = True
        return text


class LineSplitter:
    """Cuts text into whole lines. A line longer than the limit is cut where nothing that is masked can stand."""

    __slots__ = ("_held", "_held_bytes", "_limit")

    def __init__(self, limit: int) -> None:
        self._held: list[bytes] = []
        self._held_bytes, self._limit = 0, limit

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are complete now, each with its end."""
        end = data.rfind(b"\n") + 1
        lines = self._whole(data[:end]) if end else []
        rest = data[end:]
        if rest:
            self._held.append(rest)
            self._held_bytes += len(rest)
        if self._held_bytes > self._limit:
            lines += self._cut()
        return lines

    def end(self) -> list[bytes]:
        """What is left."""
        rest = b"".join(self._held)
        self._held, self._held_bytes = [], 0
        return [rest] if rest else []

    @property
    def held_bytes(self) -> int:
        """How much of a line is held that has not ended yet."""
        return self._held_bytes

    def _whole(self, text: bytes) -> list[bytes]:
        whole = b"".join([*self._held, text])
        self._held, self._held_bytes = [], 0
        return [line + b"\n" for line in whole[:-1].split(b"\n")]

    def _cut(self) -> list[bytes]:
        text = b"".join(self._held)
        cut = max(text.rfind(character) for character in _BORDERS) + 1
        if cut < len(text) // 2:
            if len(text) <= _BORDERLESS * self._limit:
                self._held = [text]
                return []
            cut = len(text)
        self._held = [text[cut:]] if cut < len(text) else []
        self._held_bytes = len(text) - cut
        return [text[:cut]]


_BORDERS: Final = (b"<", b">", b"|", b"{", b"}", b"\t", b";")
"""No number, address or key of those that are masked goes on behind one of these."""
_BORDERLESS: Final = 16
"""So many limits of text without any of them are held: then it is cut as it comes."""
