"""What each mail says. Links and codes are made here, at the moment of sending; their host is the policy's alone."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from doorward.identity.mail.notices import TOLD
from doorward.identity.mail.outbox import LIFE_S, Mail, hold
from doorward.identity.sealing import ServerSecret
from doorward.identity.typed_codes import kept_code, make_code
from doorward.store import Store, users
from doorward.store.single_use import LONGEST_LIFE_S, Purpose, issue

RECOVERY_LIFE_S: Final = 1_800.0
"""How long a link to set a password is good, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A mail ready to be sent."""

    to: str
    subject: str
    text: str = field(repr=False)


class Writer:
    """Writes the mails of one provider."""

    __slots__ = ("_issuer", "_secret", "_store")

    def __init__(self, store: Store, secret: ServerSecret, issuer: str) -> None:
        self._store, self._secret, self._issuer = store, secret, issuer

    def write(self, mail: Mail, *, now: float) -> Letter | None:
        """The mail; None when it should not be sent (any more): too late, withdrawn, nobody's, its user gone."""
        if not mail.address or now >= mail.created_at + LIFE_S[mail.kind]:
            return None
        with self._store.begin() as connection:
            if not hold(connection, mail):
                return None
            user = connection.execute(
                select(users).where(users.c.name == mail.user, users.c.disabled_at.is_(None))
            ).one_or_none()
            if user is None:
                return None
            match mail.kind:
                case "notice":
                    return self._notice(connection, mail, now)
                case "verify":
                    return self._verify(connection, mail, now)
                case "recover":
                    return self._recover(connection, mail, user, now)
                case "code":
                    return self._code(connection, mail, user, now)
                case "sms":
                    # no mail: the hook's alone
                    return None

    def _notice(self, connection: Connection, mail: Mail, now: float) -> Letter:
        payload = {"email": mail.address}
        link = self._link(connection, "/auth/not-me", Purpose.NOT_ME, mail.user, now, payload=payload)
        where = f" from {mail.detail['of']}" if mail.detail.get("of") else ""
        text = (
            f"{TOLD[mail.detail['event']]}\n\n"
            f"Account: {mail.user}\nWhen: {_time(mail.detail['at'])}{where}\n\n"
            "If this was you, there is nothing to do.\n\n"
            "If it was not, end every session, void the password and keep or get back this address here:\n"
            f"{link}\n"
        )
        return self._letter(mail, f"Your account {mail.user}: {TOLD[mail.detail['event']]}", text)

    def _verify(self, connection: Connection, mail: Mail, now: float) -> Letter:
        payload = {"email": mail.address, "is_new": mail.detail.get("is_new", True)}
        link = self._link(connection, "/auth/email", Purpose.EMAIL_VERIFICATION, mail.user, now, payload=payload)
        text = f"To use this address for your account {mail.user}, open this within an hour:\n{link}\n\n{_IGNORE}"
        return self._letter(mail, "Is this your address?", text)

    def _recover(self, connection: Connection, mail: Mail, user: Row[Any], now: float) -> Letter | None:
        if not _is_still_theirs(mail, user):
            return None
        link = self._link(connection, "/auth/reset", Purpose.PASSWORD_RESET, mail.user, now, life_s=RECOVERY_LIFE_S)
        text = f"To set a new password for your account {mail.user}, open this within 30 minutes:\n{link}\n\n{_IGNORE}"
        return self._letter(mail, "Set a new password", text)

    def _code(self, connection: Connection, mail: Mail, user: Row[Any], now: float) -> Letter | None:
        if not _is_still_theirs(mail, user):
            return None
        # codes before it stay good: else whoever knows a name could void its owner's by asking for one
        code = make_code()
        issue(
            connection,
            Purpose.MAIL_CODE,
            now=now,
            lifetime_s=LONGEST_LIFE_S[Purpose.MAIL_CODE],
            subject=mail.user,
            secret=kept_code(self._secret, "mail", code, user=mail.user, place=str(mail.detail["visit"])),
        )
        text = (
            f"Your code: {code}\n\nType it, within ten minutes, into the page on which you asked for it, and nowhere "
            f"else. Nobody who works here will ever ask you for it.\n\n{_IGNORE}"
        )
        return self._letter(mail, "Your code for signing in", text)

    def _link(
        self,
        connection: Connection,
        path: str,
        purpose: Purpose,
        user: str,
        now: float,
        *,
        payload: dict[str, Any] | None = None,
        life_s: float | None = None,
    ) -> str:
        lifetime_s = LONGEST_LIFE_S[purpose] if life_s is None else life_s
        ticket = issue(connection, purpose, now=now, lifetime_s=lifetime_s, subject=user, payload=payload)
        return f"{self._issuer.rstrip('/')}{path}?ticket={ticket}"

    def _letter(self, mail: Mail, subject: str, text: str) -> Letter:
        return Letter(to=mail.address, subject=subject, text=f"{text}\n-- \n{self._issuer}\n")


_IGNORE: Final = "If you did not ask for this, ignore it: nothing happens without it."


def _is_still_theirs(mail: Mail, user: Row[Any]) -> bool:
    return user.email_verified_at is not None and user.email == mail.address


def _time(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
