"""Login sessions: an opaque random id in a cookie, its hash and everything else on the server.

A new id at each authentication (no fixation); revoked at once; idle and absolute limits (OWASP ASVS 5.0 V7.2-7.4).
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, delete, select, update

from doorward.identity import events, logout_notices
from doorward.identity.acr import SECOND_AMR, acr_of
from doorward.store import Store, sessions, users

IDLE_S: Final = 3_600.0
"""Longest time between two uses, in seconds."""
ABSOLUTE_S: Final = 86_400.0
"""Longest life, in seconds."""
FRESH_S: Final = 600.0
"""How long after signing in a user may change factors and password without signing in again, in seconds."""
SESSIONS_MOST: Final = 20
"""Sessions of one user at a time; the oldest end first (OWASP ASVS 5.0 7.1.2)."""
_SEEN_EVERY_S: Final = 60.0
_AGENT_CHARACTERS: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session that is valid now."""

    id: str
    user: str
    amr: tuple[str, ...]
    """How its user proved themselves (RFC 8176)."""
    auth_time: float
    created_at: float
    last_seen_at: float
    proved_at: float
    """When its user last proved themselves in it, wholly or by a second factor alone."""
    address: str
    agent: str

    @property
    def acr(self) -> str:
        """How much that proves."""
        return acr_of(self.amr)

    def is_fresh(self, now: float) -> bool:
        """Whether its user signed in a moment ago."""
        return now - self.auth_time <= FRESH_S

    def shows_second_since(self, at: float) -> bool:
        """Whether its user showed a second factor in it, then or later: at a login, or by adding it."""
        return self.proved_at >= at and not SECOND_AMR.isdisjoint(self.amr)


def start_session(
    connection: Connection,
    user: str,
    *,
    amr: Sequence[str],
    now: float,
    address: str,
    agent: str,
    absolute_s: float = ABSOLUTE_S,
) -> str:
    """The cookie of a new session."""
    cookie = secrets.token_urlsafe(32)
    session_id = secrets.token_hex(16)
    row = {
        "id": session_id,
        "hash": hash_of(cookie),
        "user": user,
        "amr": list(amr),
        "auth_time": now,
        "created_at": now,
        "last_seen_at": now,
        "expires_at": now + absolute_s,
        "address": address[:64],
        "agent": kept_of(agent),
    }
    connection.execute(sessions.insert().values(row))
    newest = select(sessions.c.id).where(sessions.c.user == user, sessions.c.revoked_at.is_(None))
    kept = connection.execute(newest.order_by(sessions.c.created_at.desc()).limit(SESSIONS_MOST)).scalars().all()
    _end(connection, (sessions.c.user == user) & sessions.c.id.not_in(kept), now)
    events.record(connection, "session.created", user, now=now, address=address, session=session_id)
    return cookie


def renew_session(
    connection: Connection,
    session: Session,
    *,
    amr: Sequence[str],
    now: float,
    address: str,
    is_whole_login: bool = True,
    absolute_s: float = ABSOLUTE_S,
) -> str | None:
    """The cookie of a session whose user signed in once more: the old cookie is void, the session itself goes on.

    It keeps its id, the `sid` that clients know it by, so that they are not told of an end that was none. None when it
    is over by now. Not `is_whole_login`: a second factor was added; its `auth_time` and its end stay.
    """
    cookie = secrets.token_urlsafe(32)
    anew = {"auth_time": now, "expires_at": now + absolute_s} if is_whole_login else {}
    renewed = connection.execute(
        update(sessions)
        .where(sessions.c.id == session.id, sessions.c.auth_time == session.auth_time, *valid(now))
        .values(
            hash=hash_of(cookie),
            hash_before=sessions.c.hash,
            renewed_at=now,
            amr=list(amr),
            last_seen_at=now,
            **anew,
        )
    ).rowcount
    if not renewed:
        return None
    events.record(connection, "session.renewed", session.user, now=now, address=address, session=session.id)
    return cookie


def kept_of(agent: str) -> str:
    """What is kept of a `User-Agent`."""
    return "".join(character for character in agent if character.isprintable())[:_AGENT_CHARACTERS]


def find_session(store: Store, cookie: str | None, *, now: float, idle_s: float = IDLE_S) -> Session | None:
    """The session of that cookie, if it is valid and its user may still call; it counts as used now.

    `idle_s`: how long it may have been left alone.
    """
    if not cookie:
        return None
    with store.begin() as connection:
        row = connection.execute(
            select(sessions)
            .join(users, users.c.name == sessions.c.user)
            .where(sessions.c.hash == hash_of(cookie), *valid(now, idle_s), users.c.disabled_at.is_(None))
        ).one_or_none()
        if row is not None and now - row.last_seen_at >= _SEEN_EVERY_S:
            connection.execute(
                update(sessions).where(sessions.c.id == row.id, *valid(now, idle_s)).values(last_seen_at=now)
            )
    return None if row is None else _session(row)


def list_sessions(store: Store, user: str, *, now: float) -> Sequence[Session]:
    """The valid sessions of a user, the one used last first."""
    with store.begin() as connection:
        rows = connection.execute(
            select(sessions).where(sessions.c.user == user, *valid(now)).order_by(sessions.c.last_seen_at.desc())
        ).all()
    return [_session(row) for row in rows]


def end_session(connection: Connection, user: str, session_id: str, *, now: float) -> bool:
    """Whether that session was the user's and ends now."""
    return _end(connection, (sessions.c.user == user) & (sessions.c.id == session_id), now) == 1


def end_sessions(connection: Connection, user: str, *, but: str = "", now: float) -> int:
    """How many sessions of the user end now, all of them or all but one."""
    return _end(connection, (sessions.c.user == user) & (sessions.c.id != but), now)


def purge(connection: Connection, *, now: float) -> int:
    """How many sessions went that ended by themselves."""
    return connection.execute(delete(sessions).where(sessions.c.expires_at <= now)).rowcount


def valid(now: float, idle_s: float = IDLE_S) -> tuple[ColumnElement[bool], ...]:
    """What holds of sessions that are valid."""
    return sessions.c.revoked_at.is_(None), sessions.c.expires_at > now, sessions.c.last_seen_at > now - idle_s


def hash_of(cookie: str) -> str:
    """What is kept of a cookie."""
    return hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).hexdigest()


def _end(connection: Connection, chosen: ColumnElement[bool], now: float) -> int:
    ended = connection.execute(
        update(sessions)
        .where(chosen, sessions.c.revoked_at.is_(None))
        .values(revoked_at=now)
        .returning(sessions.c.id, sessions.c.user)
    ).all()
    for row in ended:
        events.record(connection, "session.revoked", row.user, now=now, session=row.id)
    if ended:
        logout_notices.note_ends(connection, [row.id for row in ended], now=now)
    return len(ended)


def _session(row: Row[Any]) -> Session:
    return Session(
        id=row.id,
        user=row.user,
        amr=tuple(row.amr),
        auth_time=row.auth_time,
        created_at=row.created_at,
        last_seen_at=row.last_seen_at,
        proved_at=row.created_at if row.renewed_at is None else row.renewed_at,
        address=row.address,
        agent=row.agent,
    )
