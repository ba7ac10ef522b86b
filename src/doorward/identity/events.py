"""What happened to whom: rows written in the same transaction as the change they tell of. Never a secret in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, delete, insert, select

from doorward.store import Store, events

KEPT_S: Final = 400 * 86_400.0
"""How long events are kept, in seconds: a year and a month."""
NOBODYS_KEPT_S: Final = 7 * 86_400.0
"""How long failures at names nobody has are kept, in seconds: anybody can make as many as they like."""
KINDS: Final = frozenset(
    {
        "login.ok",
        "login.fail",
        "login.wait",
        "login.challenged",
        "login.locked",
        "factor.fail",
        "factor.added",
        "factor.removed",
        "recovery.used",
        "recovery.replaced",
        "password.changed",
        "password.reset_made",
        "session.created",
        "session.renewed",
        "session.revoked",
        "logout.undelivered",
        "consent.granted",
        "consent.revoked",
        "token.issued",
        "token.refreshed",
        "token.revoked",
        "token.reuse_detected",
        "code.reuse_detected",
        "risk.cleared",
        "certificate.authority",
        "certificate.issued",
        "certificate.renewed",
        "certificate.revoked",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened."""

    at: float
    kind: str
    subject: str
    address: str
    detail: dict[str, Any]


def record(connection: Connection, kind: str, subject: str, *, now: float, address: str = "", **detail: Any) -> None:
    """Nothing; the event stands beside the change, or neither does. Errors: ValueError for an unknown kind."""
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is no kind of event")
    row = {"at": now, "kind": kind, "subject": subject, "address": address[:64], "detail": detail}
    connection.execute(insert(events).values(row))


def events_of(store: Store, subject: str, *, most: int = 50) -> Sequence[Event]:
    """The latest events of a subject, newest first."""
    with store.begin() as connection:
        rows = connection.execute(
            select(events)
            .where(events.c.subject == subject)
            .order_by(events.c.at.desc(), events.c.id.desc())
            .limit(most)
        ).all()
    return [
        Event(at=row.at, kind=row.kind, subject=row.subject, address=row.address, detail=row.detail) for row in rows
    ]


def purge(connection: Connection, *, now: float) -> int:
    """How many events went because they are older than is kept."""
    nobodys = (events.c.subject == "") & (events.c.at <= now - NOBODYS_KEPT_S)
    return connection.execute(delete(events).where((events.c.at <= now - KEPT_S) | nobodys)).rowcount
