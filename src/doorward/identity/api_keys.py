"""API keys: made, listed, revoked. The gateway checks them (`controls.authenticate`), by the same format."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select, update

from doorward.controls.authenticate import KeyForm
from doorward.controls.authenticate.key_format import ID_BYTES, SECRET_BYTES, hash_api_key, make_api_key
from doorward.errors import Missing, PolicyError
from doorward.identity import events
from doorward.identity.names import (
    normal_network,
    register_principal,
    require_claims,
    require_name,
    require_words,
)
from doorward.store import Store, api_keys

DAY_S: Final = 86_400.0
LIFETIME_S: Final = 90 * DAY_S
"""Default life of a key. There is no key that never expires."""
LIFETIME_MOST_S: Final = 366 * DAY_S


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """What is known of a key; the key itself only its holder has."""

    id: str
    """The part of the key between the first two underscores after `dw`; no secret."""
    name: str
    """Subject of the calls made with it."""
    roles: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)
    networks: tuple[str, ...] = ()
    """Networks it may be used from (CIDR); empty: any."""
    created_at: float
    expires_at: float
    revoked_at: float | None = None
    last_used_at: float | None = None
    """When it last opened something, give or take a minute; None: never, as far as is known."""
    form: KeyForm = "doorward"
    """Of our own form, or made elsewhere and known by that hash of it."""
    prefix: str = ""
    """What a key made elsewhere begins with."""

    def is_good(self, now: float) -> bool:
        """Whether it opens anything."""
        return self.revoked_at is None and now < self.expires_at


def add_api_key(
    store: Store,
    name: str,
    *,
    now: float,
    roles: Iterable[str] = (),
    scopes: Iterable[str] = (),
    claims: Mapping[str, Any] | None = None,
    networks: Iterable[str] = (),
    lifetime_s: float = LIFETIME_S,
) -> tuple[ApiKey, str]:
    """What is kept, and the key itself, which can be had only now. One name may have several keys (rotation).

    Errors: PolicyError for a name of a user or client, a lifetime over a year, a network that is none.
    """
    granted = key_row(
        name, now=now, roles=roles, scopes=scopes, claims=claims or {}, networks=networks, lifetime_s=lifetime_s
    )
    with store.begin() as connection:
        register_principal(connection, name, "api_key")
        key_id, key = insert_new_key(connection, granted)
    return get_api_key(store, key_id), key


def key_row(
    name: str,
    *,
    now: float,
    roles: Iterable[str],
    scopes: Iterable[str],
    claims: Mapping[str, Any],
    networks: Iterable[str],
    lifetime_s: float,
) -> dict[str, Any]:
    """What a key gives, as a row that lacks the key. Errors: PolicyError, as `add_api_key`."""
    require_name(name, "key")
    require_lifetime(lifetime_s)
    return {
        "name": name,
        "roles": require_words(roles, "role"),
        "scopes": require_words(scopes, "scope"),
        "claims": require_claims(claims),
        "networks": [normal_network(network) for network in networks],
        "created_at": now,
        "expires_at": now + lifetime_s,
    }


def require_lifetime(lifetime_s: float) -> None:
    """Nothing, for a time that a key may live. Errors: PolicyError."""
    if not 0 < lifetime_s <= LIFETIME_MOST_S:
        raise PolicyError("a key lives up to 366 days", key="expires", hint="90d")


def insert_new_key(connection: Connection, granted: Mapping[str, Any]) -> tuple[str, str]:
    """The id of a new key, and the key, which gives what that row says."""
    key_id, key = make_api_key(secrets.token_bytes(ID_BYTES), secrets.token_bytes(SECRET_BYTES))
    connection.execute(insert(api_keys).values({**granted, "id": key_id, "hash": hash_api_key(key.encode()).hex()}))
    note_added(connection, key_id, granted)
    return key_id, key


def note_added(connection: Connection, key_id: str, granted: Mapping[str, Any]) -> None:
    """Nothing; that there is a new key is recorded, with what it gives."""
    shown = {field: granted[field] for field in ("roles", "scopes", "claims", "networks", "expires_at")}
    events.record(connection, "key.added", granted["name"], now=granted["created_at"], address="", key=key_id, **shown)


def get_api_key(store: Store, key_id: str) -> ApiKey:
    """The key of that id. Errors: PolicyError when there is none."""
    with store.begin() as connection:
        row = connection.execute(select(api_keys).where(api_keys.c.id == key_id)).one_or_none()
    if row is None:
        raise Missing(f"there is no key {key_id!r}", key="key", hint="doorward key list")
    return api_key_of(row)


def list_api_keys(store: Store) -> list[ApiKey]:
    """All keys, by name and age."""
    with store.begin() as connection:
        rows = connection.execute(select(api_keys).order_by(api_keys.c.name, api_keys.c.created_at, api_keys.c.id))
        return [api_key_of(row) for row in rows]


def list_hashed_api_keys(store: Store) -> list[tuple[ApiKey, str]]:
    """All keys with the hash each is checked by, in hexadecimal: for the snapshot."""
    with store.begin() as connection:
        return [(api_key_of(row), row.hash) for row in connection.execute(select(api_keys).order_by(api_keys.c.id))]


def revoke_api_key(store: Store, name_or_id: str, *, now: float) -> list[ApiKey]:
    """The keys revoked by it: one, by its id, or all of a name.

    Errors: PolicyError when there is none. Revoking twice keeps the first time.
    """
    chosen = (api_keys.c.id == name_or_id) | (api_keys.c.name == name_or_id)
    with store.begin() as connection:
        ended = connection.execute(
            update(api_keys)
            .where(chosen, api_keys.c.revoked_at.is_(None))
            .values(revoked_at=now)
            .returning(api_keys.c.id, api_keys.c.name)
        ).all()
        for row in ended:
            events.record(connection, "key.revoked", row.name, now=now, key=row.id)
        revoked = [
            api_key_of(row) for row in connection.execute(select(api_keys).where(chosen).order_by(api_keys.c.id))
        ]
    if not revoked:
        raise Missing(f"there is no key {name_or_id!r}", key="key", hint="doorward key list")
    return revoked


def api_key_of(row: Row[Any]) -> ApiKey:
    """The key of a row."""
    return ApiKey(
        id=row.id,
        name=row.name,
        roles=tuple(row.roles),
        scopes=tuple(row.scopes),
        claims=row.claims,
        networks=tuple(row.networks),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
        form=row.form,
        prefix=row.prefix,
    )
