"""Whether a credential may be looked at now, and what is kept of those that failed. It looks at none itself."""

from typing import Final, Literal

from doorward.identity import events
from doorward.identity.blocklist import is_common
from doorward.identity.devices import device_hash
from doorward.identity.floods import Floods
from doorward.identity.guessing import Allowance
from doorward.identity.proving import Attempt, Refused
from doorward.identity.risk import counters
from doorward.identity.risk.decision import Facts, Verdict
from doorward.identity.risk.signals import POPULAR_FACTOR, UNKNOWN_ACCOUNT, WRONG_PASSWORD, Signals
from doorward.identity.sealing import ServerSecret
from doorward.store import Store

Path = Literal["password", "factor", "passkey"]
"""Each is counted apart in unknown browsers: second factors come after a right password, and whoever guesses passwords
does not make passkeys wait."""
_PLACES: Final[dict[Path, str]] = {"password": counters.UNKNOWN, "factor": "factor", "passkey": "passkey"}
_NOTED_EVERY_S: Final = 60.0
"""Time between two events of one account being refused in one way, in seconds."""
_REFUSALS: Final = {"wait": "login.wait", "challenge": "login.challenged", "locked": "login.locked"}


class Throttle:
    """The counters of one store, the signals of this process, and what is told of both."""

    __slots__ = ("_news", "_secret", "_step_up_count", "_store", "floods", "signals")

    def __init__(self, store: Store, secret: ServerSecret, signals: Signals, *, step_up_count: int) -> None:
        """`step_up_count`: guesses after which an unknown browser needs more than the password."""
        self._store, self._secret, self._step_up_count = store, secret, step_up_count
        self.signals = signals
        self.floods = Floods()
        self._news = Allowance(1, _NOTED_EVERY_S)

    def account(self, name: str) -> str:
        """Under which failures of a typed name are counted: a keyed hash, because people type passwords there."""
        return self._secret.mac("account", name.encode("utf-8", "surrogatepass")).hex()

    def reserve(
        self, attempt: Attempt, path: Path, *, known: bool, exists: bool, now: float
    ) -> counters.Slot | Refused:
        """The slot in which the attempt may be looked at, or the refusal, which is told.

        `known`: its browser has signed the user in before, and what strangers fail at does not make it wait.
        `exists`: there is such a user for sure.
        """
        place = device_hash(attempt.device)[:32] if known and attempt.device else _PLACES[path]
        by_strangers = place == counters.UNKNOWN
        spraying = by_strangers and (self.signals.many_fail(now) or self.signals.is_sprayed(attempt.secret, now))
        score = self.signals.address_score(attempt.address, now) if by_strangers else 0.0

        def facts(failures: int, since_s: float, in_a_row: int) -> Facts:
            return Facts(
                # having the passkey is what makes a browser known, and nothing in it can be guessed
                known_device=known or path == "passkey",
                failures=failures,
                since_failure_s=since_s,
                in_a_row=in_a_row,
                spraying=spraying,
                address_score=score,
                # asked for a second factor is whoever has passed the first
                challenge_passed=attempt.challenge_passed or path != "password",
                step_up_count=self._step_up_count,
            )

        slot = counters.reserve(self._store, self.account(attempt.name), place, facts, now=now)
        return self._refused(attempt, slot, exists, now) if isinstance(slot, Verdict) else slot

    def wrong_password(self, attempt: Attempt, *, known: bool, exists: bool, now: float) -> Refused:
        """The refusal; the guess counts, and is an event."""
        weight = WRONG_PASSWORD if exists else UNKNOWN_ACCOUNT
        if is_common(attempt.secret.casefold()):
            weight *= POPULAR_FACTOR
        failed_before = self.signals.many_fail(now)
        account = self.account(attempt.name)
        self.signals.failed(
            account, attempt.secret, address=attempt.address, known_device=known, weight=weight, now=now
        )
        if self.signals.many_fail(now) and not failed_before:
            with self._store.begin() as connection:
                events.record(connection, "risk.raised", "", now=now, cause="many accounts fail")
        if not exists:
            # the name is not kept: it may be a password
            self.floods.note(self._store, "login.fail", "", now=now, address=attempt.address, known_device=known)
            return Refused(kind="wrong")
        with self._store.begin() as connection:
            events.record(connection, "login.fail", attempt.name, now=now, address=attempt.address, known_device=known)
        return Refused(kind="wrong")

    def wrong_passkey(self, user: str, address: str, cause: str, *, now: float) -> Refused:
        """The refusal; it is an event. `user` is empty where nobody is named."""
        if not user:
            self.floods.note(self._store, "factor.fail", "", now=now, address=address, factor="passkey", cause=cause)
        elif self._is_news(user, "passkey", now):
            with self._store.begin() as connection:
                events.record(connection, "factor.fail", user, now=now, address=address, factor="passkey", cause=cause)
        return Refused(kind="wrong")

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

    def _is_news(self, name: str, kind: str, now: float) -> bool:
        """Whether nothing like it was recorded a moment ago: who hammers at an account must not fill the store."""
        return self._news.take(f"{kind} {name}", now)
