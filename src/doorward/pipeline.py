"""The order of the controls. It stands here and nowhere else.

Cheap before dear, so that an anonymous flood never reaches a signature check. `compile_pipeline` turns policy and
API description into one plan an operation: a tuple of ready-to-call checks, holding only what is configured.
"""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from doorward.controls import audit, authenticate, authorize, forward, inspect, limits, minimise, transport, validate
from doorward.controls.audit import Recorder
from doorward.controls.authenticate import AnswerSigner, Credentials
from doorward.controls.authenticate.resource_metadata import ResourceMetadata
from doorward.controls.forward import IdentitySigner
from doorward.controls.inspect import MessageCheck
from doorward.controls.limits import Counters, LimitsPolicy, Priority
from doorward.controls.minimise.cors import Cors, is_preflight
from doorward.controls.transport import WebSocketPolicy
from doorward.controls.validate import AntivirusPolicy, BodyMode, Settle, ValidatePolicy, Watch
from doorward.denial import Denied
from doorward.errors import PolicyError
from doorward.exchange import Check, Exchange, Pending, Response
from doorward.fitting import require_fit, require_known_schemes
from doorward.modes import NoRelease, ObservedRelease, Release, WholeRelease, observed
from doorward.operation import ApiDescription, Operation
from doorward.policy.document import ControlName, Mode, Policy
from doorward.policy.openapi import undescribed
from doorward.policy.routing import Router


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


STAGES: Final = (
    *("limits", "transport", "limits", "authenticate", "limits", "authorize", "validate"),
    *("inspect", "audit", "forward", "minimise"),
)
"""The controls in the order in which an exchange comes to them, for people. A test holds it against the plans."""


class Pipeline:
    """All plans of one policy. Immutable: a reload makes a new one, exchanges under way keep the old."""

    __slots__ = ("_address", "_cors", "_first", "_metadata", "_router", "_signer", "_signs", "_undescribed", "policy",
                 "recorder", "version")  # fmt: skip

    def __init__(
        self,
        *,
        policy: Policy,
        version: str,
        address: tuple[Check, ...],
        gate: tuple[Check, ...],
        router: Router[Plan],
        recorder: Recorder,
        signer: AnswerSigner | None = None,
        signed: frozenset[str] = frozenset(),
        takes_proofs: bool = False,
        undescribed: Mapping[str, Plan] = MappingProxyType({}),
        metadata: ResourceMetadata | None = None,
    ) -> None:
        """`signer` signs the answers to the operations whose ids are `signed`.

        `takes_proofs`: some operation takes tokens, which may come with a proof. `undescribed`: plans by method, where
        what the description lacks may pass.
        """
        self.policy, self.version, self.recorder = policy, version, recorder
        self._address, self._router = address, router
        self._undescribed = undescribed
        # Not `_signed`: compiled, it would be a word that C compilers keep for themselves.
        self._signer, self._signs = signer if signed else None, signed
        self._metadata = metadata
        self._cors = Cors(policy.minimise.cors, takes_proofs=takes_proofs) if policy.minimise.cors else None
        self._first = address + gate + ((self._cors.check,) if self._cors else ())

    def count_address(self, exchange: Exchange) -> None:
        """Nothing, once its address is within its limits. Errors: Denied.

        First of all, and for heads that cannot be read too: a flood of malformed requests is a flood.
        """
        exchange.policy_version = self.version
        try:
            for check in self._address:
                check(exchange)
        except Pending:
            return  # such a request is refused anyway, and does not wait for it

    def preflight(self, exchange: Exchange) -> Response | None:
        """The answer to a question about the API and not to it, else None.

        A browser's question whether it may ask, where the policy lists origins; and who vouches for callers.
        Errors: Denied, when the path is not described. Pending, as `admit_head`.
        """
        metadata = self._metadata
        if metadata is not None and metadata.answers(exchange):
            exchange.policy_version = self.version
            _pass(self._first, exchange, 0)
            return metadata.response()
        cors = self._cors
        if cors is None or not is_preflight(exchange):
            return None
        exchange.policy_version = self.version
        _pass(self._first, exchange, 0)
        methods = self._router.methods(exchange.request.path)
        return None if "OPTIONS" in methods else cors.preflight(exchange, methods)

    def admit_head(self, exchange: Exchange) -> Plan:
        """The plan of the operation asked for, once everything that needs no body has agreed.

        Errors: Denied. Pending: to be called again once that is over; it goes on where it stopped.
        """
        exchange.policy_version = self.version
        _pass(self._first, exchange, 0)
        request = exchange.request
        try:
            plan, exchange.path_values = self._router.find(request.method, request.path)
        except Denied as denied:
            fallback = self._undescribed.get(request.method)
            if fallback is None or denied.code not in {"validate.path_unknown", "validate.method"}:
                raise
            plan = fallback
        exchange.operation = plan.operation
        if request.has_body and plan.body_mode == "none":
            raise Denied("transport.unexpected_body", f"{plan.operation.id} declares no body")
        _pass(plan.head, exchange, len(self._first))
        return plan

    def admit_body(self, exchange: Exchange, plan: Plan) -> None:
        """Nothing, once everything that needs the body has agreed.

        Errors: Denied. Pending, only where the plan `waits_with_body`: as `admit_head`.
        """
        if plan.waits_with_body:
            _pass(plan.body, exchange, len(self._first) + len(plan.head))
            return
        for check in plan.body:
            check(exchange)

    def seal_answer(self, exchange: Exchange, response: Response) -> None:
        """Nothing; the answer, a refusal too, is encrypted to the caller, then signed, where the policy says so.

        The last that is done to it.
        """
        if exchange.seal_answer is not None:
            exchange.seal_answer(exchange, response)
        if self._signer is not None and exchange.operation is not None and exchange.operation.id in self._signs:
            self._signer.sign(exchange, response)


def _pass(checks: tuple[Check, ...], exchange: Exchange, before: int) -> None:
    """Run those of the checks that are not behind the exchange yet; `before` others come before them."""
    behind = exchange.passed - before
    for check in checks[behind:] if behind > 0 else checks:
        check(exchange)
        exchange.passed += 1


def compile_pipeline(
    policy: Policy,
    description: ApiDescription,
    *,
    version: str,
    credentials: Credentials,
    signer: IdentitySigner,
    counters: Counters,
    record_key: bytes,
    answers: AnswerSigner | None = None,
) -> Pipeline:
    """Policy and description as plans; `answers` signs those that the policy wants signed.

    Errors: PolicyError, naming the key that does not fit the description.
    """
    modes = policy.modes
    require_known_schemes(policy, description)
    address = _enforced(modes, ("limits", limits.address_check(policy.limits, counters)))
    gate = _enforced(modes, ("transport", transport.compile_check(policy.transport)))
    mask_key = hmac.digest(record_key, b"doorward masks 1", "sha256")
    plans = []
    for operation in description.operations:
        plan = _compile_plan(operation, policy, description, credentials, signer, counters, mask_key)
        plans.append((operation.method, operation.path, plan))
    learning: dict[str, Plan] = {}
    if policy.insecure_undescribed:
        for method in sorted(each.decode() for each in transport.METHODS):
            lacking = undescribed(description, method)
            learning[method] = _compile_plan(
                lacking, policy, description, credentials, signer, counters, mask_key, learns=True
            )
    recorder = audit.Recorder(policy.audit, record_key, credential_fields=policy.authenticate.key_fields())
    signed = frozenset(each.id for each in description.operations if policy.operation_policy(each).sign_answers)
    if signed and answers is None:
        raise PolicyError(
            "there is no key to sign answers with", key="operations", hint="`doorward key answers` makes it"
        )
    return Pipeline(
        policy=policy,
        version=version,
        address=address,
        gate=gate,
        router=Router(plans),
        recorder=recorder,
        signer=answers,
        signed=signed,
        takes_proofs=any(
            authenticate.takes_tokens(each) and not policy.is_public(each) for each in description.operations
        ),
        undescribed=learning,
        metadata=authenticate.compile_metadata(policy.authenticate, description.operations),
    )


def _compile_plan(
    operation: Operation,
    policy: Policy,
    description: ApiDescription,
    credentials: Credentials,
    signer: IdentitySigner,
    counters: Counters,
    mask_key: bytes,
    *,
    learns: bool = False,
) -> Plan:
    """`learns`: nothing is known about the operation, so nothing is validated; what requests look like is noted."""
    modes = policy.modes_of(operation)
    if learns:
        modes["validate"] = "off"
    public = policy.is_public(operation) or (learns and not operation.security)
    is_held = modes.get("validate", "enforce") == "enforce"
    bounds, strictness = policy.limits_of(operation), policy.validate_of(operation)
    proving, by_token = policy.authenticate_of(operation), not public and authenticate.takes_tokens(operation)
    signed = not public and authenticate.takes_signatures(operation)
    proves_by_body = not public and authenticate.proves_by_body(operation)
    encrypted = policy.operation_policy(operation).body == "jwe"
    content_most = proving.encrypted_body.max_bytes if encrypted else None
    require_fit(operation, policy, public=public)
    standing = _standing_check(policy, credentials)
    first = _enforced(modes, ("limits", limits.shed_check(bounds, counters.pressure)), ("authenticate", standing))
    asks_once = authenticate.once_check(lambda: credentials.replays)
    once = asks_once if signed or by_token else None
    announced = _enforced(
        modes,
        (
            "authenticate",
            authenticate.compile_announcement_check(operation, proving, credentials) if proves_by_body else None,
        ),
    )
    head = _enforced(
        modes,
        ("authenticate", None if public else authenticate.compile_check(operation, proving, credentials)),
        ("authenticate", once),
        ("limits", limits.caller_check(bounds, counters)),
        ("limits", limits.rules_check(operation, bounds, counters)),
        ("authorize", None if public else authorize.compile_check(operation, policy.authorize)),
        ("validate", validate.parameters_check(operation, strictness, description, judges_kind=not encrypted)),
    )
    body = _enforced(
        modes,
        ("authenticate", authenticate.digest_check(policy.authenticate) if signed else None),
        ("authenticate", _opening(policy, credentials) if encrypted else None),
        ("authenticate", asks_once if encrypted else None),
        ("validate", validate.kind_check(operation, strictness) if encrypted else None),
        ("validate", validate.body_check(operation, strictness, description)),
        ("authorize", authorize.compile_property_check(operation, description)),
        ("validate", _graphql(operation, policy)),
        ("authorize", None if public else authorize.compile_place_check(operation, policy.authorize)),
        ("inspect", inspect.compile_check(operation, policy.inspect, description, pins=is_held)),
    )
    if learns:
        body += (validate.note_shape,)
    return Plan(
        operation=operation,
        head=first + (announced if proves_by_body else head),
        body=head + body if proves_by_body else body,
        body_mode=_body_mode(operation, strictness, reads=signed or encrypted),
        body_bytes=_body_bytes(operation, bounds, description, is_held=is_held, encrypted=content_most),
        request_head=forward.compile_request_head(
            operation,
            policy.forward,
            signer,
            authenticate.signed_fields(proving) if signed else frozenset(),
            frozenset(proving.key_fields()),
        ),
        release=_released(
            modes.get("minimise", "enforce"),
            minimise.compile_release(operation, policy.minimise, description, mask_key, policy.forward.response_bytes),
            is_signed=bool(policy.operation_policy(operation).sign_answers),
            encrypted=content_most,
        ),
        records_intent=operation.changes_state,
        priority=bounds.priority,
        watch=None if encrypted else _watch(operation, strictness, description, modes.get("validate", "enforce")),
        scan=_scan(operation, strictness, modes.get("validate", "enforce")),
        websocket=_websocket(operation, policy, description, None if public else credentials),
        proves_by_body=proves_by_body,
        answer_bytes=None if content_most is None else min(content_most, policy.forward.response_bytes),
        waits_with_body=proves_by_body or encrypted,
    )


def _standing_check(policy: Policy, credentials: Credentials) -> Check | None:
    """The check that a connection's certificate is still good; None where no client is asked for one."""
    if policy.tls is None or not policy.tls.asks_clients:
        return None
    return authenticate.compile_standing_check(policy.authenticate, lambda: credentials.certificates)


def _both(first: Check | None, second: Check) -> Check:
    if first is None:
        return second
    before = first

    def check(exchange: Exchange) -> None:
        before(exchange)
        second(exchange)

    return check


def _body_mode(operation: Operation, policy: ValidatePolicy, *, reads: bool) -> BodyMode:
    mode = validate.body_mode(operation, policy)
    return "read" if reads and mode == "stream" else mode


def _opening(policy: Policy, credentials: Credentials) -> Check:
    settings = policy.authenticate.encrypted_body
    return authenticate.compile_opening(settings, credentials.encryption, policy.issuer.url)


def _body_bytes(
    operation: Operation, policy: LimitsPolicy, description: ApiDescription, *, is_held: bool, encrypted: int | None
) -> int:
    """`encrypted`: the largest content of an encrypted body; None where bodies come in clear."""
    most = limits.body_bytes(operation, policy)
    declared = validate.largest_file_body(operation, description) if is_held else None
    if encrypted is not None:
        content = encrypted if declared is None else min(encrypted, declared)
        return min(most, authenticate.sealed_bytes(content))
    return most if declared is None else min(most, declared)


def _watch(operation: Operation, policy: ValidatePolicy, description: ApiDescription, mode: Mode) -> Watch | None:
    # What is only observed is judged when the body is whole, once.
    return validate.compile_watch(operation, policy, description) if mode == "enforce" else None


def _scan(operation: Operation, policy: ValidatePolicy, mode: Mode) -> ScanPlan | None:
    compiled = None if mode == "off" else validate.compile_scan(operation, policy)
    if compiled is None:
        return None
    settings, settle = compiled
    if mode == "enforce":
        return ScanPlan(policy=settings, settle=settle)

    def observe(exchange: Exchange, denied: Denied | None) -> None:
        observed(lambda each: settle(each, denied))(exchange)

    return ScanPlan(policy=settings, settle=observe)


def _graphql(operation: Operation, policy: Policy) -> Check | None:
    settings = policy.operation_policy(operation).graphql
    if settings is None:
        return None
    # Imported by who needs it: the parser of a language is dear in memory.
    from doorward.controls.validate.graphql import compile_graphql_check  # noqa: PLC0415

    return compile_graphql_check(settings)


def _websocket(
    operation: Operation, policy: Policy, description: ApiDescription, credentials: Credentials | None
) -> WebSocketPlan | None:
    settings = policy.operation_policy(operation).websocket
    if settings is None:
        return None
    modes = policy.modes_of(operation)
    judge = inspect.compile_message_check(operation, policy.inspect, description)
    proves = credentials is not None and modes.get("authenticate", "enforce") == "enforce"
    return WebSocketPlan(
        policy=settings,
        judge=judge if modes.get("inspect", "enforce") == "enforce" else None,
        recheck=_both(
            _standing_check(policy, credentials),
            authenticate.compile_check(
                operation, policy.authenticate_of(operation), credentials, asks_for_proofs=False
            ),
        )
        if proves and credentials is not None
        else None,
    )


def _enforced(modes: Mapping[ControlName, Mode], *steps: tuple[ControlName, Check | None]) -> tuple[Check, ...]:
    checks: list[Check] = []
    for control, check in steps:
        mode = modes.get(control, "enforce")
        if check is not None and mode != "off":
            checks.append(check if mode == "enforce" else observed(check))
    return tuple(checks)


def _released(mode: Mode, release: Release, *, is_signed: bool, encrypted: int | None) -> Release:
    """`encrypted`: most bytes of an answer that is encrypted; None where answers leave in clear."""
    if mode != "enforce":
        release = ObservedRelease(release) if mode == "observe" else NoRelease()
    if encrypted is not None:
        return authenticate.SealedRelease(release, encrypted)
    return WholeRelease(release) if is_signed else release
