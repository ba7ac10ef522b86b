"""The hashes of clients' secrets, for operations that take those themselves (HTTP Basic)."""

from typing import Any

from sqlalchemy import select

from doorward.store import Store, clients


def published_clients(store: Store, issuer: str) -> list[dict[str, Any]]:
    """The clients that have a secret, as `controls.authenticate.credentials_data` takes them.

    Public ones have none, nor have those that prove themselves by a key. Disabled ones stay, so that their refusal says
    why.
    """
    query = select(clients).where(clients.c.kind == "confidential", clients.c.secret_hash != "")
    with store.begin() as connection:
        return [
            {
                "name": row.name,
                "issuer": issuer,
                "hash": row.secret_hash,
                "roles": list(row.roles),
                "scopes": list(row.scopes),
                "claims": dict(row.claims),
                "disabled": row.disabled_at is not None,
            }
            for row in connection.execute(query.order_by(clients.c.name))
        ]
