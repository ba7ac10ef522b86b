"""What is fuzzed: a parser, the property it must keep on any input, and the words of its language."""

import atexit
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from doorward.denial import Denied
from doorward.exchange import Exchange, Header, Headers, Request, Source


class Target(NamedTuple):
    """One parser under its property. The inputs kept for it are the files of `corpus/<name>/`."""

    run: Callable[[bytes], object]
    """Raises AssertionError when the property does not hold; any other exception is one the parser does not declare."""
    words: tuple[bytes, ...]
    """Pieces of the language: hypothesis strings them together, libFuzzer has them as its dictionary."""
    max_bytes: int = 4096
    """Longest input that coverage-guided fuzzing makes, in bytes."""


class Bytes:
    """The input as a stream of choices: what is left over when it is used up is zeros."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def number(self, below: int) -> int:
        """A number from 0 to `below` - 1, from one byte, or two when one is too small."""
        width = 1 if below <= 256 else 2
        piece = self._data[self._position : self._position + width]
        self._position += width
        return int.from_bytes(piece, "little") % below

    def rest(self) -> bytes:
        """All that is left."""
        rest = self._data[self._position :]
        self._position = len(self._data)
        return rest

    def __bool__(self) -> bool:
        return self._position < len(self._data)


def cuts(data: bytes, choices: bytes) -> Iterator[bytes]:
    """The data in pieces whose lengths are the choices, again and again; byte by byte without any."""
    lengths = [choice % 8 + 1 for choice in choices] or [1]
    position = turn = 0
    while position < len(data):
        length = lengths[turn % len(lengths)]
        yield data[position : position + length]
        position += length
        turn += 1


def expect_code(denied: Denied, *prefixes: str) -> None:
    """Nothing, when the parser may refuse by this code."""
    assert denied.code.startswith(prefixes), denied


def exchange(
    method: str = "GET", target: bytes = b"/", headers: list[Header] | None = None, body: bytes | None = None
) -> Exchange:
    """An exchange with this request, as a mount would hand it to the first control."""
    path, _, query = target.partition(b"?")
    fields = Headers([(b"host", b"api.test")] if headers is None else headers)
    request = Request(method, target, path, query, fields, has_body=body is not None, body=body or b"")
    return Exchange(id="0" * 32, now=1e9, ticks=1.0, source=Source(address="192.0.2.1"), request=request)


@cache
def directory() -> Path:
    """A directory of this process, gone with it."""
    made = Path(tempfile.mkdtemp(prefix="doorward-fuzz-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made
