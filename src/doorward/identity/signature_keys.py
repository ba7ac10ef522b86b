"""Keys that partners sign requests with: registered, listed, revoked. `controls.authenticate` checks by them.

Of a key pair only the public key is here. A shared secret must be read back to be checked: it is kept sealed.
"""

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from doorward.controls.authenticate import sealed_name
from doorward.errors import PolicyError, Taken
from doorward.identity import events
from doorward.identity.api_keys import LIFETIME_S, key_row
from doorward.identity.names import new_id, register_principal
from doorward.sealing import Sealer
from doorward.signatures import public_key_from_pem, shared_secret
from doorward.signatures.keys import KeyRefused
from doorward.signatures.webhook import MacAlgorithm, mac_key
from doorward.store import Store, signature_keys

Purpose = Literal["rfc9421", "hmac"]
"""Signed messages, or the plain HMAC of webhooks. A key of one is no key of the other."""
SECRET_BYTES: Final = 32
HMAC_KEYS_MOST: Final = 2
"""Most keys of plain HMAC in force for one name: the old and the new one, while they are rotated. Each is tried."""
_SHOWN: Final = ("algorithm", "purpose", "roles", "scopes", "claims", "networks", "expires_at")
"""What an event may say of a key."""
_ID: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._:/@-]{0,127}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeyRecord:
    """What is known of a key; a shared secret is not in it."""

    id: str
    """`keyid` of the signatures made with it."""
    name: str
    """Subject of the calls signed with it."""
    algorithm: str
    purpose: Purpose
    roles: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)
    networks: tuple[str, ...] = ()
    """Networks it may be used from (CIDR); empty: any."""
    created_at: float
    expires_at: float
    revoked_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What whoever signs with a key may do, from where and how long."""

    roles: Iterable[str] = ()
    scopes: Iterable[str] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)
    networks: Iterable[str] = ()
    lifetime_s: float = LIFETIME_S


def add_public_key(
    store: Store, name: str, pem: str, grant: Grant, *, now: float, key_id: str = ""
) -> SigningKeyRecord:
    """The record of a partner's public key (PEM), whose type says the algorithm.

    Errors: PolicyError for a key that is none or weak, an id in use, and as `api_keys.add_api_key`.
    """
    try:
        algorithm = public_key_from_pem(pem).algorithm
    except KeyRefused as error:
        raise PolicyError(str(error), key="public-key", hint="openssl pkey -in private.pem -pubout") from error
    row = {"algorithm": algorithm, "purpose": "rfc9421", "public_key": pem}
    return _add(store, name, row, grant, now=now, key_id=key_id or new_id("sig"))


def add_shared_secret(
    store: Store,
    sealer: Sealer,
    name: str,
    grant: Grant,
    *,
    now: float,
    purpose: Purpose,
    secret: bytes | None = None,
    algorithm: MacAlgorithm = "hmac-sha256",
    key_id: str = "",
) -> tuple[SigningKeyRecord, bytes]:
    """The record, and the secret: the partner's own, or a new one of 256 bits.

    Errors: PolicyError for a secret that is too short, a third one for HMAC, and as `add_public_key`.
    """
    given = secret if secret is not None else secrets.token_bytes(SECRET_BYTES)
    if purpose == "rfc9421" and algorithm != "hmac-sha256":
        raise PolicyError(f"RFC 9421 has no {algorithm}", key="algorithm", hint="hmac-sha256")
    try:
        if purpose == "hmac":
            mac_key(given, algorithm)
        else:
            shared_secret(given)
    except KeyRefused as error:
        raise PolicyError(str(error), key="secret") from error
    chosen = key_id or new_id("sig")
    row = {
        "algorithm": algorithm,
        "purpose": purpose,
        "sealed_secret": sealer.seal(sealed_name(chosen), given),
    }
    return _add(store, name, row, grant, now=now, key_id=chosen), given


def list_signature_keys(store: Store) -> list[SigningKeyRecord]:
    """All keys, by name and age."""
    order = (signature_keys.c.name, signature_keys.c.created_at, signature_keys.c.id)
    with store.begin() as connection:
        return [signature_key_of(row) for row in connection.execute(select(signature_keys).order_by(*order))]


def published_signature_keys(store: Store, *, now: float) -> list[dict[str, Any]]:
    """The keys that have not expired, as the snapshot has them: public keys, and secrets as they are sealed."""
    current = select(signature_keys).where(signature_keys.c.expires_at > now).order_by(signature_keys.c.id)
    with store.begin() as connection:
        return [
            {
                "id": row.id,
                "algorithm": row.algorithm,
                "purpose": row.purpose,
                "public": row.public_key or "",
                "sealed": row.sealed_secret or "",
                "subject": row.name,
                "roles": list(row.roles),
                "scopes": list(row.scopes),
                "claims": dict(row.claims),
                "networks": list(row.networks),
                "expires_at": row.expires_at,
                "revoked": row.revoked_at is not None,
            }
            for row in connection.execute(current)
        ]


def revoke_signature_key(store: Store, name_or_id: str, *, now: float) -> list[SigningKeyRecord]:
    """The keys revoked by it: one, by its id, or all of a name; none when there is no such key.

    Revoking twice keeps the first time.
    """
    chosen = (signature_keys.c.id == name_or_id) | (signature_keys.c.name == name_or_id)
    with store.begin() as connection:
        ended = connection.execute(
            update(signature_keys)
            .where(chosen, signature_keys.c.revoked_at.is_(None))
            .values(revoked_at=now)
            .returning(signature_keys.c.id, signature_keys.c.name)
        ).all()
        for row in ended:
            events.record(connection, "signature_key.revoked", row.name, now=now, key=row.id)
        found = connection.execute(select(signature_keys).where(chosen).order_by(signature_keys.c.id))
        return [signature_key_of(row) for row in found]


def _add(store: Store, name: str, row: Mapping[str, Any], grant: Grant, *, now: float, key_id: str) -> SigningKeyRecord:
    if _ID.fullmatch(key_id) is None:
        raise PolicyError(f"{key_id!r} is not a key id", key="id", hint="up to 128 of A-Z a-z 0-9 . _ : / @ -")
    granted = key_row(
        name,
        now=now,
        roles=grant.roles,
        scopes=grant.scopes,
        claims=grant.claims,
        networks=grant.networks,
        lifetime_s=grant.lifetime_s,
    )
    values = {**row, **granted, "id": key_id}
    try:
        with store.begin() as connection:
            register_principal(connection, name, "api_key")
            if row["purpose"] == "hmac":
                _require_room(connection, name, now)
            connection.execute(insert(signature_keys).values(values))
            shown = {field: values[field] for field in _SHOWN}
            events.record(connection, "signature_key.added", name, now=now, key=key_id, **shown)
    except IntegrityError as error:
        raise Taken(f"there is a key {key_id!r} already", key="id", hint="doorward key list") from error
    with store.begin() as connection:
        return signature_key_of(connection.execute(select(signature_keys).where(signature_keys.c.id == key_id)).one())


def _require_room(connection: Connection, name: str, now: float) -> None:
    in_force = select(signature_keys.c.id).where(
        signature_keys.c.name == name,
        signature_keys.c.purpose == "hmac",
        signature_keys.c.revoked_at.is_(None),
        signature_keys.c.expires_at > now,
    )
    found = connection.execute(in_force).scalars().all()
    if len(found) >= HMAC_KEYS_MOST:
        raise PolicyError(
            f"{name} has {len(found)} HMAC keys in force, and each request is tried with all of them",
            key="key",
            hint=f"doorward key revoke {found[0]}",
        )


def signature_key_of(row: Row[Any]) -> SigningKeyRecord:
    """The key of a row."""
    return SigningKeyRecord(
        id=row.id,
        name=row.name,
        algorithm=row.algorithm,
        purpose=row.purpose,
        roles=tuple(row.roles),
        scopes=tuple(row.scopes),
        claims=row.claims,
        networks=tuple(row.networks),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )
