"""What a limit counts with: one number a key, and what it means. Whole numbers throughout: exact."""

import math
from abc import ABC, abstractmethod
from typing import Final

from doorward.controls.limits.rate import Rate

NANOSECONDS: Final = 1_000_000_000


class Meter(ABC):
    """How requests change a number, and how many more it allows."""

    __slots__ = ()

    @abstractmethod
    def spend(self, number: int, now_ns: int, cost: int = 1) -> int:
        """The number after requests of this cost; to be kept only when `left` of it is not negative."""

    @abstractmethod
    def left(self, number: int, now_ns: int) -> int:
        """Requests that the number still allows; negative when the one that led to it must be refused."""

    @abstractmethod
    def full(self, now_ns: int) -> int:
        """The largest number of which nothing must be refused."""

    @abstractmethod
    def leaving(self, left: int, now_ns: int) -> int:
        """The number that leaves so many requests."""

    @abstractmethod
    def divided(self, number: int, parties: int) -> int:
        """The number that leaves a meter of a share of the limit its share of what this number leaves."""

    @abstractmethod
    def wait_ns(self, number: int, now_ns: int) -> int:
        """Time until the refused request that would have led to `number` may be tried again; 0 when time is no help."""


class Gcra(Meter):
    """The generic cell rate algorithm: one number a bucket, no timer, no window edge to hide behind.

    A bucket is the *theoretical arrival time* `tat`: the moment at which its whole burst is back. In any span of
    `t` seconds at most `burst + t * count / window_s` requests are admitted, which a property test holds it to.

    Source: ATM Forum TM 4.1 section 4.4 (virtual scheduling).

    >>> gcra = Gcra.of(Rate.parse("1/second burst 2"))
    >>> now = 5 * NANOSECONDS
    >>> once = gcra.spend(0, now); twice = gcra.spend(once, now)
    >>> gcra.left(once, now), gcra.left(twice, now), gcra.left(gcra.spend(twice, now), now)
    (1, 0, -1)
    """

    __slots__ = ("interval_ns", "tolerance_ns")

    def __init__(self, interval_ns: int, tolerance_ns: int) -> None:
        self.interval_ns = interval_ns
        """Time in which one request is earned back."""
        self.tolerance_ns = tolerance_ns
        """How far `tat` may lie ahead of now: the burst, as time."""

    @classmethod
    def of(cls, rate: Rate, share: float = 1.0) -> "Gcra":
        """The limiter of a rate; `share` is the part of it that this process may give out, above 0 up to 1."""
        # Rounded up: a rate is never exceeded by rounding.
        interval_ns = math.ceil(rate.window_s * NANOSECONDS / (rate.count * share))
        return cls(interval_ns, interval_ns * max(1, int(rate.burst * share)))

    def spend(self, number: int, now_ns: int, cost: int = 1) -> int:
        """As `Meter`."""
        return (max(now_ns, number)) + self.interval_ns * cost

    def left(self, number: int, now_ns: int) -> int:
        """As `Meter`."""
        return (self.tolerance_ns - (number - now_ns)) // self.interval_ns

    def full(self, now_ns: int) -> int:
        """As `Meter`."""
        return now_ns + self.tolerance_ns

    def leaving(self, left: int, now_ns: int) -> int:
        """As `Meter`."""
        return now_ns + self.tolerance_ns - left * self.interval_ns

    def divided(self, number: int, parties: int) -> int:  # noqa: ARG002 - as `Meter`
        """As `Meter`: the same time, in which a share of the rate earns its share."""
        return number

    def wait_ns(self, number: int, now_ns: int) -> int:
        """As `Meter`."""
        return number - now_ns - self.tolerance_ns


class Tally(Meter):
    """Counts up to `most`: what a quota's window has seen, or what is under way."""

    __slots__ = ("most",)

    def __init__(self, most: int) -> None:
        self.most = most

    def spend(self, number: int, now_ns: int, cost: int = 1) -> int:  # noqa: ARG002 - as `Meter`
        """As `Meter`."""
        return number + cost

    def left(self, number: int, now_ns: int) -> int:  # noqa: ARG002 - as `Meter`
        """As `Meter`."""
        return self.most - number

    def full(self, now_ns: int) -> int:  # noqa: ARG002 - as `Meter`
        """As `Meter`."""
        return self.most

    def leaving(self, left: int, now_ns: int) -> int:  # noqa: ARG002 - as `Meter`
        """As `Meter`."""
        return self.most - left

    def divided(self, number: int, parties: int) -> int:
        """As `Meter`."""
        return -(-number // parties)

    def wait_ns(self, number: int, now_ns: int) -> int:  # noqa: ARG002 - as `Meter`
        """As `Meter`."""
        return 0


def seconds_up(span_ns: int) -> int:
    """A span in whole seconds, rounded up, so that a client told to wait that long waited long enough."""
    return -(-span_ns // NANOSECONDS)


def retry_after_s(wait_ns: int) -> int:
    """A wait as delay-seconds, at least 1. Source: RFC 9110 section 10.2.3."""
    return max(1, seconds_up(wait_ns))
