"""Of which events a user hears by mail: rows written in the transaction of the event, so that none is forgotten."""

import secrets
from typing import Any, Final

from sqlalchemy import Connection, func, insert, select

from doorward.store import mails, users

TOLD: Final[dict[str, str]] = {
    "password.changed": "The password was changed.",
    "password.reset_made": "A link was made with which a new password can be set.",
    "factor.added": "A second factor was added.",
    "factor.removed": "A second factor was removed.",
    "recovery.replaced": "New recovery codes were made; the old ones are void.",
    "recovery.used": "A recovery code was used.",
    "email.changed": "The mail address was changed.",
    "email.held": "A new browser wants mail to go to another address, which happens in 24 hours.",
    "email.kept": "The mail address stays: the change that waited was dropped.",
    "email.given_back": "The mail address is again the one before.",
    "link.added": "An account elsewhere was linked: whoever has that one can sign in here.",
    "link.removed": "The link to an account elsewhere was removed.",
    "login.new_device": "Somebody signed in from a browser that was not known before.",
    "login.locked": "Somebody guessed at the password so often that new browsers are locked out.",
    "passkey.counter": "A passkey was used whose counter did not grow: there may be a copy of it.",
}
"""What mails say of each kind."""
NOTICES_MOST: Final = 10
"""Notices of one kind to one user within an hour; what exceeds it stands in the account alone. Kinds are counted apart:
whoever causes many of one must not keep another one from being sent."""
_BY_STRANGERS: Final = frozenset({"login.locked"})
"""What anybody who knows a name can cause: told once a day."""
_HOUR_S: Final = 3_600.0
_DAY_S: Final = 86_400.0


def note_event(connection: Connection, kind: str, subject: str, *, address: str, now: float) -> bool:
    """Whether the user will hear of it: it is of such a kind, and they have a mail address that they proved."""
    if kind not in TOLD:
        return False
    to = connection.execute(
        select(users.c.email).where(users.c.name == subject, users.c.email_verified_at.is_not(None))
    ).scalar()
    if not to:
        return False
    most, within_s = (1, _DAY_S) if kind in _BY_STRANGERS else (NOTICES_MOST, _HOUR_S)
    alike = (mails.c.user == subject) & (mails.c.kind == "notice") & (mails.c.account == kind)
    lately = alike & (mails.c.created_at > now - within_s)
    if int(connection.execute(select(func.count()).where(lately)).scalar_one()) >= most:
        return False
    connection.execute(insert(mails).values(mail_row("notice", subject, kind, to, now, event=kind, of=address[:64])))
    return True


def mail_row(kind: str, user: str, account: str, to: str, now: float, **detail: Any) -> dict[str, Any]:
    """A row that waits to be sent. `account`: under which it is counted with others of its kind."""
    return {
        "id": secrets.token_hex(16),
        "kind": kind,
        "user": user,
        "account": account,
        "address": to,
        "detail": {**detail, "at": now},
        "attempts": 0,
        "created_at": now,
        "next_at": now,
    }
