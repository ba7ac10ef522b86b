"""Bytes both ways on one connection: reading that is held up, and what a slow client leaves unread."""

import asyncio
import ssl
from typing import Final

from doorward.controls.limits import Load

_PIECE_BYTES: Final = 256 * 1024
"""Most bytes written to TLS at once."""


class Flow:
    """The transport of one connection, from `open` to `lost`; outside of that it does nothing."""

    __slots__ = ("_holds_reading", "_is_full", "_load", "_transport", "_unsent_bytes", "is_open", "is_slow", "secure")

    def __init__(self, load: Load) -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._holds_reading = self._is_full = False
        self._unsent_bytes = 0
        self.secure: ssl.SSLObject | None = None
        """Its TLS; None: it is plain."""
        self.is_open = False
        """There is somebody to write to."""
        self.is_slow = False
        """The client reads slower than it is answered."""

    def open(self, transport: asyncio.Transport) -> None:
        """The connection stands."""
        self._transport = transport
        self.secure = transport.get_extra_info("ssl_object")
        self.is_open = True

    def lost(self) -> None:
        """The connection is gone, and with it what was left unread."""
        self._transport = self.secure = None
        self.is_open = False
        self._release_unsent()

    # -- answers ----------------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send."""
        transport = self._transport
        if transport is None:
            return
        if self.secure is None or len(data) <= _PIECE_BYTES:
            transport.write(data)
            return
        # What one write of uvloop's TLS leaves unsent is hidden from us, however much it is; of the next ones it tells.
        for start in range(0, len(data), _PIECE_BYTES):
            transport.write(data[start : start + _PIECE_BYTES])
        if self.is_slow:
            # counted when the first of them was left lying
            self._release_unsent()
            self._hold_unsent()

    def slow(self) -> None:
        """Count what the client leaves lying; where there is no room for it, break off: it is the slow one."""
        self.is_slow = True
        self._hold_unsent()

    def caught_up(self) -> None:
        """The client has read on."""
        self.is_slow = False
        self._release_unsent()

    def _hold_unsent(self) -> None:
        if self._transport is None:
            return
        unsent = self._transport.get_write_buffer_size()
        if not self._load.has_room(unsent):
            self._transport.abort()
            return
        self._load.hold(unsent)
        self._unsent_bytes = unsent

    def _release_unsent(self) -> None:
        if self._unsent_bytes:
            self._load.release(self._unsent_bytes)
            self._unsent_bytes = 0

    # -- requests ---------------------------------------------------------------------------------------------------

    def hold(self, *, pauses: bool) -> None:
        """Stop, or go on, reading."""
        if not pauses:
            self.read_on()
        elif self._transport is not None and not self._transport.is_closing():
            self._holds_reading = True
            self._transport.pause_reading()

    def read_on(self) -> None:
        """Read again, if that was held up."""
        if self._holds_reading and self._transport is not None and not self._transport.is_closing():
            self._holds_reading = False
            self._transport.resume_reading()

    def full(self) -> None:
        """Read no more until `taken`: nothing is worked off while the client leaves its answers lying."""
        if self._transport is not None and not self._transport.is_closing():
            self._is_full = True
            self._transport.pause_reading()

    def taken(self) -> None:
        """What has come is worked off: read again, unless that is held up for another reason."""
        was_full, self._is_full = self._is_full, False
        transport = self._transport
        if was_full and not self._holds_reading and transport is not None and not transport.is_closing():
            transport.resume_reading()

    # -- the end ----------------------------------------------------------------------------------------------------

    def abort(self) -> None:
        """Break off."""
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Close, once what was written is sent."""
        if self._transport is not None:
            self._transport.close()

    def say_end(self) -> None:
        """Tell the client that nothing follows, and read on: it may still be sending."""
        if self._transport is not None and self._transport.can_write_eof():
            self._transport.write_eof()
        self._holds_reading = True
        self.read_on()
