"""Failures that anybody can make any number of: the first of a network are recorded, the others counted.

So nobody fills the store, and the trail behind it, with logins at names nobody has. Failures at names of people are
bounded otherwise: each costs a slot of its account's budget.
"""

import threading
from typing import Any, Final

from doorward.identity import events
from doorward.identity.networks import network_of
from doorward.store import Store

WINDOW_S: Final = 60
"""How long failures are counted together, in seconds."""
RECORDED: Final = 3
"""Failures of one network and kind in a window that get an event of their own."""
NETWORKS: Final = 32
"""Networks that are counted apart in a window; all others count as one."""
_OTHERS: Final = "others"


class Floods:
    """Counts the failures of the window under way, in memory. Thread-safe; times are handed in.

    A crash loses the number of its last window, no event that stands for itself.
    """

    __slots__ = ("_lock", "_seen", "_window")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._window = 0
        self._seen: dict[tuple[str, str], int] = {}

    def note(self, store: Store, kind: str, subject: str, *, now: float, address: str, **detail: Any) -> None:
        """Nothing; the failure is recorded, or counted, and the numbers of a window that is over are recorded."""
        with self._lock:
            over = self._over(now)
            network = self._network(address)
            seen = self._seen[network, kind] = self._seen.get((network, kind), 0) + 1
        if seen > RECORDED and not over:
            return
        with store.begin() as connection:
            for (of_network, of_kind), count in over.items():
                events.record(
                    connection, "login.many_refused", "", now=now, address=of_network, event=of_kind, count=count
                )
            if seen <= RECORDED:
                events.record(connection, kind, subject, now=now, address=address, **detail)

    def _over(self, now: float) -> dict[tuple[str, str], int]:
        window = int(now // WINDOW_S)
        if window == self._window:
            return {}
        seen, self._window, self._seen = self._seen, window, {}
        return {key: count - RECORDED for key, count in seen.items() if count > RECORDED}

    def _network(self, address: str) -> str:
        network = network_of(address) or _OTHERS
        known = {of_network for of_network, _ in self._seen}
        return network if network in known or len(known) < NETWORKS else _OTHERS
