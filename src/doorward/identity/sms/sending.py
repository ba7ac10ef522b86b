"""Codes by text message asked for: bounded for each user and prefix of numbers, and stopped where nobody types them.

Pumping: somebody lets a service send messages to numbers that cost, and has a share. Such codes are never typed in, so
a prefix at which fewer than a fifth of the codes come back gets no more for a day.
"""

import secrets
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, func, insert, select, update

from doorward.identity import events
from doorward.identity.mail.outbox import ask
from doorward.identity.sealing import ServerSecret
from doorward.identity.sms.numbers import prefix_of
from doorward.identity.typed_codes import kept_code
from doorward.store import events as event_rows
from doorward.store import sms_sends
from doorward.store.single_use import Purpose, consume
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
class Binding:
    """What a code is good for: one user, and one login or one session of theirs."""

    user: str
    transaction: str
    """Hash of the step of a login, or the session in which a number is proved."""

    def secret(self, server: ServerSecret, code: str) -> str:
        """Under which a code is kept."""
        return kept_code(server, "sms", code, user=self.user, place=self.transaction)


def ask_code(connection: Connection, server: ServerSecret, binding: Binding, number: str, *, now: float) -> bool:
    """Whether a code will be sent: neither the user nor the prefix of the number has had too many."""
    prefix = prefix_of(number)
    take_turn(connection, f"sms {prefix}")
    if not _may(connection, prefix, now):
        return False
    account = server.mac("sms account", binding.user.encode("utf-8", "surrogatepass")).hex()
    send = secrets.token_hex(16)
    if not ask(connection, "sms", binding.user, account, number, now=now, visit=binding.transaction, send=send):
        return False
    connection.execute(insert(sms_sends).values(id=send, prefix=prefix, sent_at=now))
    return True


def spend_code(connection: Connection, server: ServerSecret, binding: Binding, code: str, *, now: float) -> str | None:
    """The number that the code was sent to; it is spent. None for a code that is none."""
    spent = consume(connection, Purpose.SMS_CODE, binding.secret(server, code), now=now)
    if spent is None:
        return None
    mine = sms_sends.c.id == str(spent.payload["send"])
    connection.execute(update(sms_sends).where(mine).values(verified_at=now))
    return str(spent.payload["number"])


def purge(connection: Connection, *, now: float) -> int:
    """How many sends went that are a day old: a prefix that was stopped starts anew."""
    return connection.execute(delete(sms_sends).where(sms_sends.c.sent_at <= now - _DAY_S)).rowcount


def _may(connection: Connection, prefix: str, now: float) -> bool:
    mine = (sms_sends.c.prefix == prefix) & (sms_sends.c.sent_at > now - _DAY_S)

    def count(*more: object) -> int:
        chosen = select(func.count()).where(mine, *more)  # type: ignore[arg-type] # parts of a WHERE
        return int(connection.execute(chosen).scalar_one())

    if count(sms_sends.c.sent_at > now - _HOUR_S) >= PREFIX_MOST:
        return False
    # one that is still under way is counted once it came back, so that many who ask at once do not stop themselves
    returned = count(sms_sends.c.verified_at.is_not(None))
    judged = returned + count(sms_sends.c.verified_at.is_(None), sms_sends.c.sent_at <= now - UNDER_WAY_S)
    if judged < JUDGED_LEAST or returned >= RETURNED_LEAST * judged:
        return True
    _tell(connection, prefix, now)
    return False


def _tell(connection: Connection, prefix: str, now: float) -> None:
    lately = (event_rows.c.kind == "sms.stopped") & (event_rows.c.at > now - _HOUR_S)
    told = connection.execute(select(event_rows.c.detail).where(lately)).scalars().all()
    if prefix not in {detail.get("prefix") for detail in told}:
        events.record(connection, "sms.stopped", "", now=now, prefix=prefix)
