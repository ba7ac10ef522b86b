"""What workers need to know of our own certificates: the authorities, and each client's certificate with its caller."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table, select

from doorward.store import Store, authorities, certificates, clients, users


def published_certificates(store: Store, *, now: float) -> dict[str, Any]:
    """Plain data for the snapshot.

    A certificate that is not in it is none of ours: workers do not take the authority's signature for enough. Expired
    ones are left out, revoked ones stay as long as they would have lived.
    """
    with store.begin() as connection:
        callers = {**_callers(connection, users), **_callers(connection, clients)}
        trusted = connection.execute(
            select(authorities).where(authorities.c.expires_at > now).order_by(authorities.c.id)
        ).all()
        living = connection.execute(
            select(certificates)
            .where(certificates.c.kind == "client", certificates.c.expires_at > now)
            .order_by(certificates.c.serial)
        ).all()
    return {
        "authorities": [{"id": row.id, "certificate": row.certificate} for row in trusted],
        "issued": [_entry(row, callers.get(row.name)) for row in living],
    }


def _callers(connection: Connection, table: Table) -> dict[str, Mapping[str, Any]]:
    return {row["name"]: dict(row) for row in connection.execute(select(table)).mappings()}


def _entry(row: Any, own: Mapping[str, Any] | None) -> dict[str, Any]:
    granted: Mapping[str, Any] = row._mapping if own is None else own  # noqa: SLF001
    return {
        "serial": row.serial,
        "authority": row.authority,
        "fingerprint": row.fingerprint,
        "subject": row.name,
        "roles": list(granted["roles"]),
        "scopes": list(granted.get("scopes", ())),
        "claims": dict(granted["claims"]),
        "expires_at": row.expires_at,
        "revoked": row.revoked_at is not None or (own is not None and own["disabled_at"] is not None),
    }
