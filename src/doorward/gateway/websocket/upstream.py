"""The upstream's side of a WebSocket: our own handshake with it, then whatever frames it sends."""

import asyncio
import base64
import os
from typing import TYPE_CHECKING, Final, Protocol, cast

from doorward.controls.transport import accept_value
from doorward.denial import Denied
from doorward.gateway.response_head import framing_fault, read_fields

if TYPE_CHECKING:
    from collections.abc import Callable

_HEAD_BYTES: Final = 64 * 1024
_SWITCHING: Final = 101


class Reader(Protocol):
    """Who takes what the upstream sends."""

    def upstream_data(self, data: bytes) -> None:
        """Bytes of frames."""

    def upstream_lost(self) -> None:
        """The upstream is gone."""

    def upstream_pressure(self, *, pauses: bool) -> None:
        """The upstream takes no more for now, or again."""


class UpstreamSocket(asyncio.Protocol):
    """One connection. `opened(subprotocol)` or `failed(denied)` is called once; then `reader` gets the frames.

    Until the upstream has answered 101 to exactly our key, nothing of the client's reaches it but the handshake, and
    nothing of it reaches the client: an answer that only looks like an upgrade opens no tunnel (hostile input S22).
    """

    def __init__(
        self,
        head: bytes,
        offered: tuple[bytes, ...],
        opened: "Callable[[UpstreamSocket, bytes], None]",
        failed: "Callable[[Denied], None]",
    ) -> None:
        key = base64.b64encode(os.urandom(16))
        fields = b"connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: " + key
        protocols = b"\r\nsec-websocket-protocol: " + b", ".join(offered) if offered else b""
        self._handshake = head[:-2] + fields + protocols + b"\r\n\r\n"
        self._accept = accept_value(key)
        self._offered = offered
        self._opened, self._failed = opened, failed
        self._buffer = b""
        self._is_open = self._is_over = False
        self._transport: asyncio.Transport | None = None
        self.reader: Reader | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._handshake)

    def data_received(self, data: bytes) -> None:
        """The answer to the handshake, then frames."""
        if self.reader is not None:
            self.reader.upstream_data(data)
            return
        self._buffer += data
        if self._is_open or self._is_over:
            return  # frames that come before the client is told wait for the reader
        end = self._buffer.find(b"\r\n\r\n", 0, _HEAD_BYTES)
        if end < 0:
            if len(self._buffer) >= _HEAD_BYTES:
                self._fail(framing_fault(f"response head above {_HEAD_BYTES} bytes"))
            return
        head, self._buffer = self._buffer[: end + 4], self._buffer[end + 4 :]
        try:
            subprotocol = self._agreed(head)
        except Denied as denied:
            self._fail(denied)
            return
        self._is_open = True
        if self._transport is not None:
            self._transport.pause_reading()
        self._opened(self, subprotocol)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio.Protocol
        """The upstream is gone."""
        self._transport = None
        if self.reader is not None:
            self.reader.upstream_lost()
        else:
            self._fail(Denied("forward.upstream_unreachable", "the upstream closed during the handshake"))

    def pause_writing(self) -> None:
        """The upstream reads slower than the client sends."""
        if self.reader is not None:
            self.reader.upstream_pressure(pauses=True)

    def resume_writing(self) -> None:
        """The upstream has caught up."""
        if self.reader is not None:
            self.reader.upstream_pressure(pauses=False)

    def read_for(self, reader: Reader) -> None:
        """Hand on what has come, and all that comes."""
        self.reader = reader
        waiting, self._buffer = self._buffer, b""
        if self._transport is not None:
            self._transport.resume_reading()
        if waiting:
            reader.upstream_data(waiting)

    def write(self, data: bytes) -> None:
        """Send frames."""
        if self._transport is not None:
            self._transport.write(data)

    def hold(self, *, pauses: bool) -> None:
        """Stop, or go on, reading."""
        if self._transport is not None and not self._transport.is_closing():
            if pauses:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def close(self) -> None:
        """End it, once what was written is sent."""
        self._is_over = True
        if self._transport is not None:
            self._transport.close()

    def _fail(self, denied: Denied) -> None:
        if self._is_over:
            return
        self._is_over = True
        if self._transport is not None:
            self._transport.abort()
        self._failed(denied)

    def _agreed(self, head: bytes) -> bytes:
        _, status, fields = read_fields(head)
        if status != _SWITCHING:
            raise framing_fault(f"status {status} in answer to a WebSocket handshake")
        values = {name: [value for other, value in fields if other == name] for name, _ in fields}
        if [value.lower() for value in values.get(b"upgrade", [])] != [b"websocket"]:
            raise framing_fault("101 without `Upgrade: websocket`")
        if values.get(b"sec-websocket-accept") != [self._accept]:
            raise framing_fault("101 that does not answer our key")
        if b"sec-websocket-extensions" in values:
            raise framing_fault("an extension nobody asked for")
        chosen = values.get(b"sec-websocket-protocol", [])
        if len(chosen) > 1 or any(one not in self._offered for one in chosen):
            raise framing_fault("a subprotocol nobody offered")
        return chosen[0] if chosen else b""
