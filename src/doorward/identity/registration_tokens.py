"""Initial access tokens: with one of them a program registers itself as a client, so often and so long (RFC 7591).

Made by the operator, shown once, kept as a hash. A use is one atomic statement: parallel ones do not overtake the
count.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, insert, select, update

from doorward.errors import PolicyError
from doorward.identity import events
from doorward.store import Store, registration_tokens

LONGEST_LIFE_S: Final = 366 * 86_400.0
USES_MOST: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationToken:
    """What the operator may see of one."""

    id: str
    uses_left: int
    created_at: float
    expires_at: float


def make_token(store: Store, *, now: float, lifetime_s: float, uses: int) -> tuple[RegistrationToken, str]:
    """The token, and its text, which can be had only now. Errors: PolicyError for a life or count out of bounds."""
    if not 0 < lifetime_s <= LONGEST_LIFE_S:
        raise PolicyError("a registration token lives up to 366 days", key="expires", hint="--expires 1d")
    if not 0 < uses <= USES_MOST:
        raise PolicyError(f"a registration token is good for 1 to {USES_MOST} clients", key="uses", hint="--uses 1")
    text = secrets.token_urlsafe(32)
    made = RegistrationToken(id=secrets.token_hex(8), uses_left=uses, created_at=now, expires_at=now + lifetime_s)
    row = {
        "id": made.id,
        "hash": hash_token(text),
        "uses_left": uses,
        "created_at": now,
        "expires_at": made.expires_at,
    }
    with store.begin() as connection:
        connection.execute(insert(registration_tokens).values(row))
        events.record(connection, "registration.token_made", "", now=now, token=made.id, uses=uses)
    return made, text


def use_token(store: Store, text: str, *, now: float) -> str | None:
    """The id of the token, one use of which is gone; None when it is unknown, over or used up."""
    with store.begin() as connection:
        used = connection.execute(
            update(registration_tokens)
            .where(
                registration_tokens.c.hash == hash_token(text),
                registration_tokens.c.uses_left > 0,
                registration_tokens.c.expires_at > now,
            )
            .values(uses_left=registration_tokens.c.uses_left - 1)
            .returning(registration_tokens.c.id)
        ).one_or_none()
    return None if used is None else str(used.id)


def give_back(store: Store, token_id: str) -> None:
    """Nothing; the use led to no client."""
    with store.begin() as connection:
        connection.execute(
            update(registration_tokens)
            .where(registration_tokens.c.id == token_id)
            .values(uses_left=registration_tokens.c.uses_left + 1)
        )


def list_tokens(store: Store, *, now: float) -> Sequence[RegistrationToken]:
    """Those that are still good, the newest first."""
    good = (registration_tokens.c.uses_left > 0) & (registration_tokens.c.expires_at > now)
    with store.begin() as connection:
        rows = connection.execute(
            select(registration_tokens).where(good).order_by(registration_tokens.c.created_at.desc())
        ).all()
    return [
        RegistrationToken(id=row.id, uses_left=row.uses_left, created_at=row.created_at, expires_at=row.expires_at)
        for row in rows
    ]


def revoke_token(store: Store, token_id: str, *, now: float) -> None:
    """Nothing; nobody registers with it any more. Errors: PolicyError when there is none."""
    with store.begin() as connection:
        gone = connection.execute(delete(registration_tokens).where(registration_tokens.c.id == token_id)).rowcount
        if not gone:
            raise PolicyError(f"there is no registration token {token_id!r}", key="token", hint="leave out --revoke")
        events.record(connection, "registration.token_revoked", "", now=now, token=token_id)


def purge(connection: Connection, *, now: float) -> int:
    """How many tokens went that are over."""
    return connection.execute(delete(registration_tokens).where(registration_tokens.c.expires_at <= now)).rowcount


def hash_token(text: str) -> str:
    """How tokens of registration are kept: they have 256 random bits, so a plain hash does."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
