"""Keys that answers are encrypted to: registered by whoever calls, listed, revoked. `controls.authenticate` uses them.

Of a key pair only the public key is here. A shared secret must be read back to be used: it is kept sealed.
"""

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from doorward.controls.authenticate import sealed_encryption_name
from doorward.errors import Missing, PolicyError, Taken
from doorward.identity import events
from doorward.identity.api_keys import LIFETIME_S, require_lifetime
from doorward.identity.names import new_id, require_name
from doorward.jose import EncryptionKey, JoseError, encryption_key_from_jwk, encryption_key_from_pem
from doorward.sealing import Sealer
from doorward.store import Store, encryption_keys

SECRET_BYTES: Final = 32
_ID: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
_SHOWN: Final = ("issuer", "algorithm", "expires_at")
"""What an event may say of a key."""
_SUBJECT: Final = re.compile(r"[!-~]{1,256}")


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptionKeyRecord:
    """What is known of a key; a shared secret is not in it."""

    id: str
    name: str
    """Subject of the callers whose answers it may be used for."""
    issuer: str
    """Who gave the subject its name; empty: this installation."""
    algorithm: str
    created_at: float
    expires_at: float
    revoked_at: float | None = None


def add_encryption_key(
    store: Store,
    name: str,
    public: bytes,
    *,
    now: float,
    issuer: str = "",
    key_id: str = "",
    lifetime_s: float = LIFETIME_S,
) -> EncryptionKeyRecord:
    """The record of a caller's public key, of P-256 or RSA: a PEM file, or a JWK that names its `alg`.

    Errors: PolicyError for a key that is none, weak or private, an id in use, a name that nobody can have.
    """
    chosen = key_id or new_id("enc")
    try:
        key = _public_key(public, chosen)
    except (JoseError, ValueError, RecursionError) as error:
        problem = error.problem if isinstance(error, JoseError) else "neither PEM nor a JWK"
        raise PolicyError(problem, key="public-key", hint="openssl pkey -in private.pem -pubout") from error
    row = {"algorithm": key.algorithm, "public_key": json.dumps({**key.jwk(), "kid": chosen})}
    return _add(store, name, row, issuer=issuer, now=now, key_id=chosen, lifetime_s=lifetime_s)


def add_shared_encryption_secret(
    store: Store,
    sealer: Sealer,
    name: str,
    *,
    now: float,
    issuer: str = "",
    key_id: str = "",
    lifetime_s: float = LIFETIME_S,
) -> tuple[EncryptionKeyRecord, bytes]:
    """The record of a new shared secret of 256 bits (`dir`), and the secret. Errors: as `add_encryption_key`."""
    chosen, secret = key_id or new_id("enc"), secrets.token_bytes(SECRET_BYTES)
    row = {"algorithm": "dir", "sealed_secret": sealer.seal(sealed_encryption_name(chosen), secret)}
    return _add(store, name, row, issuer=issuer, now=now, key_id=chosen, lifetime_s=lifetime_s), secret


def list_encryption_keys(store: Store) -> list[EncryptionKeyRecord]:
    """All keys, by name and age."""
    order = (encryption_keys.c.name, encryption_keys.c.created_at, encryption_keys.c.id)
    with store.begin() as connection:
        return [encryption_key_of(row) for row in connection.execute(select(encryption_keys).order_by(*order))]


def get_encryption_key(store: Store, key_id: str) -> EncryptionKeyRecord:
    """The key of that id. Errors: Missing."""
    with store.begin() as connection:
        row = connection.execute(select(encryption_keys).where(encryption_keys.c.id == key_id)).one_or_none()
    if row is None:
        raise Missing(f"there is no key {key_id!r}", key="id", hint="doorward key list-encryption")
    return encryption_key_of(row)


def published_encryption_keys(store: Store, *, now: float) -> list[dict[str, Any]]:
    """The keys that have not expired, as the snapshot has them: public keys, and secrets as they are sealed."""
    current = select(encryption_keys).where(encryption_keys.c.expires_at > now).order_by(encryption_keys.c.id)
    with store.begin() as connection:
        return [
            {
                "id": row.id,
                "subject": row.name,
                "issuer": row.issuer,
                "public": json.loads(row.public_key) if row.public_key else {},
                "sealed": row.sealed_secret or "",
                "expires_at": row.expires_at,
                "revoked": row.revoked_at is not None,
            }
            for row in connection.execute(current)
        ]


def revoke_encryption_key(store: Store, name_or_id: str, *, now: float) -> list[EncryptionKeyRecord]:
    """The keys revoked by it: one, by its id, or all of a name; none when there is no such key.

    Revoking twice keeps the first time.
    """
    chosen = (encryption_keys.c.id == name_or_id) | (encryption_keys.c.name == name_or_id)
    with store.begin() as connection:
        ended = connection.execute(
            update(encryption_keys)
            .where(chosen, encryption_keys.c.revoked_at.is_(None))
            .values(revoked_at=now)
            .returning(encryption_keys.c.id, encryption_keys.c.name)
        ).all()
        for row in ended:
            events.record(connection, "encryption_key.revoked", row.name, now=now, key=row.id)
        found = connection.execute(select(encryption_keys).where(chosen).order_by(encryption_keys.c.id))
        return [encryption_key_of(row) for row in found]


def _public_key(data: bytes, key_id: str) -> EncryptionKey:
    if data.lstrip().startswith(b"-----"):
        return encryption_key_from_pem(data, key_id)
    jwk = json.loads(data)
    if not isinstance(jwk, dict) or "d" in jwk or jwk.get("kty") == "oct":
        raise JoseError("key", "no public key: a JWK without a private part is needed")
    return encryption_key_from_jwk({**jwk, "kid": key_id})


def _add(
    store: Store, name: str, row: Mapping[str, Any], *, issuer: str, now: float, key_id: str, lifetime_s: float
) -> EncryptionKeyRecord:
    if not issuer:
        require_name(name, "caller")
    elif _SUBJECT.fullmatch(name) is None or not 0 < len(issuer) <= 1024:
        raise PolicyError(f"{name!r} of {issuer[:80]!r} is nobody's subject", key="name")
    if _ID.fullmatch(key_id) is None:
        raise PolicyError(f"{key_id!r} is not a key id", key="id", hint="up to 64 of A-Z a-z 0-9 . _ -")
    require_lifetime(lifetime_s)
    values = {**row, "id": key_id, "name": name, "issuer": issuer, "created_at": now, "expires_at": now + lifetime_s}
    try:
        with store.begin() as connection:
            connection.execute(insert(encryption_keys).values(values))
            shown = {field: values[field] for field in _SHOWN}
            events.record(connection, "encryption_key.added", name, now=now, key=key_id, **shown)
    except IntegrityError as error:
        raise Taken(f"there is a key {key_id!r} already", key="id", hint="doorward key list-encryption") from error
    return get_encryption_key(store, key_id)


def encryption_key_of(row: Row[Any]) -> EncryptionKeyRecord:
    """The record of a row."""
    return EncryptionKeyRecord(
        id=row.id,
        name=row.name,
        issuer=row.issuer,
        algorithm=row.algorithm,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )
