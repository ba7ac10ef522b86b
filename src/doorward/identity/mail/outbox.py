"""Mail that waits to be sent: bounded, written beside the change it tells of, taken by one sender at a time.

It holds no link and no code: those are made when the mail is sent, so nothing that opens a door rests here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import Connection, delete, func, insert, select, update

from doorward.identity import events
from doorward.identity.mail.bounds import may_ask
from doorward.identity.mail.notices import mail_row
from doorward.store import Store, mails
from doorward.store.turns import take_turn

Kind: TypeAlias = Literal["notice", "verify", "recover", "code", "sms"]
MAIL_KINDS: Final[tuple[Kind, ...]] = ("notice", "verify", "recover", "code")
"""What goes by mail; a text message waits here too and goes to the hook."""
WAITS_S: Final = (10.0, 60.0, 300.0, 1_800.0, 7_200.0)
"""How long to wait after each failed attempt, in seconds; after one more failure the mail is given up."""
LIFE_S: Final[dict[str, float]] = {
    "notice": 86_400.0,
    "verify": 3_600.0,
    "recover": 1_800.0,
    "code": 600.0,
    "sms": 600.0,
}
"""How long a mail of each kind is worth sending, in seconds."""
WAITING_MOST: Final = 5_000
"""Mails that wait at a time beyond which none can be asked for. Notices still go in, bounded for each user alone
(`notices`): asking for mail must not keep them out."""
TAKEN_COUNT: Final = 32
LEASE_S: Final = 120.0
"""How long a taken mail is its sender's, in seconds: longer than sending takes."""
_KEPT_S: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One mail to be written and sent."""

    id: str
    kind: Kind
    user: str
    address: str
    """Empty: nobody is to get it; it was asked for at an account that has no proved address, or does not exist."""
    detail: dict[str, Any]
    attempts: int
    created_at: float


def ask(
    connection: Connection,
    kind: Kind,
    user: str,
    account: str,
    to: str,
    *,
    now: float,
    share: str = "",
    **detail: Any,
) -> bool:
    """Whether the mail will be sent. `account`: under which asking is counted, the same for names nobody has.

    `share`: whose share of what may be asked for there it is (`bounds`); empty where its user alone can ask.
    The statements are the same whether there is anybody to send it to or not (ID-72).
    """
    # of many who ask at once, each counts those before
    take_turn(connection, f"{kind} {account}")
    waiting = int(connection.execute(select(func.count()).where(mails.c.done_at.is_(None))).scalar_one())
    if not may_ask(connection, kind, account, share, now=now) or waiting >= WAITING_MOST:
        return False
    connection.execute(insert(mails).values(share=share, **mail_row(kind, user, account, to, now, **detail)))
    return True


def withdraw(connection: Connection, kind: Kind, user: str, *, now: float) -> None:
    """Nothing; what waits of that kind is not sent any more."""
    waiting = (mails.c.user == user) & (mails.c.kind == kind) & mails.c.done_at.is_(None)
    connection.execute(update(mails).where(waiting).values(done_at=now))


def hold(connection: Connection, mail: Mail) -> bool:
    """Whether it is still to be sent; nobody withdraws it before the end of this transaction."""
    mine = (mails.c.id == mail.id) & mails.c.done_at.is_(None)
    return connection.execute(update(mails).where(mine).values(attempts=mail.attempts)).rowcount == 1


def take_due(store: Store, *, now: float, kinds: Sequence[Kind] = MAIL_KINDS) -> Sequence[Mail]:
    """Mails of these kinds that are due, now the caller's for two minutes."""
    due = (mails.c.done_at.is_(None)) & (mails.c.next_at <= now) & mails.c.kind.in_(kinds)
    chosen = select(mails.c.id).where(due).order_by(mails.c.next_at).limit(TAKEN_COUNT)
    with store.begin() as connection:
        taken = connection.execute(
            update(mails)
            # asked again: another sender may have taken it since the rows were chosen
            .where(mails.c.id.in_(chosen), due)
            .values(next_at=now + LEASE_S, attempts=mails.c.attempts + 1)
            .returning(mails)
        ).all()
    return [
        Mail(
            id=row.id,
            kind=row.kind,
            user=row.user,
            address=row.address,
            detail=row.detail,
            attempts=row.attempts,
            created_at=row.created_at,
        )
        for row in taken
    ]


def done(store: Store, mail: Mail, *, now: float) -> None:
    """Nothing; it was sent, or there is nobody to send it to. It is kept a day, to count what was asked for."""
    with store.begin() as connection:
        connection.execute(update(mails).where(mails.c.id == mail.id).values(done_at=now))


def failed(store: Store, mail: Mail, *, now: float) -> None:
    """Nothing; it is sent later, or, after the last attempt or its time, never, of which an event is left."""
    with store.begin() as connection:
        mine = mails.c.id == mail.id
        next_at = now + WAITS_S[min(mail.attempts, len(WAITS_S)) - 1]
        if mail.attempts <= len(WAITS_S) and next_at < mail.created_at + LIFE_S[mail.kind]:
            connection.execute(update(mails).where(mine).values(next_at=next_at))
            return
        connection.execute(update(mails).where(mine).values(done_at=now))
        events.record(connection, "mail.undelivered", mail.user, now=now, mail=mail.kind)


def purge(connection: Connection, *, now: float) -> int:
    """How many mails went that are a day old."""
    return connection.execute(delete(mails).where(mails.c.created_at <= now - _KEPT_S)).rowcount
