"""Role, scope and owner as one check an operation, and what of the policy fits no operation."""

import re
from collections.abc import Iterable
from typing import Final

from doorward.controls.authorize.grant import Grant
from doorward.controls.authorize.owner import object_parameter, owner_checks
from doorward.controls.authorize.place import IdPlace
from doorward.controls.authorize.policy import AuthorizePolicy
from doorward.denial import Denied
from doorward.exchange import Check, Exchange
from doorward.operation import Operation

_SCOPE: Final = re.compile(r"[!#-\[\]-~]+")
"""scope-token of RFC 6749 section 3.3: what may stand in a challenge."""


def compile_check(operation: Operation, policy: AuthorizePolicy) -> Check:
    """The check that `exchange.caller` may call `operation`, for this object.

    Errors: Denied `authorize.role`, `authorize.scope`, `authorize.owner`.
    """
    granted = roles_granting(operation, policy)
    strictest = _all_scopes(operation)
    owners = owner_checks(operation, policy)

    def check(exchange: Exchange) -> None:
        caller = exchange.caller
        if caller is None:
            raise Denied("authorize.role", "nobody is authenticated")
        if granted.isdisjoint(caller.roles):
            raise Denied("authorize.role", f"no role of {caller.subject!r} grants {operation.id}")
        if strictest:
            demanded = exchange.scopes_demanded
            # without word from `authenticate` everything the description ever asks for is needed (fail closed)
            alternatives = (strictest,) if demanded is None else demanded
            if not any(scopes <= caller.scopes for scopes in alternatives):
                raise _scope_denied(alternatives, caller.scopes)
        for owner_check in owners:
            owner_check(exchange.path_values, caller)

    return check


def roles_granting(operation: Operation, policy: AuthorizePolicy) -> frozenset[str]:
    """The roles that may call the operation."""
    return frozenset(
        role for role, grants in policy.roles.items() if any(Grant.parse(grant).covers(operation) for grant in grants)
    )


def unmatched_grants(policy: AuthorizePolicy, operations: Iterable[Operation]) -> list[tuple[str, str]]:
    """Role and grant of every grant that allows no operation of the description: most likely a typing error."""
    known = tuple(operations)
    return [
        (role, grant)
        for role, grants in policy.roles.items()
        for grant in grants
        if not any(Grant.parse(grant).covers(operation) for operation in known)
    ]


def unmatched_owners(policy: AuthorizePolicy, operations: Iterable[Operation]) -> list[str]:
    """Keys of owner rules that guard no operation. An error, not a warning: the objects stand unguarded."""
    known = tuple(operations)
    return [key for key in policy.owners if not any(_guards(key, operation) for operation in known)]


def _guards(key: str, operation: Operation) -> bool:
    if key.startswith("/"):
        return object_parameter(key, operation) is not None
    return IdPlace.parse(key).is_of(operation)


def _all_scopes(operation: Operation) -> frozenset[str]:
    return frozenset(scope for requirement in operation.security for scopes in requirement.values() for scope in scopes)


def _scope_denied(alternatives: tuple[frozenset[str], ...], held: frozenset[str]) -> Denied:
    lacking = min((scopes - held for scopes in alternatives), key=len, default=frozenset[str]())
    needed = min(alternatives, key=lambda scopes: len(scopes - held), default=frozenset[str]())
    named = " ".join(sorted(scope for scope in needed if _SCOPE.fullmatch(scope)))
    challenge = f'Bearer error="insufficient_scope", scope="{named}"'
    return Denied(
        "authorize.scope",
        f"lacks {' '.join(sorted(lacking))}",
        headers=((b"www-authenticate", challenge.encode("ascii")),),
    )
