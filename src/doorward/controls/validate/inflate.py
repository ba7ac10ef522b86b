"""The one place where compressed content is unpacked: never more than what is left of a budget.

Source: CWE-409; catalogue rows B8 and B15; CVE-2024-28180, CVE-2026-48044 (unpacking without a bound).
"""

import zlib
from typing import Final

from doorward.controls.validate.archive_names import refused
from doorward.controls.validate.policy import ArchivesPolicy

_FREE_BYTES: Final = 1 << 20
"""What an archive may unpack to whatever its ratio is, in bytes: a short file of zeros is no bomb."""
RAW: Final = -15
"""Deflate without a wrapper (RFC 1951), as ZIP has it."""
GZIP: Final = 31
"""A gzip member (RFC 1952), its checksum and length included."""


class Budget:
    """What unpacking one upload may still cost, all its nested archives together."""

    __slots__ = ("_bytes_left", "_entries_left")

    def __init__(self, policy: ArchivesPolicy, upload_bytes: int) -> None:
        self._entries_left = policy.entries
        self._bytes_left = min(policy.inflated_bytes, max(_FREE_BYTES, policy.ratio * upload_bytes))

    def take_entry(self) -> None:
        """Nothing, having counted one more entry. Errors: Denied `validate.archive`."""
        self._entries_left -= 1
        if self._entries_left < 0:
            raise refused("too many entries")

    def take_bytes(self, count: int) -> None:
        """Nothing, having counted so many bytes. Errors: Denied `validate.archive`."""
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise refused("it unpacks to too much")

    def inflate(self, data: bytes | memoryview, size: int) -> bytes:
        """What deflated data of exactly this size unpacks to. Errors: Denied `validate.archive`, before it is more."""
        self.take_bytes(size)
        return _inflated(data, size, RAW, "an entry has another size than it says")

    def gunzip(self, data: bytes) -> bytes:
        """What exactly one gzip member unpacks to. Errors: Denied `validate.archive`, before it is too much."""
        made = _inflated(
            data, self._bytes_left, GZIP, "it unpacks to too much, is cut, or has something behind its end"
        )
        self.take_bytes(len(made))
        return made


def _inflated(data: bytes | memoryview, most: int, window: int, problem: str) -> bytes:
    inflater = zlib.decompressobj(window)
    try:
        made = inflater.decompress(data, most + 1)
    except zlib.error:
        raise refused("compressed content is broken") from None
    # One byte of room is left beyond the size, so that the end of the stream is reached exactly when it keeps its word.
    if len(made) > most or not inflater.eof or inflater.unused_data or inflater.unconsumed_tail:
        raise refused(problem)
    if window == RAW and len(made) != most:
        raise refused(problem)
    return made
