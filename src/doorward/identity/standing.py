"""What callers may do now, for those of whom it changed while tokens live that say something else.

A token carries its caller's roles and claims for its whole life. Who loses a role must lose it at once, so workers are
told what is true of everybody who was changed lately, and take no token that says more. By what the token says, not by
when it was issued: a comparison of times has a hole within one second (keycloak#50999).
"""

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import Connection, Table, select

from doorward.store import Store, clients, events, users

WINDOW_S: Final = 3_900.0
"""How long after a change workers are told of it, in seconds: the longest life of an access token, and what clocks may
be apart."""
_MATTERS: Final = ("roles", "scopes", "claims")
_CHANGES: Final = {"user.changed": users, "client.changed": clients}


def published_standing(store: Store, issuer: str, *, now: float) -> list[dict[str, Any]]:
    """Of each user and client whose rights changed lately: `{issuer, subject, roles, scopes, claims, gone}`.

    `scopes` is None for users: theirs are the client's and their own consent. `gone` are names of claims that they had
    and have no longer.
    """
    query = (
        select(events.c.subject, events.c.kind, events.c.detail)
        .where(events.c.kind.in_(_CHANGES), events.c.at > now - WINDOW_S)
        .order_by(events.c.id)
    )
    found: dict[tuple[str, str], list[Any]] = {}
    with store.begin() as connection:
        for row in connection.execute(query):
            if any(name in row.detail for name in _MATTERS):
                found.setdefault((row.kind, row.subject), []).append(row.detail.get("claims", ({}, {}))[0])
        standing = [
            _standing(connection, _CHANGES[kind], name, had, issuer) for (kind, name), had in sorted(found.items())
        ]
    return [each for each in standing if each is not None]


def _standing(
    connection: Connection, table: Table, name: str, had: Iterable[dict[str, Any]], issuer: str
) -> dict[str, Any] | None:
    row = connection.execute(select(table).where(table.c.name == name)).one_or_none()
    if row is None:
        return None
    return {
        "issuer": issuer,
        "subject": name,
        "roles": list(row.roles),
        "scopes": list(row.scopes) if table is clients else None,
        "claims": dict(row.claims),
        "gone": sorted({claim for each in had for claim in each} - set(row.claims)),
    }
