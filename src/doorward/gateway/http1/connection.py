"""One HTTP/1.1 connection: what it waits for, one exchange after the other on it, and how it ends.

    HEAD ─► WAIT ─► HEAD ...       no body, or none that is wanted
    HEAD ─► WAIT ─► BODY ─► WAIT   the run wants the body
    any  ─► LINGER                 the last answer is given, and more may come; else it closes at once

Who owns what: the connection `_part`, `deadline` and whether another request may follow; `HeadCutter` and `HeadReader`
the heads, `BodyReader` how much of a body is still to come, `Flow` the transport and who is slow on it.
"""

import asyncio
import ssl
from typing import Final, cast

from doorward.controls.limits import check_head_size
from doorward.denial import Denied
from doorward.exchange import Exchange, Response, Source
from doorward.gateway.answer import CHUNKED, CONTINUE, LAST_CHUNK, OVERLOADED, begun_answer, chunk, whole_answer
from doorward.gateway.house import House, Run
from doorward.gateway.http1.body import BodyReader
from doorward.gateway.http1.flow import Flow
from doorward.gateway.http1.head import HeadCutter
from doorward.gateway.http1.request import request_of, unreadable
from doorward.gateway.request_head import HeadReader, RequestHead
from doorward.gateway.source import behind, note_way, peer
from doorward.gateway.websocket.relay import Relay

LINGER_S: Final = 2.0
"""Time a refused client has to read the answer before the connection is cut, in seconds."""
FRESH_S: Final = 1.0
"""Time a connection without a request so far has to send one when the gateway stops, in seconds."""
_PIPELINED_BYTES: Final = 64 * 1024
"""Bytes of further requests kept while one is under way; then reading stops."""
_NEVER: Final = float("inf")
# The parts; numbers for the same reason as the stages of an exchange.
_HEAD: Final = 1  # waiting for a head, or in one
_BODY: Final = 2  # in a body that is wanted
_WAIT: Final = 3  # an exchange is under way; what comes is kept for later
_LINGER: Final = 4  # the last answer is given; what comes is thrown away until the client closes


class ClientConnection(asyncio.Protocol):
    """One client connection."""

    __slots__ = ("_body", "_buffer", "_cutter", "_flow", "_framing", "_gateway", "_heads", "_is_distrusted", "_is_eof",
                 "_is_fresh", "_is_pumping", "_keeps_alive", "_known", "_part", "_relay", "_run", "_source", "deadline",
                 "http_1_1")  # fmt: skip

    def __init__(self, gateway: House, known: Source | None = None) -> None:
        self._gateway, self._known = gateway, known
        self._source = Source(address="")
        self._flow = Flow(gateway.load)
        self._cutter = HeadCutter()
        self._heads = HeadReader()
        self._body = BodyReader(self._heads.second)
        self._buffer = bytearray()
        self._part = _HEAD
        self._run: Run | None = None
        self._relay: Relay | None = None
        self._is_pumping = self._is_eof = self._is_distrusted = False
        self._is_fresh = self._keeps_alive = True
        self._framing = b""
        self.deadline = _NEVER
        self.http_1_1 = True

    @property
    def keeps_alive(self) -> bool:
        """Another request may follow: agreed with the client, and nothing of this request's body is left unread."""
        return self._keeps_alive and not self._body.is_unread

    @keeps_alive.setter
    def keeps_alive(self, keeps_alive: bool) -> None:
        self._keeps_alive = keeps_alive

    @property
    def secure(self) -> ssl.SSLObject | None:
        """Its TLS; None: it is plain."""
        return self._flow.secure

    @property
    def is_slow(self) -> bool:
        """The client reads slower than it is answered."""
        return self._flow.is_slow

    # -- asyncio.Protocol -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection, or turn it away."""
        transport = cast("asyncio.Transport", transport)
        source = self._known or peer(transport)
        try:
            self._gateway.opened(self, source)
        except Denied:
            transport.write(OVERLOADED)
            transport.close()
            return
        self._source = source
        self._flow.open(transport)
        self._expect_head(self._gateway.limits.head_s)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio.Protocol
        """Give back what was counted; the exchange under way ends without an answer."""
        if not self._flow.is_open:
            return
        self._flow.lost()
        self._gateway.closed(self)
        run, self._run = self._run, None
        if run is not None:
            run.client_gone()

    def data_received(self, data: bytes) -> None:
        """Take bytes; complete heads and bodies among them set off exchanges."""
        if self._part == _LINGER or not self._flow.is_open:
            return
        if self._relay is not None:
            self._relay.client_data(data)
            return
        self._buffer += data
        if self._part != _WAIT and not self._flow.is_slow:
            self._pump()
        elif len(self._buffer) > _PIPELINED_BYTES:
            if self._part == _WAIT:
                self._flow.hold(pauses=True)
            else:
                self._flow.full()

    def eof_received(self) -> bool:
        """Keep the way back open while an exchange is under way: a client may send, half-close and read."""
        self._is_eof = True
        self.keeps_alive = False
        if self._relay is not None:
            return False
        self._refuse_cut_body()
        return self._run is not None and self._source.tls_version is None

    def _refuse_cut_body(self) -> None:
        if self._is_eof and self._part == _BODY and self._run is not None:
            self._run.refuse(self._body.cut_short())

    def pause_writing(self) -> None:
        """The client reads slower than it is answered."""
        self.deadline = self._gateway.deadlines.now() + self._gateway.limits.write_s
        self._flow.slow()
        if self._run is not None:
            self._run.client_pressure(pauses=True)

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._flow.caught_up()
        if self._part == _WAIT:
            self.deadline = _NEVER
        elif self._part == _HEAD:
            self._expect_head(self._gateway.limits.idle_s)
        if self._run is not None:
            self._run.client_pressure(pauses=False)
        if self._part != _WAIT:
            self._flow.taken()
            self._pump()

    def expire(self) -> None:
        """Time is up for what is awaited: a head, a body, or that the client reads or closes."""
        run, self.deadline = self._run, _NEVER
        if self._part == _HEAD and self._buffer and not self._flow.is_slow:
            denied = Denied("limits.slow_header", f"no whole head within {self._gateway.limits.head_s:g} s")
            self._refuse_head(denied, b"")
        elif self._part == _BODY and run is not None and not run.is_answering:
            self.keeps_alive = False
            run.refuse(Denied("limits.slow_body", f"no whole body within {self._gateway.limits.body_s:g} s"))
        else:
            self.abort()

    # -- used by the gateway and the run --------------------------------------------------------------------------

    def drain(self) -> None:
        """Close when idle; else after the answer under way, or to a request that is about to come."""
        self.keeps_alive = False
        if self._relay is not None:
            self._relay.drain()
        if self._part != _HEAD or self._buffer:
            return
        if self._is_fresh:
            # Made to send a request, which may be on its way: closed now, it would be lost.
            self.deadline = min(self.deadline, self._gateway.deadlines.now() + FRESH_S)
        else:
            self._flow.close()

    def abort(self) -> None:
        """Break off."""
        self._flow.abort()

    def wants_body(self, run: Run) -> None:
        """Begin reading the body of the exchange under way."""
        self._part = _BODY
        self.deadline = self._gateway.deadlines.now() + self._gateway.limits.body_s
        if not self._buffer and self.http_1_1 and b"expect" in run.exchange.request.headers:
            self._flow.write(CONTINUE)
        self._flow.read_on()
        self._pump()
        if not self._is_pumping:
            self._refuse_cut_body()

    def hold_body(self, *, pauses: bool) -> None:
        """Stop, or go on, reading a streamed body."""
        self._flow.hold(pauses=pauses)

    def answer(self, exchange: Exchange, response: Response) -> None:
        """Send a whole answer; then the next request's turn, or the end."""
        self._flow.write(whole_answer(exchange, response, closes=not self.keeps_alive))
        self._finished()

    def begin_answer(self, exchange: Exchange, response: Response) -> None:
        """Send the head of an answer: its body comes in chunks, or, to HTTP/1.0, until the connection closes."""
        self._framing = CHUNKED if self.http_1_1 else b""
        if not self.http_1_1:
            self.keeps_alive = False
        self._flow.write(begun_answer(exchange, response, self._framing, closes=not self.keeps_alive))

    def answer_data(self, data: bytes) -> None:
        """Send some of the body."""
        self._flow.write(chunk(data) if self._framing else data)

    def end_answer(self) -> None:
        """The body is complete: the next request's turn, or the end."""
        if self._framing:
            self._flow.write(LAST_CHUNK)
        self._finished()

    def _finished(self) -> None:
        self._run = None
        if not self._flow.is_open:
            return
        if self.keeps_alive:
            self._expect_head(self._gateway.limits.idle_s)
            self._flow.read_on()
            self._pump()
        else:
            self._end()

    # -- used by a WebSocket --------------------------------------------------------------------------------------

    @property
    def frames(self) -> Flow:
        """Where bytes go that are no answer."""
        return self._flow

    def hand_over(self, relay: Relay) -> bytes:
        """Give all that comes to the relay from now on; what came already."""
        self._relay = relay
        waiting = bytes(self._buffer)
        self._buffer.clear()
        self._flow.read_on()
        return waiting

    # -- reading --------------------------------------------------------------------------------------------------

    def _expect_head(self, within_s: float) -> None:
        self._part = _HEAD
        until = self._gateway.deadlines.now() + within_s
        # an answer that the client leaves lying has its own time, which has begun
        self.deadline = min(self.deadline, until) if self._flow.is_slow else until

    def _pump(self) -> None:
        """Work off the buffer. A loop, not a recursion: a client may send ten thousand requests in one piece."""
        if self._is_pumping:
            return
        self._is_pumping = True
        try:
            # While the client does not read its answers it gets no new ones: they would pile up here.
            while self._buffer and not self._flow.is_slow:
                before = len(self._buffer), self._part
                if self._part == _HEAD:
                    self._take_head()
                elif self._part == _BODY:
                    self._take_body()
                else:
                    return
                if (len(self._buffer), self._part) == before:
                    return
        except Exception as error:  # noqa: BLE001 - containment: this exchange fails, closed; the worker lives on
            self._is_distrusted = True
            (self._run or self._start_unread(b"")).fail(error)
        finally:
            self._is_pumping = False

    def _take_head(self) -> None:
        gateway, buffer = self._gateway, self._buffer
        limits, head = gateway.limits, b""
        try:
            head = self._cutter.cut(buffer, limits)
            if not head:
                if buffer:
                    # First bytes after an idle time: the head's own, shorter, time begins. Later ones do not move it.
                    self.deadline = min(self.deadline, gateway.deadlines.now() + limits.head_s)
                return
            read = self._heads.read(head)
            check_head_size(limits, len(head), target_bytes=len(read.target), header_count=len(read.headers.items))
            source = behind(self._source, gateway.proxies, read.headers, gateway.certificates)
        except Denied as denied:
            self._refuse_head(denied, head or bytes(buffer[: limits.head_bytes + 1]))
        else:
            self._begin(read, source)

    def _begin(self, read: RequestHead, source: Source) -> None:
        gateway = self._gateway
        self.http_1_1 = read.http_1_1
        self._body.begin(read)
        self._keeps_alive = read.http_1_1 and not (
            read.asks_close or self._is_eof or gateway.is_draining or gateway.pressure.level
        )
        exchange = gateway.new_exchange(request_of(read, gateway.scheme), source)
        note_way(exchange, self._source, gateway.proxies)
        if read.offered_upgrade and not read.asks_websocket:
            exchange.findings.append("transport.upgrade")
        self._start(exchange, is_handshake=read.asks_websocket).admit()

    def _start(self, exchange: Exchange, *, is_handshake: bool = False) -> Run:
        self._part = _WAIT
        self._is_fresh = False
        self.deadline = _NEVER
        self._run = run = self._gateway.begin(self, exchange, is_handshake=is_handshake)
        return run

    def _refuse_head(self, denied: Denied, head: bytes) -> None:
        """Answer a head that cannot be read. Where the next message begins is unknown: the connection ends."""
        self.keeps_alive = False
        self._is_distrusted = True
        self._start_unread(head).refuse_unread(denied)

    def _start_unread(self, head: bytes) -> Run:
        return self._start(self._gateway.new_exchange(unreadable(head, self._gateway.scheme), self._source))

    def _take_body(self) -> None:
        run, body = self._run, self._body
        if run is None:
            return
        try:
            piece = body.take(self._buffer)
        except Denied as denied:
            # It stays unread, which ends the connection after the answer.
            self._buffer.clear()
            run.refuse(denied)
            return
        is_last = not body.is_unread
        if is_last:
            if body.has_trailers:
                run.exchange.findings.append("transport.trailer")
            self._part = _WAIT
            self.deadline = _NEVER
        if piece or is_last:
            run.body_data(piece, is_last=is_last)

    # -- the end --------------------------------------------------------------------------------------------------

    def _end(self) -> None:
        """Close so that the answer arrives: a socket closed with unread bytes sends a reset that destroys it."""
        may_have_more = self._is_distrusted or self._body.is_unread or bool(self._buffer)
        self._buffer.clear()
        if self._is_eof or not may_have_more:
            self._flow.close()
            return
        self._part = _LINGER
        self.deadline = self._gateway.deadlines.now() + LINGER_S
        self._flow.say_end()
