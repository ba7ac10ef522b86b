"""The house of an API: what all connections of one worker share, with pipeline in force, audit writer and upstream."""

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, Protocol

import structlog

from doorward.antivirus import Scanner
from doorward.controls.audit import Coalescing, Record, Recorder
from doorward.controls.forward import ForwardPolicy, with_framing
from doorward.controls.limits import LimitsPolicy, Pressure
from doorward.controls.transport import METHODS, TrustedProxies
from doorward.exchange import Exchange, Headers, Response
from doorward.gateway.deadlines import Deadlines
from doorward.gateway.exchange_run import ExchangeRun
from doorward.gateway.house import House, Run, TakesOver
from doorward.gateway.proxied_certificate import ProxiedCertificates
from doorward.gateway.upstream import UpstreamPool
from doorward.gateway.websocket import WebSocketRun

if TYPE_CHECKING:
    from doorward.pipeline import Plan

_log: Final = structlog.get_logger()
_SECOND_S: Final = 1.0
_ALLOW: Final = b", ".join(sorted(METHODS))
LocalAnswer = Callable[[Exchange], Response | None]


class Audit(Protocol):
    """Where records are made durable."""

    def append(self, record: Record, done: Callable[[bool], None]) -> None:
        """Call `done(True)` on the loop once the record is durable, `done(False)` when it could not be made so."""


class Decides(Protocol):
    """A pipeline, as the gateway sees it."""

    @property
    def recorder(self) -> Recorder:
        """Builds the records."""

    def count_address(self, exchange: Exchange) -> None:
        """As `Pipeline.count_address`."""

    def preflight(self, exchange: Exchange) -> Response | None:
        """The answer to a browser's question whether it may ask; None for everything else. Errors: Denied."""

    def admit_head(self, exchange: Exchange) -> "Plan":
        """The plan, once everything that needs only the head agreed. Errors: Denied."""

    def admit_body(self, exchange: Exchange, plan: "Plan") -> None:
        """Nothing, once everything that needs the body agreed. Errors: Denied. Pending, as `Pipeline.admit_body`."""

    def seal_answer(self, exchange: Exchange, response: Response) -> None:
        """Nothing; a whole answer is encrypted and signed where the policy says so."""


class Gateway(House):
    """Shared by every client connection. Its `pipeline` and `limits` may be replaced while it serves."""

    def __init__(
        self,
        pipeline: Decides,
        audit: Audit,
        upstream: UpstreamPool,
        *,
        limits: LimitsPolicy,
        forward: ForwardPolicy,
        deadlines: Deadlines,
        scheme: Literal["http", "https"] = "https",
        local_answer: LocalAnswer | None = None,
        proxies: TrustedProxies | None = None,
        certificates: ProxiedCertificates | None = None,
        pressure: Pressure | None = None,
    ) -> None:
        super().__init__(
            limits=limits,
            deadlines=deadlines,
            scheme=scheme,
            proxies=proxies,
            certificates=certificates,
            pressure=pressure or Pressure(),
        )
        self.pipeline = pipeline
        self.audit = audit
        self.upstream = upstream
        self.response_bytes = forward.response_bytes
        self.local_answer: LocalAnswer = local_answer or answer_server_wide
        self.with_framing: Callable[[bytes, Headers], bytes] = with_framing
        self.coalescing = Coalescing()
        self.scanner = Scanner()
        self._is_counting = False

    def begin(self, client: TakesOver, exchange: Exchange, *, is_handshake: bool) -> Run:
        """As `House` has it: admitted by the pipeline, recorded, forwarded."""
        made = WebSocketRun if is_handshake else ExchangeRun
        return made(self, client, exchange)

    def is_counted(self, exchange: Exchange) -> bool:
        """Whether this refusal needs no record of its own: it is in the number of its second."""
        self.tell_counts(exchange.ticks)
        if not self.coalescing.takes(exchange):
            return False
        if not self._is_counting:
            self._is_counting = True
            self.deadlines.later(_SECOND_S, self._tell_counts_later)
        return True

    def tell_counts(self, ticks: float) -> None:
        """Record the numbers of the seconds that are over at `ticks` (monotonic, in seconds)."""
        for record, number in self.coalescing.due(ticks):
            self.audit.append(record, partial(_number_told, number))

    def _tell_counts_later(self) -> None:
        self._is_counting = False
        self.tell_counts(time.monotonic())
        if self.coalescing.is_counting:
            self._is_counting = True
            self.deadlines.later(_SECOND_S, self._tell_counts_later)

    def replace(
        self,
        pipeline: Decides,
        *,
        limits: LimitsPolicy,
        forward: ForwardPolicy,
        proxies: TrustedProxies | None = None,
    ) -> None:
        """Serve what comes from now on by another policy; exchanges under way keep theirs."""
        self.pipeline = pipeline
        self.proxies = proxies
        self.limits = self.load.policy = limits
        self.response_bytes = forward.response_bytes


def _number_told(number: int, durable: bool) -> None:
    if not durable:
        _log.error("coalesced refusals could not be recorded", number=number)


def answer_server_wide(exchange: Exchange) -> Response | None:
    """The answer to `OPTIONS *`, which is about the server and not about the API; None for everything else.

    Source: RFC 9110 section 9.3.7; hostile input S23.
    """
    if exchange.request.target == b"*" and exchange.request.method == "OPTIONS" and not exchange.request.has_body:
        return Response(204, [(b"allow", _ALLOW)], b"")
    return None
