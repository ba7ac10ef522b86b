"""Passkeys as rows: added, found by what their authenticator calls them, counted, renamed, removed."""

import hashlib
import secrets
from collections.abc import Sequence
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from doorward.identity.factors.labels import label_of
from doorward.identity.factors.passkeys import Kept
from doorward.store import passkeys

PASSKEYS_MOST: Final = 20
"""Passkeys of one user: a browser is told all of them when one is asked for."""
_UNNAMED: Final = "passkey"
Counted: TypeAlias = Literal["counted", "not_grown", "gone"]


class PasskeyTaken(Exception):
    """The authenticator's credential is registered already, or the user has as many as they may have."""


def add_passkey(connection: Connection, user: str, kept: Kept, label: str, *, now: float) -> str:
    """The label under which it was added. Errors: PasskeyTaken; the transaction is then of no more use."""
    if len(passkeys_of(connection, user)) >= PASSKEYS_MOST:
        raise PasskeyTaken
    row = {
        "id": secrets.token_hex(16),
        "user": user,
        "credential_hash": _hash(kept.credential_id),
        "credential_id": kept.credential_id,
        "public_key": kept.public_key,
        "label": label_of(label, _UNNAMED),
        "sign_count": kept.sign_count,
        "transports": list(kept.transports),
        "created_at": now,
    }
    try:
        connection.execute(insert(passkeys).values(row))
    except IntegrityError:
        # a credential belongs to one user (WebAuthn section 7.1, step 26)
        raise PasskeyTaken from None
    return str(row["label"])


def passkeys_of(connection: Connection, user: str) -> Sequence[Row[Any]]:
    """The user's passkeys, oldest first."""
    return connection.execute(
        select(passkeys).where(passkeys.c.user == user).order_by(passkeys.c.created_at, passkeys.c.id)
    ).all()


def kept_passkey(connection: Connection, credential_id: str) -> Row[Any] | None:
    """The passkey an authenticator calls so."""
    return connection.execute(select(passkeys).where(passkeys.c.credential_hash == _hash(credential_id))).one_or_none()


def kept_of(row: Row[Any]) -> Kept:
    """What is needed to ask for it and to verify its answer."""
    return Kept(
        credential_id=row.credential_id,
        public_key=row.public_key,
        sign_count=row.sign_count,
        transports=tuple(row.transports),
    )


def count_use(connection: Connection, row: Row[Any], sign_count: int, *, now: float) -> Counted:
    """What the use says: the counter grew or does not count, it did not grow, or the passkey was removed meanwhile.

    A counter that did not grow may mean that there are two of the passkey (WebAuthn section 6.1.1).
    """
    mine = passkeys.c.id == row.id
    if not connection.execute(update(passkeys).where(mine).values(last_used_at=now)).rowcount:
        return "gone"
    if sign_count == 0 and row.sign_count == 0:
        return "counted"
    grown = update(passkeys).where(mine, passkeys.c.sign_count < sign_count).values(sign_count=sign_count)
    return "counted" if connection.execute(grown).rowcount else "not_grown"


def rename_passkey(connection: Connection, user: str, passkey_id: str, label: str) -> bool:
    """Whether it was the user's and is called so now."""
    mine = (passkeys.c.user == user) & (passkeys.c.id == passkey_id)
    return connection.execute(update(passkeys).where(mine).values(label=label_of(label, _UNNAMED))).rowcount == 1


def remove_passkeys(connection: Connection, user: str, passkey_id: str | None = None) -> int:
    """How many of the user's are gone: the one of that id, or all."""
    chosen = (
        (passkeys.c.user == user) if passkey_id is None else (passkeys.c.user == user) & (passkeys.c.id == passkey_id)
    )
    return connection.execute(delete(passkeys).where(chosen)).rowcount


def demote_passkeys(connection: Connection, user: str) -> None:
    """Nothing; the passkeys that the user has now are second factors from now on, and sign in no longer alone."""
    connection.execute(update(passkeys).where(passkeys.c.user == user).values(factor_only=True))


def _hash(credential_id: str) -> str:
    return hashlib.sha256(credential_id.encode("ascii", "replace")).hexdigest()
