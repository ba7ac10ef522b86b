"""Clients that have to hear of a session's end: one row each, written in the transaction that ends it.

Whoever ends the session never waits for a client; `oauth.backchannel` delivers. A notice that is taken is somebody's
for a minute, so that two deliverers do not tell a client twice, and comes back when its deliverer died.
"""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, func, insert, select, update

from doorward.identity import events
from doorward.jose import Algorithm
from doorward.store import Store, clients, logout_notices, token_families

WAITS_S: Final = (10.0, 60.0, 300.0, 1_800.0)
"""How long to wait after each failed attempt, in seconds; after one more failure the notice is given up."""
LEASE_S: Final = 60.0
"""How long a taken notice is its taker's, in seconds: longer than any delivery takes."""
TAKEN_COUNT: Final = 64
"""Notices taken at once."""
TAKEN_OF_ONE_CLIENT: Final = 4
"""Of them, of one client: one that does not answer must not keep the others from being told."""
KEPT_S: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One client to be told of one session's end."""

    id: str
    client: str
    user: str
    session: str
    url: str
    algorithm: Algorithm | None
    """What the client's ID tokens are signed with; None: as access tokens are."""
    attempts: int
    """How often it was taken, this time included."""


def note_ends(connection: Connection, sessions: Iterable[str], *, now: float) -> int:
    """How many clients will be told that these sessions ended: those that got an ID token in one and want to know."""
    told = connection.execute(
        select(token_families.c.session, token_families.c.user, token_families.c.client, token_families.c.scopes)
        .join(clients, clients.c.name == token_families.c.client)
        .where(
            token_families.c.session.in_(list(sessions)),
            clients.c.backchannel_logout_uri != "",
            clients.c.disabled_at.is_(None),
        )
    ).all()
    # one that asked without openid knows neither the user nor the session
    found = sorted({(row.session, row.user, row.client) for row in told if "openid" in row.scopes})
    rows = [
        {
            "id": secrets.token_hex(16),
            "client": client,
            "user": user,
            "session": session,
            "attempts": 0,
            "created_at": now,
            "next_at": now,
        }
        for session, user, client in found
    ]
    if rows:
        connection.execute(insert(logout_notices), rows)
    return len(rows)


def take_due(store: Store, *, now: float) -> Sequence[Notice]:
    """Notices that are due, now the caller's for a minute. Those that no client wants any more are gone."""
    number = (
        func.row_number().over(partition_by=logout_notices.c.client, order_by=logout_notices.c.next_at).label("number")
    )
    due = (
        select(logout_notices.c.id, logout_notices.c.next_at, number).where(logout_notices.c.next_at <= now).subquery()
    )
    # the first of each client before the second of any: many that do not answer must not keep one from being told
    fair = select(due.c.id).where(due.c.number <= TAKEN_OF_ONE_CLIENT).order_by(due.c.number, due.c.next_at, due.c.id)
    chosen = fair.limit(TAKEN_COUNT)
    with store.begin() as connection:
        taken = connection.execute(
            update(logout_notices)
            # asked again: another deliverer may have taken it since the rows were chosen
            .where(logout_notices.c.id.in_(chosen), logout_notices.c.next_at <= now)
            .values(next_at=now + LEASE_S, attempts=logout_notices.c.attempts + 1)
            .returning(logout_notices)
        ).all()
        wanted = select(clients.c.name, clients.c.backchannel_logout_uri, clients.c.id_token_algorithm).where(
            clients.c.name.in_({row.client for row in taken}),
            clients.c.disabled_at.is_(None),
            clients.c.backchannel_logout_uri != "",
        )
        told = {row.name: row for row in connection.execute(wanted).all()}
        unwanted = [row.id for row in taken if row.client not in told]
        if unwanted:
            connection.execute(delete(logout_notices).where(logout_notices.c.id.in_(unwanted)))
    return [
        Notice(
            id=row.id,
            client=row.client,
            user=row.user,
            session=row.session,
            url=told[row.client].backchannel_logout_uri,
            algorithm=told[row.client].id_token_algorithm,
            attempts=row.attempts,
        )
        for row in taken
        if row.client in told
    ]


def delivered(store: Store, notice: Notice) -> None:
    """Nothing; the client was told."""
    with store.begin() as connection:
        connection.execute(delete(logout_notices).where(logout_notices.c.id == notice.id))


def failed(store: Store, notice: Notice, *, now: float) -> None:
    """Nothing; the client is told later, or, after the last attempt, never, of which an event is left."""
    with store.begin() as connection:
        mine = logout_notices.c.id == notice.id
        if notice.attempts <= len(WAITS_S):
            wait_s = WAITS_S[notice.attempts - 1]
            connection.execute(update(logout_notices).where(mine).values(next_at=now + wait_s))
            return
        connection.execute(delete(logout_notices).where(mine))
        events.record(
            connection, "logout.undelivered", notice.user, now=now, client=notice.client, session=notice.session
        )


def purge(connection: Connection, *, now: float) -> int:
    """How many notices went that are older than any attempt."""
    return connection.execute(delete(logout_notices).where(logout_notices.c.created_at <= now - KEPT_S)).rowcount
