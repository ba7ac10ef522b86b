"""Telephone numbers of users: written down by an operator or the user, used once a code sent there has come back."""

import re
from typing import Any, Final

from sqlalchemy import Connection, select, update

from doorward.errors import PolicyError
from doorward.identity import events
from doorward.store import users
from doorward.store.single_use import Purpose, void

_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_WRITTEN: Final = str.maketrans("", "", " -()./")
PREFIX_CHARACTERS: Final = 6
"""`+` and five digits: a country and a part of it, or one of its networks."""


def parse_number(text: str) -> str | None:
    """The number as E.164 has it; None for what is none, or does not say its country.

    >>> parse_number("+49 (151) 234-567-89"), parse_number("0151 23456789")
    ('+4915123456789', None)
    """
    found = text.translate(_WRITTEN) if len(text) <= 32 else ""
    return found if _E164.fullmatch(found) else None


def require_number(text: str) -> str:
    """The number as E.164 has it. Errors: PolicyError for what is none."""
    number = parse_number(text)
    if number is None:
        raise PolicyError(f"{text!r} is not a telephone number", key="phone", hint="as +4915123456789")
    return number


def prefix_of(number: str) -> str:
    """Under which sends to a number are judged together.

    >>> prefix_of("+4915123456789")
    '+49151'
    """
    return number[:PREFIX_CHARACTERS]


def number_of(connection: Connection, user: str) -> tuple[str, bool] | None:
    """The user's number, and whether it is proved; None for none."""
    row = connection.execute(select(users).where(users.c.name == user)).one_or_none()
    return None if row is None or row.phone is None else (row.phone, row.phone_verified_at is not None)


def proved_number(connection: Connection, user: str) -> str | None:
    """The user's number, if it is proved."""
    found = number_of(connection, user)
    return found[0] if found is not None and found[1] else None


def keep_number(connection: Connection, user: str, number: str, *, now: float) -> None:
    """Nothing; the number is the user's and proved. Codes that are under way to the one before are void."""
    _write(connection, user, {"phone": number, "phone_verified_at": now}, now)
    events.record(connection, "factor.added", user, now=now, factor="sms", label=f"...{number[-3:]}")


def remove_number(connection: Connection, user: str, *, now: float) -> bool:
    """Whether the user had a number; they have none now."""
    if number_of(connection, user) is None:
        return False
    _write(connection, user, {"phone": None, "phone_verified_at": None}, now)
    events.record(connection, "factor.removed", user, now=now, factor="sms")
    return True


def _write(connection: Connection, user: str, values: dict[str, Any], now: float) -> None:
    connection.execute(update(users).where(users.c.name == user).values(values))
    void(connection, Purpose.SMS_CODE, user, now=now)
