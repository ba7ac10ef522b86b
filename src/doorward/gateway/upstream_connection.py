"""One connection to the upstream: sends a request, reads exactly one response, and proves itself clean for the next."""

import asyncio
from typing import Final, Protocol, cast

from doorward.controls.limits import Priority
from doorward.controls.transport import ChunkedBody
from doorward.denial import Denied
from doorward.exchange import Header
from doorward.gateway.deadlines import Deadlines
from doorward.gateway.response_head import framing_fault, read_response_head

HEAD_BYTES: Final = 64 * 1024
"""Largest response head, in bytes; beyond it 502. As nginx's largest default, eight times over."""
INTERIM_COUNT: Final = 8
"""Most 1xx responses before the final one."""
_NEVER: Final = float("inf")
# The part of a response that comes next; numbers, as the stages of an exchange.
_HEAD: Final = 1
_BODY: Final = 2


class Asker(Protocol):
    """Who sent a request and gets its response."""

    head: bytes
    """Request head for the wire, framing included."""
    body: bytes
    """Body to send with it; empty when it is streamed later."""
    is_head_request: bool
    may_retry: bool
    """Sending it twice does no more than sending it once."""
    was_retried: bool
    """The pool has sent it again once."""
    priority: Priority
    """Its place in the queue."""
    is_abandoned: bool
    """Nobody waits for the response any more."""
    streams_body: bool
    """More body follows by `UpstreamConnection.write`, ended by `finish_request`."""

    def upstream_ready(self, connection: "UpstreamConnection") -> None:
        """The request head was sent over this connection."""

    def response_head(self, status: int, headers: list[Header], length: int | None) -> None:
        """The response begins. `length` is None when it is not known beforehand."""

    def response_data(self, data: bytes) -> None:
        """Some of the body."""

    def response_end(self) -> None:
        """The response is complete."""

    def upstream_failed(self, denied: Denied) -> None:
        """There will be no (more) response. Called at most once, and nothing after it."""

    def upstream_pressure(self, *, pauses: bool) -> None:
        """The connection takes no more body bytes for now (`pauses`), or takes them again."""


class Pool(Protocol):
    """What a connection needs of its pool."""

    deadlines: Deadlines
    response_s: float

    def released(self, connection: "UpstreamConnection") -> None:
        """The connection has done its exchange and is clean."""

    def answered(self, connection: "UpstreamConnection") -> None:
        """The connection has done its exchange and ends with it."""

    def failed(self) -> None:
        """There was no whole response, through no fault of the client."""

    def lost(self, connection: "UpstreamConnection") -> None:
        """The connection is gone."""

    def retry(self, asker: Asker, connection: "UpstreamConnection") -> bool:
        """Whether the request, which may be sent twice, is sent once more over another connection."""


class UpstreamConnection(asyncio.Protocol):
    """Carries one exchange at a time."""

    __slots__ = (
        "_asker",
        "_buffer",
        "_chunked",
        "_interim_count",
        "_is_paused",
        "_keeps_alive",
        "_left",
        "_part",
        "_pool",
        "_request_sent",
        "_saw_bytes",
        "_transport",
        "address",
        "began_at",
        "deadline",
        "idle_since",
        "is_reused",
        "opened_at",
        "sent_at",
        "status",
    )

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._asker: Asker | None = None
        self._buffer = b""
        self._part = _HEAD
        self._left: int | None = 0
        self._chunked: ChunkedBody | None = None
        self._keeps_alive = False
        self._request_sent = False
        self._saw_bytes = False
        self._interim_count = 0
        self._is_paused = False
        self.deadline = _NEVER
        self.idle_since = 0.0
        self.is_reused = False
        self.opened_at = pool.deadlines.now()
        self.sent_at = 0.0
        """When the last byte of the request under way was sent, or its first while there is more to come."""
        self.began_at = 0.0
        """When the head of the last response had come."""
        self.address = ""
        """Where the connection goes."""
        self.status = 0
        """Of the last response."""

    # -- used by the pool and the asker ---------------------------------------------------------------------------

    @property
    def is_usable(self) -> bool:
        """Open, idle and without stray bytes."""
        return self._transport is not None and self._asker is None and not self._transport.is_closing()

    def start(self, asker: Asker) -> None:
        """Send its request. Only on a usable connection."""
        self._asker = asker
        self._part = _HEAD
        self._chunked = None
        self._saw_bytes = False
        self._interim_count = 0
        self._request_sent = not asker.streams_body
        self.sent_at = self._pool.deadlines.now()
        if self._request_sent:
            self.deadline = self.sent_at + self._pool.response_s
        self._write(asker.head + asker.body if asker.body else asker.head)
        asker.upstream_ready(self)

    def write(self, data: bytes) -> None:
        """Send some of a streamed body, framed already."""
        self._write(data)

    def finish_request(self) -> None:
        """The streamed body is complete: the response's time begins."""
        self._request_sent = True
        self.sent_at = self._pool.deadlines.now()
        self.deadline = self.sent_at + self._pool.response_s

    def abandon(self) -> None:
        """Nobody waits for the response any more: the connection is in no known state and goes."""
        self._asker = None
        self._discard()

    def pause(self) -> None:
        """Read no more for now: whoever gets the response cannot take it as fast."""
        if self._transport is not None and not self._transport.is_closing():
            self._is_paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._transport is not None and not self._transport.is_closing():
            self._is_paused = False
            self._transport.resume_reading()

    def close(self) -> None:
        """Close an idle connection."""
        self._discard()

    def expire(self) -> None:
        """The response did not come in time."""
        self.deadline = _NEVER
        self._fail(Denied("forward.upstream_timeout", f"no complete response within {self._pool.response_s:g} s"))

    # -- asyncio.Protocol -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self._transport = cast("asyncio.Transport", transport)
        self._pool.deadlines.add(self)

    def data_received(self, data: bytes) -> None:
        """Read on in the response."""
        if self._asker is None:
            # Bytes nobody asked for: whatever follows would be taken for the next answer.
            self._discard()
            return
        self._saw_bytes = True
        try:
            if self._part == _HEAD:
                self._take_head(data)
            else:
                self._take_body(data)
        except Denied as denied:
            fault = denied if denied.code.startswith("forward.") else framing_fault(f"{denied.code}: {denied.detail}")
            self._fail(fault)

    def eof_received(self) -> None:
        """The upstream sends no more; `connection_lost` follows and judges it."""

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; whether the response was complete depends on how it was framed."""
        self._transport = None
        self._pool.deadlines.discard(self)
        self._pool.lost(self)
        asker, self._asker = self._asker, None
        if asker is None:
            return
        ended_by_close = self._part == _BODY and self._left is None and self._chunked is None
        if ended_by_close and exc is None and self._request_sent:
            self._pool.answered(self)
            asker.response_end()
        elif self._saw_bytes:
            self._pool.failed()
            asker.upstream_failed(framing_fault("the upstream closed in the middle of its response"))
        elif not (asker.may_retry and self._pool.retry(asker, self)):
            self._pool.failed()
            asker.upstream_failed(Denied("forward.upstream_unreachable", "the upstream closed without a response"))

    def pause_writing(self) -> None:
        """The upstream reads slower than the client sends."""
        if self._asker is not None:
            self._asker.upstream_pressure(pauses=True)

    def resume_writing(self) -> None:
        """The upstream has caught up."""
        if self._asker is not None:
            self._asker.upstream_pressure(pauses=False)

    # -- details --------------------------------------------------------------------------------------------------

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _has_unsent_bytes(self) -> bool:
        return self._transport is not None and self._transport.get_write_buffer_size() > 0

    def _discard(self) -> None:
        self.deadline = _NEVER
        if self._transport is not None:
            self._transport.abort()

    def _fail(self, denied: Denied) -> None:
        asker, self._asker = self._asker, None
        self._pool.failed()
        self._discard()
        if asker is not None:
            asker.upstream_failed(denied)

    def _take_head(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        while True:
            end = data.find(b"\r\n\r\n", 0, HEAD_BYTES)
            if end < 0:
                if len(data) >= HEAD_BYTES:
                    raise framing_fault(f"response head above {HEAD_BYTES} bytes")
                self._buffer = data
                return
            asker = self._asker
            if asker is None:
                return
            head = read_response_head(data[: end + 4], to_head_request=asker.is_head_request)
            data = data[end + 4 :]
            if head.status >= 200:
                break
            self._interim_count += 1
            if head.status == 101 or self._interim_count > INTERIM_COUNT:
                raise framing_fault(f"unasked {head.status} response")
            if not data:
                return
        self._part = _BODY
        self.began_at = self._pool.deadlines.now()
        if not self._request_sent:
            # An answer that comes before the upload is complete has its time too: nothing else would end it.
            self.deadline = self.began_at + self._pool.response_s
        self.status = head.status
        self._keeps_alive = head.keeps_alive
        self._left = head.length
        self._chunked = ChunkedBody() if head.chunked else None
        asker.response_head(head.status, head.headers, head.length)
        if data or head.length == 0:
            self._take_body(data)

    def _take_body(self, data: bytes) -> None:
        asker = self._asker
        if asker is None:
            return
        rest = b""
        if self._chunked is not None:
            piece = self._chunked.feed(self._buffer + data if self._buffer else data)
            ended = self._chunked.is_complete
            rest, self._buffer = (self._chunked.rest, b"") if ended else (b"", self._chunked.rest)
        elif self._left is None:
            piece, ended = data, False
        else:
            piece = data[: self._left]
            rest = data[self._left :]
            self._left -= len(piece)
            ended = self._left == 0
        if rest:
            raise framing_fault(f"{len(rest)} bytes after the end of the response")
        if piece:
            asker.response_data(piece)
        if ended and self._asker is not None:
            self._asker = None
            self.deadline = _NEVER
            # A response that came before the request was all sent leaves a connection in the middle of a request.
            if self._keeps_alive and self._request_sent and not self._has_unsent_bytes():
                if self._is_paused:
                    # Paused for an answer that was all here already: the next one would never be read.
                    self.resume()
                self._pool.released(self)
            else:
                self._pool.answered(self)
                self._discard()
            asker.response_end()
