"""How often mail may be asked for from one network: a form that sends mail is a tool to annoy strangers with."""

import threading
from typing import Final

from doorward.identity.networks import network_of

ASKED_MOST: Final = 20
"""Mails asked for from one network within an hour."""
NETWORKS_MOST: Final = 10_000
"""Networks counted apart; all others count as one."""
_WINDOW_S: Final = 3_600.0
_OTHERS: Final = "others"


class Asking:
    """Counts in memory, by the hour. Thread-safe; times are handed in. It never looks at whom mail was asked for."""

    __slots__ = ("_counts", "_lock", "_window")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._window = 0
        self._counts: dict[str, int] = {}

    def may(self, address: str, now: float) -> bool:
        """Whether mail may be asked for from there once more; it counts."""
        window = int(now // _WINDOW_S)
        with self._lock:
            if window != self._window:
                self._window, self._counts = window, {}
            network = network_of(address) or _OTHERS
            if network not in self._counts and len(self._counts) >= NETWORKS_MOST:
                network = _OTHERS
            count = self._counts[network] = self._counts.get(network, 0) + 1
        return count <= ASKED_MOST
