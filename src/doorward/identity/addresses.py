"""Mail addresses of users: written down by an operator or the user, used once its user has opened a link sent there."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select

from doorward.identity import address_holds
from doorward.identity.mail.bounds import Asker, share_of
from doorward.identity.mail.outbox import Kind, ask
from doorward.identity.names import is_name
from doorward.identity.sealing import ServerSecret
from doorward.store import Store, users
from doorward.store.single_use import Purpose, consume

_SOMEBODY: Final = Asker()


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A user's mail address."""

    email: str
    is_verified: bool


def address_of(store: Store, user: str) -> Address | None:
    """The address of a user; None for none."""
    with store.begin() as connection:
        row = connection.execute(select(users).where(users.c.name == user)).one_or_none()
    if row is None or row.email is None:
        return None
    return Address(email=row.email, is_verified=row.email_verified_at is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """An address that its user proved."""

    user: str
    held_until: float | None
    """When it is used, where that is not from now on."""


def ask_verification(
    connection: Connection, secret: ServerSecret, user: str, email: str, *, device: str | None, now: float
) -> bool:
    """Whether a link will be sent to the address that the user wants to use. The one they have stays until then.

    `device`: cookie of the browser they ask from.
    """
    is_new = address_holds.is_new_browser(connection, user, device, now=now)
    return ask(connection, "verify", user, _account(secret, user), email, now=now, is_new=is_new)


def confirm(store: Store, ticket: str, *, now: float) -> Confirmed | None:
    """Whose address is the one the link was sent to, now or when its change was held; None for a link that is void.

    The address before hears of it; once it is no more, links and codes that are under way to it are void.
    """
    with store.begin() as connection:
        spent = consume(connection, Purpose.EMAIL_VERIFICATION, ticket, now=now)
        if spent is None or spent.subject is None:
            return None
        # a link of before there were holds does not say from where it was asked for
        is_new, email = bool(spent.payload.get("is_new", True)), str(spent.payload["email"])
        held = address_holds.change(connection, spent.subject, email, is_new=is_new, now=now)
    return Confirmed(user=spent.subject, held_until=None if held is None else held.until)


def ask_recovery(store: Store, secret: ServerSecret, name: str, *, now: float, asker: Asker = _SOMEBODY) -> None:
    """Nothing; a link to set a password is sent to that user's proved address, if there is such a user and address."""
    _ask_at_name(store, secret, "recover", name, asker, now=now)


def ask_code(
    store: Store, secret: ServerSecret, name: str, visit: str, *, now: float, asker: Asker = _SOMEBODY
) -> None:
    """Nothing; a code is sent likewise, good in the browser that asked alone."""
    _ask_at_name(store, secret, "code", name, asker, now=now, visit=visit)


def _ask_at_name(
    store: Store, secret: ServerSecret, kind: Kind, name: str, asker: Asker, *, now: float, **detail: str
) -> None:
    # what cannot be a name is no user's, and some of it PostgreSQL does not even take
    looked_up = name if is_name(name) else ""
    with store.begin() as connection:
        row = connection.execute(select(users).where(users.c.name == looked_up)).one_or_none()
        reachable = row is not None and row.email_verified_at is not None and row.disabled_at is None
        to = str(row.email) if row is not None and reachable else ""
        user = looked_up if reachable else ""
        share = share_of(connection, asker, user, now=now)
        ask(connection, kind, user, _account(secret, name), to, now=now, share=share, **detail)


def _account(secret: ServerSecret, name: str) -> str:
    """Under which asking for mail is counted: a keyed hash, because people type passwords there."""
    return secret.mac("mail account", name.encode("utf-8", "surrogatepass")).hex()
