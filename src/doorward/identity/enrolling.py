"""Second factors and passwords of a user: added, listed, taken away. Who may ask is decided before (`pages`)."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy import Connection, delete, insert, select, update

from doorward.errors import Missing
from doorward.identity import address_holds, events
from doorward.identity.devices import forget_devices
from doorward.identity.factors import totp
from doorward.identity.factors.labels import label_of
from doorward.identity.factors.passkey_rows import add_passkey, demote_passkeys, passkeys_of, remove_passkeys
from doorward.identity.factors.passkeys import Answer, Asked, Passkeys
from doorward.identity.factors.recovery_codes import replace_codes
from doorward.identity.factors.second import totp_place
from doorward.identity.federation.links import remove_links
from doorward.identity.oauth.families import end_families
from doorward.identity.password_history import replace_hash, require_new, void_hash
from doorward.identity.passwords import hash_password
from doorward.identity.profiles import BASELINE, Profile
from doorward.identity.sealing import ServerSecret
from doorward.identity.sessions import end_sessions
from doorward.identity.sms.numbers import remove_number
from doorward.store import Store, token_families, totp_factors, users
from doorward.store.single_use import LONGEST_LIFE_S, Purpose, consume, count_unused, issue, peek, void


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """A second factor, as its user sees it."""

    id: str
    kind: Literal["totp", "passkey"]
    label: str
    created_at: float
    last_used_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """A factor shown to its user and not yet proved."""

    ticket: str = field(repr=False)
    seed: bytes = field(repr=False)


def start_totp(store: Store, secret: ServerSecret, user: str, *, now: float) -> Enrolment:
    """A seed to be shown. It becomes a factor when a code of it comes back within ten minutes."""
    seed = totp.make_seed()
    with store.begin() as connection:
        ticket = issue(
            connection,
            Purpose.ENROLMENT,
            now=now,
            lifetime_s=LONGEST_LIFE_S[Purpose.ENROLMENT],
            subject=user,
            payload={"seed": secret.seal(seed, f"enrolment/{user}")},
        )
    return Enrolment(ticket=ticket, seed=seed)


def pending_totp(store: Store, secret: ServerSecret, user: str, ticket: str, *, now: float) -> Enrolment | None:
    """The enrolment of that ticket, if it is the user's and still open."""
    with store.begin() as connection:
        found = peek(connection, Purpose.ENROLMENT, ticket, now=now)
    if found is None or found.subject != user:
        return None
    return Enrolment(ticket=ticket, seed=secret.open(found.payload["seed"], f"enrolment/{user}"))


def finish_totp(
    store: Store, secret: ServerSecret, user: str, enrolment: Enrolment, code: str, label: str, *, now: float
) -> list[str] | None:
    """The user's new recovery codes, once the app has shown that it knows the seed; None for a wrong code.

    The first code is spent by it: it cannot sign in afterwards (RFC 6238 section 5.2).
    """
    step = totp.matching_step(enrolment.seed, code, now=now, last_step=0)
    if step is None:
        return None
    factor_id = secrets.token_hex(16)
    with store.begin() as connection:
        if consume(connection, Purpose.ENROLMENT, enrolment.ticket, now=now) is None:
            return None
        row = {
            "id": factor_id,
            "user": user,
            "label": label_of(label, "authenticator app"),
            "seed_sealed": secret.seal(enrolment.seed, totp_place(factor_id)),
            "last_step": step,
            "created_at": now,
        }
        connection.execute(insert(totp_factors).values(row))
        events.record(connection, "factor.added", user, now=now, factor="totp", label=row["label"])
        return new_recovery_codes(connection, user, now=now)


def new_recovery_codes(connection: Connection, user: str, *, now: float) -> list[str]:
    """New recovery codes; the old ones are void."""
    events.record(connection, "recovery.replaced", user, now=now)
    return replace_codes(connection, user, now=now)


def add_passkey_of(
    store: Store, passkeys: Passkeys, answer: Answer, asked: Asked, label: str, *, now: float
) -> list[str]:
    """The user's new recovery codes, if they had none left and so were given some; the passkey is theirs from now on.

    Errors: AnswerRefused, PasskeyTaken. A challenge that was answered is spent either way.
    """
    with store.begin() as connection:
        kept = passkeys.registered(connection, answer, asked, now=now)
    with store.begin() as connection:
        named = add_passkey(connection, asked.user, kept, label, now=now)
        events.record(connection, "factor.added", asked.user, now=now, factor="passkey", label=named)
        if count_unused(connection, Purpose.RECOVERY_CODE, asked.user, now=now):
            return []
        return new_recovery_codes(connection, asked.user, now=now)


def list_factors(store: Store, user: str) -> Sequence[Factor]:
    """The user's second factors, oldest first."""
    with store.begin() as connection:
        apps = connection.execute(select(totp_factors).where(totp_factors.c.user == user)).all()
        keys = passkeys_of(connection, user)
    found = [Factor(id=row.id, kind="totp", label=row.label, created_at=row.created_at) for row in apps]
    found += [
        Factor(id=row.id, kind="passkey", label=row.label, created_at=row.created_at, last_used_at=row.last_used_at)
        for row in keys
    ]
    return sorted(found, key=lambda factor: factor.created_at)


def remove_factor(store: Store, user: str, factor_id: str, *, now: float) -> bool:
    """Whether it was the user's and is gone. With the last one the recovery codes go too."""
    with store.begin() as connection:
        mine = totp_factors.c.user == user
        app = connection.execute(delete(totp_factors).where(mine, totp_factors.c.id == factor_id)).rowcount
        gone = app or remove_passkeys(connection, user, factor_id)
        if gone:
            events.record(connection, "factor.removed", user, now=now, factor="totp" if app else "passkey")
        left = connection.execute(select(totp_factors.c.id).where(mine).limit(1)).one_or_none()
        if left is None and not passkeys_of(connection, user):
            void(connection, Purpose.RECOVERY_CODE, user, now=now)
    return bool(gone)


def remove_all_factors(store: Store, user: str, *, now: float) -> int:
    """How many factors are gone: for a user who lost them all, by the operator. No browser is known any more either."""
    with store.begin() as connection:
        gone = connection.execute(delete(totp_factors).where(totp_factors.c.user == user)).rowcount
        gone += remove_passkeys(connection, user)
        gone += remove_number(connection, user, now=now)
        void(connection, Purpose.RECOVERY_CODE, user, now=now)
        forget_devices(connection, user)
        if gone:
            events.record(connection, "factor.removed", user, now=now, factor="all", by="operator")
    return gone


def set_password(
    store: Store,
    user: str,
    password: str,
    *,
    context: Iterable[str] = (),
    pepper: ServerSecret | None = None,
    now: float,
    profile: Profile = BASELINE,
) -> None:
    """Nothing; the password is the user's from now on. Errors: PolicyError for an unknown user, WeakPassword."""
    password_hash = _new_hash(store, user, password, context, profile, pepper)
    with store.begin() as connection:
        if not replace_hash(connection, user, password_hash, keeps_old=profile.refuses_last_four):
            raise Missing(f"there is no user {user!r}", key="user", hint="doorward user list")
        _void_what_waits(connection, user, now)
        events.record(connection, "password.changed", user, now=now)


def reset_password(
    store: Store,
    ticket: str,
    user: str,
    password: str,
    *,
    context: Iterable[str] = (),
    pepper: ServerSecret | None = None,
    now: float,
    profile: Profile = BASELINE,
) -> bool:
    """Whether the link was still good; it is spent and the password is set. A weak password spends nothing.

    Errors: WeakPassword.
    """
    password_hash = _new_hash(store, user, password, context, profile, pepper)
    with store.begin() as connection:
        spent = consume(connection, Purpose.PASSWORD_RESET, ticket, now=now)
        if spent is None or spent.subject != user:
            return False
        replace_hash(connection, user, password_hash, keeps_old=profile.refuses_last_four)
        _void_what_waits(connection, user, now)
        events.record(connection, "password.changed", user, now=now, by="link")
    return True


def _void_what_waits(connection: Connection, user: str, now: float) -> None:
    """Nothing; what was begun before, by whoever knew the old password or had a session then, comes to no end."""
    for purpose in (Purpose.PASSWORD_RESET, Purpose.LOGIN_STEP, Purpose.ENROLMENT):
        void(connection, purpose, user, now=now)
    address_holds.void_verifications(connection, user, now=now)
    address_holds.drop(connection, user, now=now)


def _new_hash(
    store: Store, user: str, password: str, context: Iterable[str], profile: Profile, pepper: ServerSecret | None
) -> str:
    made = hash_password(password, [user, *context], pepper=pepper, letters_and_digits=profile.letters_and_digits)
    if profile.refuses_last_four:
        require_new(store, user, password, pepper)
    return made


def was_not_me(store: Store, ticket: str, *, now: float, profile: Profile = BASELINE) -> str | None:
    """The user of a notice's link: nothing lets anybody in alone any more. None for a void link.

    A change of address that waits is dropped; one that counts is taken back, if the notice was read at the address
    before, else its address is unproved. Sessions, tokens, known browsers, the password and links to accounts elsewhere
    are no more. Second factors stay, because a link that arrives by mail never opens a way around them (ID-72), but a
    passkey is no more than that: who added one to somebody else's account must not come back with it.
    """
    with store.begin() as connection:
        spent = consume(connection, Purpose.NOT_ME, ticket, now=now)
        if spent is None or spent.subject is None:
            return None
        user = spent.subject
        void_hash(connection, user, keeps_old=profile.refuses_last_four)
        _void_what_waits(connection, user, now)
        void(connection, Purpose.MAIL_CODE, user, now=now)
        email = str(spent.payload.get("email", ""))
        if not address_holds.give_back(connection, user, email, now=now):
            # no mail to whoever put it there, and none to a mailbox that its user may have left
            moved = (users.c.name == user) & (users.c.email != email)
            connection.execute(update(users).where(moved).values(email_verified_at=None))
        if not address_holds.can_give_back(connection, user, now=now):
            # else its reader would be robbed of it, by a link read at a thief's address
            void(connection, Purpose.NOT_ME, user, now=now)
        demote_passkeys(connection, user)
        remove_links(connection, user, now=now)
        forget_devices(connection, user)
        end_sessions(connection, user, now=now)
        end_families(connection, token_families.c.user == user, now=now)
        events.record(connection, "risk.raised", user, now=now, cause="not_me")
    return user


def make_reset(store: Store, user: str, *, now: float) -> str:
    """The ticket of a link with which the user sets a password, good once, for a day; earlier ones are void.

    Errors: PolicyError for an unknown or disabled user.
    """
    with store.begin() as connection:
        row = connection.execute(select(users).where(users.c.name == user)).one_or_none()
        if row is None or row.disabled_at is not None:
            raise Missing(f"there is no active user {user!r}", key="user", hint="doorward user list")
        void(connection, Purpose.PASSWORD_RESET, user, now=now)
        events.record(connection, "password.reset_made", user, now=now)
        lifetime_s = LONGEST_LIFE_S[Purpose.PASSWORD_RESET]
        return issue(connection, Purpose.PASSWORD_RESET, now=now, lifetime_s=lifetime_s, subject=user)
