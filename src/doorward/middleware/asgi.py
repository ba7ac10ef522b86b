"""Doorward as ASGI middleware: the pipeline around one application, records before answers included."""

import asyncio
import time
from collections.abc import Callable
from typing import Final, Protocol

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from doorward.antivirus import Scanner
from doorward.controls.audit import Record
from doorward.controls.limits import Load, Pressure, check_head_size
from doorward.controls.minimise import LONG_BYTES
from doorward.controls.validate.antivirus import total_bytes
from doorward.denial import Denied
from doorward.errors import Fault, PolicyError
from doorward.exchange import Response
from doorward.middleware.scope import BODILESS, answer_headers, exchange_from, head_bytes, scope_for_app
from doorward.middleware.waiting import passed
from doorward.pipeline import Pipeline, Plan, ScanPlan
from doorward.policy.document import Policy
from doorward.problem import denial_response, fault_response

REFRESH_S: Final = 0.2
"""Time between two looks for a new policy or a revocation, in seconds."""
_log: Final = structlog.get_logger()


class Serves(Protocol):
    """What is in force: `doorward.serving.Serving`, or anything that has the same."""

    @property
    def policy(self) -> Policy:
        """The policy in force."""

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline in force."""

    def refresh(self) -> bool:
        """Whether a new policy came into force."""

    def ask_issuers(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Ask issuers about opaque tokens on that loop; None: no more. Errors: PolicyError."""


class Audit(Protocol):
    """Where records are made durable."""

    def append(self, record: Record, done: Callable[[bool], None]) -> None:
        """Call `done(True)` on the loop once the record is durable, `done(False)` when it could not be made so."""

    def close(self) -> None:
        """Write what is left."""


class DoorwardMiddleware:
    """Guards `app` by what `serving` says is in force.

    `open_audit` makes the audit writer, given the event loop, when the first request comes; from then on issuers are
    asked about opaque tokens, too. Both end with the server's lifespan. WebSockets are refused: no control reads them
    yet.
    """

    def __init__(
        self, app: ASGIApp, *, serving: Serves, open_audit: Callable[[asyncio.AbstractEventLoop], Audit]
    ) -> None:
        self.app = app
        self.serving = serving
        self.load = Load(serving.policy.limits, Pressure())
        self._open_audit = open_audit
        self._audit: Audit | None = None
        self._look_at = 0.0
        self.scanner = Scanner()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection scope, as ASGI has it."""
        if scope["type"] == "http":
            self._open()
            await _Run(self, scope, receive, send).serve()
        elif scope["type"] == "lifespan":
            try:
                await self.app(scope, receive, send)
            finally:
                self.close()
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008})

    @property
    def audit(self) -> Audit:
        """The audit writer, opened on first use."""
        return self._open()

    def _open(self) -> Audit:
        if self._audit is None:
            loop = asyncio.get_running_loop()
            self._audit = self._open_audit(loop)
            try:
                self.serving.ask_issuers(loop)
            except PolicyError as error:
                # costs those who come with such tokens (503), and nobody else
                _log.error("issuers are not asked about tokens", reason=str(error))
        return self._audit

    def close(self) -> None:
        """Ask nobody any more, and write the records that are left."""
        if self._audit is not None:
            self.serving.ask_issuers(None)
            self._audit.close()
            self._audit = None

    def refresh(self, ticks: float) -> None:
        """Follow the policy, a few times a second."""
        if ticks < self._look_at:
            return
        self._look_at = ticks + REFRESH_S
        if self.serving.refresh():
            self.load.policy = self.serving.policy.limits


class _Run:
    """One exchange under way."""

    __slots__ = (
        *("_body", "_collected", "_filtered", "_guard", "_held", "_is_answered", "_is_streaming", "_plan", "_receive"),
        *("_refusal", "_response_bytes", "_scope", "_send", "exchange", "pipeline", "policy"),
    )

    def __init__(self, guard: DoorwardMiddleware, scope: Scope, receive: Receive, send: Send) -> None:
        self._guard, self._scope, self._receive, self._send = guard, scope, receive, send
        self.exchange = exchange_from(scope)
        guard.refresh(self.exchange.ticks)
        self.pipeline, self.policy = guard.serving.pipeline, guard.serving.policy
        self._plan: Plan | None = None
        self._body: bytes | None = None
        self._held = 0
        self._collected: list[bytes] = []
        self._response_bytes = 0
        self._filtered = b""
        self._refusal: Denied | None = None
        self._is_streaming = False
        self._is_answered = False

    async def serve(self) -> None:
        """The exchange from admission to its answer; it never ends without a record."""
        try:
            preflight = await passed(lambda: self.pipeline.preflight(self.exchange))
            if preflight is not None:
                await self._answer(preflight)
                return
            plan = await self._admit()
            scope = scope_for_app(self._scope, self.exchange, plan.request_head(self.exchange))
        except Denied as denied:
            await self._refuse(denied)
        except _GoneError:
            self.exchange.findings.append("transport.client_gone")
            await self._append(self.pipeline.recorder.outcome(self.exchange))
        except Exception as error:  # noqa: BLE001 - containment: closed, recorded, logged
            await self._fail(error)
        else:
            await self._run_app(scope)
        finally:
            self._guard.load.release(self._held)
            while self.exchange.on_end:
                self.exchange.on_end.pop()()

    # -- the request ------------------------------------------------------------------------------------------------

    async def _admit(self) -> Plan:
        exchange, request = self.exchange, self.exchange.request
        try:
            check_head_size(
                self.policy.limits,
                head_bytes(request.headers),
                target_bytes=len(request.target),
                header_count=len(request.headers),
            )
        except Denied:
            self.pipeline.count_address(exchange)
            raise
        plan = self._plan = await passed(lambda: self.pipeline.admit_head(exchange))
        if exchange.delay_s:
            await asyncio.sleep(exchange.delay_s)
        if not request.has_body:
            self._body = b""
        elif plan.body_mode != "stream":
            request.body = await self._read_body(plan)
            exchange.complete_at = time.time()
        await passed(lambda: self.pipeline.admit_body(exchange, plan))
        if plan.body_mode != "stream":
            self._body = request.body  # in clear, where it came encrypted
        if plan.proves_by_body and exchange.delay_s:
            await asyncio.sleep(exchange.delay_s)
        if plan.scan is not None and exchange.uploads:
            await self._scan(plan.scan)
        if plan.records_intent and not await self._append(self.pipeline.recorder.intent(exchange)):
            raise Denied("audit.unavailable", "the intent could not be recorded")
        return plan

    async def _scan(self, scan: ScanPlan) -> None:
        uploads, self.exchange.uploads = self.exchange.uploads, ()
        size = total_bytes(uploads)
        self._guard.load.hold(size)
        try:
            verdict = await self._guard.scanner.scan(scan.policy, uploads)
        finally:
            self._guard.load.release(size)
        scan.settle(self.exchange, verdict)

    async def _read_body(self, plan: Plan) -> bytes:
        most = plan.body_bytes
        announced = self.exchange.request.headers.get(b"content-length")
        if announced is not None and int(announced) > most:
            raise _too_large(most)
        pieces: list[bytes] = []
        feed = plan.watch(self.exchange) if plan.watch is not None else None
        try:
            async with asyncio.timeout(self.policy.limits.body_s):
                while True:
                    message = await self._receive()
                    piece = self._take(message, most)
                    if feed is not None:
                        feed(piece)
                    self._guard.load.hold(len(piece))
                    self._held += len(piece)
                    pieces.append(piece)
                    if not message.get("more_body", False):
                        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        except TimeoutError:
            raise Denied("limits.slow_body", f"no whole body within {self.policy.limits.body_s:g} s") from None

    def _take(self, message: Message, most: int) -> bytes:
        if message["type"] == "http.disconnect":
            raise _GoneError
        piece: bytes = message.get("body", b"")
        self.exchange.bytes_in += len(piece)
        if self.exchange.bytes_in > most:
            raise _too_large(most)
        return piece

    # -- the application ----------------------------------------------------------------------------------------------

    async def _run_app(self, scope: Scope) -> None:
        began = time.monotonic()
        try:
            await self._guard.app(scope, self._receive_for_app, self._send_from_app)
        except Exception as error:
            if self._is_streaming:
                await self._close_stream(complete=False)
                raise
            if self._is_answered:
                raise  # the application's own affair, after its answer
            if self._refusal is None:
                await self._fail(error)
        finally:
            self.exchange.upstream_ms = (time.monotonic() - began) * 1000
        if self._is_streaming:
            await self._close_stream(complete=False)
            raise Fault("the application ended in the middle of its answer")
        if self._is_answered:
            return
        if self._refusal is not None:
            await self._refuse(self._refusal)
        else:
            await self._fail(Fault("the application gave no answer"))

    async def _receive_for_app(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        message = await self._receive()
        plan = self._plan
        if message["type"] == "http.request" and plan is not None and plan.body_mode == "stream":
            try:
                self._take(message, plan.body_bytes)
            except Denied as denied:
                self._refusal = denied
                raise
        return message

    async def _send_from_app(self, message: Message) -> None:
        if self._is_answered or self._refusal is not None:
            return
        try:
            if message["type"] == "http.response.start":
                await self._begin(message)
            elif message["type"] == "http.response.body":
                await self._continue(message.get("body", b""), more=message.get("more_body", False))
        except Denied as denied:
            await self._refuse(denied)

    async def _begin(self, message: Message) -> None:
        plan, exchange = self._plan, self.exchange
        if plan is None:
            raise Fault("an answer without a plan")
        headers = [(bytes(name).lower(), bytes(value)) for name, value in message.get("headers", ())]
        response = exchange.response = Response(message["status"], headers)
        if exchange.request.method == "HEAD" or plan.release.reads_body(exchange, response):
            return
        await self._stream(plan, response)

    async def _stream(self, plan: Plan, response: Response) -> None:
        exchange = self.exchange
        plan.release.apply(exchange)
        if exchange.body_filter is not None and self._collected:
            # Before the head leaves: what is wrong so early can still be refused.
            self._filtered = exchange.body_filter.feed(b"".join(self._collected))
            self._collected = []
        if not await self._append(self.pipeline.recorder.outcome(exchange)):
            raise Denied("audit.unavailable", "the outcome could not be recorded")
        self._is_streaming = True
        await self._send_start(response, None)

    async def _continue(self, data: bytes, *, more: bool) -> None:
        plan, exchange, response = self._plan, self.exchange, self.exchange.response
        if plan is None or response is None:
            raise Fault("a body without an answer")
        if self._is_streaming:
            await self._send_piece(data, more=more)
            return
        self._collected.append(data)
        self._response_bytes += len(data)
        if self._response_bytes > LONG_BYTES and plan.release.streams(exchange, response):
            await self._stream(plan, response)
            filtered, self._filtered = self._filtered, b""
            exchange.bytes_out += len(filtered)
            await self._send({"type": "http.response.body", "body": filtered, "more_body": True})
            await self._send_piece(b"", more=more)
            return
        most = self.policy.forward.response_bytes if plan.answer_bytes is None else plan.answer_bytes
        if self._response_bytes > most:
            raise Denied("forward.upstream_framing", f"response above {most} bytes")
        if not more:
            response.body = b"".join(self._collected)
            plan.release.apply(exchange)
            await self._answer(response)

    async def _send_piece(self, data: bytes, *, more: bool) -> None:
        body_filter = self.exchange.body_filter
        if body_filter is not None:
            try:
                data = body_filter.feed(data) + (b"" if more else body_filter.end())
            except Denied as denied:
                await self._close_stream(complete=False, detail=f"{denied.code}: {denied.detail}")
                # The status has left: only a broken connection says now that the body is not whole.
                raise Fault(f"the answer was broken off: {denied.code}") from None
        self.exchange.bytes_out += len(data)
        await self._send({"type": "http.response.body", "body": data, "more_body": more})
        if not more:
            await self._close_stream(complete=True)

    # -- the record, then the answer ----------------------------------------------------------------------------------

    async def _refuse(self, denied: Denied) -> None:
        self.exchange.denied = denied
        await self._answer(denial_response(self.exchange, denied))

    async def _fail(self, error: Exception) -> None:
        _log.error("fault", request=self.exchange.id, error=type(error).__name__, exc_info=error)
        self.exchange.denied = None
        self.exchange.fault = f"{type(error).__name__}: {error}"
        await self._answer(fault_response(self.exchange))

    async def _answer(self, response: Response) -> None:
        exchange = self.exchange
        self._is_answered = True
        self.pipeline.seal_answer(exchange, response)
        exchange.response = response
        is_bodiless = exchange.request.method == "HEAD" or response.status in BODILESS
        exchange.bytes_out = 0 if is_bodiless else len(response.body or b"")
        if not await self._append(self.pipeline.recorder.outcome(exchange)):
            exchange.denied = Denied("audit.unavailable", "the outcome could not be recorded")
            response = denial_response(exchange, exchange.denied)
            self.pipeline.seal_answer(exchange, response)
        body = response.body or b""
        is_silent = exchange.request.method == "HEAD" and not body  # how long a GET's would be is not known
        await self._send_start(response, None if is_silent else len(body))
        await self._send({"type": "http.response.body", "body": b"" if is_bodiless else body, "more_body": False})

    async def _send_start(self, response: Response, length: int | None) -> None:
        headers = answer_headers(self.exchange, response, length=length)
        await self._send({"type": "http.response.start", "status": response.status, "headers": headers})

    async def _close_stream(self, *, complete: bool, detail: str = "") -> None:
        self._is_streaming, self._is_answered = False, True
        if self.exchange.body_filter is not None:
            detail = ", ".join([*([detail] if detail else []), *self.exchange.body_filter.findings()])
        await self._append(self.pipeline.recorder.closed(self.exchange, complete, detail))

    async def _append(self, record: Record) -> bool:
        """Whether the record became durable."""
        recorded: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def done(durable: bool) -> None:
            # a server may cancel the exchange while it waits; the record is written all the same
            if not recorded.done():
                recorded.set_result(durable)

        self._guard.audit.append(record, done)
        return await recorded


def _too_large(most: int) -> Denied:
    return Denied("limits.body_size", f"request body above {most} bytes")


class _GoneError(Exception):
    """The client left before its request was complete."""
