"""The single-use primitive: one row and one atomic statement for everything that may be spent once.

Codes, frozen requests, refresh tokens, recovery codes, steps of a login, ids of assertions. The verdict is what one
`UPDATE ... WHERE used_at IS NULL ... RETURNING` gave back, never what was read before it (Keycloak CVE-2026-1035); the
key is (purpose, hash), so nothing issued for one purpose can be spent for another (Keycloak CVE-2026-4325). Rows go by
expiry only: a restart brings nothing back to life (Keycloak CVE-2026-9802).
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from doorward.store.inserting import insert_new
from doorward.store.prepared import Prepared
from doorward.store.tables.spending import single_use

SECRET_BYTES: Final = 32
"""Random bytes of an issued secret; with so many a plain SHA-256 is enough at rest."""
_YEARS_S: Final = 10 * 366 * 86_400.0


class Purpose(StrEnum):
    """All that can be spent. The list is closed, in the database too."""

    AUTHORIZATION_REQUEST = "authorization_request"
    """A frozen request for authorization, from its arrival to consent."""
    PUSHED_REQUEST = "pushed_request"
    AUTHORIZATION_CODE = "authorization_code"
    REFRESH_TOKEN = "refresh_token"  # noqa: S105 - a name, no secret
    LOGIN_STEP = "login_step"
    """Between a right password and the second factor."""
    ENROLMENT = "enrolment"
    """A second factor shown to its user and not yet proved."""
    RECOVERY_CODE = "recovery_code"
    PASSWORD_RESET = "password_reset"  # noqa: S105 - a name, no secret
    """A link with which its user sets a password, made at the command line or sent by mail."""
    DEVICE_CODE = "device_code"
    """What a device without a browser polls with."""
    USER_CODE = "user_code"
    """What its user types, as a keyed hash."""
    ADMIN_LOGIN = "admin_login"
    """What `doorward admin login` prints: the way into the admin API."""
    ADMIN_SESSION = "admin_session"
    """A session of the admin API: looked at by each request, spent by its end."""
    EXTERNAL_LOGIN = "external_login"
    """A login at another provider, from leaving our page to coming back: its `state`."""
    PROOF_ID = "proof_id"
    """Id (`jti`) of a proof or assertion somebody else signed: `claim`ed at first sight."""
    EMAIL_VERIFICATION = "email_verification"
    """A link that proves that its user reads mail at an address."""
    NOT_ME = "not_me"
    """A link in a notice: what happened was not its reader's doing."""
    MAIL_CODE = "mail_code"
    SMS_CODE = "sms_code"
    PASSKEY_CHALLENGE = "passkey_challenge"
    """A challenge of ours that a passkey signed: `claim`ed at first sight, so that showing one costs no row."""


LONGEST_LIFE_S: Final[Mapping[Purpose, float]] = {
    Purpose.AUTHORIZATION_REQUEST: 1_800.0,
    Purpose.PUSHED_REQUEST: 600.0,
    Purpose.AUTHORIZATION_CODE: 60.0,
    Purpose.REFRESH_TOKEN: 30 * 86_400.0,
    Purpose.LOGIN_STEP: 600.0,
    Purpose.ENROLMENT: 600.0,
    Purpose.RECOVERY_CODE: _YEARS_S,
    Purpose.PASSWORD_RESET: 86_400.0,
    Purpose.DEVICE_CODE: 600.0,
    Purpose.USER_CODE: 600.0,
    Purpose.ADMIN_LOGIN: 300.0,
    Purpose.ADMIN_SESSION: 900.0,
    Purpose.EXTERNAL_LOGIN: 600.0,
    Purpose.PROOF_ID: 600.0,
    Purpose.PASSKEY_CHALLENGE: 600.0,
    Purpose.EMAIL_VERIFICATION: 3_600.0,
    Purpose.NOT_ME: 3 * 86_400.0,
    Purpose.MAIL_CODE: 600.0,
    Purpose.SMS_CODE: 600.0,
}
"""Longest time between issue and use, in seconds. A caller's mistake cannot make a code live for a day."""

# Made once: to make one of them takes as long as to carry it out.
_INSERT: Final = Prepared(
    insert(single_use), ("purpose", "hash", "subject", "payload", "issued_at", "expires_at", "keep_until")
)
_CONSUME: Final = Prepared(
    update(single_use)
    .where(
        single_use.c.purpose == bindparam("of_purpose"),
        single_use.c.hash == bindparam("of_hash"),
        single_use.c.used_at.is_(None),
        single_use.c.expires_at > bindparam("at"),
    )
    .values(used_at=bindparam("at"))
    .returning(single_use.c.subject, single_use.c.payload)
)
_TRACE: Final = Prepared(
    select(single_use.c.subject, single_use.c.payload, single_use.c.expires_at, single_use.c.used_at).where(
        single_use.c.purpose == bindparam("of_purpose"), single_use.c.hash == bindparam("of_hash")
    )
)

State: TypeAlias = Literal["unknown", "unused", "used", "expired"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What was bound to a secret when it was issued."""

    subject: str | None
    payload: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What became of a secret: for events and for revoking what came of it, never for a verdict."""

    state: State
    subject: str | None = None
    payload: Mapping[str, Any] = field(default_factory=dict, repr=False)
    used_at: float | None = None


def issue(
    connection: Connection,
    purpose: Purpose,
    *,
    now: float,
    lifetime_s: float,
    subject: str | None = None,
    payload: Mapping[str, Any] | None = None,
    keep_s: float = 0.0,
    secret: str | None = None,
) -> str:
    """A new secret that can be spent once, until `lifetime_s` from now.

    `keep_s`: how much longer its row is kept, so that a second use is recognised while what came of the first lives.
    `secret`: one made elsewhere, with at least 120 random bits (recovery codes, derived refresh tokens).
    Errors: ValueError for a life longer than the purpose allows.
    """
    if not 0 < lifetime_s <= LONGEST_LIFE_S[purpose]:
        raise ValueError(f"{purpose} lives up to {LONGEST_LIFE_S[purpose]} s, not {lifetime_s}")
    made = secret if secret is not None else secrets.token_urlsafe(SECRET_BYTES)
    row = {
        "purpose": purpose.value,
        "hash": _hash(made),
        "subject": subject,
        "payload": dict(payload or {}),
        "issued_at": now,
        "expires_at": now + lifetime_s,
        "keep_until": now + lifetime_s + keep_s,
    }
    _INSERT.run(connection, row)
    return made


def consume(connection: Connection, purpose: Purpose, secret: str, *, now: float) -> Spent | None:
    """What was bound to the secret, for the first use before its expiry; None for everything else."""
    named = {"of_purpose": purpose.value, "of_hash": _hash(secret), "at": now}
    row = _CONSUME.one(connection, named)
    return None if row is None else Spent(subject=row.subject, payload=row.payload)


def claim(connection: Connection, purpose: Purpose, value: str, *, now: float, lifetime_s: float) -> bool:
    """Whether this is the first sight of a value somebody else made (an assertion's `jti`); it is now taken."""
    row: dict[str, Any] = {
        "purpose": purpose.value,
        "hash": _hash(value),
        "payload": {},
        "issued_at": now,
        "expires_at": now + lifetime_s,
        "keep_until": now + lifetime_s,
        "used_at": now,
    }
    return insert_new(connection, single_use, [row]) == 1


def peek(connection: Connection, purpose: Purpose, secret: str, *, now: float) -> Spent | None:
    """What is bound to a secret that could still be spent. It is not: whoever acts on it consumes it afterwards."""
    found = trace(connection, purpose, secret, now=now)
    return Spent(subject=found.subject, payload=found.payload) if found.state == "unused" else None


def trace(connection: Connection, purpose: Purpose, secret: str, *, now: float) -> Trace:
    """What became of the secret."""
    row = _TRACE.one(connection, {"of_purpose": purpose.value, "of_hash": _hash(secret)})
    if row is None:
        return Trace(state="unknown")
    state: State = "used" if row.used_at is not None else "unused" if row.expires_at > now else "expired"
    return Trace(state=state, subject=row.subject, payload=row.payload, used_at=row.used_at)


def void(connection: Connection, purpose: Purpose, subject: str, *, now: float) -> int:
    """How many unused secrets of that subject can no longer be spent from now on."""
    return connection.execute(
        update(single_use)
        .where(
            single_use.c.purpose == purpose.value,
            single_use.c.subject == subject,
            single_use.c.used_at.is_(None),
        )
        .values(used_at=now)
    ).rowcount


def count_unused(connection: Connection, purpose: Purpose, subject: str, *, now: float) -> int:
    """How many secrets of that subject could still be spent."""
    rows = connection.execute(
        select(single_use.c.hash).where(
            single_use.c.purpose == purpose.value,
            single_use.c.subject == subject,
            single_use.c.used_at.is_(None),
            single_use.c.expires_at > now,
        )
    )
    return len(rows.all())


def purge(connection: Connection, *, now: float) -> int:
    """How many rows went because nothing that came of them can live any more. The only way a row goes."""
    return connection.execute(delete(single_use).where(single_use.c.keep_until <= now)).rowcount


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
