"""What limits remember: a bounded table of numbers by key. In memory, one set a worker process."""

from array import array
from collections import OrderedDict
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address, NetmaskValueError
from typing import Final

from doorward.controls.limits.quota import UNITS, Unit, window_at

CAPACITY: Final = 65_536
"""Keys a table holds: about 12 MiB when full."""
_SLOTS: Final = 16_384
"""Numbers kept for forgotten keys: 128 KiB. A power of two."""


class Ledger:
    """A number by key, least recently used keys forgotten first, debts not.

    An attacker with more addresses than the table has room for would get a fresh budget for each one that was
    pushed out. So what a forgotten key owed is kept in one of a fixed number of slots, the largest debt winning,
    and a key that is not in the table starts from its slot. Only a flood wide enough to fill the table makes
    strangers share a slot's debt; keys still in the table never do. Slots are chosen by Python's hash of the key,
    which is keyed at random for each process, so nobody can aim at another's.
    """

    __slots__ = ("_capacity", "_forgotten", "_table", "evictions")

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._table: OrderedDict[str, int] = OrderedDict()
        self._forgotten = array("q", bytes(8 * _SLOTS))
        self.evictions = 0

    def get(self, key: str) -> int:
        """The number of a key; for an unknown one the largest number forgotten in its slot, 0 at first."""
        known = self._table.get(key)
        return self._forgotten[hash(key) & (_SLOTS - 1)] if known is None else known

    def put(self, key: str, number: int) -> None:
        """Nothing. Keeps the number; the least recently written key makes room for a new one."""
        table = self._table
        table[key] = number
        table.move_to_end(key)
        if len(table) > self._capacity:
            oldest, owed = table.popitem(last=False)
            slot = hash(oldest) & (_SLOTS - 1)
            self._forgotten[slot] = max(self._forgotten[slot], owed)
            self.evictions += 1

    def clear(self) -> None:
        """Nothing. Every number is 0 again (a new quota window)."""
        self._table.clear()
        self._forgotten = array("q", bytes(8 * _SLOTS))

    def __len__(self) -> int:
        return len(self._table)


class WindowLedger:
    """Counts within the current calendar window of one unit; all are 0 when the next begins."""

    __slots__ = ("_unit", "counts", "end_s", "length_s")

    def __init__(self, unit: Unit, capacity: int) -> None:
        self._unit = unit
        self.counts = Ledger(capacity)
        self.end_s = 0
        self.length_s = 0

    def at(self, now: float) -> Ledger:
        """The counts of the window `now` (Unix seconds) lies in.

        A clock set back keeps the window it was in: going back must not give a fresh quota.
        """
        if now >= self.end_s:
            window = window_at(self._unit, now)
            self.end_s, self.length_s = window.end_s, window.end_s - window.start_s
            self.counts.clear()
        return self.counts


class Counters:
    """All counts of one worker. Handed from one pipeline to the next on reload, so that a reload forgives nothing.

    `workers` processes share the policy without talking to each other: each gives out `share` of every rate and
    quota. Together they never exceed the policy; a client whose connections all reach one worker gets less.
    """

    __slots__ = ("_callers", "_capacity", "_running", "addresses", "quotas", "share")

    def __init__(self, workers: int = 1, capacity: int = CAPACITY) -> None:
        self.share = 1.0 / workers
        self._capacity = capacity
        self.addresses = Ledger(capacity)
        self._callers: dict[str, Ledger] = {}
        self._running: dict[str, dict[str, int]] = {}
        self.quotas: dict[Unit, WindowLedger] = {unit: WindowLedger(unit, capacity) for unit in UNITS}

    def callers(self, rate: str) -> Ledger:
        """The callers counted by one rate: an operation with a rate of its own has a table of its own."""
        return self._callers.setdefault(rate, Ledger(self._capacity))

    def running(self, name: str) -> dict[str, int]:
        """What is under way now, by key; a key without any is absent, so it is as large as the exchanges open."""
        return self._running.setdefault(name, {})


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
