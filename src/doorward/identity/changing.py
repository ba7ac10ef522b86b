"""Users and clients changed: each change under the lock of its row, so that nobody's change undoes another's unseen."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, Table, select, update

from doorward.errors import Missing, PolicyError
from doorward.identity import events
from doorward.identity.clients import Client, client_of, hash_secret, new_secret, require_title
from doorward.identity.names import require_audience, require_claims, require_words
from doorward.identity.redirects import require_backchannel_uri, require_redirect_uri
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
    post_logout_redirect_uris: Iterable[str] | None = None
    backchannel_logout_uri: str | None = None
    """Empty: it is not told of ended sessions any more."""
    uses_devices: bool | None = None
    exchange_audiences: Iterable[str] | None = None


_OF_CLIENTS: Final[Mapping[str, tuple[str, Callable[[Any], Any]]]] = {
    "roles": ("roles", lambda roles: require_words(roles, "role")),
    "scopes": ("scopes", lambda scopes: require_words(scopes, "scope")),
    "claims": ("claims", require_claims),
    "title": ("title", require_title),
    "redirect_uris": ("redirect_uris", lambda uris: list(map(require_redirect_uri, uris))),
    "is_trusted": ("trusted", bool),
    "pushes_only": ("pushed_only", bool),
    "post_logout_redirect_uris": ("post_logout_redirect_uris", lambda uris: list(map(require_redirect_uri, uris))),
    "backchannel_logout_uri": ("backchannel_logout_uri", lambda uri: uri and require_backchannel_uri(uri)),
    "uses_devices": ("device", bool),
    "exchange_audiences": ("exchange_audiences", lambda names: sorted(set(map(require_audience, names)))),
}
"""Of each field of a change: its column, and what a new value must be."""


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
    """The client as it is now.

    Errors: Missing; Stale; PolicyError as `clients.add_client`, and for exchange by a client that registered itself.
    """
    values = {
        column: rule(given)
        for field, (column, rule) in _OF_CLIENTS.items()
        if (given := getattr(change, field)) is not None
    }
    if values.get("title") == "":
        values["title"] = name
    with store.begin() as connection:
        row = _locked(connection, clients, name, "client")
        _require_version(client_of(row), expected)
        _write(connection, clients, row, values, now)
        after = client_of(connection.execute(select(clients).where(clients.c.name == name)).one())
        _require_whole(after)
        return after


def _require_whole(client: Client) -> None:
    """Nothing, for a client that could be added so. Errors: PolicyError; then nothing was changed."""
    if client.is_public and not client.redirect_uris and not client.uses_devices:
        raise PolicyError("a public client needs a redirect URI", key="redirect")
    if client.exchange_audiences and (client.is_public or client.is_registered):
        raise PolicyError(
            "a client that is public, or registered itself, cannot exchange tokens", key="exchange-audience"
        )


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
