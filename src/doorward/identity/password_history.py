"""The last passwords of a user, as hashes, where a profile refuses them (PCI DSS 4.0.1, 8.3.7)."""

from typing import Final

from sqlalchemy import Connection, select, update

from doorward.identity.passwords import WeakPassword, is_password
from doorward.identity.sealing import ServerSecret
from doorward.store import Store, users

LAST_COUNT: Final = 4
"""Passwords that may not come again, the present one among them."""


def require_new(store: Store, user: str, password: str, pepper: ServerSecret | None = None) -> None:
    """Nothing, for a password that is none of the user's last ones. As many Argon2id hashes as there are of these.

    Errors: WeakPassword.
    """
    with store.begin() as connection:
        row = connection.execute(
            select(users.c.password_hash, users.c.old_passwords).where(users.c.name == user)
        ).one_or_none()
    known = [] if row is None else [each for each in (row.password_hash, *row.old_passwords) if each is not None]
    if any(is_password(password, each, pepper) for each in known[:LAST_COUNT]):
        raise WeakPassword(
            f"this is one of your last {LAST_COUNT} passwords", key="password", hint="think of a new one"
        )


def void_hash(connection: Connection, user: str, *, keeps_old: bool) -> None:
    """Nothing; the user has no password any more. `keeps_old`: it is remembered, so it is not chosen again."""
    row = connection.execute(
        select(users.c.password_hash, users.c.old_passwords).where(users.c.name == user).with_for_update()
    ).one()
    old = [row.password_hash, *row.old_passwords][:LAST_COUNT] if keeps_old and row.password_hash else row.old_passwords
    connection.execute(update(users).where(users.c.name == user).values(password_hash=None, old_passwords=old))


def replace_hash(connection: Connection, user: str, password_hash: str, *, keeps_old: bool) -> bool:
    """Whether there is such a user; the hash is theirs from now on. `keeps_old`: the one before is remembered."""
    row = connection.execute(
        select(users.c.password_hash, users.c.old_passwords).where(users.c.name == user).with_for_update()
    ).one_or_none()
    if row is None:
        return False
    before = [each for each in (row.password_hash, *row.old_passwords) if each is not None]
    old = before[: LAST_COUNT - 1] if keeps_old else []
    connection.execute(update(users).where(users.c.name == user).values(password_hash=password_hash, old_passwords=old))
    return True
