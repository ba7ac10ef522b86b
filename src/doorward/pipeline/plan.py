"""What policy and API description come to for one operation. Plain data, made by `planning`, read by every mount."""

from collections.abc import Callable
from dataclasses import dataclass

from doorward.controls.inspect import MessageCheck
from doorward.controls.limits import Priority
from doorward.controls.transport import WebSocketPolicy
from doorward.controls.validate import AntivirusPolicy, BodyMode, Settle, Watch
from doorward.exchange import Check, Exchange
from doorward.modes import Release
from doorward.operation import Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketPlan:
    """What an operation's WebSocket may do."""

    policy: WebSocketPolicy
    judge: MessageCheck | None
    """Run on each text message of the client."""
    recheck: Check | None
    """Says, while it is open, whether its credential is still good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanPlan:
    """How the files of an operation are scanned, between `admit_body` and the upstream."""

    policy: AntivirusPolicy
    settle: Settle
    """Called with the verdict; raises Denied when the exchange may not go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Policy and API description compiled for one operation."""

    operation: Operation
    head: tuple[Check, ...]
    """Run when the head is complete."""
    body: tuple[Check, ...]
    """Run when the body is complete (at once for a request without one)."""
    body_mode: BodyMode
    """`none`: no body is declared; `read`: whole before it is forwarded; `stream`: no control reads it."""
    body_bytes: int
    """Largest body accepted, in bytes."""
    request_head: Callable[[Exchange], bytes]
    """The request head for the upstream, ready for the wire."""
    release: Release
    records_intent: bool
    priority: Priority = "normal"
    """Its place in the queue for the upstream."""
    watch: Watch | None = None
    """Set where parts of a body have bounds of their own: makes what its bytes are fed to while they arrive."""
    scan: ScanPlan | None = None
    """Set where the policy names a virus scanner: what the body's check put among the uploads waits for it."""
    websocket: WebSocketPlan | None = None
    """Set where the policy lets a WebSocket be opened."""
    proves_by_body: bool = False
    """The body is part of the proof of who calls: what asks for a caller runs when it is complete."""
    answer_bytes: int | None = None
    """Most bytes of an answer that is held, where it is less than for all others."""
    waits_with_body: bool = False
    """Checks of the body may be Pending: one of them asks whether what came was used before."""
