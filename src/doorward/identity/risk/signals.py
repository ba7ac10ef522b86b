"""What shows only across accounts or guesses, in memory: repeats, sprayed passwords, addresses, failing at large.

Wrong passwords are never kept: only HMACs under a key that lives as long as this process and is replaced daily.
Everything is bounded; losing it (a restart) lowers detection and opens nothing, because the budgets of accounts stand
in the store.
Source: StopGuessing (Herley, Schechter: Distinguishing Attacks from Legitimate Authentication Traffic at Scale, 2019),
whose weights and half-life the scores of addresses take.
"""

import hashlib
import hmac
import math
import secrets
import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Network
from typing import Any, Final

SPRAYED_ACCOUNTS: Final = 5
"""Accounts at which one password failed before it counts as sprayed."""
FAILING_COUNT: Final = 60
"""Accounts at which unknown devices failed within `FAILING_S` that turn the switch on: all of them are challenged. The
default of the policy's `issuer.flood_accounts`."""
FAILING_S: Final = 600.0
HALF_LIFE_S: Final = 12 * 3_600.0
WRONG_PASSWORD: Final = 1.0
UNKNOWN_ACCOUNT: Final = 2.0
POPULAR_FACTOR: Final = 5.0
"""A guess from the list of common passwords weighs so much more: people's typing errors are hardly ever on it."""
_DAY_S: Final = 86_400.0
_REMEMBERED: Final = 100_000
"""Guesses remembered; the oldest are forgotten first, so memory is bounded."""
_ADDRESSES: Final = 50_000
_FAILING_ACCOUNTS: Final = 4_096


class Signals:
    """All of it, for one process. Thread-safe; times are Unix seconds, handed in."""

    __slots__ = (
        "_addresses",
        "_challenged",
        "_failing",
        "_failing_count",
        "_guesses",
        "_key",
        "_key_since",
        "_lock",
        "_sketch",
    )

    def __init__(self, failing_count: Callable[[], int] = lambda: FAILING_COUNT) -> None:
        """`failing_count`: accounts that turn the switch on, as the policy stands now."""
        self._failing_count = failing_count
        self._lock = threading.Lock()
        self._guesses: OrderedDict[bytes, None] = OrderedDict()
        self._sketch = CountMin()
        self._challenged: OrderedDict[bytes, None] = OrderedDict()
        self._failing: OrderedDict[str, float] = OrderedDict()
        self._addresses: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._key, self._key_since = secrets.token_bytes(32), float("-inf")

    def is_repeated(self, account: str, secret: str, now: float) -> bool:
        """Whether this wrong guess was made at this account before: it tells whoever guesses nothing new."""
        with self._lock:
            self._renew(now)
            return self._mark(account, secret) in self._guesses

    def is_sprayed(self, secret: str, now: float) -> bool:
        """Whether this guess failed at several accounts lately."""
        with self._lock:
            self._renew(now)
            return self._sketch.count(self._mark("", secret)) >= SPRAYED_ACCOUNTS

    def many_fail(self, now: float) -> bool:
        """Whether unknown devices fail at many accounts at once."""
        with self._lock:
            return self._many_fail(now)

    def address_score(self, address: str, now: float) -> float:
        """How much speaks against an address; half of it is forgotten every 12 hours."""
        with self._lock:
            score, at = self._addresses.get(_network(address), (0.0, now))
            return _decayed(score, now - at)

    def failed(self, account: str, secret: str, *, address: str, known_device: bool, weight: float, now: float) -> None:
        """Nothing; a wrong guess is remembered. `weight`: what it adds to the score of the address."""
        with self._lock:
            self._renew(now)
            mark = self._mark(account, secret)
            if mark in self._guesses:
                return
            self._guesses[mark] = None
            _shorten(self._guesses, _REMEMBERED)
            if known_device:
                return
            self._sketch.add(self._mark("", secret))
            self._note_failing(account, now)
            network = _network(address)
            score, at = self._addresses.pop(network, (0.0, now))
            self._addresses[network] = (_decayed(score, now - at) + weight, now)
            _shorten(self._addresses, _ADDRESSES)

    def challenged(self, account: str, secret: str, now: float) -> None:
        """Nothing; an unknown device was asked for a challenge because of what goes on at other accounts.

        Its password counts as tried, so spraying is still noticed; and while many accounts fail, this is one more, or
        the switch would turn itself off every ten minutes of an attack and let sixty guesses through. A sprayed
        password does not count for that: it is challenged for itself, and others need not be.
        """
        with self._lock:
            self._renew(now)
            mark = self._mark(account, secret)
            if mark not in self._challenged:
                self._challenged[mark] = None
                _shorten(self._challenged, _REMEMBERED)
                self._sketch.add(self._mark("", secret))
            if self._sketch.count(self._mark("", secret)) < SPRAYED_ACCOUNTS and self._many_fail(now):
                self._note_failing(account, now)

    def forget_guess(self, account: str, secret: str, now: float) -> None:
        """Nothing; what was wrong has become right (a password was changed to it)."""
        with self._lock:
            self._renew(now)
            self._guesses.pop(self._mark(account, secret), None)

    def forget_address(self, address: str) -> None:
        """Nothing; the address starts anew (an operator's undo)."""
        with self._lock:
            self._addresses.pop(_network(address), None)

    def _many_fail(self, now: float) -> bool:
        while self._failing and now - next(iter(self._failing.values())) >= FAILING_S:
            self._failing.popitem(last=False)
        return len(self._failing) >= self._failing_count()

    def _note_failing(self, account: str, now: float) -> None:
        self._failing.pop(account, None)
        self._failing[account] = now
        _shorten(self._failing, _FAILING_ACCOUNTS)

    def _mark(self, account: str, secret: str) -> bytes:
        text = f"{account}\n{secret}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, text, "sha256")

    def _renew(self, now: float) -> None:
        if now - self._key_since >= _DAY_S:
            self._key, self._key_since = secrets.token_bytes(32), now
            self._guesses.clear()
            self._challenged.clear()
            self._sketch = CountMin()


class CountMin:
    """Counts of many things in a fixed 256 KiB: never too low, seldom too high.

    Source: Cormode, Muthukrishnan: An Improved Data Stream Summary, 2005.
    """

    __slots__ = ("_rows",)

    _WIDTH: Final = 1 << 16
    _DEPTH: Final = 4

    def __init__(self) -> None:
        self._rows = [array("B", bytes(self._WIDTH)) for _ in range(self._DEPTH)]

    def add(self, item: bytes) -> None:
        """Nothing; the item is counted once more, up to 255."""
        for row, place in zip(self._rows, self._places(item), strict=True):
            row[place] = min(row[place] + 1, 255)

    def count(self, item: bytes) -> int:
        """How often it was counted, or a little more."""
        return min(row[place] for row, place in zip(self._rows, self._places(item), strict=True))

    def _places(self, item: bytes) -> list[int]:
        digest = hashlib.sha256(item).digest()
        return [int.from_bytes(digest[2 * row : 2 * row + 2]) for row in range(self._DEPTH)]


def _decayed(score: float, elapsed_s: float) -> float:
    return score * math.exp2(-max(0.0, elapsed_s) / HALF_LIFE_S)


def _network(address: str) -> str:
    """Under which an address is scored: an IPv6 one with the 2^64 others of its line."""
    if ":" not in address:
        return address
    try:
        return str(IPv6Network((address, 64), strict=False))
    except ValueError:
        return address


def _shorten(remembered: OrderedDict[Any, Any], most: int) -> None:
    while len(remembered) > most:
        remembered.popitem(last=False)
