"""Owner rules: others' objects seem not to exist (404, as a 403 would confirm that they do)."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from doorward.controls.authorize.grant import parameter_names, segments
from doorward.controls.authorize.policy import AuthorizePolicy, OwnerRule
from doorward.denial import Denied
from doorward.exchange import Caller
from doorward.operation import Operation

OwnerCheck: TypeAlias = Callable[[Mapping[str, str], Caller], None]


def owner_checks(operation: Operation, policy: AuthorizePolicy) -> tuple[OwnerCheck, ...]:
    """One check for each owner rule whose template the operation's path starts with, segment by segment."""
    return tuple(
        _compile(rule, parameter)
        for template, rule in policy.owner_rules.items()
        if (parameter := object_parameter(template, operation)) is not None
    )


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
    if not object_id:
        raise Denied("authorize.owner", "the path carries no object id")
    candidates = owned if isinstance(owned, list | tuple) else (owned,)
    for candidate in candidates:
        if isinstance(candidate, str):
            if candidate == object_id:
                return
        elif isinstance(candidate, int) and not isinstance(candidate, bool) and str(candidate) == object_id:
            return
    raise Denied("authorize.owner", f"the caller does not own {object_id[:64]!r}")


def _compile(rule: OwnerRule, parameter: str) -> OwnerCheck:
    claim = rule.claim.removeprefix("caller.")
    exempt = frozenset(rule.except_roles)

    def check(path_values: Mapping[str, str], caller: Caller) -> None:
        if exempt and not exempt.isdisjoint(caller.roles):
            return
        owned = caller.subject if claim == "subject" else _claim(caller.claims, claim)
        require_owner(path_values.get(parameter), owned)

    return check


def _claim(claims: Mapping[str, object], path: str) -> object:
    """The claim of that name, or the one a dotted path leads to; None when there is none."""
    if path in claims:
        return claims[path]
    value: object = claims
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value
