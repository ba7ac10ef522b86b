"""Prefixes of numbers: which of them get no more codes, and since when an operator lets them again.

Pumping: somebody lets a service send messages to numbers that cost, and has a share. Such codes are never typed in, so
a prefix at which fewer than a fifth of the codes come back gets no more for a day.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Connection, func, or_, select, update

from doorward.errors import Missing
from doorward.identity import events
from doorward.store import events as event_rows
from doorward.store import sms_sends
from doorward.store.turns import take_turn

JUDGED_LEAST: Final = 20
"""Codes sent to a prefix within a day before the share that came back is judged."""
RETURNED_LEAST: Final = 0.2
"""Share of the codes that must come back."""
PREFIX_MOST: Final = 200
"""Codes sent to one prefix within an hour."""
UNDER_WAY_S: Final = 600.0
"""Age of a send from which its code is missed, in seconds: until then it may still come back."""
_HOUR_S: Final = 3_600.0
_DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppedPrefix:
    """A beginning of numbers that gets no more codes."""

    prefix: str
    judged: int
    """Codes sent within a day that could have come back by now."""
    returned: int
    """Those that did."""
    until: float
    """When it gets codes again by itself at the latest, Unix seconds."""


def take_prefix(connection: Connection, prefix: str) -> None:
    """Nothing; until this transaction ends, nobody else counts or releases what is sent to the prefix."""
    take_turn(connection, f"sms {prefix}")


def may_send(connection: Connection, prefix: str, *, now: float) -> bool:
    """Whether one more code may be sent there. The first time in an hour that it may not for pumping is an event."""
    lately = (sms_sends.c.prefix == prefix) & (sms_sends.c.sent_at > now - _HOUR_S)
    if int(connection.execute(select(func.count()).where(lately)).scalar_one()) >= PREFIX_MOST:
        return False
    if not _stopped(connection, sms_sends.c.prefix == prefix, now=now):
        return True
    _tell(connection, prefix, now)
    return False


def stopped_prefixes(connection: Connection, *, now: float) -> Sequence[StoppedPrefix]:
    """All that get no more codes now because too few came back, by prefix."""
    return _stopped(connection, now=now)


def release(connection: Connection, prefix: str, *, now: float) -> StoppedPrefix:
    """What was stopped and is no more: what was sent there so far counts for its bound an hour alone.

    Errors: Missing for a prefix that is not stopped.
    """
    take_prefix(connection, prefix)
    found = _stopped(connection, sms_sends.c.prefix == prefix, now=now)
    if not found:
        raise Missing(f"no text messages to {prefix!r} are stopped", key="prefix", hint="doorward sms stopped")
    mine = (sms_sends.c.prefix == prefix) & sms_sends.c.released_at.is_(None)
    connection.execute(update(sms_sends).where(mine).values(released_at=now))
    (before,) = found
    events.record(
        connection, "sms.released", "", now=now, prefix=prefix, judged=before.judged, returned=before.returned
    )
    return before


def _stopped(connection: Connection, *which: ColumnElement[bool], now: float) -> list[StoppedPrefix]:
    # one that is still under way is counted once it came back, so that many who ask at once do not stop themselves
    judged = or_(sms_sends.c.verified_at.is_not(None), sms_sends.c.sent_at <= now - UNDER_WAY_S)
    rows = connection.execute(
        select(sms_sends.c.prefix, func.count(), func.count(sms_sends.c.verified_at), func.max(sms_sends.c.sent_at))
        .where(sms_sends.c.sent_at > now - _DAY_S, sms_sends.c.released_at.is_(None), judged, *which)
        .group_by(sms_sends.c.prefix)
        .order_by(sms_sends.c.prefix)
    ).all()
    return [
        StoppedPrefix(prefix=prefix, judged=sent, returned=returned, until=last + _DAY_S)
        for prefix, sent, returned, last in rows
        if sent >= JUDGED_LEAST and returned < RETURNED_LEAST * sent
    ]


def _tell(connection: Connection, prefix: str, now: float) -> None:
    lately = event_rows.c.kind.in_(["sms.stopped", "sms.released"]) & (event_rows.c.at > now - _HOUR_S)
    newest = select(event_rows.c.kind, event_rows.c.detail).where(lately).order_by(event_rows.c.id.desc())
    told = next((kind for kind, detail in connection.execute(newest) if detail.get("prefix") == prefix), "")
    if told != "sms.stopped":
        events.record(connection, "sms.stopped", "", now=now, prefix=prefix)
