"""The one way to check any secret of a person: throttle, user's state, check, count, event.

Every path that takes a password or a code goes through `Verifier`; a second path without the throttle is what made
lockouts bypassable elsewhere (Zitadel CVE-2025-64102, Keycloak CVE-2026-9798).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, select, update

from doorward.identity import events
from doorward.identity.devices import is_known_device
from doorward.identity.factors import totp
from doorward.identity.factors.passkey_rows import count_use, kept_of, kept_passkey
from doorward.identity.factors.passkeys import Answer, AnswerRefused, Asked, Passkeys
from doorward.identity.factors.second import SecondFactors
from doorward.identity.names import is_name
from doorward.identity.passwords import is_password, rehashed
from doorward.identity.proving import Attempt, CodeKind, FactorKind, Proved, Refused
from doorward.identity.risk import counters
from doorward.identity.risk.decision import STEP_UP_COUNT
from doorward.identity.risk.signals import Signals
from doorward.identity.risk.throttle import Throttle
from doorward.identity.sealing import ServerSecret
from doorward.store import Store, users

__all__ = ["Attempt", "CodeKind", "FactorKind", "Proved", "Refused", "Verifier"]


class Verifier:
    """Checks passwords and second factors. Blocks for the time of one Argon2id hash: call it from a thread."""

    __slots__ = ("_factors", "_secret", "_store", "_throttle", "floods", "signals")

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
        """Settings as `Throttle` and `SecondFactors` have them."""
        self._store, self._secret = store, secret
        self.signals = signals or Signals()
        self._throttle = Throttle(store, secret, self.signals, step_up_count=step_up_count)
        self.floods = self._throttle.floods
        self._factors = SecondFactors(secret, totp_steps_back=totp_steps_back, sms_counts=sms_counts)

    def password(self, attempt: Attempt, *, now: float) -> Proved | Refused:
        """Whether the password is the user's. Unknown users take the same way and the same time."""
        with self._store.begin() as connection:
            # what cannot be a name is no user's, and some of it PostgreSQL does not even take
            looked_up = attempt.name if is_name(attempt.name) else ""
            row = connection.execute(select(users).where(users.c.name == looked_up)).one_or_none()
            # asked for unknown users too: one statement less would tell them apart
            known = is_known_device(connection, looked_up, attempt.device, now=now) and row is not None
        if self.signals.is_repeated(self.account(attempt.name), attempt.secret, now):
            # it tells whoever guesses nothing new, and a stale program must not lock out its owner
            return Refused(kind="wrong")
        slot = self._throttle.reserve(attempt, "password", known=known, exists=row is not None, now=now)
        if isinstance(slot, Refused):
            return slot
        kept = None if row is None else row.password_hash
        if not is_password(attempt.secret, kept, self._secret):
            return self._throttle.wrong_password(attempt, known=known, exists=row is not None, now=now)
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
        attempt = Attempt(name=user, secret=code, address=address, device=device)
        with self._store.begin() as connection:
            known = is_name(user) and is_known_device(connection, user, device, now=now)
        slot = self._throttle.reserve(attempt, "factor", known=known, exists=completes, now=now)
        if isinstance(slot, Refused):
            return slot
        with self._store.begin() as connection:
            active = is_name(user) and _active(connection, user) is not None
            right = active and self._factors.spend(connection, user, kind, code, visit=visit, now=now)
            if right:
                if kind == "recovery_code":
                    events.record(connection, "recovery.used", user, now=now, address=address)
                if completes:
                    counters.clear(connection, slot.account)
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
            return self._throttle.wrong_passkey("", address, str(error), now=now)
        if found is None or (asked.user and user != asked.user):
            return self._throttle.wrong_passkey(asked.user, address, "no passkey of that user", now=now)
        if found.factor_only and not asked.user:
            cause = "a second factor alone, since its user said it was not them"
            return self._throttle.wrong_passkey(user, address, cause, now=now)
        attempt = Attempt(name=user, secret="", address=address, device=device)
        slot = self._throttle.reserve(attempt, "passkey", known=known, exists=True, now=now)
        if isinstance(slot, Refused):
            return slot
        try:
            shown = ceremony.verified(answer, kept_of(found), user, alone=not asked.user)
        except AnswerRefused as error:
            return self._throttle.wrong_passkey(user, address, str(error), now=now)
        with self._store.begin() as connection:
            counted = count_use(connection, found, shown.sign_count, now=now)
            if _active(connection, user) is None or counted == "gone":
                return Refused(kind="wrong")
            counters.clear(connection, slot.account)
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
        """Under which failures of a typed name are counted."""
        return self._throttle.account(name)

    def factors_of(self, user: str) -> tuple[FactorKind, ...]:
        """What second factors a user has."""
        with self._store.begin() as connection:
            return self._factors.of(connection, user)

    def has_factors_since(self, user: str) -> float | None:
        """When the oldest of the second factors was added that the user has now; None for none."""
        with self._store.begin() as connection:
            return self._factors.since(connection, user)

    def _right(self, attempt: Attempt, checked: str, slot: counters.Slot, *, known: bool) -> Proved | Refused:
        """What a password proves that is the one of the hash `checked`, if that is the user's still."""
        # outside of the transaction: hashing takes longer than others should wait for the store
        changed = rehashed(attempt.secret, checked, self._secret)
        with self._store.begin() as connection:
            row = _active(connection, attempt.name)
            if row is not None and row.password_hash == checked:
                counters.give_back(connection, slot)
                factors = self._factors.of(connection, attempt.name)
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


def _active(connection: Connection, user: str) -> Row[Any] | None:
    return connection.execute(select(users).where(users.c.name == user, users.c.disabled_at.is_(None))).one_or_none()
