"""One stream: an exchange's client. Data waits here for whoever is slower, the run or the client's window."""

from collections import deque
from typing import TYPE_CHECKING, Final

from doorward.denial import Denied
from doorward.exchange import Exchange, Response
from doorward.gateway.answer import BODILESS
from doorward.gateway.house import Run

if TYPE_CHECKING:
    from doorward.gateway.http2.connection import Http2Connection

PENDING_BYTES: Final = 64 * 1024
"""Answer bytes that may wait for the client's window; then the upstream waits too."""
_NEVER: Final = float("inf")
_OURS: Final = frozenset({b"connection", b"content-length", b"transfer-encoding", b"keep-alive", b"x-request-id"})


class Http2Stream:
    """One stream under way; see `house.Client`."""

    __slots__ = (
        "_arrived",
        "_connection",
        "_ends_after",
        "_has_ended",
        "_held_bytes",
        "_is_held",
        "_is_wanted",
        "_pending",
        "_pending_bytes",
        "_was_slow",
        "deadline",
        "id",
        "keeps_alive",
        "run",
    )

    def __init__(self, connection: "Http2Connection", stream_id: int, *, ended: bool) -> None:
        self.id = stream_id
        self.run: Run | None = None
        self.keeps_alive = True
        self.deadline = _NEVER
        self._connection = connection
        self._has_ended = ended
        self._arrived: deque[tuple[bytes, int]] = deque()
        self._is_wanted = False
        self._is_held = False
        self._pending: deque[bytes] = deque()
        self._pending_bytes = 0
        self._held_bytes = 0
        self._ends_after = False
        self._was_slow = False

    @property
    def is_slow(self) -> bool:
        """The client has answer bytes left to take, more than should pile up."""
        return self._pending_bytes > PENDING_BYTES or self._connection.is_write_paused

    # -- the request's body -----------------------------------------------------------------------------------------

    def data(self, data: bytes, flow_bytes: int, *, ends: bool) -> None:
        """Take some of the body; `flow_bytes` of the window are given back once it is used."""
        self._has_ended = self._has_ended or ends
        if self.run is None:
            # Answered already; what still comes is only counted.
            self._connection.give_back(self.id, flow_bytes)
            return
        self._arrived.append((data, flow_bytes))
        self._hand_on()

    def ended(self) -> None:
        """The request is complete; told apart from its last data when trailers or an empty frame end it."""
        if not self._has_ended:
            self.data(b"", 0, ends=True)

    def wants_body(self, run: Run) -> None:
        """Begin handing the body on."""
        self.run = run
        self._is_wanted = True
        self.deadline = self._connection.now() + self._connection.body_s
        self._hand_on()

    def hold_body(self, *, pauses: bool) -> None:
        """Stop, or go on: the window stays closed in between."""
        self._is_held = pauses
        if not pauses:
            self._hand_on()

    def _hand_on(self) -> None:
        run = self.run
        while self._is_wanted and not self._is_held and run is not None and self._arrived:
            data, flow_bytes = self._arrived.popleft()
            is_last = self._has_ended and not self._arrived
            if is_last:
                self._is_wanted = False
                self.deadline = _NEVER
            self._connection.give_back(self.id, flow_bytes)
            run.body_data(data, is_last=is_last)

    # -- the answer -------------------------------------------------------------------------------------------------

    def answer(self, exchange: Exchange, response: Response) -> None:
        """Send a whole answer."""
        body = b"" if response.status in BODILESS or exchange.request.method == "HEAD" else response.body or b""
        length = len(response.body or b"")
        says_length = response.status not in BODILESS and (exchange.request.method != "HEAD" or length)
        self._connection.send_head(self, _fields(exchange, response, length if says_length else None), ends=not body)
        self.run = None
        if body:
            self._ends_after = True
            self._pend(body)
        else:
            self._finished()

    def begin_answer(self, exchange: Exchange, response: Response) -> None:
        """Send the head of an answer."""
        self._connection.send_head(self, _fields(exchange, response, None), ends=False)

    def answer_data(self, data: bytes) -> None:
        """Send some of the body."""
        if data:
            self._pend(data)

    def end_answer(self) -> None:
        """The body is complete."""
        self.run = None
        self._ends_after = True
        self.flush()

    def abort(self) -> None:
        """Reset the stream."""
        self._connection.reset(self, provoked=False)

    def _pend(self, data: bytes) -> None:
        try:
            self._connection.gateway.load.hold(len(data))
        except Denied:
            self._connection.reset(self, provoked=False)
            return
        self._held_bytes += len(data)
        self._pending.append(data)
        self._pending_bytes += len(data)
        self.flush()

    def flush(self) -> None:
        """Send what the client's window has room for."""
        connection = self._connection
        sent = False
        while self._pending and not connection.is_write_paused:
            room = connection.room(self.id)
            if room <= 0:
                break
            data = self._pending.popleft()
            if len(data) > room:
                self._pending.appendleft(data[room:])
                data = data[:room]
            self._pending_bytes -= len(data)
            self._held_bytes -= len(data)
            connection.gateway.load.release(len(data))
            connection.send_data(self.id, data, ends=self._ends_after and not self._pending)
            sent = True
        if self._pending:
            if sent or self.deadline == _NEVER:
                self.deadline = connection.now() + connection.write_s
        elif self._ends_after:
            if not sent:
                connection.send_data(self.id, b"", ends=True)
            self._finished()
        else:
            self.deadline = _NEVER
        self._press()

    def _press(self) -> None:
        run, slow = self.run, self.is_slow
        if run is not None and slow is not self._was_slow:
            self._was_slow = slow
            run.client_pressure(pauses=slow)

    def _finished(self) -> None:
        self.deadline = _NEVER
        # What is left of a request that was answered already is not wanted (RFC 9113 section 8.1).
        self._connection.finished(self, is_whole=self._has_ended)

    # -- the end ------------------------------------------------------------------------------------------------------

    def expire(self) -> None:
        """Time is up: for the request's body, or for the client to take its answer."""
        self.deadline = _NEVER
        run = self.run
        if self._is_wanted and run is not None and not run.is_answering:
            run.refuse(Denied("limits.slow_body", f"no whole body within {self._connection.body_s:g} s"))
        else:
            self._connection.reset(self, provoked=False)

    def gone(self) -> None:
        """The stream is no more: nothing is sent or taken."""
        self.deadline = _NEVER
        self._connection.gateway.load.release(self._held_bytes)
        self._held_bytes = 0
        self._pending.clear()
        self._pending_bytes = 0
        run, self.run = self.run, None
        if run is not None:
            run.client_gone()


def _fields(exchange: Exchange, response: Response, length: int | None) -> list[tuple[bytes, bytes]]:
    fields = [(b":status", b"%d" % response.status)]
    fields += [field for field in response.headers if field[0] not in _OURS]
    fields += [(name.lower(), value) for name, value in exchange.answer_headers]
    fields.append((b"x-request-id", exchange.id.encode("ascii")))
    if length is not None:
        fields.append((b"content-length", b"%d" % length))
    return fields
