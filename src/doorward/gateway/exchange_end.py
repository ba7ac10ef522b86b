"""How an exchange ends: refused, failed, answered or cut, and recorded in any case.

Containment, written here and nowhere else: what an entry from outside (client, audit writer, upstream, timer) does, it
does inside `with run:`. Denied ends in a refusal, every other exception in a fault, and either in a cut answer where
one has begun. No exchange is left without an answer or a record, and none of another connection is touched.
"""

from types import TracebackType
from typing import TYPE_CHECKING

import structlog

from doorward.denial import Denied
from doorward.exchange import Exchange, Response
from doorward.gateway.exchange_stage import DONE, HEAD, OPEN, RECORD, STREAM, Stage
from doorward.gateway.house import Client
from doorward.problem import denial_response, fault_response

if TYPE_CHECKING:
    from doorward.gateway.exchange_body import HeldBody
    from doorward.gateway.exchange_scan import ExchangeScan
    from doorward.gateway.exchange_upstream import UpstreamTurn
    from doorward.gateway.gateway import Gateway

_log = structlog.get_logger()


class Ending:
    """What every run has to end: its exchange, the client that waits, and whoever works for it."""

    __slots__ = (
        "_body",
        "_has_intent",
        "_scan",
        "_turn",
        "client",
        "exchange",
        "gateway",
        "is_abandoned",
        "pipeline",
        "stage",
    )

    def __init__(self, gateway: "Gateway", client: Client, exchange: Exchange) -> None:
        self.gateway, self.client, self.exchange = gateway, client, exchange
        self.pipeline = gateway.pipeline
        """Kept from the start: a reload does not change the rules for an exchange under way."""
        self.stage: Stage = HEAD
        self.is_abandoned = False
        """Nobody waits for the answer, or for the rest of it."""
        self._body: HeldBody | None = None
        self._scan: ExchangeScan | None = None
        self._turn: UpstreamTurn | None = None
        self._has_intent = False

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if error is None:
            return False
        if isinstance(error, Denied):
            if self.is_answering:
                self.break_off(f"{error.code}: {error.detail}")
            else:
                self.refuse(error)
        elif isinstance(error, Exception):
            self.fail(error)
        else:
            return False
        return True

    @property
    def is_answering(self) -> bool:
        """The answer is being recorded or given: it is too late to refuse."""
        return self.stage >= RECORD

    # -- refusals and faults ----------------------------------------------------------------------------------------

    def refuse(self, denied: Denied) -> None:
        """Answer with a denial, once it is recorded; nothing, where it is too late."""
        if self.is_abandoned or self.is_answering:
            return
        self._drop()
        self.exchange.denied = denied
        try:
            self.answer(denial_response(self.exchange, denied))
        except Exception as error:  # noqa: BLE001 - containment: a denial that cannot be sealed is a fault
            self.fail(error)

    def refuse_unread(self, denied: Denied) -> None:
        """Refuse what could not be read as a request: it counts for its address as every other."""
        with self:
            self.pipeline.count_address(self.exchange)
            self.refuse(denied)

    def fail(self, error: Exception) -> None:
        """Answer with 500, once it is recorded: we broke, so nothing goes through."""
        _log.error("fault", request=self.exchange.id, error=type(error).__name__, exc_info=error)
        if self.stage == DONE:
            self.client.abort()
            return
        if self.is_abandoned:
            return
        fault = f"{type(error).__name__}: {error}"
        if self.is_answering:
            self.break_off(fault)
            return
        self._drop()
        self.client.keeps_alive = False
        self.exchange.denied = None
        self.exchange.fault = fault
        response = fault_response(self.exchange)
        try:
            self.pipeline.seal_answer(self.exchange, response)
        except Exception as unsealed:  # noqa: BLE001 - containment: it says nothing but that we broke
            _log.error("fault unsealed", request=self.exchange.id, error=type(unsealed).__name__)
            response = fault_response(self.exchange)
        self._answer_sealed(response)

    def break_off(self, detail: str) -> None:
        """Cut an answer that must not go on; its status may have left. `detail` stands in the record of its end."""
        if self.is_abandoned:
            return
        self.is_abandoned = True
        self._drop()
        self.client.keeps_alive = False
        if self.stage == STREAM:
            self.end_stream(complete=False, detail=detail)
        self.client.abort()

    def _drop(self) -> None:
        """Wait for nobody any more."""
        scan, self._scan = self._scan, None
        if scan is not None:
            scan.drop()
        if self._turn is not None:
            self._turn.drop()

    # -- the record, then the answer ------------------------------------------------------------------------------

    def answer(self, response: Response) -> None:
        """Answer, once it is recorded. Errors: whatever sealing it raises."""
        self.pipeline.seal_answer(self.exchange, response)
        self._answer_sealed(response)

    def _answer_sealed(self, response: Response) -> None:
        exchange = self.exchange
        exchange.response = response
        exchange.bytes_out = len(response.body) if response.body and exchange.request.method != "HEAD" else 0
        self._record(RECORD)

    def record_stream(self) -> None:
        """Begin the answer that the upstream's turn lets through, once it is recorded."""
        self._record(OPEN)

    def _record(self, stage: Stage) -> None:
        self.stage = stage
        try:
            if self._is_refused_stranger() and self.gateway.is_counted(self.exchange):
                self._outcome_recorded(durable=True)
                return
            record = self.pipeline.recorder.outcome(self.exchange)
            self.gateway.audit.append(record, self._outcome_recorded)
        except Exception as error:  # noqa: BLE001 - containment: what cannot be recorded is refused
            _log.error("no record", request=self.exchange.id, error=type(error).__name__, exc_info=error)
            self._outcome_recorded(durable=False)

    def _is_refused_stranger(self) -> bool:
        """Whether this is a refusal without a caller, before anything was recorded of it."""
        exchange = self.exchange
        if exchange.denied is None or exchange.caller is not None or self._has_intent:
            return False
        return self.pipeline.recorder.coalesces

    def _outcome_recorded(self, durable: bool) -> None:
        if not RECORD <= self.stage <= OPEN:
            return
        with self:
            self._give_answer(durable=durable)
        if self.stage < STREAM:
            self._done()

    def _give_answer(self, *, durable: bool) -> None:
        exchange, turn = self.exchange, self._turn
        response = exchange.response
        if self.is_abandoned:
            if self.stage == OPEN:
                self.end_stream(complete=False)
        elif not durable or response is None:
            self._drop()
            refusal = denial_response(exchange, Denied("audit.unavailable", "the outcome could not be recorded"))
            self.pipeline.seal_answer(exchange, refusal)
            self.send(refusal)
        elif self.stage == OPEN and turn is not None:
            self.begin_stream()
            turn.begin_answer(response)
        else:
            self.send(response)

    def send(self, response: Response) -> None:
        """Send a whole answer."""
        client, exchange = self.client, self.exchange
        if exchange.denied is not None and exchange.denied.denial.closes:
            client.keeps_alive = False
        self._done()
        client.answer(exchange, response)

    def begin_stream(self) -> None:
        """From now on the exchange ends with `end_stream`."""
        self.stage = STREAM

    def end_stream(self, *, complete: bool, detail: str = "") -> None:
        """Record how what followed the answer's head has ended."""
        self._done()
        body_filter = self.exchange.body_filter
        if body_filter is not None:
            detail = ", ".join([*([detail] if detail else []), *body_filter.findings()])
        self.gateway.audit.append(self.pipeline.recorder.closed(self.exchange, complete, detail), _ignore)

    def _done(self) -> None:
        self.stage = DONE
        # The turn knows the run: kept, both would wait for the garbage collector.
        self._turn = None
        body, self._body = self._body, None
        if body is not None:
            body.release()
        on_end = self.exchange.on_end
        while on_end:
            on_end.pop()()


def _ignore(durable: bool) -> None:
    """How a stream ended is told when its record is durable; no answer waits for it."""
    if not durable:
        _log.error("the end of a streamed answer could not be recorded")
