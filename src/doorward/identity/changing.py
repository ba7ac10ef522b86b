"""Users and clients changed: each change under the lock of its row, so that nobody's change undoes another's unseen."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Table, select, update

from doorward.errors import Missing, PolicyError
from doorward.identity import events
from doorward.identity.clients import Client, client_of, hash_secret, new_secret, require_title
from doorward.identity.names import require_claims, require_words
from doorward.identity.redirects import require_redirect_uri
from doorward.identity.users import User, user_of
from doorward.store import Store, clients, users


class Stale(PolicyError):
    """What is to be changed is not as whoever changes it has seen it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserChange:
    """What becomes of a user; None leaves a field as it is."""

    roles: Iterable[str] | None = None
    claims: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientChange:
    """What becomes of a client; None leaves a field as it is."""

    roles: Iterable[str] | None = None
    scopes: Iterable[str] | None = None
    claims: Mapping[str, Any] | None = None
    title: str | None = None
    redirect_uris: Iterable[str] | None = None
    is_trusted: bool | None = None
    pushes_only: bool | None = None


def version_of(kept: object) -> str:
    """A text that is another one for every other state of a user, client or key."""
    return hashlib.sha256(msgspec.json.encode(kept, order="deterministic")).hexdigest()[:32]


def change_user(store: Store, name: str, change: UserChange, *, now: float, expected: str | None = None) -> User:
    """The user as they are now. A token that says more of them than is true now is void within a second.

    Errors: Missing; Stale when `expected` is not its version; PolicyError as `users.add_user`.
    """
    values: dict[str, Any] = {}
    if change.roles is not None:
        values["roles"] = require_words(change.roles, "role")
    if change.claims is not None:
        values["claims"] = require_claims(change.claims)
    with store.begin() as connection:
        row = _locked(connection, users, name, "user")
        _require_version(user_of(row), expected)
        _write(connection, users, row, values, now)
        return user_of(connection.execute(select(users).where(users.c.name == name)).one())


def change_client(store: Store, name: str, change: ClientChange, *, now: float, expected: str | None = None) -> Client:
    """The client as it is now. Errors: Missing; Stale; PolicyError as `clients.add_client`."""
    values: dict[str, Any] = {}
    if change.roles is not None:
        values["roles"] = require_words(change.roles, "role")
    if change.scopes is not None:
        values["scopes"] = require_words(change.scopes, "scope")
    if change.claims is not None:
        values["claims"] = require_claims(change.claims)
    if change.title is not None:
        values["title"] = require_title(change.title or name)
    if change.redirect_uris is not None:
        values["redirect_uris"] = [require_redirect_uri(uri) for uri in change.redirect_uris]
    if change.is_trusted is not None:
        values["trusted"] = change.is_trusted
    if change.pushes_only is not None:
        values["pushed_only"] = change.pushes_only
    with store.begin() as connection:
        row = _locked(connection, clients, name, "client")
        before = client_of(row)
        _require_version(before, expected)
        if before.is_public and not before.uses_devices and values.get("redirect_uris") == []:
            raise PolicyError("a public client needs a redirect URI", key="redirect")
        _write(connection, clients, row, values, now)
        return client_of(connection.execute(select(clients).where(clients.c.name == name)).one())


def replace_secret(store: Store, name: str, *, now: float, expected: str | None = None) -> tuple[Client, str]:
    """The client and its new secret, which can be had only now; the old one is void at once.

    Errors: Missing; Stale; PolicyError for a client that has none to replace.
    """
    secret = new_secret()
    with store.begin() as connection:
        before = client_of(_locked(connection, clients, name, "client"))
        _require_version(before, expected)
        if before.authentication != "client_secret" or before.disabled_at is not None:
            raise PolicyError(f"{name} has no secret to replace", key="client", hint="doorward client list")
        kept = {"secret_hash": hash_secret(secret)}
        connection.execute(update(clients).where(clients.c.name == name).values(kept))
        events.record(connection, "client.secret_replaced", name, now=now)
    return before, secret


def _locked(connection: Connection, table: Table, name: str, what: str) -> Row[Any]:
    # written before it is read: from here on nobody else changes it, on either database
    found = connection.execute(update(table).where(table.c.name == name).values(name=name)).rowcount
    if not found:
        raise Missing(f"there is no {what} {name!r}", key=what, hint=f"doorward {what} list")
    return connection.execute(select(table).where(table.c.name == name)).one()


def _require_version(kept: object, expected: str | None) -> None:
    if expected is not None and version_of(kept) != expected:
        raise Stale("it was changed meanwhile", hint="read it again, then decide")


def _write(connection: Connection, table: Table, row: Row[Any], values: Mapping[str, Any], now: float) -> None:
    changed = events.difference({name: getattr(row, name) for name in values}, values)
    if changed:
        connection.execute(update(table).where(table.c.name == row.name).values(values))
        kind = "user.changed" if table is users else "client.changed"
        events.record(connection, kind, row.name, now=now, **changed)
