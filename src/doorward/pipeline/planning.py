"""One operation's plan: the checks of the order that it needs, and the bounds and extras that go with them."""

from doorward.controls import authenticate, forward, inspect, limits, validate
from doorward.controls.validate import BodyMode, Settle, ValidatePolicy
from doorward.denial import Denied
from doorward.exchange import Check, Exchange
from doorward.modes import observed
from doorward.operation import Operation
from doorward.pipeline.fitting import require_fit
from doorward.pipeline.guarded import Guarded
from doorward.pipeline.making import standing_check
from doorward.pipeline.order import ANNOUNCEMENT, BODY, CALLER, HEAD, release_of
from doorward.pipeline.plan import Plan, ScanPlan, WebSocketPlan
from doorward.pipeline.step import checks
from doorward.policy.values import Mode


def compile_plan(of: Guarded) -> Plan:
    """What policy and description come to for the operation. Errors: PolicyError, naming what does not fit."""
    require_fit(of)
    head, caller, body = (checks(steps, of, of.modes) for steps in (HEAD, CALLER, BODY))
    if of.proves_by_body:
        head, body = head + checks(ANNOUNCEMENT, of, of.modes), caller + body
    else:
        head += caller
    most = of.policy.forward.response_bytes
    return Plan(
        operation=of.operation,
        head=head,
        body=body,
        body_mode=_body_mode(of),
        body_bytes=_body_bytes(of),
        request_head=forward.compile_request_head(
            of.operation,
            of.policy.forward,
            of.signer,
            authenticate.signed_fields(of.authenticate) if of.takes_signatures else frozenset(),
            frozenset(of.authenticate.key_fields()),
        ),
        release=release_of(of),
        records_intent=of.operation.changes_state,
        priority=of.limits.priority,
        # What is only observed is judged when the body is whole, once; and so is what must be opened first.
        watch=validate.compile_watch(of.operation, of.validate, of.description)
        if of.is_held and not of.is_encrypted
        else None,
        scan=scan_plan(of.operation, of.validate, of.mode("validate")),
        websocket=_websocket_plan(of),
        proves_by_body=of.proves_by_body,
        answer_bytes=None if of.content_bytes is None else min(of.content_bytes, most),
        waits_with_body=of.proves_by_body or of.is_encrypted,
    )


def scan_plan(operation: Operation, policy: ValidatePolicy, mode: Mode) -> ScanPlan | None:
    """How files are scanned in that mode of `validate`; None where none are."""
    compiled = None if mode == "off" else validate.compile_scan(operation, policy)
    if compiled is None:
        return None
    scanner, settle = compiled
    return ScanPlan(policy=scanner, settle=settle if mode == "enforce" else _observed_settling(settle))


def _observed_settling(settle: Settle) -> Settle:
    def observe(exchange: Exchange, denied: Denied | None) -> None:
        observed(lambda each: settle(each, denied))(exchange)

    return observe


def _body_mode(of: Guarded) -> BodyMode:
    mode = validate.body_mode(of.operation, of.validate)
    return "read" if mode == "stream" and (of.takes_signatures or of.is_encrypted) else mode


def _body_bytes(of: Guarded) -> int:
    bounds = [limits.body_bytes(of.operation, of.limits)]
    declared = validate.largest_file_body(of.operation, of.description) if of.is_held else None
    if of.content_bytes is not None:
        content = of.content_bytes if declared is None else min(of.content_bytes, declared)
        bounds.append(authenticate.sealed_bytes(content))
    elif declared is not None:
        bounds.append(declared)
    return min(bounds)


def _websocket_plan(of: Guarded) -> WebSocketPlan | None:
    settings = of.own.websocket
    if settings is None:
        return None
    judge = inspect.compile_message_check(of.operation, of.policy.inspect, of.description)
    return WebSocketPlan(
        policy=settings,
        judge=judge if of.mode("inspect") == "enforce" else None,
        recheck=_recheck(of) if of.asks_callers and of.mode("authenticate") == "enforce" else None,
    )


def _recheck(of: Guarded) -> Check:
    """The check that the credential of a request that was admitted is still good."""
    standing = standing_check(of)
    credential = authenticate.compile_check(of.operation, of.authenticate, of.credentials, asks_for_proofs=False)
    if standing is None:
        return credential
    certificate = standing

    def check(exchange: Exchange) -> None:
        certificate(exchange)
        credential(exchange)

    return check
