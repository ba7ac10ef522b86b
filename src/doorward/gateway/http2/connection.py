"""One HTTP/2 connection: frames to streams and back. The library keeps the protocol, this file keeps the bounds."""

import asyncio
from typing import Final, cast

import structlog
from jh2.config import H2Configuration
from jh2.connection import H2Connection
from jh2.errors import ErrorCodes
from jh2.events import DataReceived, Event, RequestReceived, StreamEnded, StreamReset, TrailersReceived, WindowUpdated
from jh2.exceptions import InvalidBodyLengthError, ProtocolError
from jh2.settings import SettingCodes, Settings

from doorward.controls.limits import check_head_size
from doorward.denial import Denied
from doorward.exchange import Exchange, Header, Response, Source
from doorward.gateway.exchange_run import ExchangeRun
from doorward.gateway.gateway import Gateway
from doorward.gateway.house import Run
from doorward.gateway.http1 import LINGER_S
from doorward.gateway.http2.frames import Abuse, FrameWatch
from doorward.gateway.http2.request import read_request, unreadable
from doorward.gateway.http2.stream import Http2Stream
from doorward.gateway.source import behind, note_way, peer

STREAMS: Final = 100
"""Most streams at a time on one connection (RFC 9113 section 6.5.2 asks for no less)."""
STREAM_WINDOW_BYTES: Final = 65_535
CONNECTION_WINDOW_BYTES: Final = 512 * 1024
"""Most bytes of bodies that wait in one connection for the exchanges to take them."""
_LOOK_S: Final = 0.25
_NEVER: Final = float("inf")
_CONFIGURATION: Final = H2Configuration(
    client_side=False,
    header_encoding=None,
    # Both are done by `request.read_request`, which answers and records instead of ending the connection.
    validate_inbound_headers=False,
    normalize_inbound_headers=False,
    # Fields of an answer were checked and lowered when they were read from the upstream.
    validate_outbound_headers=False,
    normalize_outbound_headers=False,
)
_log: Final = structlog.get_logger()


class Http2Connection(asyncio.Protocol):
    """One client connection; a stream of it is the client of one `ExchangeRun`."""

    def __init__(self, gateway: Gateway, known: Source | None = None) -> None:
        self.gateway = gateway
        self._known = known
        self.body_s, self.write_s, self._idle_s = gateway.limits.body_s, gateway.limits.write_s, gateway.limits.idle_s
        self.is_write_paused = False
        self.now = gateway.deadlines.now
        self.deadline = _NEVER
        self._transport: asyncio.Transport | None = None
        self._source = Source(address="")
        self._h2 = H2Connection(_CONFIGURATION)
        self._watch = FrameWatch(gateway.limits.head_bytes, gateway.deadlines.now)
        self._streams: dict[int, Http2Stream] = {}
        self._last_stream = 0
        self._is_reading = False
        self._is_leaving = False
        self._is_over = False
        self._idle_until = 0.0
        self._partial_since = _NEVER

    # -- asyncio.Protocol -------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection and send our settings, or turn it away."""
        transport = cast("asyncio.Transport", transport)
        self._source = self._known or peer(transport)
        try:
            self.gateway.opened(self, self._source)
        except Denied:
            transport.close()
            return
        self._transport = transport
        self.deadline = self.now() + _LOOK_S
        self._idle_until = self._partial_since = self.now()
        self._idle_until += self.gateway.limits.head_s
        h2 = self._h2
        h2.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.ENABLE_PUSH: 0,
                SettingCodes.MAX_CONCURRENT_STREAMS: STREAMS,
                SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW_BYTES,
                SettingCodes.MAX_HEADER_LIST_SIZE: self.gateway.limits.head_bytes,
            },
        )
        h2.decoder.max_header_list_size = self.gateway.limits.head_bytes
        h2.initiate_connection()
        # Said to the client, and kept here: the library would end the whole connection for one stream too many.
        h2.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW_BYTES,
                SettingCodes.MAX_CONCURRENT_STREAMS: 2**31 - 1,
            },
        )
        h2.increment_flow_control_window(CONNECTION_WINDOW_BYTES - STREAM_WINDOW_BYTES)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio.Protocol
        """Give back what was counted; every exchange under way ends without an answer."""
        if self._transport is None:
            return
        self._transport = None
        self.gateway.closed(self)
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.gone()

    def data_received(self, data: bytes) -> None:
        """Take frames."""
        if self._transport is None or self._is_over:
            return
        self._is_reading = True
        try:
            self._watch.feed(data)
            events = self._h2.receive_data(data)
            self._partial_since = self.now() if not events else _NEVER
            for event in events:
                self._take(event)
        except Abuse as abuse:
            self._end(ErrorCodes.ENHANCE_YOUR_CALM, Denied("limits.rate", f"HTTP/2: {abuse}"))
        except ProtocolError as error:
            code = "transport.cl_invalid" if isinstance(error, InvalidBodyLengthError) else "transport.start_line"
            self._end(None, Denied(code, f"HTTP/2: {error}"))
        except Exception as error:  # noqa: BLE001 - containment: this connection ends; the worker lives on
            _log.error("fault", error=type(error).__name__, exc_info=error)
            self.abort()
        finally:
            self._is_reading = False
        self._flush()

    def eof_received(self) -> bool:
        """Over TLS there is no half-closed connection: it ends."""
        return False

    def pause_writing(self) -> None:
        """The client reads slower than it is answered."""
        self.is_write_paused = True
        for stream in list(self._streams.values()):
            stream.flush()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self.is_write_paused = False
        for stream in list(self._streams.values()):
            stream.flush()

    def expire(self) -> None:
        """Look after every deadline of the connection, four times a second."""
        if self._is_over:
            self.abort()
            return
        now = self.now()
        self.deadline = now + _LOOK_S
        for stream in [one for one in self._streams.values() if one.deadline <= now]:
            stream.expire()
        if self._streams:
            if now - self._partial_since > self.body_s:
                self.abort()
        elif now > self._idle_until:
            self._leave()

    # -- used by the gateway ----------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Take no new streams, and close when those under way are done."""
        self._leave()

    def abort(self) -> None:
        """Break off."""
        if self._transport is not None:
            self._transport.abort()

    # -- used by streams ----------------------------------------------------------------------------------------------

    def send_head(self, stream: Http2Stream, fields: list[Header], *, ends: bool) -> None:
        """Send the head of an answer."""
        self._h2.send_headers(stream.id, fields, end_stream=ends)
        self._flush()

    def send_data(self, stream_id: int, data: bytes, *, ends: bool) -> None:
        """Send a DATA frame; there must be room for it."""
        self._h2.send_data(stream_id, data, end_stream=ends)
        self._watch.sent_data()
        self._flush()

    def room(self, stream_id: int) -> int:
        """Bytes the client takes in one frame now."""
        window: int = self._h2.local_flow_control_window(stream_id)
        frame: int = self._h2.max_outbound_frame_size
        return min(window, frame)

    def give_back(self, stream_id: int, flow_bytes: int) -> None:
        """Open the window again by what was used."""
        if flow_bytes and self._transport is not None:
            self._h2.acknowledge_received_data(flow_bytes, stream_id)
            self._flush()

    def reset(self, stream: Http2Stream, *, provoked: bool) -> None:
        """Break a stream off."""
        if self._streams.pop(stream.id, None) is None:
            return
        self._reset(stream.id, ErrorCodes.PROTOCOL_ERROR if provoked else ErrorCodes.CANCEL)
        stream.gone()
        self._rest()

    def finished(self, stream: Http2Stream, *, is_whole: bool) -> None:
        """The answer is sent."""
        if self._streams.pop(stream.id, None) is None:
            return
        if not is_whole:
            self._reset(stream.id, ErrorCodes.NO_ERROR)
        stream.gone()
        self._rest()

    # -- frames -------------------------------------------------------------------------------------------------------

    def _take(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            self._begin(event.stream_id or 0, event.headers or [], ends=event.stream_ended is not None)
            return
        stream = self._streams.get(getattr(event, "stream_id", 0) or 0)
        if isinstance(event, WindowUpdated):
            for one in [stream] if stream is not None else list(self._streams.values()) * (not event.stream_id):
                one.flush()
        elif isinstance(event, DataReceived):
            if stream is None:
                self.give_back(event.stream_id or 0, event.flow_controlled_length or 0)
            else:
                ends = event.stream_ended is not None
                stream.data(event.data or b"", event.flow_controlled_length or 0, ends=ends)
        elif isinstance(event, TrailersReceived):
            if stream is not None and stream.run is not None:
                stream.run.exchange.findings.append("transport.trailer")
        elif isinstance(event, StreamEnded):
            if stream is not None:
                stream.ended()
        elif isinstance(event, StreamReset):
            if not event.remote_reset:
                self._watch.provoked()
            if self._streams.pop(event.stream_id or 0, None) is not None and stream is not None:
                stream.gone()
                self._rest()

    def _begin(self, stream_id: int, fields: list[Header], *, ends: bool) -> None:
        gateway = self.gateway
        if self._is_leaving or len(self._streams) >= STREAMS:
            self._reset(stream_id, ErrorCodes.REFUSED_STREAM)
            self._watch.provoked()
            return
        self._last_stream = stream_id
        refusal: Denied | None = None
        length: int | None = None
        source = self._source
        try:
            request, length = read_request(fields, scheme=gateway.scheme, ends=ends)
            check_head_size(
                gateway.limits,
                sum(len(name) + len(value) + 4 for name, value in fields),
                target_bytes=len(request.target),
                header_count=len(request.headers),
            )
            source = behind(source, gateway.proxies, request.headers, gateway.certificates)
        except Denied as denied:
            refusal = denied
            request = unreadable(fields, gateway.scheme)
        exchange = gateway.new_exchange(request, source)
        stream = self._streams[stream_id] = Http2Stream(self, stream_id, ended=ends)
        stream.run = run = ExchangeRun(gateway, stream, exchange)
        if refusal is None and ends and length:
            refusal = Denied("transport.cl_invalid", "a Content-Length, and no body")
        if refusal is None:
            note_way(exchange, self._source, gateway.proxies)
            run.admit()
        else:
            run.refuse_unread(refusal)

    def _reset(self, stream_id: int, code: ErrorCodes) -> None:
        try:
            self._h2.reset_stream(stream_id, code)
        except ProtocolError:
            return  # it is closed already
        self._flush()

    def _rest(self) -> None:
        if self._streams:
            return
        self._idle_until = self.now() + self._idle_s
        if self._is_leaving and self._transport is not None:
            self._transport.close()

    def _leave(self) -> None:
        """Say that no new stream is taken. Written by hand: the library, once told, would send nothing else."""
        if self._is_leaving or self._transport is None:
            return
        self._is_leaving = True
        self._transport.write(b"\0\0\x08\x07\0\0\0\0\0" + self._last_stream.to_bytes(4, "big") + bytes(4))
        self._rest()

    def _end(self, code: ErrorCodes | None, denied: Denied) -> None:
        """End the connection for what the client did, and record it."""
        self._is_reading = False
        if code is not None:
            self._h2.close_connection(code)
        self._flush()
        exchange = self.gateway.new_exchange(unreadable([], self.gateway.scheme), self._source)
        ExchangeRun(self.gateway, _Nobody(), exchange).refuse_unread(denied)
        # Closed with frames unread, the socket would send a reset that destroys the GOAWAY.
        self._is_over = True
        self.deadline = self.now() + LINGER_S

    def _flush(self) -> None:
        if self._is_reading or self._transport is None:
            return
        data = self._h2.data_to_send()
        if data:
            self._transport.write(data)


class _Nobody:
    """Stands in for a client that is told by GOAWAY: its refusal is recorded, and not answered."""

    keeps_alive = False
    is_slow = False

    def wants_body(self, run: Run) -> None:
        """There is none."""

    def hold_body(self, *, pauses: bool) -> None:
        """There is none."""

    def answer(self, exchange: Exchange, response: Response) -> None:
        """Nobody hears it."""

    def begin_answer(self, exchange: Exchange, response: Response) -> None:
        """Nobody hears it."""

    def answer_data(self, data: bytes) -> None:
        """Nobody hears it."""

    def end_answer(self) -> None:
        """Nobody hears it."""

    def abort(self) -> None:
        """Nothing is open."""
