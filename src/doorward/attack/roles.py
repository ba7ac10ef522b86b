"""Who plays whom: which role of the policy each simulated caller gets, and whose objects it owns."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from doorward.attack.asking import draft, parameter_value
from doorward.attack.case import Who
from doorward.attack.values import NoSampleError
from doorward.controls.authorize.grant import Grant
from doorward.controls.authorize.owner import object_parameter
from doorward.controls.authorize.place import IdPlace
from doorward.controls.authorize.policy import AuthorizePolicy
from doorward.operation import ApiDescription, Operation
from doorward.policy.document import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """The simulated callers of one API."""

    roles: Mapping[Who, str | None]
    grants: Mapping[str, tuple[str, ...]]
    claims: Mapping[str, str]
    """Claim to the value that makes the callers owners of it."""
    owners: AuthorizePolicy
    """Whose objects are whose."""

    def may(self, who: Who, operation: Operation) -> bool:
        """Whether the policy gives this caller the operation."""
        role = self.roles.get("reader" if who == "api_key" else who)
        return role is not None and _grants(self.grants[role], operation)

    def owner_rule(self, operation: Operation) -> tuple[str, str] | None:
        """The parameter that names the object and the callers' own value of it; None without an owner rule."""
        return next(
            (
                (parameter, self.claims[claim])
                for parameter, claim in _owned(operation, self.owners)
                if claim in self.claims
            ),
            None,
        )

    def places(self, operation: Operation) -> list[tuple[IdPlace, str]]:
        """Where else requests to the operation name objects, each with the callers' own value."""
        return [(place, value) for place, value in self._named(operation) if not place.field]

    def arguments(self, operation: Operation) -> list[tuple[IdPlace, str]]:
        """The arguments of GraphQL fields that name objects, each with the callers' own value."""
        return [(place, value) for place, value in self._named(operation) if place.field]

    def _named(self, operation: Operation) -> Iterator[tuple[IdPlace, str]]:
        for place, claim in _places(operation, self.owners):
            if claim in self.claims:
                yield place, self.claims[claim]


def cast_for(description: ApiDescription, policy: Policy) -> Cast:
    """Callers for this API: the weakest role that reads, the weakest that writes, the strongest there is."""
    reach = {
        role: {each.id for each in description.operations if _grants(grants, each)}
        for role, grants in policy.roles.items()
    }
    weakest_first = sorted(policy.roles, key=lambda role: len(reach[role]))
    reads = {each.id for each in description.operations if not each.changes_state}
    writes = {each.id for each in description.operations if each.changes_state and each.request_body is not None}
    reader = _most(weakest_first[:-1] or weakest_first, reach, reads)
    writer = reader if reader and reach[reader] & writes else _first(weakest_first, reach, writes)
    return Cast(
        roles={"reader": reader, "writer": writer, "admin": weakest_first[-1] if weakest_first else None},
        grants=policy.roles,
        claims=_own_values(description, policy.authorize),
        owners=policy.authorize,
    )


def all_scopes(description: ApiDescription) -> tuple[str, ...]:
    """Every scope the description demands somewhere."""
    demanded = {
        scope
        for operation in description.operations
        for requirement in operation.security
        for scopes in requirement.values()
        for scope in scopes
    }
    return tuple(sorted(demanded))


def _grants(grants: Iterable[str], operation: Operation) -> bool:
    return any(Grant.parse(grant).covers(operation) for grant in grants)


def _most(roles: Iterable[str], reach: Mapping[str, set[str]], wanted: set[str]) -> str | None:
    found = [role for role in roles if reach[role] & wanted]
    return max(found, key=lambda role: len(reach[role] & wanted)) if found else None


def _first(roles: Iterable[str], reach: Mapping[str, set[str]], wanted: set[str]) -> str | None:
    return next((role for role in roles if reach[role] & wanted), None)


def _owned(operation: Operation, policy: AuthorizePolicy) -> Iterator[tuple[str, str]]:
    """The parameters of the operation that an owner rule looks at, each with the claim it must equal."""
    for template, rule in policy.owner_rules.items():
        parameter = object_parameter(template, operation)
        if parameter is not None:
            yield parameter, rule.claim.removeprefix("caller.")


def _places(operation: Operation, policy: AuthorizePolicy) -> Iterator[tuple[IdPlace, str]]:
    for place, rule in policy.place_rules.items():
        if place.is_of(operation):
            yield place, rule.claim.removeprefix("caller.")


def _own_values(description: ApiDescription, policy: AuthorizePolicy) -> dict[str, str]:
    """A value for each claim an owner rule looks at; `subject` is no claim anybody could choose."""
    values: dict[str, str] = {}
    for operation in description.operations:
        for name, claim in _owned(operation, policy):
            parameter = next((each for each in operation.parameters if each.name == name), None)
            if parameter is None or claim in values or claim == "subject":
                continue
            with contextlib.suppress(NoSampleError):
                values[claim] = str(parameter_value(parameter, description))
    for operation in description.operations:
        for place, claim in _places(operation, policy):
            if claim not in values and claim != "subject" and not place.field:
                with contextlib.suppress(NoSampleError):
                    value = draft(operation, description).at(place)
                    if isinstance(value, str | int):
                        values[claim] = str(value)
    return values
