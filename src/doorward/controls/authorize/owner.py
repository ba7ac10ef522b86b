"""Owner rules: others' objects seem not to exist (404, as a 403 would confirm that they do)."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from doorward.controls.authorize.grant import parameter_names, segments
from doorward.controls.authorize.policy import AuthorizePolicy, OwnerRule
from doorward.denial import Denied
from doorward.exchange import Caller, Check, Exchange, claim_at
from doorward.operation import Operation

OwnerCheck: TypeAlias = Callable[[Mapping[str, str], Caller], None]


def owner_checks(operation: Operation, policy: AuthorizePolicy) -> tuple[OwnerCheck, ...]:
    """One check for each owner rule whose template the operation's path starts with, segment by segment."""
    return tuple(
        _compile(rule, parameter)
        for template, rule in policy.owner_rules.items()
        if (parameter := object_parameter(template, operation)) is not None
    )


def compile_place_check(operation: Operation, policy: AuthorizePolicy) -> Check | None:
    """The check of the ids in query and body, each of them; None without a rule for the operation.

    Needs the validated request. Errors of the check: Denied `authorize.owner`.
    """
    rules = [(place, rule) for place, rule in policy.place_rules.items() if place.is_of(operation)]
    if not rules:
        return None

    def check(exchange: Exchange) -> None:
        caller = exchange.caller
        if caller is None:
            raise Denied("authorize.owner", "nobody is authenticated")
        for place, rule in rules:
            if caller.roles.isdisjoint(rule.except_roles):
                owned = _ids(_owned(rule, caller))
                for object_id in place.ids(exchange):
                    if object_id is not None or not rule.allow_absent:
                        _require_one(object_id, owned)

    return check


def object_parameter(template: str, operation: Operation) -> str | None:
    """The operation's own name for the id that ends an owner rule's template; None when the rule is not for it.

    Places decide, not names: `/accounts/{account_id}` also guards `/accounts/{id}/transfers`.
    """
    rule = segments(template)
    if segments(operation.template)[: len(rule)] != rule:
        return None
    return parameter_names(operation.template.split("/")[len(rule) - 1])[-1]


def require_owner(object_id: str | None, owned: object) -> None:
    """Nothing, when the object is one of those the caller owns: a text, a whole number, or a list of them.

    Errors: Denied `authorize.owner`, also when the id or the claim is missing (fail closed).
    Source: OWASP API1:2023; ASVS 5.0 V8.2.2.
    """
    if not object_id or owned != object_id:  # most claims are one text
        _require_one(object_id, _ids(owned))


def _require_one(object_id: str | None, owned: frozenset[str]) -> None:
    if not object_id:
        raise Denied("authorize.owner", "the request names no object")
    if object_id not in owned:
        raise Denied("authorize.owner", f"the caller does not own {object_id[:64]!r}")


def _ids(owned: object) -> frozenset[str]:
    """What a claim names, as texts: a set, so that many ids in a body against many in a token stay cheap."""
    candidates = owned if isinstance(owned, list | tuple) else (owned,)
    return frozenset(
        str(each) for each in candidates if isinstance(each, str | int) and not isinstance(each, bool) and each != ""
    )


def _compile(rule: OwnerRule, parameter: str) -> OwnerCheck:
    exempt = frozenset(rule.except_roles)

    def check(path_values: Mapping[str, str], caller: Caller) -> None:
        if exempt and not exempt.isdisjoint(caller.roles):
            return
        require_owner(path_values.get(parameter), _owned(rule, caller))

    return check


def _owned(rule: OwnerRule, caller: Caller) -> object:
    claim = rule.claim.removeprefix("caller.")
    return caller.subject if claim == "subject" else claim_at(caller.claims, claim)
