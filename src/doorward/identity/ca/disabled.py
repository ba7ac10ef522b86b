"""Callers who may no longer call: their certificates count as revoked, for us at once and for others by the list."""

from typing import Final

from sqlalchemy import Connection, select, union_all

from doorward.errors import PolicyError
from doorward.store import certificates, clients, users

DISABLED: Final = union_all(
    *(select(table.c.name, table.c.disabled_at).where(table.c.disabled_at.is_not(None)) for table in (users, clients))
).subquery("disabled")
"""Names of users and clients, and since when they are disabled."""


def require_enabled(connection: Connection, serial: str) -> None:
    """Nothing, unless the certificate belongs to a caller who is disabled. Errors: PolicyError."""
    owner = select(certificates.c.name).join(DISABLED, DISABLED.c.name == certificates.c.name)
    name = connection.execute(
        owner.where(certificates.c.serial == serial, certificates.c.kind == "client")
    ).scalar_one_or_none()
    if name is not None:
        raise PolicyError(f"{serial} cannot be renewed: {name} may no longer call", key="certificate")
