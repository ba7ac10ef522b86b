"""Revocation of single tokens, subjects, clients and signing keys; by exact name, never by time of issue.

A comparison of times has a hole within one second (keycloak#50999).
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import or_, select, update

from doorward.controls.authenticate import RevokedKind
from doorward.identity import events
from doorward.store import Store, clients, revocations, users
from doorward.store.inserting import insert_new

_CLIENT_KINDS: Final[tuple[RevokedKind, ...]] = ("subject", "client")


def revoke(
    store: Store, kind: RevokedKind, issuer: str, name: str, *, now: float, expires_at: float | None = None
) -> None:
    """Nothing; from the next snapshot on it opens nothing. Revoking twice keeps the first time, and the later end.

    Units: `expires_at` in Unix seconds, when the thing is void by itself; None for ever.
    """
    row = {"kind": kind, "issuer": issuer, "name": name, "revoked_at": now, "expires_at": expires_at}
    end = revocations.c.expires_at
    ends_sooner = (
        revocations.c.kind == kind,
        revocations.c.issuer == issuer,
        revocations.c.name == name,
        end.is_not(None) if expires_at is None else end < expires_at,
    )
    with store.begin() as connection:
        changed = insert_new(connection, revocations, [row])
        if not changed:
            # the one that is there may be over: it would leave open what is revoked now
            changed = connection.execute(update(revocations).where(*ends_sooner).values(expires_at=expires_at)).rowcount
        if changed:
            # what is revoked need not be a name of ours
            events.record(connection, "revocation.added", "", now=now, what=kind, issuer=issuer, name=name)


def revoked(store: Store, issuer: str, *, now: float) -> Sequence[tuple[RevokedKind, str, str]]:
    """All that is revoked at `now`: what was revoked by name, and the disabled users and clients of `issuer`."""
    current = or_(revocations.c.expires_at.is_(None), revocations.c.expires_at > now)
    with store.begin() as connection:
        named = connection.execute(
            select(revocations.c.kind, revocations.c.issuer, revocations.c.name).where(current)
        ).all()
        disabled_users = (
            connection.execute(select(users.c.name).where(users.c.disabled_at.is_not(None))).scalars().all()
        )
        disabled_clients = (
            connection.execute(select(clients.c.name).where(clients.c.disabled_at.is_not(None))).scalars().all()
        )
    found: list[tuple[RevokedKind, str, str]] = [(row.kind, row.issuer, row.name) for row in named]
    found += [("subject", issuer, name) for name in disabled_users]
    # a client's tokens may name somebody else as their subject
    found += [(kind, issuer, name) for name in disabled_clients for kind in _CLIENT_KINDS]
    return sorted(set(found))
