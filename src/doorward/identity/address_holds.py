"""A change of address that may be a thief's: held for a day, and given back to whoever reads the mail there was.

A thief who signs in from a browser of their own first moves the mail elsewhere, and then every way back. So a change
asked for by a browser that has been known for less than an hour waits: until it counts, nothing goes anywhere but to
the address there is. A browser known for longer changes at once, and can end the wait either way. What did count is
still given back to whoever opens a "this was not me" link at the address before, for three days.
"""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, select, update

from doorward.identity import events
from doorward.identity.devices import known_since
from doorward.identity.mail.outbox import withdraw
from doorward.store import users
from doorward.store.single_use import LONGEST_LIFE_S, Purpose, void

HOLD_S: Final = 86_400.0
"""How long a change waits, in seconds."""
NEW_S: Final = 3_600.0
"""How long after its first login a browser counts as new, in seconds."""
SETTLED_S: Final = 86_400.0
"""How long an address must have been proved before a change of it can be undone by mail to it, in seconds: a thief who
gave an account an address a moment ago must not get it back."""
BEFORE_S: Final = LONGEST_LIFE_S[Purpose.NOT_ME]
"""How long after a change the address before can be given back, in seconds: as long as the notice's link is good."""
_NOTHING_HELD: Final[dict[str, Any]] = {"email_held": None, "email_held_until": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A change that waits."""

    email: str
    until: float


def is_new_browser(connection: Connection, user: str, device: str | None, *, now: float) -> bool:
    """Whether what the browser with that device cookie changes must wait. One without a cookie is new."""
    since = known_since(connection, user, device, now=now)
    return since is None or now - since < NEW_S


def held_of(connection: Connection, user: str) -> Held | None:
    """The change that waits for the user; None for none."""
    row = connection.execute(select(users).where(users.c.name == user)).one_or_none()
    return None if row is None or row.email_held is None else Held(email=row.email_held, until=row.email_held_until)


def change(connection: Connection, user: str, email: str, *, is_new: bool, now: float) -> Held | None:
    """The change of address, if it has to wait; None when it counts from now on.

    The first address of an account never waits: there is none that mail could go to meanwhile.
    """
    row = _locked(connection, user)
    if not is_new or row.email is None or row.email_verified_at is None or row.email == email:
        _take(connection, row, email, now=now)
        return None
    held = Held(email=email, until=now + HOLD_S)
    connection.execute(
        update(users).where(users.c.name == user).values(email_held=held.email, email_held_until=held.until)
    )
    events.record(connection, "email.held", user, now=now)
    return held


def use(connection: Connection, user: str, *, now: float) -> bool:
    """Whether a change waited; it counts from now on."""
    row = _locked(connection, user)
    if row.email_held is None:
        return False
    _take(connection, row, row.email_held, now=now)
    return True


def drop(connection: Connection, user: str, *, now: float) -> bool:
    """Whether a change waited; it never counts."""
    mine = (users.c.name == user) & users.c.email_held.is_not(None)
    dropped = connection.execute(update(users).where(mine).values(_NOTHING_HELD)).rowcount == 1
    if dropped:
        events.record(connection, "email.kept", user, now=now)
    return dropped


def settle(connection: Connection, *, now: float) -> int:
    """How many changes have waited long enough; they count from now on."""
    due = connection.execute(select(users.c.name).where(users.c.email_held_until <= now)).scalars().all()
    return sum(_settle(connection, user, now=now) for user in due)


def give_back(connection: Connection, user: str, email: str, *, now: float) -> bool:
    """Whether the user's address is again the one before, at which a notice was read; what waits is dropped.

    Only the address before the change is given back, not one that a thief read a notice at: see `SETTLED_S`.
    """
    row = _locked(connection, user)
    drop(connection, user, now=now)
    if not email or row.email_before != email or not can_give_back(connection, user, now=now):
        return False
    back = {"email": email, "email_verified_at": now, "email_before": None, "email_before_until": None}
    connection.execute(update(users).where(users.c.name == user).values(back))
    _void_mail(connection, user, now=now)
    events.record(connection, "email.given_back", user, now=now)
    return True


def can_give_back(connection: Connection, user: str, *, now: float) -> bool:
    """Whether there is an address before that its reader could get back."""
    until = connection.execute(select(users.c.email_before_until).where(users.c.name == user)).scalar()
    return until is not None and until > now


def void_verifications(connection: Connection, user: str, *, now: float) -> None:
    """Nothing; no link that was asked for until now, sent or not, makes an address the user's."""
    # what waits goes first: a writer that holds it makes its link before, and that one is void then
    withdraw(connection, "verify", user, now=now)
    void(connection, Purpose.EMAIL_VERIFICATION, user, now=now)


def _settle(connection: Connection, user: str, *, now: float) -> bool:
    row = _locked(connection, user)
    if row.email_held_until is None or row.email_held_until > now:
        return False
    _take(connection, row, row.email_held, now=now)
    return True


def _take(connection: Connection, row: Row[Any], email: str, *, now: float) -> None:
    # recorded first: the notice goes to the address there was
    events.record(connection, "email.changed", row.name, now=now, first=row.email is None)
    values = {"email": email, "email_verified_at": now, **_NOTHING_HELD}
    is_settled = row.email_verified_at is not None and now - row.email_verified_at >= SETTLED_S
    # of several changes the first counts: a thief who changes twice leaves the owner's as the one to be given back
    is_kept = row.email_before_until is not None and row.email_before_until > now
    if row.email != email and is_settled and not is_kept:
        values |= {"email_before": row.email, "email_before_until": now + BEFORE_S}
    connection.execute(update(users).where(users.c.name == row.name).values(values))
    _void_mail(connection, row.name, now=now)


def _void_mail(connection: Connection, user: str, *, now: float) -> None:
    void_verifications(connection, user, now=now)
    for purpose in (Purpose.PASSWORD_RESET, Purpose.MAIL_CODE):
        void(connection, purpose, user, now=now)


def _locked(connection: Connection, user: str) -> Row[Any]:
    # written before it is read: from here on nobody else changes it, on either database
    connection.execute(update(users).where(users.c.name == user).values(name=user))
    return connection.execute(select(users).where(users.c.name == user)).one()
