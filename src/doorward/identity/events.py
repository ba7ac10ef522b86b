"""What happened to whom: rows written in the same transaction as the change they tell of. Never a secret in them.

From here the control process moves them into the audit trail (`gateway.identity_trail`), which keeps them for good.
"""

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, delete, insert, select, update

from doorward.identity.mail.notices import note_event
from doorward.store import Store, events
from doorward.store.prepared import Prepared

KEPT_S: Final = 400 * 86_400.0
"""How long events are kept here, in seconds: a year and a month."""
NOBODYS_KEPT_S: Final = 7 * 86_400.0
"""How long failures at names nobody has are kept here, in seconds: anybody can make as many as they like."""
WAITING_MOST: Final = 256
"""Events that are under way to the trail at a time: after a crash no more than these can be there already."""
_ACTOR_CHARACTERS: Final = 128
_INSERT: Final = Prepared(insert(events), ("uid", "at", "kind", "subject", "actor", "address", "detail"))
_actor: ContextVar[str] = ContextVar("actor", default="")
KINDS: Final = frozenset(
    {
        "login.many_refused",
        "client.added",
        "registration.token_made",
        "registration.token_revoked",
        "client.changed",
        "client.disabled",
        "admin.login_made",
        "admin.login_refused",
        "admin.session_ended",
        "admin.session_started",
        "client.keys_replaced",
        "client.secret_replaced",
        "client.fail",
        "key.added",
        "key.revoked",
        "key.rotated",
        "revocation.added",
        "risk.raised",
        "encryption_key.added",
        "encryption_key.revoked",
        "signature_key.added",
        "signature_key.revoked",
        "user.added",
        "user.changed",
        "user.disabled",
        "user.enabled",
        "link.added",
        "link.removed",
        "login.ok",
        "login.fail",
        "login.wait",
        "login.challenged",
        "login.locked",
        "factor.fail",
        "factor.added",
        "factor.removed",
        "passkey.counter",
        "recovery.used",
        "recovery.replaced",
        "email.changed",
        "email.given_back",
        "email.held",
        "email.kept",
        "login.new_device",
        "mail.undelivered",
        "sms.stopped",
        "sms.released",
        "password.changed",
        "password.reset_asked",
        "password.reset_made",
        "password.unchecked",
        "session.created",
        "session.renewed",
        "session.revoked",
        "session.stolen",
        "logout.undelivered",
        "device.allowed",
        "device.denied",
        "consent.granted",
        "consent.revoked",
        "token.issued",
        "token.refreshed",
        "token.exchanged",
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

    uid: str
    """Its id, the same in store and trail: 32 hexadecimal digits."""
    at: float
    kind: str
    subject: str
    """Whom it is about; empty where that is nobody known."""
    actor: str
    """Who did it: `cli:root`, `admin:alice`; empty for the subject themselves, or the provider."""
    address: str
    detail: dict[str, Any]


@contextmanager
def acting(actor: str) -> Iterator[None]:
    """Inside, what is recorded was done by this actor: an operator at the command line or at the admin API."""
    before = _actor.set(actor[:_ACTOR_CHARACTERS])
    try:
        yield
    finally:
        _actor.reset(before)


def record(connection: Connection, kind: str, subject: str, /, *, now: float, address: str = "", **detail: Any) -> None:
    """Nothing; the event stands beside the change, or neither does. Errors: ValueError for an unknown kind."""
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is no kind of event")
    row = {
        "uid": secrets.token_hex(16),
        "at": now,
        "kind": kind,
        "subject": subject,
        "actor": _actor.get(),
        "address": address[:64],
        "detail": detail,
    }
    _INSERT.run(connection, row)
    note_event(connection, kind, subject, address=address, now=now)


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What a change changed: old and new value of each field that differs. Hand in no field that is a secret.

    >>> difference({"title": "a", "roles": ["x"]}, {"title": "b", "roles": ["x"]})
    {'title': ['a', 'b']}
    """
    return {name: [before.get(name), value] for name, value in after.items() if before.get(name) != value}


def events_of(store: Store, subject: str, *, most: int = 50) -> Sequence[Event]:
    """The latest events of a subject, newest first."""
    with store.begin() as connection:
        rows = connection.execute(
            select(events)
            .where(events.c.subject == subject)
            .order_by(events.c.at.desc(), events.c.id.desc())
            .limit(most)
        ).all()
    return [_event(row) for row in rows]


def waiting(store: Store, *, most: int = WAITING_MOST) -> Sequence[Event]:
    """The oldest events that are not in the trail yet."""
    chosen = select(events).where(events.c.recorded_at.is_(None)).order_by(events.c.id).limit(most)
    with store.begin() as connection:
        return [_event(row) for row in connection.execute(chosen)]


def mark_recorded(store: Store, uids: Iterable[str], *, now: float) -> None:
    """Nothing; these events are in the trail."""
    mine = events.c.uid.in_(list(uids))
    with store.begin() as connection:
        connection.execute(update(events).where(mine, events.c.recorded_at.is_(None)).values(recorded_at=now))


def purge(connection: Connection, *, now: float) -> int:
    """How many events went because they are older than is kept. What is not in the trail yet stays."""
    nobodys = (events.c.subject == "") & (events.c.at <= now - NOBODYS_KEPT_S)
    old = (events.c.at <= now - KEPT_S) | nobodys
    return connection.execute(delete(events).where(old, events.c.recorded_at.is_not(None))).rowcount


def _event(row: Any) -> Event:
    return Event(
        uid=row.uid,
        at=row.at,
        kind=row.kind,
        subject=row.subject,
        actor=row.actor,
        address=row.address,
        detail=row.detail,
    )
