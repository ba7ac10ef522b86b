"""What limits remember: a bounded table of numbers by key."""

from array import array
from collections import OrderedDict
from itertools import islice
from typing import Final

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

    def recent(self, count: int) -> list[str]:
        """The keys written last, the newest first."""
        return list(islice(reversed(self._table), count))

    def __len__(self) -> int:
        return len(self._table)


class SlotLedger(Ledger):
    """What is under way now, by key; a key without any is absent, so it is as large as what is open, and has no debts.

    Nothing is remembered of a key that is pushed out: unlike a debt, what is under way does not fade with time.
    """

    __slots__ = ()

    def get(self, key: str) -> int:
        """As `Ledger`; 0 for an unknown key."""
        return self._table.get(key, 0)

    def put(self, key: str, number: int) -> None:
        """As `Ledger`."""
        table = self._table
        if number:
            table[key] = number
            if len(table) > self._capacity:
                table.popitem(last=False)
        else:
            table.pop(key, None)
