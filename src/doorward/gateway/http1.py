"""HTTP/1.1 with clients: from bytes to one exchange after the other on a connection, and answers back to bytes."""

import asyncio
import re
import ssl
import time
from enum import Enum
from typing import Final, Literal, cast

from doorward.controls.limits import check_head_size
from doorward.controls.transport import METHODS, ChunkedBody
from doorward.denial import Denied
from doorward.exchange import Exchange, Headers, Request, Response, Source
from doorward.gateway.answer import BODILESS, CHUNKED, CONTINUE, LAST_CHUNK, OVERLOADED, answer_head, chunk
from doorward.gateway.house import House, Run
from doorward.gateway.request_head import HeadReader
from doorward.gateway.source import behind, counted_as, peer, take_scheme
from doorward.gateway.websocket.relay import Relay

LINGER_S: Final = 2.0
"""Time a refused client has to read the answer before the connection is cut, in seconds."""
FRESH_S: Final = 1.0
"""Time a connection without a request so far has to send one when the gateway stops, in seconds."""
_PIPELINED_BYTES: Final = 64 * 1024
"""Bytes of further requests kept while one is under way; then reading stops."""
_PIECE_BYTES: Final = 256 * 1024
"""Most bytes written to TLS at once."""
_EMPTY_LINES: Final = 2
"""Empty lines before a request that are no part of it; RFC 9112 section 2.2 asks for one, old clients send two."""
_NEVER: Final = float("inf")
_BARE_LF: Final = re.compile(rb"(?<!\r)\n")
_BEGINS_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z\r]")
_METHODS: Final = {method: method.decode("ascii") for method in METHODS}


class _Part(Enum):
    HEAD = 1
    """Waiting for a head, or in one."""
    BODY = 2
    """In a body that is wanted."""
    WAIT = 3
    """An exchange is under way; what comes is kept for later."""
    LINGER = 4
    """The last answer is given; what comes is thrown away until the client closes."""


class ClientConnection(asyncio.Protocol):
    """One client connection."""

    __slots__ = (
        "_buffer",
        "_chunked",
        "_counted_as",
        "_empty_lines",
        "_framing",
        "_gateway",
        "_heads",
        "_holds_reading",
        "_is_distrusted",
        "_is_eof",
        "_is_fresh",
        "_is_full",
        "_is_read_twice",
        "_keeps_alive",
        "_known",
        "_left",
        "_part",
        "_pumping",
        "_relay",
        "_run",
        "_source",
        "_transport",
        "_unsent_bytes",
        "_write_paused",
        "deadline",
        "http_1_1",
    )

    def __init__(self, gateway: House, known: Source | None = None) -> None:
        self._gateway = gateway
        self._known = known
        self._transport: asyncio.Transport | None = None
        self._source = Source(address="")
        self._counted_as = ""
        self._heads = HeadReader()
        self._buffer = bytearray()
        self._part = _Part.HEAD
        self._run: Run | None = None
        self._relay: Relay | None = None
        self._chunked: ChunkedBody | None = None
        self._left = 0
        self._pumping = False
        self._holds_reading = False
        self._is_eof = False
        self._is_fresh = True
        self._is_full = False
        self._is_distrusted = False
        self._is_read_twice = False
        self._keeps_alive = True
        self._empty_lines = 0
        self._framing = b""
        self._write_paused = False
        self._unsent_bytes = 0
        self.deadline = _NEVER
        self.http_1_1 = True

    @property
    def keeps_alive(self) -> bool:
        """Another request may follow: agreed with the client, and nothing of this request's body is left unread."""
        return self._keeps_alive and self._chunked is None and not self._left

    @keeps_alive.setter
    def keeps_alive(self, keeps_alive: bool) -> None:
        self._keeps_alive = keeps_alive

    @property
    def secure(self) -> ssl.SSLObject | None:
        """Its TLS; None: it is plain."""
        if self._transport is None:
            return None
        found: ssl.SSLObject | None = self._transport.get_extra_info("ssl_object")
        return found

    @property
    def is_slow(self) -> bool:
        """The client reads slower than it is answered."""
        return self._write_paused

    # -- asyncio.Protocol -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection, or turn it away."""
        transport = cast("asyncio.Transport", transport)
        source = self._known or peer(transport)
        self._counted_as = counted_as(source, self._gateway.proxies)
        try:
            self._gateway.load.connect(self._counted_as)
        except Denied:
            self._gateway.turned_away_count += 1
            transport.write(OVERLOADED)
            transport.close()
            return
        self._transport, self._source = transport, source
        self._gateway.opened(self)
        self._gateway.deadlines.add(self)
        self._expect_head(self._gateway.limits.head_s)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio.Protocol
        """Give back what was counted; the exchange under way ends without an answer."""
        if self._transport is None:
            return
        self._transport = None
        self._release_unsent()
        self._gateway.deadlines.discard(self)
        self._gateway.closed(self)
        self._gateway.load.disconnect(self._counted_as)
        run, self._run = self._run, None
        if run is not None:
            run.client_gone()

    def data_received(self, data: bytes) -> None:
        """Take bytes; complete heads and bodies among them set off exchanges."""
        if self._part is _Part.LINGER or self._transport is None:
            return
        if self._relay is not None:
            self._relay.client_data(data)
            return
        self._buffer += data
        if self._part is _Part.WAIT:
            if len(self._buffer) > _PIPELINED_BYTES:
                self._transport.pause_reading()
                self._holds_reading = True
            return
        if self._write_paused:
            # Nothing is worked off until the client reads its answers; it may send on and on meanwhile.
            if len(self._buffer) > _PIPELINED_BYTES:
                self._transport.pause_reading()
                self._is_full = True
            return
        self._pump()

    def eof_received(self) -> bool:
        """Keep the way back open while an exchange is under way: a client may send, half-close and read."""
        self._is_eof = True
        self.keeps_alive = False
        if self._relay is not None:
            return False
        if self._part is _Part.BODY:
            self._refuse_cut_body()
        return self._run is not None and self._source.tls_version is None

    def _refuse_cut_body(self) -> None:
        if self._run is not None:
            code = "transport.chunk_data" if self._chunked is not None else "transport.cl_invalid"
            self._run.refuse(Denied(code, "the stream ended before the body did"))

    def pause_writing(self) -> None:
        """The client reads slower than it is answered."""
        self.deadline = self._gateway.deadlines.now() + self._gateway.limits.write_s
        self._write_paused = True
        self._hold_unsent()
        if self._run is not None:
            self._run.client_pressure(pauses=True)

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._write_paused = False
        self._release_unsent()
        if self._part is _Part.WAIT:
            self.deadline = _NEVER
        elif self._part is _Part.HEAD:
            self.deadline = self._gateway.deadlines.now() + self._gateway.limits.idle_s
        if self._run is not None:
            self._run.client_pressure(pauses=False)
        if self._part is _Part.WAIT or self._transport is None:
            return
        if self._is_full and not self._holds_reading and not self._transport.is_closing():
            self._transport.resume_reading()
        self._is_full = False
        if self._buffer and not self._pumping:
            self._pump()

    def _hold_unsent(self) -> None:
        """Count what the client leaves lying; where there is no room for it, break off: it is the slow one."""
        if self._transport is None:
            return
        unsent = self._transport.get_write_buffer_size()
        load = self._gateway.load
        if not load.has_room(unsent):
            self.abort()
            return
        load.hold(unsent)
        self._unsent_bytes = unsent

    def _release_unsent(self) -> None:
        if self._unsent_bytes:
            self._gateway.load.release(self._unsent_bytes)
            self._unsent_bytes = 0

    def expire(self) -> None:
        """Time is up for what is awaited: a head, a body, or that the client reads or closes."""
        self.deadline = _NEVER
        if self._part is _Part.HEAD and self._buffer and not self._write_paused:
            self._refuse_head(
                Denied("limits.slow_header", f"no whole head within {self._gateway.limits.head_s:g} s"), b""
            )
        elif self._part is _Part.BODY and self._run is not None:
            self.keeps_alive = False
            if self._run.is_answering:
                self.abort()
                return
            self._run.refuse(Denied("limits.slow_body", f"no whole body within {self._gateway.limits.body_s:g} s"))
        else:
            self.abort()

    # -- used by the gateway and the run --------------------------------------------------------------------------

    def drain(self) -> None:
        """Close when idle; else after the answer under way, or to a request that is about to come."""
        self.keeps_alive = False
        if self._relay is not None:
            self._relay.drain()
        if self._part is not _Part.HEAD or self._buffer or self._transport is None:
            return
        if self._is_fresh:
            # Made to send a request, which may be on its way: closed now, it would be lost.
            self.deadline = min(self.deadline, self._gateway.deadlines.now() + FRESH_S)
        else:
            self._transport.close()

    def abort(self) -> None:
        """Break off."""
        if self._transport is not None:
            self._transport.abort()

    def wants_body(self, run: Run) -> None:
        """Begin reading the body of the exchange under way."""
        self._part = _Part.BODY
        self.deadline = self._gateway.deadlines.now() + self._gateway.limits.body_s
        if not self._buffer and self.http_1_1 and b"expect" in run.exchange.request.headers:
            self._write(CONTINUE)
        self._read_on()
        if self._buffer and not self._pumping:
            self._pump()
        if self._is_eof and self._part is _Part.BODY and not self._pumping:
            self._refuse_cut_body()

    def hold_body(self, *, pauses: bool) -> None:
        """Stop, or go on, reading a streamed body."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        self._holds_reading = pauses
        if pauses:
            transport.pause_reading()
        else:
            transport.resume_reading()

    def answer(self, exchange: Exchange, response: Response) -> None:
        """Send a whole answer; then the next request's turn, or the end."""
        body = response.body or b""
        is_head_request = exchange.request.method == "HEAD"
        bodiless = response.status in BODILESS
        # A HEAD request is told the length of what GET would get, where it is known, and nothing where it is not.
        framing = b"" if bodiless or (is_head_request and not body) else b"content-length: %d\r\n" % len(body)
        head = answer_head(
            response.status,
            response.headers,
            exchange.answer_headers,
            exchange.id,
            framing,
            closes=not self.keeps_alive,
        )
        self._write(head if bodiless or is_head_request else head + body)
        self._finished()

    def begin_answer(self, exchange: Exchange, response: Response) -> None:
        """Send the head of an answer: its body comes in chunks, or, to HTTP/1.0, until the connection closes."""
        self._framing = CHUNKED if self.http_1_1 else b""
        if not self.http_1_1:
            self.keeps_alive = False
        head = answer_head(
            response.status,
            response.headers,
            exchange.answer_headers,
            exchange.id,
            self._framing,
            closes=not self.keeps_alive,
        )
        self._write(head)

    def answer_data(self, data: bytes) -> None:
        """Send some of the body."""
        self._write(chunk(data) if self._framing else data)

    def end_answer(self) -> None:
        """The body is complete: the next request's turn, or the end."""
        if self._framing:
            self._write(LAST_CHUNK)
        self._finished()

    def _write(self, data: bytes) -> None:
        transport = self._transport
        if transport is None:
            return
        if self._source.tls_version is None or len(data) <= _PIECE_BYTES:
            transport.write(data)
            return
        # What one write of uvloop's TLS leaves unsent is hidden from us, however much it is; of the next ones it tells.
        for start in range(0, len(data), _PIECE_BYTES):
            transport.write(data[start : start + _PIECE_BYTES])
        if self._write_paused:
            # counted when the first of them was left lying
            self._release_unsent()
            self._hold_unsent()

    def _finished(self) -> None:
        self._run = None
        transport = self._transport
        if transport is None:
            return
        if not self.keeps_alive:
            self._finish(transport)
            return
        self._expect_head(self._gateway.limits.idle_s)
        self._read_on()
        if self._buffer and not self._pumping:
            self._pump()

    # -- used by a WebSocket --------------------------------------------------------------------------------------

    def write_frames(self, data: bytes) -> None:
        """Send bytes that are no answer."""
        self._write(data)

    def hold_frames(self, *, pauses: bool) -> None:
        """Stop, or go on, reading."""
        self.hold_body(pauses=pauses)

    def end_frames(self) -> None:
        """Close, once what was written is sent."""
        if self._transport is not None:
            self._transport.close()

    def hand_over(self, relay: Relay) -> bytes:
        """Give all that comes to the relay from now on; what came already."""
        self._relay = relay
        waiting = bytes(self._buffer)
        self._buffer.clear()
        self._read_on()
        return waiting

    # -- reading --------------------------------------------------------------------------------------------------

    def _expect_head(self, within_s: float) -> None:
        self._part = _Part.HEAD
        until = self._gateway.deadlines.now() + within_s
        # an answer that the client leaves lying has its own time, which has begun
        self.deadline = min(self.deadline, until) if self._write_paused else until

    def _read_on(self) -> None:
        if self._holds_reading and self._transport is not None and not self._transport.is_closing():
            self._holds_reading = False
            self._transport.resume_reading()

    def _pump(self) -> None:
        """Work off the buffer. A loop, not a recursion: a client may send ten thousand requests in one piece."""
        self._pumping = True
        try:
            # While the client does not read its answers it gets no new ones: they would pile up here.
            while self._buffer and not self._write_paused:
                before = len(self._buffer), self._part
                if self._part is _Part.HEAD:
                    self._take_head()
                elif self._part is _Part.BODY:
                    self._take_body()
                else:
                    return
                if (len(self._buffer), self._part) == before:
                    return
        except Exception as error:  # noqa: BLE001 - containment: this exchange fails, closed; the worker lives on
            self._is_distrusted = True
            run = self._run or self._start(self._new_exchange(_unreadable(b"", self._gateway.scheme), self._source))
            run.fail(error)
        finally:
            self._pumping = False

    def _take_head(self) -> None:
        buffer = self._buffer
        while buffer[:2] == b"\r\n" and self._empty_lines < _EMPTY_LINES:
            del buffer[:2]
            self._empty_lines += 1
        if not buffer:
            return
        limits = self._gateway.limits
        end = buffer.find(b"\r\n\r\n", 0, limits.head_bytes)
        if end < 0:
            self._look_at_partial_head(limits.head_s)
            return
        head = bytes(buffer) if len(buffer) == end + 4 else bytes(buffer[: end + 4])
        del buffer[: end + 4]
        self._begin(head)

    def _look_at_partial_head(self, head_s: float) -> None:
        """Refuse early what cannot become a head, so that nobody waits for a deadline to be told."""
        buffer = self._buffer
        partial = bytes(buffer[: self._gateway.limits.head_bytes + 1])
        if _BEGINS_TOKEN.match(partial) is None:
            self._refuse_head(Denied("transport.start_line", f"no request begins with {partial[:8]!r}"), partial)
            return
        if _BARE_LF.search(partial) is not None:
            self._refuse_head(Denied("transport.bare_lf", "bare LF in the head"), partial)
            return
        try:
            line_end = partial.find(b"\r\n")
            target_end = line_end if line_end >= 0 else len(partial)
            check_head_size(
                self._gateway.limits,
                len(partial),
                target_bytes=target_end - partial.find(b" ", 0, target_end) - 1 - len(b" HTTP/1.1"),
            )
        except Denied as denied:
            self._refuse_head(denied, partial)
            return
        # The first bytes after an idle time: the head's own, shorter, total time begins. Later ones do not move it.
        self.deadline = min(self.deadline, self._gateway.deadlines.now() + head_s)

    def _begin(self, head: bytes) -> None:
        gateway = self._gateway
        try:
            read = self._heads.read(head)
            check_head_size(
                gateway.limits, len(head), target_bytes=len(read.target), header_count=len(read.headers.items)
            )
            source = behind(self._source, gateway.proxies, read.headers, gateway.certificates)
        except Denied as denied:
            self._refuse_head(denied, head)
            return
        path, _, query = read.target.partition(b"?")
        self.http_1_1 = read.http_1_1
        self._chunked = ChunkedBody() if read.is_chunked else None
        self._left = read.length
        self._is_read_twice = read.is_read_twice
        self._keeps_alive = read.http_1_1 and not (
            read.asks_close or self._is_eof or gateway.is_draining or gateway.pressure.level
        )
        request = Request(
            method=read.method,
            target=read.target,
            path=path,
            query=query,
            headers=read.headers,
            scheme=gateway.scheme,
            http_version="1.1" if read.http_1_1 else "1.0",
            has_body=read.is_chunked or read.length > 0,
        )
        exchange = self._new_exchange(request, source)
        if source.via:
            exchange.findings.append(f"transport.via:{source.via}")
            if source is not self._source:
                take_scheme(exchange, gateway.proxies)
        if read.offered_upgrade and not read.asks_websocket:
            exchange.findings.append("transport.upgrade")
        self._start(exchange, is_handshake=read.asks_websocket).admit()

    def _new_exchange(self, request: Request, source: Source) -> Exchange:
        return Exchange(
            id=self._gateway.new_id(),
            now=time.time(),
            ticks=time.monotonic(),
            source=source,
            request=request,
        )

    def _start(self, exchange: Exchange, *, is_handshake: bool = False) -> Run:
        self._part = _Part.WAIT
        self._is_fresh = False
        self._empty_lines = 0
        self.deadline = _NEVER
        self._run = run = self._gateway.begin(self, exchange, is_handshake=is_handshake)
        return run

    def _refuse_head(self, denied: Denied, head: bytes) -> None:
        """Answer a head that cannot be read. Where the next message begins is unknown: the connection ends."""
        self.keeps_alive = False
        self._is_distrusted = True
        run = self._start(self._new_exchange(_unreadable(head, self._gateway.scheme), self._source))
        try:
            run.count_address()
        except Denied as beyond:
            denied = beyond
        run.refuse(denied)

    def _take_body(self) -> None:
        run = self._run
        if run is None:
            return
        data = bytes(self._buffer)
        try:
            if self._chunked is not None:
                piece = self._chunked.feed(data)
                is_last = self._chunked.is_complete
                used = len(data) - len(self._chunked.rest)
            else:
                piece = data[: self._left]
                used = len(piece)
                self._left -= used
                is_last = self._left == 0
            if used and self._is_read_twice:
                self._heads.second.read_body(data[:used], is_last=is_last)
        except Denied as denied:
            self.keeps_alive = False
            self._is_distrusted = True
            self._buffer.clear()
            run.refuse(denied)
            return
        del self._buffer[:used]
        if is_last:
            if self._chunked is not None and self._chunked.has_trailers:
                run.exchange.findings.append("transport.trailer")
            self._chunked = None
            self._part = _Part.WAIT
            self.deadline = _NEVER
        if piece or is_last:
            run.body_data(piece, is_last=is_last)

    # -- the end --------------------------------------------------------------------------------------------------

    def _finish(self, transport: asyncio.Transport) -> None:
        """Close so that the answer arrives: a socket closed with unread bytes sends a reset that destroys it."""
        may_have_more = self._is_distrusted or self._chunked is not None or self._left > 0 or bool(self._buffer)
        self._buffer.clear()
        if self._is_eof or not may_have_more:
            transport.close()
            return
        self._part = _Part.LINGER
        self.deadline = self._gateway.deadlines.now() + LINGER_S
        if transport.can_write_eof():
            transport.write_eof()
        self._holds_reading = True
        self._read_on()


def _unreadable(head: bytes, scheme: Literal["http", "https"]) -> Request:
    """A request that could not be read, as far as it can be told for the record."""
    method, _, rest = head.lstrip(b"\r\n").partition(b"\n")[0].rstrip(b"\r").partition(b" ")
    target = rest.partition(b" ")[0]
    return Request(
        method=_METHODS.get(method, "?"),
        target=target,
        path=target.partition(b"?")[0],
        query=b"",
        headers=Headers([]),
        scheme=scheme,
    )
