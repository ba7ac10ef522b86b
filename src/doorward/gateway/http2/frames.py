"""What arrives, frame by frame, before any library looks inside: sizes and counts that no honest client reaches.

Only frame headers are read (RFC 9113 section 4.1); the payload's meaning is the library's. So a flood costs a few
comparisons a frame, and nothing is allocated for it.
"""

from collections.abc import Callable
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEADER_BYTES: Final = 9
_DATA, _HEADERS, _RST_STREAM, _CONTINUATION = 0x0, 0x1, 0x3, 0x9
_END_HEADERS: Final = 0x4
_END_STREAM: Final = 0x1
_PADDED: Final = 0x8
CONTINUATIONS: Final = 8
"""Most CONTINUATION frames behind one HEADERS frame; a client that fills its frames needs one or two."""
USELESS: Final = 100
"""Frames at once that move nothing on: PING, SETTINGS, PRIORITY, WINDOW_UPDATE beyond one a DATA frame of ours, empty
DATA, frames of unknown types."""
RESETS: Final = 100
"""Resets at once, the client's and those it provokes. Refilled as `USELESS` is, by ten a second."""
_PER_S: Final = 10.0


class Abuse(Exception):
    """More than a client may; the connection ends. The text says of what."""


class FrameWatch:
    """Counts the frames of one connection. `clock` tells seconds, monotonic.

    Source: CVE-2023-44487 (rapid reset), CVE-2025-8671 (MadeYouReset), CVE-2024-27316 (CONTINUATION flood),
    CVE-2019-9511 to 9518; hostile inputs D4, D5, D7.
    """

    __slots__ = ("_block_bytes", "_clock", "_continuations", "_head_bytes", "_left", "_partial", "_resets", "_useless")

    def __init__(self, head_bytes: int, clock: Callable[[], float]) -> None:
        self._head_bytes, self._clock = head_bytes, clock
        self._partial = b""
        self._left = len(PREFACE)
        self._block_bytes = self._continuations = 0
        self._useless = _Bucket(USELESS, clock)
        self._resets = _Bucket(RESETS, clock)

    def feed(self, data: bytes) -> None:
        """Count what begins in `data`. Errors: Abuse."""
        position = 0
        size = len(data)
        while position < size:
            if self._left:
                step = min(self._left, size - position)
                self._left -= step
                position += step
                continue
            if self._partial or size - position < _HEADER_BYTES:
                taken = _HEADER_BYTES - len(self._partial)
                self._partial += data[position : position + taken]
                position += taken
                if len(self._partial) < _HEADER_BYTES:
                    return
                header, self._partial = self._partial, b""
            else:
                header = data[position : position + _HEADER_BYTES]
                position += _HEADER_BYTES
            self._left = int.from_bytes(header[:3], "big")
            self._count(header[3], header[4], self._left)

    def provoked(self) -> None:
        """We had to reset a stream for what the client sent. Errors: Abuse."""
        if not self._resets.take():
            raise Abuse(f"more than {RESETS} streams reset")

    def sent_data(self) -> None:
        """A DATA frame went out: the client may answer it with a WINDOW_UPDATE for stream and connection."""
        self._useless.give(2)

    def _count(self, kind: int, flags: int, length: int) -> None:
        if kind in {_HEADERS, _CONTINUATION}:
            if kind == _HEADERS:
                self._block_bytes = self._continuations = 0
            else:
                self._continuations += 1
            self._block_bytes += length
            if self._continuations > CONTINUATIONS:
                raise Abuse(f"more than {CONTINUATIONS} CONTINUATION frames")
            if self._block_bytes > self._head_bytes:
                raise Abuse(f"a header block above {self._head_bytes} bytes")
            if kind == _CONTINUATION and not length and not flags & _END_HEADERS:
                self._waste()
        elif kind == _RST_STREAM:
            if not self._resets.take():
                raise Abuse(f"more than {RESETS} streams reset")
        elif kind != _DATA or (not length and not flags & _END_STREAM) or (flags & _PADDED and length <= 256):
            self._waste()

    def _waste(self) -> None:
        if not self._useless.take():
            raise Abuse(f"more than {USELESS} frames that move nothing on")


class _Bucket:
    """So many at once, and ten more a second."""

    __slots__ = ("_at", "_clock", "_most", "_tokens")

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self._most, self._clock = most, clock
        self._tokens = float(most)
        self._at = clock()

    def give(self, tokens: int) -> None:
        self._tokens = min(10.0 * self._most, self._tokens + tokens)

    def take(self) -> bool:
        now = self._clock()
        self._tokens = max(self._tokens, min(self._most, self._tokens + (now - self._at) * _PER_S))
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
