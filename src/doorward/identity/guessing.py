"""Counts of what may be tried only so often within a time, in the memory of the one process that serves it."""

import threading
from collections import OrderedDict
from typing import Final

_TRACKED_COUNT: Final = 10_000
"""Keys remembered; beyond it the oldest are forgotten, so memory is bounded."""


class Allowance:
    """How often each key may still try within a window. Counted before the try: parallel ones cannot overtake it."""

    __slots__ = ("_lock", "_most", "_tries", "_window_s")

    def __init__(self, most: int, window_s: float) -> None:
        self._most, self._window_s = most, window_s
        self._lock = threading.Lock()
        self._tries: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def take(self, key: str, now: float) -> bool:
        """Whether the key may try once more; the try is counted."""
        with self._lock:
            since, count = self._tries.pop(key, (now, 0))
            if now - since >= self._window_s:
                since, count = now, 0
            self._tries[key] = (since, min(count + 1, self._most + 1))
            while len(self._tries) > _TRACKED_COUNT:
                self._tries.popitem(last=False)
            return count < self._most

    def give_back(self, key: str) -> None:
        """Nothing; the last try of the key did not count, because it was right."""
        with self._lock:
            if key in self._tries:
                since, count = self._tries[key]
                self._tries[key] = (since, max(count - 1, 0))
