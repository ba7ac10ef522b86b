"""All counts of one process, handed from one pipeline to the next, so that a reload forgives nothing."""

from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address, NetmaskValueError
from typing import Final

from doorward.controls.limits.buckets import Bucket, Link, SharedBucket, SharedSlots
from doorward.controls.limits.ledger import CAPACITY, Ledger, SlotLedger
from doorward.controls.limits.meters import Gcra, Tally
from doorward.controls.limits.pressure import Pressure
from doorward.controls.limits.quota import UNITS, Unit, window_at
from doorward.controls.limits.rate import Rate

_SLOTS_KEPT: Final = 1_048_576
"""Keys with something under way: more than a worker has connections."""


class QuotaWindow:
    """Counts within the current calendar window of one unit; all are 0 when the next begins."""

    __slots__ = ("_buckets", "_counters", "_ledger", "_unit", "end_s", "length_s")

    def __init__(self, unit: Unit, counters: "Counters") -> None:
        self._unit: Unit = unit
        self._counters = counters
        self._buckets: dict[int, Bucket] = {}
        self._ledger = Ledger(counters.capacity)
        self.end_s = 0
        self.length_s = 0

    def at(self, now: float, most: int) -> Bucket:
        """The counts of the window `now` (Unix seconds) lies in, for a quota of `most`.

        A clock set back keeps the window it was in: going back must not give a fresh quota.
        """
        if now >= self.end_s:
            window = window_at(self._unit, now)
            self.end_s, self.length_s = window.end_s, window.end_s - window.start_s
            self._ledger = Ledger(self._counters.capacity)
            self._buckets.clear()
        bucket = self._buckets.get(most)
        if bucket is None:
            name = f"quota of the {self._unit} until {self.end_s}"
            bucket = self._buckets[most] = self._counters.tally(name, most, self._ledger)
            if isinstance(bucket, SharedBucket):
                bucket.until_s = self.end_s
        return bucket


class Counters:
    """All counts of one worker.

    `workers` processes share the policy. With a `link` they count together (`SharedBucket`); without one, and whenever
    it is down, each gives out `share` of every limit: together they never exceed the policy, but a client whose
    connections all reach one worker gets less.
    """

    __slots__ = ("_buckets", "_link", "_workers", "capacity", "pressure", "quotas", "share")

    def __init__(self, workers: int = 1, capacity: int = CAPACITY, link: Link | None = None) -> None:
        self.share = 1.0 / workers
        self.capacity = capacity
        self.pressure = Pressure()
        self._workers = workers
        self._link = link
        self._buckets: dict[str, Bucket] = {}
        self.quotas: dict[Unit, QuotaWindow] = {unit: QuotaWindow(unit, self) for unit in UNITS}

    def rate(self, name: str, rate: Rate) -> Bucket:
        """The counts of a rate; the same for the same name and rate."""
        name = f"{name} {rate}"
        found = self._buckets.get(name)
        if found is None:
            alone = Bucket(Gcra.of(rate, self.share), Ledger(self.capacity))
            found = alone
            if self._link is not None:
                shared = Ledger(self.capacity)
                found = SharedBucket(name, Gcra.of(rate), shared, self._link, alone, rate.burst, self._workers)
            self._buckets[name] = found
        return found

    def slots(self, name: str, most: int) -> Bucket:
        """The counts of what is under way; the same for the same name."""
        name = f"{name} {most} at a time"
        found = self._buckets.get(name)
        if found is None:
            alone = Bucket(Tally(max(1, int(most * self.share))), SlotLedger(_SLOTS_KEPT))
            found = alone
            if self._link is not None:
                found = SharedSlots(name, Tally(most), SlotLedger(_SLOTS_KEPT), self._link, alone)
            self._buckets[name] = found
        return found

    def tally(self, name: str, most: int, ledger: Ledger) -> Bucket:
        """Counts up to `most`, kept in `ledger`."""
        alone = Bucket(Tally(max(1, int(most * self.share))), ledger)
        if self._link is None:
            return alone
        alone.ledger = Ledger(self.capacity)
        return SharedBucket(name, Tally(most), ledger, self._link, alone, most, self._workers)


def address_key(address: str) -> str:
    """What an address is counted as: IPv4 alone, IPv6 by /64 (one subscriber has at least that many addresses).

    An IPv4-mapped IPv6 address is the IPv4 address; a zone is dropped.

    >>> address_key("192.0.2.7"), address_key("::ffff:192.0.2.7"), address_key("2001:db8:1:2:3:4:5:6")
    ('192.0.2.7', '192.0.2.7', '2001:db8:1:2::/64')
    """
    return _ipv6_key(address) if ":" in address else address


@lru_cache(maxsize=4_096)
def _ipv6_key(address: str) -> str:
    try:
        parsed = IPv6Address(address.partition("%")[0])
    except (AddressValueError, NetmaskValueError):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
