"""The order of the controls. It stands here and nowhere else.

Cheap before dear, so that an anonymous flood never reaches a signature check. One check more is one `Step` more: whose
it is, what makes it for an operation (`of` what is known about it), and when, where not always.
"""

from typing import Final, TypeAlias

from doorward.controls import authenticate, authorize, inspect, limits, minimise, transport, validate
from doorward.modes import Release, WholeRelease, release_in
from doorward.pipeline.guarded import Common, Guarded
from doorward.pipeline.making import graphql_check, once_check, opening, parameters_check, standing_check
from doorward.pipeline.step import Step

OfAll: TypeAlias = tuple[Step[Common], ...]
OfEach: TypeAlias = tuple[Step[Guarded], ...]

ADDRESS: Final[OfAll] = (Step("limits", lambda of: limits.address_check(of.policy.limits, of.counters)),)
"""Run first of all, for heads that cannot be read too: a flood of malformed requests is a flood."""

GATE: Final[OfAll] = (
    Step("transport", lambda of: transport.compile_check(of.policy.transport)),
    Step(None, lambda of: None if of.cors is None else of.cors.check),
)
"""Run before it is known which operation is asked for."""

HEAD: Final[OfEach] = (
    Step("limits", lambda of: limits.shed_check(of.limits, of.counters.pressure)),
    Step("authenticate", standing_check),
)
"""Run when the head is complete, before anybody asks who calls."""

ANNOUNCEMENT: Final[OfEach] = (
    Step(
        "authenticate",
        lambda of: authenticate.compile_announcement_check(of.operation, of.authenticate, of.credentials),
    ),
)
"""Run behind HEAD where the body is part of the proof of who calls, which `CALLER` then asks when it is complete."""

CALLER: Final[OfEach] = (
    Step(
        "authenticate",
        lambda of: authenticate.compile_check(of.operation, of.authenticate, of.credentials),
        when=lambda of: of.asks_callers,
    ),
    Step("authenticate", once_check, when=lambda of: of.takes_signatures or of.takes_tokens),
    Step("limits", lambda of: limits.caller_check(of.limits, of.counters)),
    Step("limits", lambda of: limits.rules_check(of.operation, of.limits, of.counters)),
    Step(
        "authorize",
        lambda of: authorize.compile_check(of.operation, of.policy.authorize),
        when=lambda of: of.asks_callers,
    ),
    Step("validate", parameters_check),
)
"""Who calls, and what they may: run behind HEAD, or before BODY where the body is part of the proof."""

BODY: Final[OfEach] = (
    Step("authenticate", lambda of: authenticate.digest_check(of.authenticate), when=lambda of: of.takes_signatures),
    Step("authenticate", opening, when=lambda of: of.is_encrypted),
    Step("authenticate", once_check, when=lambda of: of.is_encrypted),
    Step("validate", lambda of: validate.kind_check(of.operation, of.validate), when=lambda of: of.is_encrypted),
    Step("validate", lambda of: validate.body_check(of.operation, of.validate, of.description)),
    Step("authorize", lambda of: authorize.compile_property_check(of.operation, of.description)),
    Step("validate", graphql_check),
    Step(
        "authorize",
        lambda of: authorize.compile_place_check(of.operation, of.policy.authorize),
        when=lambda of: of.asks_callers,
    ),
    Step("inspect", lambda of: inspect.compile_check(of.operation, of.policy.inspect, of.description, pins=of.is_held)),
    Step(None, lambda _: validate.note_shape, when=lambda of: of.learns),
)
"""Run when the body is complete; at once for a request without one."""

STAGES: Final = (
    *("limits", "transport", "limits", "authenticate", "limits", "authorize", "validate"),
    *("inspect", "audit", "forward", "minimise"),
)
"""The controls in the order in which an exchange comes to them, for people. A test holds it against the plans."""


def release_of(of: Guarded) -> Release:
    """What is done to an answer: minimised, and held whole where it is encrypted or signed behind that."""
    most = of.policy.forward.response_bytes
    minimised = release_in(
        of.mode("minimise"),
        minimise.compile_release(of.operation, of.policy.minimise, of.description, of.mask_key, most),
    )
    if of.content_bytes is not None:
        return authenticate.SealedRelease(minimised, of.content_bytes)
    return WholeRelease(minimised) if of.own.sign_answers else minimised
