"""Clients: programs that fetch tokens with a secret of 256 random bits, kept as its SHA-256."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Row, insert, select, update

from doorward.errors import PolicyError
from doorward.identity.names import register_principal, require_claims, require_name, require_words
from doorward.store import Store, clients

_SECRET_BYTES: Final = 32
_NOBODYS: Final = "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A program that may call in its own name."""

    name: str
    """Its `client_id`, and `sub` of its tokens."""
    roles: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    """The most it may be granted."""
    claims: Mapping[str, Any] = field(default_factory=dict)
    created_at: float = 0.0
    disabled_at: float | None = None


def add_client(
    store: Store,
    name: str,
    *,
    now: float,
    roles: Iterable[str] = (),
    scopes: Iterable[str] = (),
    claims: Mapping[str, Any] | None = None,
) -> tuple[Client, str]:
    """The new client and its secret, which can be had only now. Errors: PolicyError, as for `users.add_user`."""
    require_name(name, "client")
    secret = base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode("ascii").rstrip("=").lower()
    row = {
        "name": name,
        "secret_hash": _hash(secret),
        "roles": require_words(roles, "role"),
        "scopes": require_words(scopes, "scope"),
        "claims": require_claims(claims or {}),
        "created_at": now,
    }
    with store.begin() as connection:
        register_principal(connection, name, "client")
        connection.execute(insert(clients).values(row))
    return get_client(store, name), secret


def get_client(store: Store, name: str) -> Client:
    """The client of that name. Errors: PolicyError when there is none."""
    with store.begin() as connection:
        row = connection.execute(select(clients).where(clients.c.name == name)).one_or_none()
    if row is None:
        raise PolicyError(f"there is no client {name!r}", key="client", hint="doorward client list")
    return _client(row)


def list_clients(store: Store) -> list[Client]:
    """All clients, by name."""
    with store.begin() as connection:
        return [_client(row) for row in connection.execute(select(clients).order_by(clients.c.name))]


def disable_client(store: Store, name: str, *, now: float) -> Client:
    """The client, which gets no more tokens and whose tokens are void with the next snapshot.

    Errors: PolicyError when there is none. Disabling twice keeps the first time.
    """
    with store.begin() as connection:
        connection.execute(
            update(clients).where(clients.c.name == name, clients.c.disabled_at.is_(None)).values(disabled_at=now)
        )
    return get_client(store, name)


def check_secret(store: Store, name: str, secret: str) -> Client | None:
    """The client, if the secret is its own and it may call. Unknown, disabled and wrong take the same time."""
    with store.begin() as connection:
        row = connection.execute(select(clients).where(clients.c.name == name)).one_or_none()
    matches = hmac.compare_digest(_hash(secret), _NOBODYS if row is None else row.secret_hash)
    return _client(row) if row is not None and matches and row.disabled_at is None else None


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _client(row: Row[Any]) -> Client:
    return Client(
        name=row.name,
        roles=tuple(row.roles),
        scopes=tuple(row.scopes),
        claims=row.claims,
        created_at=row.created_at,
        disabled_at=row.disabled_at,
    )
