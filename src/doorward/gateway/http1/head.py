"""Where a request head ends in what has come, and what can no longer become one."""

import re
from typing import Final

from doorward.controls.limits import LimitsPolicy, check_head_size
from doorward.denial import Denied

_EMPTY_LINES: Final = 2
"""Empty lines before a request that are no part of it; RFC 9112 section 2.2 asks for one, old clients send two."""
_BARE_LF: Final = re.compile(rb"(?<!\r)\n")
_BEGINS_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z\r]")


class HeadCutter:
    """Takes one head after the other out of the bytes of a connection."""

    __slots__ = ("_empty_lines",)

    def __init__(self) -> None:
        self._empty_lines = 0

    def cut(self, buffer: bytearray, limits: LimitsPolicy) -> bytes:
        """The next head, with its final CRLFCRLF, taken out of `buffer`; empty while it is not whole.

        Errors: Denied for what cannot become a head, so that nobody waits for a deadline to be told.
        """
        while buffer[:2] == b"\r\n" and self._empty_lines < _EMPTY_LINES:
            del buffer[:2]
            self._empty_lines += 1
        if not buffer:
            return b""
        end = buffer.find(b"\r\n\r\n", 0, limits.head_bytes)
        if end < 0:
            _check_partial(bytes(buffer[: limits.head_bytes + 1]), limits)
            return b""
        self._empty_lines = 0
        head = bytes(buffer) if len(buffer) == end + 4 else bytes(buffer[: end + 4])
        del buffer[: end + 4]
        return head


def _check_partial(partial: bytes, limits: LimitsPolicy) -> None:
    if _BEGINS_TOKEN.match(partial) is None:
        raise Denied("transport.start_line", f"no request begins with {partial[:8]!r}")
    if _BARE_LF.search(partial) is not None:
        raise Denied("transport.bare_lf", "bare LF in the head")
    line_end = partial.find(b"\r\n")
    target_end = line_end if line_end >= 0 else len(partial)
    target_bytes = target_end - partial.find(b" ", 0, target_end) - 1 - len(b" HTTP/1.1")
    check_head_size(limits, len(partial), target_bytes=target_bytes)
