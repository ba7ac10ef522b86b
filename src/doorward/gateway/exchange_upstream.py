"""The upstream's turn in an exchange: the request goes out, and its answer is held whole or let through as it comes.

    asked ──► held ─────────────► whole: `run.answer`
                └──► streamed ──► `AnswerStream`

An answer is held as long as a control has to read it whole, or it is so small that a broken one need never reach the
client. `_stream` is set from the moment it is streamed, `_connection` while the upstream has something to say.
"""

from typing import TYPE_CHECKING, Final

from doorward.controls.minimise import LONG_BYTES
from doorward.denial import Denied
from doorward.exchange import Header, Response
from doorward.gateway.answer import LAST_CHUNK, chunk
from doorward.gateway.exchange_body import require_within
from doorward.gateway.exchange_stream import AnswerStream

if TYPE_CHECKING:
    from doorward.gateway.exchange_run import ExchangeRun
    from doorward.gateway.upstream_connection import UpstreamConnection

SMALL_BYTES: Final = 64 * 1024
"""A response up to this size is held whole even if no control reads it: then a broken one never reaches the client."""
_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "QUERY"})


class UpstreamTurn:
    """Asks for one run; see `upstream_connection.Asker`. Whatever goes wrong in it ends the run: `with self._run`.

    Nothing of it is called any more after `drop`, `response_end` or `upstream_failed`.
    """

    __slots__ = (
        "_connection",
        "_has_ended",
        "_held",
        "_held_bytes",
        "_run",
        "_stream",
        "_was_sent",
        "body",
        "head",
        "is_abandoned",
        "is_head_request",
        "may_retry",
        "priority",
        "streams_body",
        "was_retried",
    )

    def __init__(self, run: "ExchangeRun") -> None:
        """Errors: Denied."""
        exchange, plan = run.exchange, run.plan
        request = exchange.request
        self._run = run
        self._connection: UpstreamConnection | None = None
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._stream: AnswerStream | None = None
        self._has_ended = False
        self.streams_body = request.has_body and plan.body_mode == "stream"
        self._was_sent = not self.streams_body
        """The whole request is on its way."""
        self.head = plan.request_head(exchange)
        if self.streams_body:
            self.head = run.gateway.with_framing(self.head, request.headers)
        self.body = request.body
        self.is_head_request = request.method == "HEAD"
        self.may_retry = request.method in _IDEMPOTENT and not self.streams_body
        self.priority = plan.priority
        self.was_retried = False
        self.is_abandoned = False

    # -- from the run -----------------------------------------------------------------------------------------------

    def upload(self, data: bytes, *, is_last: bool) -> None:
        """Send some of a streamed body: an upstream that has begun to answer gets the rest too. Errors: Denied."""
        connection = self._connection
        if connection is None:
            return
        exchange = self._run.exchange
        exchange.bytes_in += len(data)
        require_within(self._run.plan.body_bytes, exchange.bytes_in)
        framed = chunk(data) if exchange.request.headers.get(b"content-length") is None else data
        if is_last and framed is not data:
            framed += LAST_CHUNK
        if framed:
            connection.write(framed)
        if is_last:
            self._was_sent = True
            connection.finish_request()

    def begin_answer(self, response: Response) -> None:
        """The record of a streamed answer is durable."""
        stream = self._stream
        if stream is None:
            return
        stream.begin(response)
        if self._connection is not None and not self._run.client.is_slow:
            self._connection.resume()

    def hold(self, *, pauses: bool) -> None:
        """Have the upstream wait, or go on, with an answer that streams."""
        if self._connection is not None:
            if pauses:
                self._connection.pause()
            else:
                self._connection.resume()

    def drop(self) -> None:
        """Nobody waits for the answer any more."""
        self.is_abandoned = True
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abandon()
        elif not self._has_ended:
            self._run.pool.withdraw(self)

    # -- from the upstream (upstream_connection.Asker) --------------------------------------------------------------

    def upstream_ready(self, connection: "UpstreamConnection") -> None:
        """The request head is sent; a streamed body may follow."""
        self._connection = connection
        if self.streams_body:
            with self._run:
                self._run.client.wants_body(self._run)

    def upstream_pressure(self, *, pauses: bool) -> None:
        """Slow the client down, or let it go on."""
        self._run.client.hold_body(pauses=pauses)

    def response_head(self, status: int, headers: list[Header], length: int | None) -> None:
        """The response begins."""
        run = self._run
        with run:
            response = run.exchange.response = Response(status, headers)
            if not self._was_sent:
                run.client.keeps_alive = False
            if (length is None or length > SMALL_BYTES) and not self._must_hold(response, length):
                self._let_through()

    def response_data(self, data: bytes) -> None:
        """Some of the response's body."""
        with self._run:
            if self._stream is not None:
                self._stream.take(data)
            else:
                self._hold(data)
            if self._connection is not None and self._stream is not None and not self._stream.has_begun:
                # The status line waits for its record; until then the upstream waits too.
                self._connection.pause()

    def response_end(self) -> None:
        """The response is complete."""
        self._connection = None
        self._has_ended = True
        run = self._run
        with run:
            if self._stream is not None:
                self._stream.end()
                return
            exchange, held = run.exchange, self._held
            response = exchange.response
            if response is not None:
                response.body = held[0] if len(held) == 1 else b"".join(held)
                run.plan.release.apply(exchange)
                run.note_upstream_time()
                run.answer(exchange.response or response)

    def upstream_failed(self, denied: Denied) -> None:
        """There will be no whole response: say so, or break off what has begun."""
        self._connection = None
        self._has_ended = True
        with self._run:
            if self._stream is None:
                self._run.note_upstream_time()
            raise denied

    # -- whole, or as it comes --------------------------------------------------------------------------------------

    def _must_hold(self, response: Response, length: int | None) -> bool:
        """Whether controls read the answer whole, as far as its head tells. Errors: Denied, if it is too long then."""
        run = self._run
        release = run.plan.release
        if not release.reads_body(run.exchange, response):
            return False
        if length is None or length <= LONG_BYTES:
            return True
        if release.streams(run.exchange, response):
            return False
        self._require_held(length)
        return True

    def _hold(self, data: bytes) -> None:
        """Keep some of the answer; let it through when it turns out long, and can be filtered in pieces."""
        self._held.append(data)
        was_long = self._held_bytes > LONG_BYTES
        self._held_bytes += len(data)
        if self._held_bytes > LONG_BYTES and not was_long and self._can_be_filtered():
            self._let_through()
        else:
            self._require_held(self._held_bytes)

    def _can_be_filtered(self) -> bool:
        run = self._run
        response = run.exchange.response
        return response is not None and run.plan.release.streams(run.exchange, response)

    def _let_through(self) -> None:
        """From now on the answer leaves while it comes. Errors: Denied."""
        run = self._run
        run.plan.release.apply(run.exchange)
        early, self._held = self._held, []
        self._stream = AnswerStream(run, early)
        run.note_upstream_time()
        run.record_stream()

    def _require_held(self, size: int) -> None:
        """Nothing, where so many bytes may be held. Errors: Denied."""
        plan = self._run.plan
        most_bytes = self._run.gateway.response_bytes if plan.answer_bytes is None else plan.answer_bytes
        if size > most_bytes:
            raise Denied("forward.upstream_framing", f"response above {most_bytes} bytes")
