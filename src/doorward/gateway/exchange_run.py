"""One exchange from its head to its answer: the order of pipeline, records, upstream and answer, as callbacks.

Every entry from outside (client, audit writer, upstream) ends in `refuse` or `fail` when something is raised: no
exchange is left without an answer or a record, and none of another connection is touched.
"""

import time
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from doorward.controls.minimise import LONG_BYTES
from doorward.denial import Denied
from doorward.exchange import Exchange, Header, Pending, Response
from doorward.gateway.answer import LAST_CHUNK, chunk
from doorward.gateway.exchange_scan import ExchangeScan
from doorward.gateway.house import Client
from doorward.problem import denial_response, fault_response

if TYPE_CHECKING:
    from doorward.controls.limits import Priority
    from doorward.controls.validate import Feed
    from doorward.gateway.gateway import Gateway
    from doorward.gateway.upstream_connection import UpstreamConnection
    from doorward.pipeline import Plan

SMALL_BYTES: Final = 64 * 1024
"""A response up to this size is held whole even if no control reads it: then a broken one never reaches the client."""
_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "QUERY"})
_log = structlog.get_logger()


class _Stage(Enum):
    ADMIT = 1
    INTENT = 2
    UPSTREAM = 3
    RECORD = 4
    STREAM = 5
    DONE = 6
    SCAN = 7


class ExchangeRun:
    """The state of one exchange under way."""

    __slots__ = (
        "_client",
        "_collected",
        "_collected_bytes",
        "_connection",
        "_feed",
        "_filtered",
        "_gateway",
        "_has_intent",
        "_held_bytes",
        "_pieces",
        "_pool",
        "_response_ended",
        "_scan",
        "_sent_at",
        "_stage",
        "_streams_response",
        "_upload_ended",
        "body",
        "exchange",
        "head",
        "is_abandoned",
        "is_head_request",
        "may_retry",
        "pipeline",
        "plan",
        "priority",
        "streams_body",
        "was_retried",
    )

    def __init__(self, gateway: "Gateway", client: Client, exchange: Exchange) -> None:
        self._gateway = gateway
        self._client = client
        self.exchange = exchange
        self.pipeline = gateway.pipeline
        """Kept from the start: a reload does not change the rules for an exchange under way."""
        self.plan: Plan | None = None
        self.head = b""
        self.body = b""
        self.is_head_request = exchange.request.method == "HEAD"
        self.may_retry = False
        self.priority: Priority = "normal"
        self.was_retried = False
        self.streams_body = False
        self.is_abandoned = False
        self._stage = _Stage.ADMIT
        self._connection: UpstreamConnection | None = None
        self._pieces: list[bytes] = []
        self._pool = gateway.upstream
        self._collected: list[bytes] = []
        self._collected_bytes = 0
        self._held_bytes = 0
        self._streams_response = False
        self._response_ended = False
        self._upload_ended = False
        self._has_intent = False
        self._sent_at = 0.0
        self._filtered = b""
        """The beginning of a streamed response, as it may leave."""
        self._feed: Feed | None = None
        self._scan: ExchangeScan | None = None

    # -- from the client ------------------------------------------------------------------------------------------

    def count_address(self) -> None:
        """Nothing, having counted the request to its address. Errors: Denied."""
        self.pipeline.count_address(self.exchange)

    def admit(self) -> None:
        """Run the checks that need only the head; then ask for the body, or go on without one."""
        try:
            answer = self._gateway.local_answer(self.exchange)
            if answer is not None:
                self.pipeline.count_address(self.exchange)
                self._answer(answer)
                return
            answer = self.pipeline.preflight(self.exchange)
            if answer is not None:
                self._answer(answer)
                return
            self.plan = self.pipeline.admit_head(self.exchange)
            if self.exchange.delay_s:
                self._gateway.deadlines.later(self.exchange.delay_s, self._go_on)
                return
        except Denied as denied:
            self.refuse(denied)
        except Pending as pending:
            pending.ask(self._admit_again)
        except Exception as error:  # noqa: BLE001 - containment: one exchange fails, closed; the worker lives on
            self.fail(error)
        else:
            self._go_on()

    def _admit_again(self) -> None:
        """The answer that a check waited for is there; meanwhile the client may have gone."""
        if self._stage is _Stage.ADMIT:
            self.admit()

    def _go_on(self) -> None:
        """Ask for the body, or go on without one. After a delay the client may be gone."""
        plan = self.plan
        if plan is None or self._stage is not _Stage.ADMIT:
            return
        try:
            self.proceed(plan)
        except Denied as denied:
            self.refuse(denied)
        except Exception as error:  # noqa: BLE001 - containment, as above
            self.fail(error)

    def proceed(self, plan: "Plan") -> None:
        """Go on with a head that was admitted. Errors: Denied."""
        request = self.exchange.request
        if not request.has_body:
            self._admit_body(plan)
            return
        if plan.body_mode == "stream":
            self.streams_body = True
            self._admit_body(plan)
            return
        announced = request.headers.get(b"content-length")
        if announced is not None:
            _require_within(plan.body_bytes, int(announced))
        if plan.watch is not None:
            self._feed = plan.watch(self.exchange)
        self._client.wants_body(self)

    def body_data(self, data: bytes, *, is_last: bool) -> None:
        """Take some of the request's body."""
        plan = self.plan
        if plan is None or self.is_abandoned:
            return
        # An upstream may begin its answer before it has the whole upload: it gets the rest all the same.
        if self.is_answering and self._connection is None:
            return
        try:
            self.exchange.bytes_in += len(data)
            _require_within(plan.body_bytes, self.exchange.bytes_in)
            if self.streams_body:
                self._upload(data, is_last=is_last)
                return
            if self._feed is not None:
                self._feed(data)
            self._gateway.load.hold(len(data))
            self._held_bytes += len(data)
            self._pieces.append(data)
            if is_last:
                pieces, self._pieces = self._pieces, []
                self.exchange.request.body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
                self.exchange.complete_at = time.time()
                self._admit_body(plan)
        except Denied as denied:
            if self.is_answering:
                self.exchange.findings.append(denied.code)
                self._drop_upstream()
                self._break_off()
            else:
                self.refuse(denied)
        except Exception as error:  # noqa: BLE001 - containment, as above
            self.fail(error)

    @property
    def is_answering(self) -> bool:
        """The answer is being recorded or given: it is too late to refuse."""
        stage = self._stage
        return stage is _Stage.RECORD or stage is _Stage.STREAM or stage is _Stage.DONE

    def client_gone(self) -> None:
        """Nobody waits for the answer any more. The record is written all the same."""
        if self._stage is _Stage.DONE or self.is_abandoned:
            return
        self.is_abandoned = True
        self.exchange.findings.append("transport.client_gone")
        self._drop_upstream()
        if self._stage is _Stage.STREAM:
            self._close_stream(complete=False)
        elif self._stage in {_Stage.ADMIT, _Stage.SCAN, _Stage.UPSTREAM}:
            self.exchange.response = None
            self._record()
        # INTENT: its callback is under way and records the outcome. RECORD: the outcome is on its way already.

    def refuse(self, denied: Denied) -> None:
        """Answer with a denial, once it is recorded."""
        if self.is_abandoned or self._stage in {_Stage.RECORD, _Stage.STREAM, _Stage.DONE}:
            return
        self._drop_upstream()
        self.exchange.denied = denied
        self._answer(denial_response(self.exchange, denied))

    def fail(self, error: Exception) -> None:
        """Answer with 500, once it is recorded: we broke, so nothing goes through."""
        _log.error("fault", request=self.exchange.id, error=type(error).__name__, exc_info=error)
        if self._stage is _Stage.DONE:
            self._client.abort()
            return
        if self.is_abandoned:
            return
        self._drop_upstream()
        self._client.keeps_alive = False
        if self._stage in {_Stage.RECORD, _Stage.STREAM}:
            self._break_off()
            return
        self.exchange.denied = None
        self.exchange.fault = f"{type(error).__name__}: {error}"
        self._answer(fault_response(self.exchange))

    # -- towards the upstream -------------------------------------------------------------------------------------

    def _admit_body(self, plan: "Plan") -> None:
        try:
            self.pipeline.admit_body(self.exchange, plan)
        except Pending as pending:
            pending.ask(partial(self._go_on_with_body, plan, self._admit_body))
            return
        if plan.proves_by_body and self.exchange.delay_s:
            self._gateway.deadlines.later(self.exchange.delay_s, partial(self._go_on_with_body, plan, self._admitted))
            return
        self._admitted(plan)

    def _go_on_with_body(self, plan: "Plan", step: Callable[["Plan"], None]) -> None:
        """Take the step that had to wait; meanwhile the client may have gone."""
        if self._stage is not _Stage.ADMIT or self.is_abandoned:
            return
        try:
            step(plan)
        except Denied as denied:
            self.refuse(denied)
        except Exception as error:  # noqa: BLE001 - containment, as above
            self.fail(error)

    def _admitted(self, plan: "Plan") -> None:
        if plan.scan is not None and self.exchange.uploads:
            self._stage = _Stage.SCAN
            self._scan = ExchangeScan(self._gateway, plan.scan, self.exchange, self._scanned)
        else:
            self._go_to_upstream(plan)

    def _scanned(self, verdict: Exception | None) -> None:
        plan = self.plan
        self._scan = None
        if self._stage is not _Stage.SCAN or plan is None or plan.scan is None:
            return
        self._stage = _Stage.ADMIT
        if verdict is not None and not isinstance(verdict, Denied):
            self.fail(verdict)
            return
        try:
            plan.scan.settle(self.exchange, verdict)
            self._go_to_upstream(plan)
        except Denied as denied:
            self.refuse(denied)
        except Exception as error:  # noqa: BLE001 - containment, as above
            self.fail(error)

    def _drop_scan(self) -> None:
        scan, self._scan = self._scan, None
        if scan is not None:
            scan.drop()

    def _go_to_upstream(self, plan: "Plan") -> None:
        if plan.records_intent:
            self._stage = _Stage.INTENT
            self._has_intent = True
            self._gateway.audit.append(self.pipeline.recorder.intent(self.exchange), self._intent_recorded)
        else:
            self._forward(plan)

    def _intent_recorded(self, durable: bool) -> None:
        plan = self.plan
        self._stage = _Stage.ADMIT
        if self.is_abandoned or plan is None:
            self._record()
            return
        if not durable:
            self.refuse(Denied("audit.unavailable", "the intent could not be recorded"))
            return
        try:
            self._forward(plan)
        except Denied as denied:
            self.refuse(denied)
        except Exception as error:  # noqa: BLE001 - containment, as above
            self.fail(error)

    def begin_upstream(self) -> None:
        """The upstream's turn begins."""
        self._stage = _Stage.UPSTREAM
        self._sent_at = time.monotonic()

    def _forward(self, plan: "Plan") -> None:
        self.begin_upstream()
        request = self.exchange.request
        self.head = plan.request_head(self.exchange)
        if self.streams_body:
            self.head = self._gateway.with_framing(self.head, request.headers)
        self.body = request.body
        self.may_retry = request.method in _IDEMPOTENT and not self.streams_body
        self.priority = plan.priority
        self._pool.send(self)

    def _upload(self, data: bytes, *, is_last: bool) -> None:
        connection = self._connection
        if connection is None:
            return
        framed = chunk(data) if self.exchange.request.headers.get(b"content-length") is None else data
        if is_last and framed is not data:
            framed += LAST_CHUNK
        if framed:
            connection.write(framed)
        if is_last:
            self._upload_ended = True
            connection.finish_request()

    def _drop_upstream(self) -> None:
        self._drop_scan()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abandon()
        elif self._stage is _Stage.UPSTREAM and not self._response_ended:
            self._pool.withdraw(self)

    # -- from the upstream (upstream_connection.Asker) --------------------------------------------------------------

    def upstream_ready(self, connection: "UpstreamConnection") -> None:
        """The request head is sent; a streamed body may follow."""
        self._connection = connection
        if self.streams_body:
            self._client.wants_body(self)

    def upstream_pressure(self, *, pauses: bool) -> None:
        """Slow the client down, or let it go on."""
        self._client.hold_body(pauses=pauses)

    def response_head(self, status: int, headers: list[Header], length: int | None) -> None:
        """The response begins: hold it whole when a control reads it or it is small, else let it stream."""
        plan = self.plan
        if plan is None:
            return
        try:
            response = self.exchange.response = Response(status, headers)
            if self.streams_body and not self._upload_ended:
                self._client.keeps_alive = False
            if length is not None and length <= SMALL_BYTES:
                return
            if plan.release.reads_body(self.exchange, response):
                if length is None or length <= LONG_BYTES:
                    return
                if not plan.release.streams(self.exchange, response):
                    if length > self._held_most(plan):
                        self.refuse(_response_too_large(self._held_most(plan)))
                    return
            self._stream(plan)
        except Denied as denied:
            self.refuse(denied)
        except Exception as error:  # noqa: BLE001 - containment, as above
            self.fail(error)

    def _stream(self, plan: "Plan") -> None:
        """Let the response leave while it comes. Errors: Denied."""
        plan.release.apply(self.exchange)
        body_filter = self.exchange.body_filter
        if body_filter is not None and self._collected:
            # Before the head leaves: what is wrong so early can still be refused.
            self._filtered = body_filter.feed(b"".join(self._collected))
            self._collected = []
        self._streams_response = True
        self._note_time()
        self._record()

    def _look_at_length(self) -> None:
        """The response has grown too long to be held, if it can be filtered in pieces."""
        plan, response = self.plan, self.exchange.response
        if plan is None or response is None:
            return
        try:
            if plan.release.streams(self.exchange, response):
                self._stream(plan)
        except Denied as denied:
            self.refuse(denied)
        except Exception as error:  # noqa: BLE001 - containment, as above
            self.fail(error)

    def response_data(self, data: bytes) -> None:
        """Some of the response's body."""
        if self.is_abandoned:
            return
        if self._stage is _Stage.STREAM:
            self._send_piece(data)
            return
        if not self._streams_response and self._stage is not _Stage.UPSTREAM:
            return
        self._collected.append(data)
        was_long = self._collected_bytes > LONG_BYTES
        self._collected_bytes += len(data)
        if not self._streams_response and self._collected_bytes > LONG_BYTES and not was_long:
            self._look_at_length()
        if self._streams_response:
            # The status line waits for its record; until then the upstream waits too.
            if self._connection is not None:
                self._connection.pause()
        elif self.plan is not None and self._collected_bytes > self._held_most(self.plan):
            self.refuse(_response_too_large(self._held_most(self.plan)))

    def _held_most(self, plan: "Plan") -> int:
        """Most bytes of a response that is held whole."""
        return self._gateway.response_bytes if plan.answer_bytes is None else plan.answer_bytes

    def response_end(self) -> None:
        """The response is complete."""
        self._connection = None
        self._response_ended = True
        plan, response = self.plan, self.exchange.response
        if self.is_abandoned or plan is None or response is None:
            return
        if self._stage is _Stage.STREAM:
            self._end_stream()
            return
        if self._streams_response or self._stage is not _Stage.UPSTREAM:
            return
        try:
            collected = self._collected
            response.body = collected[0] if len(collected) == 1 else b"".join(collected)
            plan.release.apply(self.exchange)
            self._note_time()
            self._answer(self.exchange.response or response)
        except Denied as denied:
            self.refuse(denied)
        except Exception as error:  # noqa: BLE001 - containment, as above
            self.fail(error)

    def upstream_failed(self, denied: Denied) -> None:
        """There will be no whole response: say so, or break off what has begun."""
        self._connection = None
        self._response_ended = True
        if self._stage is _Stage.STREAM or (self._streams_response and self._stage is _Stage.RECORD):
            self.exchange.findings.append(denied.code)
            self._client.keeps_alive = False
            self._break_off()
            return
        self._note_time()
        self.refuse(denied)

    # -- the record, then the answer ------------------------------------------------------------------------------

    def _note_time(self) -> None:
        if self._sent_at:
            self.exchange.upstream_ms = (time.monotonic() - self._sent_at) * 1000

    def answer_with(self, response: Response) -> None:
        """Answer, once it is recorded."""
        self._note_time()
        self._answer(response)

    def _answer(self, response: Response) -> None:
        self._streams_response = False
        self.pipeline.seal_answer(self.exchange, response)
        self.exchange.response = response
        self.exchange.bytes_out = len(response.body) if response.body and not self.is_head_request else 0
        self._record()

    def _record(self) -> None:
        self._stage = _Stage.RECORD
        if self._is_refused_stranger() and self._gateway.is_counted(self.exchange):
            self._outcome_recorded(durable=True)
            return
        try:
            record = self.pipeline.recorder.outcome(self.exchange)
            self._gateway.audit.append(record, self._outcome_recorded)
        except Exception as error:  # noqa: BLE001 - containment: what cannot be recorded is refused
            _log.error("no record", request=self.exchange.id, error=type(error).__name__, exc_info=error)
            self._drop_upstream()
            self._outcome_recorded(durable=False)

    def _is_refused_stranger(self) -> bool:
        """Whether this is a refusal without a caller, before anything was recorded of it."""
        exchange = self.exchange
        if exchange.denied is None or exchange.caller is not None or self._has_intent:
            return False
        return self.pipeline.recorder.coalesces

    def _outcome_recorded(self, durable: bool) -> None:
        if self._stage is not _Stage.RECORD:
            return
        try:
            self._give_answer(durable=durable)
        except Exception as error:  # noqa: BLE001 - containment, as above
            self.fail(error)
            self._done()

    def _give_answer(self, *, durable: bool) -> None:
        if self.is_abandoned:
            if self._streams_response:
                self._close_stream(complete=False)
            self._done()
            return
        response = self.exchange.response
        if not durable or response is None:
            self._drop_upstream()
            self._streams_response = False
            response = denial_response(self.exchange, Denied("audit.unavailable", "the outcome could not be recorded"))
            self.pipeline.seal_answer(self.exchange, response)
        if self._streams_response:
            self._begin_stream(response)
            return
        self._send(response)

    def _send(self, response: Response) -> None:
        client, exchange = self._client, self.exchange
        if exchange.denied is not None and exchange.denied.denial.closes:
            client.keeps_alive = False
        self._done()
        client.answer(exchange, response)

    def _begin_stream(self, response: Response) -> None:
        client = self._client
        self.begin_stream()
        client.begin_answer(self.exchange, response)
        if self._filtered:
            self.exchange.bytes_out += len(self._filtered)
            client.answer_data(self._filtered)
            self._filtered = b""
        collected, self._collected = self._collected, []
        for piece in collected:
            self._send_piece(piece)
            if self.is_abandoned:
                return
        if self._response_ended:
            self._end_stream()
        elif self._connection is not None and not client.is_slow:
            self._connection.resume()

    def begin_stream(self) -> None:
        """From now on the exchange ends with `end_stream`."""
        self._stage = _Stage.STREAM

    def end_stream(self, *, complete: bool, detail: str = "") -> None:
        """Record how what followed the answer's head has ended."""
        self._close_stream(complete=complete, detail=detail)

    def _send_piece(self, data: bytes) -> None:
        body_filter = self.exchange.body_filter
        if body_filter is not None:
            try:
                data = body_filter.feed(data)
            except Exception as error:  # noqa: BLE001 - containment, as above
                self._filter_failed(error)
                return
            if not data:
                return
        self.exchange.bytes_out += len(data)
        self._client.answer_data(data)

    def _end_stream(self) -> None:
        body_filter = self.exchange.body_filter
        if body_filter is not None:
            try:
                rest = body_filter.end()
            except Exception as error:  # noqa: BLE001 - containment, as above
                self._filter_failed(error)
                return
            if rest:
                self.exchange.bytes_out += len(rest)
                self._client.answer_data(rest)
        self._close_stream(complete=True)
        self._client.end_answer()

    def _filter_failed(self, error: Exception) -> None:
        """The rest of the answer must not leave, and its status has left: all that is left is to break it off."""
        if isinstance(error, Denied):
            detail = f"{error.code}: {error.detail}"
        else:
            detail = f"{type(error).__name__}: {error}"
            _log.error("fault", request=self.exchange.id, error=type(error).__name__, exc_info=error)
        self._drop_upstream()
        self._client.keeps_alive = False
        self._break_off(detail)

    def _break_off(self, detail: str = "") -> None:
        was_streaming = self._stage is _Stage.STREAM
        self.is_abandoned = True
        if was_streaming:
            self._close_stream(complete=False, detail=detail)
        self._client.abort()

    def _close_stream(self, *, complete: bool, detail: str = "") -> None:
        self._done()
        if self.exchange.body_filter is not None:
            detail = ", ".join([*([detail] if detail else []), *self.exchange.body_filter.findings()])
        self._gateway.audit.append(self.pipeline.recorder.closed(self.exchange, complete, detail), _ignore)

    def client_pressure(self, *, pauses: bool) -> None:
        """Slow the upstream down, or let it go on: the client reads slower than it sends."""
        if self._connection is not None and self._stage is _Stage.STREAM:
            if pauses:
                self._connection.pause()
            else:
                self._connection.resume()

    def _done(self) -> None:
        self._stage = _Stage.DONE
        if self._held_bytes:
            self._gateway.load.release(self._held_bytes)
            self._held_bytes = 0
        on_end = self.exchange.on_end
        while on_end:
            on_end.pop()()


def _ignore(durable: bool) -> None:
    """How a stream ended is told when its record is durable; no answer waits for it."""
    if not durable:
        _log.error("the end of a streamed answer could not be recorded")


def _require_within(limit: int, size: int) -> None:
    if size > limit:
        raise Denied("limits.body_size", f"request body above {limit} bytes")


def _response_too_large(limit: int) -> Denied:
    return Denied("forward.upstream_framing", f"response above {limit} bytes")
