"""Browsers that once signed a user in, known by a random cookie kept as its hash. Given only after a full login."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, insert, select

from doorward.store import devices

LIFETIME_S: Final = 180 * 86_400.0
"""How long a browser is known after its first full login, in seconds."""
DEVICES_MOST: Final = 20
"""Known browsers of one user; the oldest go first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A known browser, as its user sees it."""

    id: str
    """Hash of its cookie: it names the row and lets nobody in."""
    is_this: bool
    created_at: float
    expires_at: float


def remember_device(connection: Connection, user: str, *, now: float) -> str:
    """The cookie by which this browser is known from now on."""
    cookie = secrets.token_urlsafe(32)
    row = {"hash": device_hash(cookie), "user": user, "created_at": now, "expires_at": now + LIFETIME_S}
    connection.execute(insert(devices).values(row))
    newest = select(devices.c.hash).where(devices.c.user == user).order_by(devices.c.created_at.desc())
    kept = connection.execute(newest.limit(DEVICES_MOST)).scalars().all()
    connection.execute(delete(devices).where(devices.c.user == user, devices.c.hash.not_in(kept)))
    return cookie


def is_known_device(connection: Connection, user: str, cookie: str | None, *, now: float) -> bool:
    """Whether the browser with that cookie once signed this user in."""
    return known_since(connection, user, cookie, now=now) is not None


def known_since(connection: Connection, user: str, cookie: str | None, *, now: float) -> float | None:
    """When the browser with that cookie first signed this user in; None for one that is not known."""
    if not cookie:
        return None
    mine = (devices.c.user == user) & (devices.c.hash == device_hash(cookie)) & (devices.c.expires_at > now)
    return connection.execute(select(devices.c.created_at).where(mine)).scalar()


def list_devices(connection: Connection, user: str, cookie: str | None, *, now: float) -> Sequence[Device]:
    """The user's known browsers, the newest first. `cookie`: that of the browser that asks."""
    mine = device_hash(cookie) if cookie else ""
    rows = connection.execute(
        select(devices)
        .where(devices.c.user == user, devices.c.expires_at > now)
        .order_by(devices.c.created_at.desc(), devices.c.hash)
    )
    return [
        Device(id=row.hash, is_this=row.hash == mine, created_at=row.created_at, expires_at=row.expires_at)
        for row in rows
    ]


def forget_device(connection: Connection, user: str, device_id: str) -> bool:
    """Whether it was one of the user's and is no longer known."""
    mine = (devices.c.user == user) & (devices.c.hash == device_id)
    return connection.execute(delete(devices).where(mine)).rowcount == 1


def forget_devices(connection: Connection, user: str) -> None:
    """Nothing; no browser of the user is known any more."""
    connection.execute(delete(devices).where(devices.c.user == user))


def device_hash(cookie: str) -> str:
    """Under which a cookie is kept."""
    return hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).hexdigest()
