"""One exchange from its head to its answer: pipeline, records, upstream and client in their order, as callbacks.

The stages are drawn in `exchange_stage`. Who owns what:
- `ExchangeRun` the way forward: which step comes next, and who has to be waited for before it;
- `Ending`, its base, the way out: refusals, faults, records, the answer, and the rule of containment;
- `HeldBody` the pieces of a body, `ExchangeScan` the files that the virus scanner has;
- `UpstreamTurn` the upstream's connection and its answer, in it `AnswerStream` one that leaves while it comes.
The last four tell the run what has happened and read nothing but what it shows; their fields are their own.
"""

import time
from typing import TYPE_CHECKING

from doorward.denial import Denied
from doorward.exchange import Exchange, Pending
from doorward.gateway.exchange_body import HeldBody
from doorward.gateway.exchange_end import Ending
from doorward.gateway.exchange_scan import ExchangeScan
from doorward.gateway.exchange_stage import (
    ADMITTED,
    BODY,
    CLEARED,
    DONE,
    HEAD,
    INTENT,
    RECORD,
    SCAN,
    STREAM,
    UPSTREAM,
    WHOLE,
)
from doorward.gateway.exchange_upstream import UpstreamTurn
from doorward.gateway.house import Client

if TYPE_CHECKING:
    from doorward.gateway.gateway import Gateway
    from doorward.pipeline import Plan


class ExchangeRun(Ending):
    """One exchange under way."""

    __slots__ = ("_sent_at", "plan", "pool")
    plan: "Plan"
    """Set once the head is admitted."""

    def __init__(self, gateway: "Gateway", client: Client, exchange: Exchange) -> None:
        super().__init__(gateway, client, exchange)
        self.pool = gateway.upstream
        """Kept from the start, as the pipeline."""
        self._sent_at = 0.0

    # -- from the client ------------------------------------------------------------------------------------------

    def admit(self) -> None:
        """Begin."""
        self.go_on()

    def go_on(self) -> None:
        """Take the step that the exchange stands before. Whoever was waited for calls it; the client may have gone."""
        stage = self.stage
        with self:
            try:
                if stage == HEAD:
                    self._admit_head()
                elif stage == ADMITTED:
                    self.proceed()
                elif stage == WHOLE:
                    self._admit_body()
                elif stage == CLEARED:
                    self._scan_uploads()
            except Pending as pending:
                pending.ask(self.go_on)

    def body_data(self, data: bytes, *, is_last: bool) -> None:
        """Take some of the request's body."""
        with self:
            if self.stage == BODY and self._body is not None:
                if self._body.take(data, is_last=is_last):
                    self.stage = WHOLE
                    self.go_on()
            elif self._turn is not None:
                self._turn.upload(data, is_last=is_last)

    def client_pressure(self, *, pauses: bool) -> None:
        """Slow the upstream down, or let it go on: the client reads slower than it sends."""
        if self.stage == STREAM and self._turn is not None:
            self._turn.hold(pauses=pauses)

    def client_gone(self) -> None:
        """Nobody waits for the answer any more. The record is written all the same."""
        stage = self.stage
        if stage == DONE or self.is_abandoned:
            return
        with self:
            self.is_abandoned = True
            self.exchange.findings.append("transport.client_gone")
            self._drop()
            if stage == STREAM:
                self.end_stream(complete=False)
            elif stage < RECORD and stage != INTENT:
                self.exchange.response = None
                self._record(RECORD)
            # INTENT: its callback is under way and records the outcome. RECORD, OPEN: that is on its way already.

    # -- the request, step by step ----------------------------------------------------------------------------------

    def _admit_head(self) -> None:
        exchange = self.exchange
        answer = self.gateway.local_answer(exchange)
        if answer is not None:
            self.pipeline.count_address(exchange)
        else:
            answer = self.pipeline.preflight(exchange)
        if answer is not None:
            self.answer(answer)
            return
        self.plan = self.pipeline.admit_head(exchange)
        self.stage = ADMITTED
        if exchange.delay_s:
            self.gateway.deadlines.later(exchange.delay_s, self.go_on)
        else:
            self.proceed()

    def proceed(self) -> None:
        """Go on with a head that was admitted: ask for the body where it is held. Errors: Denied, Pending."""
        plan = self.plan
        if self.exchange.request.has_body and plan.body_mode != "stream":
            self._body = HeldBody(self.exchange, plan, self.gateway.load)
            self.stage = BODY
            self.client.wants_body(self)
        else:
            self._admit_body()

    def _admit_body(self) -> None:
        self.stage = WHOLE
        self.pipeline.admit_body(self.exchange, self.plan)
        self.stage = CLEARED
        if self.plan.proves_by_body and self.exchange.delay_s:
            self.gateway.deadlines.later(self.exchange.delay_s, self.go_on)
        else:
            self._scan_uploads()

    def _scan_uploads(self) -> None:
        scan = self.plan.scan
        if scan is not None and self.exchange.uploads:
            self.stage = SCAN
            self._scan = ExchangeScan(self.gateway, scan, self.exchange, self._scanned)
        else:
            self._record_intent()

    def _scanned(self, verdict: Exception | None) -> None:
        self._scan = None
        scan = self.plan.scan
        if self.stage != SCAN or scan is None:
            return
        with self:
            if verdict is not None and not isinstance(verdict, Denied):
                raise verdict
            scan.settle(self.exchange, verdict)
            self._record_intent()

    def _record_intent(self) -> None:
        if self.plan.records_intent:
            self.stage = INTENT
            self._has_intent = True
            self.gateway.audit.append(self.pipeline.recorder.intent(self.exchange), self._intent_recorded)
        else:
            self._ask_upstream()

    def _intent_recorded(self, durable: bool) -> None:
        if self.stage != INTENT:
            return
        with self:
            if self.is_abandoned:
                self._record(RECORD)
            elif durable:
                self._ask_upstream()
            else:
                raise Denied("audit.unavailable", "the intent could not be recorded")

    def _ask_upstream(self) -> None:
        self.begin_upstream()
        self._turn = turn = UpstreamTurn(self)
        self.pool.send(turn)

    def begin_upstream(self) -> None:
        """The upstream's turn begins."""
        self.stage = UPSTREAM
        self._sent_at = time.monotonic()

    def note_upstream_time(self) -> None:
        """The upstream has answered, or will not."""
        if self._sent_at:
            self.exchange.upstream_ms = (time.monotonic() - self._sent_at) * 1000
