"""Which roles may see, and which may set, one property: what its schema says under `x-doorward-roles`.

Threat: OWASP API3:2023 Broken object property level authorization; CWE-213, CWE-915.
"""

from typing import Any, Final, NamedTuple, TypeAlias

from doorward.operation import Schema

KEY: Final = "x-doorward-roles"
Roles: TypeAlias = frozenset[str] | None
"""None: whoever may call the operation."""


class PropertyRoles(NamedTuple):
    """Who may do what with one property."""

    read: Roles = None
    write: Roles = None


ANYBODY: Final = PropertyRoles()


def roles_of(schema: Schema) -> PropertyRoles:
    """What the schema of a property says: `[hr]` for both, or `{read: [hr, audit], write: [hr]}`.

    What is written otherwise allows nobody: a rule that cannot be read must not open anything.

    >>> roles_of({"x-doorward-roles": {"write": ["hr"]}})
    PropertyRoles(read=None, write=frozenset({'hr'}))
    """
    if KEY not in schema:
        return ANYBODY
    rule = schema[KEY]
    if isinstance(rule, dict) and rule.keys() <= {"read", "write"}:
        return PropertyRoles(*(_roles(rule[name]) if name in rule else None for name in ("read", "write")))
    roles = _roles(rule)
    return PropertyRoles(roles, roles)


def _roles(value: Any) -> frozenset[str]:
    return frozenset(value) if isinstance(value, list) and all(isinstance(role, str) for role in value) else frozenset()
