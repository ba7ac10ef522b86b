"""Codes by text message asked for: bounded for each user and prefix of numbers, and stopped where nobody types them."""

import secrets
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, insert, update

from doorward.identity.mail.outbox import ask
from doorward.identity.sealing import ServerSecret
from doorward.identity.sms.numbers import prefix_of
from doorward.identity.sms.prefixes import may_send, take_prefix
from doorward.identity.typed_codes import kept_code
from doorward.store import sms_sends
from doorward.store.single_use import Purpose, consume

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
    take_prefix(connection, prefix)
    if not may_send(connection, prefix, now=now):
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
