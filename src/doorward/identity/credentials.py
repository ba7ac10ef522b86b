"""The one way to check any secret of a person: throttle, user's state, check, count, event.

Every path that takes a password or a code goes through `Verifier`; a second path without the throttle is what made
lockouts bypassable elsewhere (Zitadel CVE-2025-64102, Keycloak CVE-2026-9798).
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from sqlalchemy import Connection, Row, Table, func, select, update

from doorward.identity import events
from doorward.identity.blocklist import is_common
from doorward.identity.devices import device_hash, is_known_device
from doorward.identity.factors import recovery_codes, totp
from doorward.identity.factors.passkey_rows import count_use, kept_of, kept_passkey
from doorward.identity.factors.passkeys import Answer, AnswerRefused, Asked, Passkeys
from doorward.identity.floods import Floods
from doorward.identity.guessing import Allowance
from doorward.identity.names import is_name
from doorward.identity.passwords import is_password, rehashed
from doorward.identity.risk import counters
from doorward.identity.risk.decision import STEP_UP_COUNT, Facts, Verdict
from doorward.identity.risk.signals import POPULAR_FACTOR, UNKNOWN_ACCOUNT, WRONG_PASSWORD, Signals
from doorward.identity.sealing import ServerSecret
from doorward.identity.sms.numbers import keep_number, proved_number
from doorward.identity.sms.sending import Binding, spend_code
from doorward.identity.typed_codes import kept_code
from doorward.store import Store, passkeys, totp_factors, users
from doorward.store.single_use import Purpose, consume

SECOND_FACTOR: Final = "factor"
"""The place where failures of second factors are counted: after a right password, so apart from passwords."""
CodeKind = Literal["totp", "recovery_code", "mail_code", "sms", "sms_proof"]
FactorKind = Literal["totp", "passkey", "sms", "recovery_code"]
PASSKEY_PLACE: Final = "passkey"
"""Where failures of passkeys in unknown browsers are counted: whoever guesses passwords does not make them wait."""
_NOTED_EVERY_S: Final = 60.0
"""Time between two events of one account being refused in one way, in seconds."""
_REFUSALS: Final = {"wait": "login.wait", "challenge": "login.challenged", "locked": "login.locked"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """Somebody's try, with what is known of them from the connection."""

    name: str
    secret: str = field(repr=False)
    address: str
    device: str | None = field(default=None, repr=False)
    """The device cookie."""
    challenge_passed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """The secret is the user's. `factors`: what second factors they have; when any, the login is not complete."""

    user: str
    factors: tuple[FactorKind, ...] = ()
    known_device: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """It is not, or was not looked at. Unknown user, disabled user and wrong secret are one answer."""

    kind: Literal["wrong", "wait", "challenge", "locked"]
    wait_s: float = 0.0


class Verifier:
    """Checks passwords and second factors. Blocks for the time of one Argon2id hash: call it from a thread."""

    __slots__ = (
        "_news",
        "_secret",
        "_sms_counts",
        "_step_up_count",
        "_store",
        "_totp_steps_back",
        "floods",
        "signals",
    )

    def __init__(
        self,
        store: Store,
        secret: ServerSecret,
        signals: Signals | None = None,
        *,
        step_up_count: int = STEP_UP_COUNT,
        totp_steps_back: int = totp.STEPS_BACK,
        sms_counts: Callable[[], bool] = lambda: False,
    ) -> None:
        """`step_up_count`: guesses after which an unknown browser needs more than the password.

        `totp_steps_back`: steps of an app that count beside the current one.
        `sms_counts`: whether a code by text message may be a second factor, as the policy stands now.
        """
        self._step_up_count, self._totp_steps_back, self._sms_counts = step_up_count, totp_steps_back, sms_counts
        self._store, self._secret = store, secret
        self.signals = signals or Signals()
        self.floods = Floods()
        self._news = Allowance(1, _NOTED_EVERY_S)

    def password(self, attempt: Attempt, *, now: float) -> Proved | Refused:
        """Whether the password is the user's. Unknown users take the same way and the same time."""
        account = self.account(attempt.name)
        with self._store.begin() as connection:
            # what cannot be a name is no user's, and some of it PostgreSQL does not even take
            looked_up = attempt.name if is_name(attempt.name) else ""
            row = connection.execute(select(users).where(users.c.name == looked_up)).one_or_none()
            # asked for unknown users too: one statement less would tell them apart
            known = is_known_device(connection, looked_up, attempt.device, now=now) and row is not None
        if self.signals.is_repeated(account, attempt.secret, now):
            # it tells whoever guesses nothing new, and a stale program must not lock out its owner
            return Refused(kind="wrong")
        place = _place(attempt.device) if known and attempt.device else counters.UNKNOWN
        slot = self._reserve(account, place, attempt, known=known, now=now)
        if isinstance(slot, Verdict):
            return self._refused(attempt, slot, row is not None, now)
        kept = None if row is None else row.password_hash
        if not is_password(attempt.secret, kept, self._secret):
            self._wrong(attempt, account, known=known, exists=row is not None, now=now)
            return Refused(kind="wrong")
        return self._right(attempt, kept or "", slot, known=known)

    def second_factor(
        self,
        user: str,
        kind: CodeKind,
        code: str,
        *,
        address: str,
        device: str | None = None,
        completes: bool = True,
        visit: str = "",
        now: float,
    ) -> Proved | Refused:
        """Whether the code is an unused one of the user's.

        `completes`: the password was right before, so all failures are forgotten. `visit`: the browser that a code by
        mail was asked for in, or the login or session that one by text message is good for (`sms_proof`: it proves the
        number). A code by mail a code never stands for a second factor: whoever has one needs it.
        """
        account = self.account(user)
        attempt = Attempt(name=user, secret=code, address=address, device=device, challenge_passed=True)
        with self._store.begin() as connection:
            known = is_name(user) and is_known_device(connection, user, device, now=now)
        # strangers who know the password and guess codes do not make a known device wait
        place = _place(device) if known and device else SECOND_FACTOR
        slot = self._reserve(account, place, attempt, known=known, now=now)
        if isinstance(slot, Verdict):
            return self._refused(attempt, slot, completes, now)
        with self._store.begin() as connection:
            active = is_name(user) and _active(connection, user) is not None
            if kind == "totp":
                right = active and self._spend_totp(connection, user, code, now)
            elif kind == "mail_code":
                secret = kept_code(self._secret, "mail", code, user=user, place=visit)
                right = active and not self._factors(connection, user) and _spend_mail_code(connection, secret, now)
            elif kind in ("sms", "sms_proof"):
                right = active and self._spend_sms(connection, Binding(user=user, transaction=visit), kind, code, now)
            else:
                right = active and recovery_codes.spend_code(connection, user, code, now=now)
            if right:
                if kind == "recovery_code":
                    events.record(connection, "recovery.used", user, now=now, address=address)
                if completes:
                    counters.clear(connection, account)
                else:
                    counters.give_back(connection, slot)
            elif active:
                events.record(connection, "factor.fail", user, now=now, address=address, factor=kind)
        if right:
            return Proved(user=user, known_device=known)
        if not active:
            self.floods.note(self._store, "factor.fail", "", now=now, address=address, factor=kind)
        return Refused(kind="wrong")

    def passkey(
        self, ceremony: Passkeys, answer: Answer, asked: Asked, *, address: str, device: str | None = None, now: float
    ) -> Proved | Refused:
        """Whether a passkey of the user asked for, or alone of whoever it names, answered a challenge of ours.

        Right, it completes a login, so all failures are forgotten. A counter that did not grow is an event, no refusal:
        passkeys that are kept in several places do not count (ID-71).
        """
        try:
            with self._store.begin() as connection:
                ceremony.spend(connection, answer, asked, now=now)
                found = kept_passkey(connection, answer.credential_id)
                user = "" if found is None else str(found.user)
                known = found is not None and is_known_device(connection, user, device, now=now)
        except AnswerRefused as error:
            self._passkey_failed("", address, str(error), now)
            return Refused(kind="wrong")
        if found is None or (asked.user and user != asked.user):
            self._passkey_failed(asked.user, address, "no passkey of that user", now)
            return Refused(kind="wrong")
        if found.factor_only and not asked.user:
            self._passkey_failed(user, address, "a second factor alone, since its user said it was not them", now)
            return Refused(kind="wrong")
        account, attempt = self.account(user), Attempt(name=user, secret="", address=address, device=device)
        place = _place(device) if known and device else PASSKEY_PLACE
        slot = counters.reserve(self._store, account, place, _facts_of_passkey, now=now)
        if isinstance(slot, Verdict):
            return self._refused(attempt, slot, True, now)
        try:
            shown = ceremony.verified(answer, kept_of(found), user, alone=not asked.user)
        except AnswerRefused as error:
            self._passkey_failed(user, address, str(error), now)
            return Refused(kind="wrong")
        with self._store.begin() as connection:
            counted = count_use(connection, found, shown.sign_count, now=now)
            if _active(connection, user) is None or counted == "gone":
                return Refused(kind="wrong")
            counters.clear(connection, account)
            if counted == "not_grown":
                events.record(connection, "passkey.counter", user, now=now, address=address, label=found.label)
        return Proved(user=user, factors=("passkey",), known_device=known)

    def both_at_once(
        self, attempt: Attempt, kind: CodeKind, code: str, *, visit: str = "", now: float
    ) -> Proved | Refused:
        """Whether code and password are both the user's: what a challenged device is asked for.

        The code is looked at first, so a guess at the password needs a right code; which of the two was wrong shows in
        nothing.
        """
        factor = self.second_factor(
            attempt.name,
            kind,
            code,
            address=attempt.address,
            device=attempt.device,
            completes=False,
            visit=visit,
            now=now,
        )
        if isinstance(factor, Refused):
            is_password(attempt.secret, None, self._secret)
            return factor
        found = self.password(replace(attempt, challenge_passed=True), now=now)
        if isinstance(found, Proved):
            with self._store.begin() as connection:
                counters.clear(connection, self.account(attempt.name))
        return found

    def forget_failures(self, user: str, *, now: float) -> None:
        """Nothing; the account starts anew: an operator's undo, or a password that was set."""
        with self._store.begin() as connection:
            counters.clear(connection, self.account(user))
            events.record(connection, "risk.cleared", user, now=now)

    def password_was_set(self, user: str, password: str, *, now: float) -> None:
        """Nothing; what was a wrong guess may be right now, and the failures at the old password are over."""
        self.signals.forget_guess(self.account(user), password, now)
        self.forget_failures(user, now=now)

    def account(self, name: str) -> str:
        """Under which failures of a typed name are counted: a keyed hash, because people type passwords there."""
        return self._secret.mac("account", name.encode("utf-8", "surrogatepass")).hex()

    def _reserve(
        self, account: str, place: str, attempt: Attempt, *, known: bool, now: float
    ) -> counters.Slot | Verdict:
        spraying = place == counters.UNKNOWN and (
            self.signals.many_fail(now) or self.signals.is_sprayed(attempt.secret, now)
        )
        score = self.signals.address_score(attempt.address, now) if place == counters.UNKNOWN else 0.0

        def facts(failures: int, since_s: float, in_a_row: int) -> Facts:
            return Facts(
                known_device=known,
                failures=failures,
                since_failure_s=since_s,
                in_a_row=in_a_row,
                spraying=spraying,
                address_score=score,
                challenge_passed=attempt.challenge_passed,
                step_up_count=self._step_up_count,
            )

        return counters.reserve(self._store, account, place, facts, now=now)

    def _refused(self, attempt: Attempt, verdict: Verdict, exists: bool, now: float) -> Refused:
        kind = verdict.kind if verdict.kind != "allow" else "wait"
        if verdict.cause == "spraying":
            self.signals.challenged(self.account(attempt.name), attempt.secret, now)
        if self._is_news(attempt.name, kind, now):
            subject = attempt.name if exists else ""
            self.floods.note(
                self._store, _REFUSALS[kind], subject, now=now, address=attempt.address, cause=verdict.cause
            )
        return Refused(kind=kind, wait_s=verdict.wait_s)

    def _passkey_failed(self, user: str, address: str, cause: str, now: float) -> None:
        if not user:
            self.floods.note(self._store, "factor.fail", "", now=now, address=address, factor="passkey", cause=cause)
        elif self._is_news(user, "passkey", now):
            with self._store.begin() as connection:
                events.record(connection, "factor.fail", user, now=now, address=address, factor="passkey", cause=cause)

    def _is_news(self, name: str, kind: str, now: float) -> bool:
        """Whether nothing like it was recorded a moment ago: who hammers at an account must not fill the store."""
        return self._news.take(f"{kind} {name}", now)

    def _wrong(self, attempt: Attempt, account: str, *, known: bool, exists: bool, now: float) -> None:
        weight = WRONG_PASSWORD if exists else UNKNOWN_ACCOUNT
        if is_common(attempt.secret.casefold()):
            weight *= POPULAR_FACTOR
        failed_before = self.signals.many_fail(now)
        self.signals.failed(
            account, attempt.secret, address=attempt.address, known_device=known, weight=weight, now=now
        )
        if self.signals.many_fail(now) and not failed_before:
            with self._store.begin() as connection:
                events.record(connection, "risk.raised", "", now=now, cause="many accounts fail")
        if not exists:
            # the name is not kept: it may be a password
            self.floods.note(self._store, "login.fail", "", now=now, address=attempt.address, known_device=known)
            return
        with self._store.begin() as connection:
            events.record(connection, "login.fail", attempt.name, now=now, address=attempt.address, known_device=known)

    def _right(self, attempt: Attempt, checked: str, slot: counters.Slot, *, known: bool) -> Proved | Refused:
        """What a password proves that is the one of the hash `checked`, if that is the user's still."""
        # outside of the transaction: hashing takes longer than others should wait for the store
        changed = rehashed(attempt.secret, checked, self._secret)
        with self._store.begin() as connection:
            row = _active(connection, attempt.name)
            if row is not None and row.password_hash == checked:
                counters.give_back(connection, slot)
                factors = self._factors(connection, attempt.name)
                if not factors:
                    counters.clear(connection, slot.account, slot.place, counters.IN_A_ROW)
                if changed is not None:
                    mine = (users.c.name == attempt.name) & (users.c.password_hash == checked)
                    connection.execute(update(users).where(mine).values(password_hash=changed))
                return Proved(user=attempt.name, factors=factors, known_device=known)
        # changed meanwhile: by a login beside this one that renewed the hash, or because it is another password now
        if row is None or not is_password(attempt.secret, row.password_hash, self._secret):
            return Refused(kind="wrong")
        return self._right(attempt, row.password_hash, slot, known=known)

    def factors_of(self, user: str) -> tuple[FactorKind, ...]:
        """What second factors a user has."""
        with self._store.begin() as connection:
            return self._factors(connection, user)

    def has_factors_since(self, user: str) -> float | None:
        """When the oldest of the second factors was added that the user has now; None for none."""
        with self._store.begin() as connection:
            oldest = [
                connection.execute(select(func.min(table.c.created_at)).where(table.c.user == user)).scalar()
                for table in (totp_factors, passkeys)
            ]
            if not any(oldest) and "sms" in self._factors(connection, user):
                oldest = [connection.execute(select(users.c.phone_verified_at).where(users.c.name == user)).scalar()]
        return min((at for at in oldest if at is not None), default=None)

    def _factors(self, connection: Connection, user: str) -> tuple[FactorKind, ...]:
        found = _factors(connection, user)
        if found or not self._sms_counts() or proved_number(connection, user) is None:
            # who has a better one is never let in by a message: whoever takes over the number gets those
            return found
        return ("sms", "recovery_code")

    def _spend_sms(self, connection: Connection, binding: Binding, kind: CodeKind, code: str, now: float) -> bool:
        if kind == "sms" and "sms" not in self._factors(connection, binding.user):
            return False
        number = spend_code(connection, self._secret, binding, code, now=now)
        if number is None:
            return False
        if kind == "sms":
            return number == proved_number(connection, binding.user)
        keep_number(connection, binding.user, number, now=now)
        return True

    def _spend_totp(self, connection: Connection, user: str, code: str, now: float) -> bool:
        for row in connection.execute(select(totp_factors).where(totp_factors.c.user == user)).all():
            seed = self._secret.open(row.seed_sealed, totp_place(row.id))
            step = totp.matching_step(seed, code, now=now, last_step=row.last_step, steps_back=self._totp_steps_back)
            if step is None:
                continue
            spent = connection.execute(
                update(totp_factors)
                .where(totp_factors.c.id == row.id, totp_factors.c.last_step < step)
                .values(last_step=step)
            ).rowcount
            if spent:
                return True
        return False


def totp_place(factor_id: str) -> str:
    """Where a seed stands: sealed for it, it does not open anywhere else."""
    return f"totp_factors/{factor_id}/seed_sealed"


def _place(device: str) -> str:
    return device_hash(device)[:32]


def _active(connection: Connection, user: str) -> Row[Any] | None:
    return connection.execute(select(users).where(users.c.name == user, users.c.disabled_at.is_(None))).one_or_none()


def _factors(connection: Connection, user: str) -> tuple[FactorKind, ...]:
    found: list[FactorKind] = []
    kinds: tuple[tuple[FactorKind, Table], ...] = (("totp", totp_factors), ("passkey", passkeys))
    for kind, table in kinds:
        if connection.execute(select(table.c.id).where(table.c.user == user).limit(1)).one_or_none() is not None:
            found.append(kind)
    return (*found, "recovery_code") if found else ()


def _spend_mail_code(connection: Connection, secret: str, now: float) -> bool:
    return consume(connection, Purpose.MAIL_CODE, secret, now=now) is not None


def _facts_of_passkey(failures: int, since_s: float, in_a_row: int) -> Facts:
    # having the passkey is what makes a browser known, and nothing in it can be guessed
    return Facts(
        known_device=True, failures=failures, since_failure_s=since_s, in_a_row=in_a_row, challenge_passed=True
    )
