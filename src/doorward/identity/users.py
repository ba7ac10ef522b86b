"""Users: added, listed, disabled. Their passwords are checked by `credentials` alone."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, insert, select, update

from doorward.errors import Missing, PolicyError
from doorward.identity import address_holds, events
from doorward.identity.email_form import require_email
from doorward.identity.names import register_principal, require_claims, require_name, require_words
from doorward.identity.oauth.families import end_families
from doorward.identity.passwords import hash_password
from doorward.identity.sessions import end_sessions
from doorward.identity.sms.numbers import require_number
from doorward.identity.standing import WINDOW_S
from doorward.store import Store, token_families, users


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person who may call."""

    name: str
    """Becomes `sub` of their tokens."""
    roles: tuple[str, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)
    """Put into their tokens as they are: what owner rules compare (`account_id`)."""
    has_password: bool = False
    email: str | None = None
    created_at: float = 0.0
    disabled_at: float | None = None


def add_user(
    store: Store,
    name: str,
    *,
    now: float,
    roles: Iterable[str] = (),
    claims: Mapping[str, Any] | None = None,
    password: str | None = None,
    letters_and_digits: bool = False,
    email: str | None = None,
    phone: str | None = None,
) -> User:
    """The new user. Errors: PolicyError for a name that is taken or no name, a weak password, a reserved claim.

    `email`, `phone`: nothing counts there before the user has proved it.
    """
    require_name(name, "user")
    row = {
        "name": name,
        "password_hash": None
        if password is None
        else hash_password(password, [name], letters_and_digits=letters_and_digits),
        "roles": require_words(roles, "role"),
        "claims": require_claims(claims or {}),
        "created_at": now,
        "email": None if email is None else require_email(email),
        "phone": None if phone is None else require_number(phone),
    }
    with store.begin() as connection:
        register_principal(connection, name, "user")
        connection.execute(insert(users).values(row))
        shown: dict[str, Any] = {
            "roles": row["roles"],
            "claims": row["claims"],
            "password": password is not None,
            "email": email is not None,
            "phone": phone is not None,
        }
        events.record(connection, "user.added", name, now=now, **shown)
    return get_user(store, name)


def get_user(store: Store, name: str) -> User:
    """The user of that name. Errors: PolicyError when there is none."""
    with store.begin() as connection:
        row = connection.execute(select(users).where(users.c.name == name)).one_or_none()
    if row is None:
        raise Missing(f"there is no user {name!r}", key="user", hint="doorward user list")
    return user_of(row)


def list_users(store: Store) -> list[User]:
    """All users, by name."""
    with store.begin() as connection:
        return [user_of(row) for row in connection.execute(select(users).order_by(users.c.name))]


def disable_user(store: Store, name: str, *, now: float) -> User:
    """The user, who may no longer call: their tokens are void once the workers have the next snapshot.

    Sessions and refresh tokens end at once, and clients are told (OWASP ASVS 5.0 7.4.2).

    Errors: PolicyError when there is none. Disabling twice keeps the first time.
    """
    with store.begin() as connection:
        disable_in(connection, name, users.c.disabled_at.is_(None), now=now)
    return get_user(store, name)


def disable_in(connection: Connection, name: str, *still: ColumnElement[bool], now: float, reason: str = "") -> bool:
    """Whether the user is disabled now; not when they are no longer what `still` says. Their sessions end anyway."""
    disabled = connection.execute(update(users).where(users.c.name == name, *still).values(disabled_at=now)).rowcount
    if disabled:
        events.record(connection, "user.disabled", name, now=now, **({"reason": reason} if reason else {}))
    elif reason:
        return False
    address_holds.drop(connection, name, now=now)
    end_sessions(connection, name, now=now)
    end_families(connection, token_families.c.user == name, now=now)
    return bool(disabled)


def enable_user(store: Store, name: str, *, now: float) -> User:
    """The user, who may call again and has to sign in. Enabling somebody who is not disabled changes nothing.

    Errors: PolicyError when there is none, or when a token of theirs from before could still be alive.
    """
    before = get_user(store, name)
    if before.disabled_at is None:
        return before
    if now < before.disabled_at + WINDOW_S:
        left = math.ceil((before.disabled_at + WINDOW_S - now) / 60)
        raise PolicyError(
            f"{name} was disabled lately, and tokens from before would open doors again",
            key="user",
            hint=f"in {left} minutes they have expired",
        )
    with store.begin() as connection:
        enabled = connection.execute(
            update(users)
            .where(users.c.name == name, users.c.disabled_at == before.disabled_at)
            .values(disabled_at=None)
        ).rowcount
        if enabled:
            events.record(connection, "user.enabled", name, now=now)
    return get_user(store, name)


def user_of(row: Row[Any]) -> User:
    """The user of a row."""
    return User(
        name=row.name,
        roles=tuple(row.roles),
        claims=row.claims,
        has_password=row.password_hash is not None,
        email=row.email,
        created_at=row.created_at,
        disabled_at=row.disabled_at,
    )
