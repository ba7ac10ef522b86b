"""Whether a target is worth asking: a circuit breaker over consecutive failures. No clock of its own, no I/O."""

import random
from typing import Final

_JITTER: Final = 0.2
"""Part of an opening's length left to chance, so that many workers do not try again at the same moment."""


class Breaker:
    """Closed: every request goes. Open: none, for a time. Then one at a time, until one succeeds.

    Units: all times in seconds of one monotonic clock. `failures` in a row open it for `open_s`, twice as long each
    time it opens again without a success, at most `longest_s`. `failures` 0 never opens.
    Source: Nygard, Release It! (2007), chapter 5.
    """

    __slots__ = ("_failures", "_in_a_row", "_is_trying", "_longest_s", "_open_s", "_openings", "_random", "open_until")

    def __init__(self, failures: int, open_s: float, longest_s: float, chance: random.Random | None = None) -> None:
        self._failures, self._open_s, self._longest_s = failures, open_s, longest_s
        self._random = chance or random.Random()  # noqa: S311 - jitter
        self._in_a_row = 0
        self._openings = 0
        self._is_trying = False
        self.open_until = 0.0
        """End of the opening; 0 while closed."""

    @property
    def is_closed(self) -> bool:
        """The last request succeeded, or too few have failed since."""
        return not self.open_until

    def may_let(self, now: float) -> bool:
        """What `lets` would say, without letting anything."""
        return not self.open_until or (now >= self.open_until and not self._is_trying)

    def lets(self, now: float) -> bool:
        """Whether a request may go. After an opening, a yes is for one: its outcome must be told."""
        if not self.open_until:
            return True
        if now < self.open_until or self._is_trying:
            return False
        self._is_trying = True
        return True

    def succeeded(self) -> bool:
        """Whether the target has just come back."""
        self._in_a_row = 0
        if not self.open_until:
            return False
        self.open_until, self._openings, self._is_trying = 0.0, 0, False
        return True

    def failed(self, now: float) -> None:
        """Count a failure."""
        self._in_a_row += 1
        # A request that was sent before the opening says nothing new about it.
        if self._failures and self._in_a_row >= self._failures and now >= self.open_until:
            length = min(self._longest_s, self._open_s * 2**self._openings)
            self.open_until = now + length * (1 - _JITTER * self._random.random())
            self._openings = min(self._openings + 1, 30)
        self._is_trying = False

    def undecided(self) -> None:
        """The request that was let through was withdrawn: nobody knows how it would have ended."""
        self._is_trying = False


class RetryBudget:
    """How many requests may be sent a second time: a share of all, so that retries never become the load.

    Source: Google SRE book, chapter 21; Finagle's `RetryBudget`.
    """

    __slots__ = ("_per_request", "_tokens")

    def __init__(self, percent: int) -> None:
        self._per_request = percent / 100
        self._tokens = float(_BUDGET)

    def count(self) -> None:
        """A request was sent."""
        self._tokens = min(_BUDGET, self._tokens + self._per_request)

    def spend(self) -> bool:
        """Whether one may be sent again."""
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


_BUDGET: Final = 10
"""Retries saved up at most: enough to hide an upstream's restart, too few to double a load."""
