"""Requests that wait until a target can take them: few, and not for long."""

import random
from collections import deque
from typing import Final

from doorward.controls.limits import Priority
from doorward.denial import Denied
from doorward.gateway.upstream_connection import Asker

Entry = tuple[float, Asker]
"""Until when somebody waits."""
_CLASSES: Final[tuple[Priority, ...]] = ("high", "normal", "low")
_EVERY: Final = 8
"""Each so manieth turn goes to the class that is least important: it waits longer, and not for ever."""
_STANDING: Final = 0.1
"""Part of the patience that is left while the queue stands."""
_LONGEST_RETRY_S: Final = 3


class Waiting:
    """The queue. A queue that has not been empty for its whole patience stands: it hides no burst, it only adds delay.

    Then who comes waits a tenth as long, so that the answers which are given are young ones.
    Units: seconds of the loop's clock. Source: Nichols and Jacobson, Controlling Queue Delay (2012); Maurer, Fail at
    Scale (2015).
    """

    __slots__ = ("_classes", "_empty_at", "_most", "_patience_s", "_turn")

    def __init__(self, most: int, patience_s: float) -> None:
        self._most, self._patience_s = most, patience_s
        self._classes: dict[Priority, deque[Entry]] = {name: deque() for name in _CLASSES}
        self._empty_at = 0.0
        self._turn = 0

    def __len__(self) -> int:
        return sum(len(entries) for entries in self._classes.values())

    def add(self, asker: Asker, now: float) -> float:
        """When it will have waited too long. Errors: Denied `forward.upstream_busy`."""
        count = len(self)
        if count >= self._most:
            self._make_room(asker.priority)
        if not count:
            self._empty_at = now
        stands = now - self._empty_at > self._patience_s
        deadline = now + (self._patience_s * _STANDING if stands else self._patience_s)
        self._classes[asker.priority].append((deadline, asker))
        return deadline

    def take(self) -> Entry:
        """The one that has waited longest in the most important class. Only when there is one."""
        self._turn += 1
        order = _CLASSES if self._turn % _EVERY else reversed(_CLASSES)
        return next(self._classes[name] for name in order if self._classes[name]).popleft()

    def put_back(self, entry: Entry) -> None:
        """Let it wait on where it was."""
        self._classes[entry[1].priority].appendleft(entry)

    def remove(self, asker: Asker) -> None:
        """Forget it."""
        name = asker.priority
        self._classes[name] = deque(entry for entry in self._classes[name] if entry[1] is not asker)

    def expire(self, now: float) -> None:
        """Turn away who has waited too long."""
        for name, entries in self._classes.items():
            late = [asker for deadline, asker in entries if deadline <= now]
            if late:
                self._classes[name] = deque(entry for entry in entries if entry[0] > now)
            for asker in late:
                asker.upstream_failed(busy("no connection became free in time"))

    def _make_room(self, priority: Priority) -> None:
        """Turn away the newest of a class that is less important. Errors: Denied, when there is none."""
        for name in reversed(_CLASSES[_CLASSES.index(priority) + 1 :]):
            if self._classes[name]:
                _, asker = self._classes[name].pop()
                asker.upstream_failed(busy("no connection free, and somebody more important came"))
                return
        raise busy("no connection free")


def busy(detail: str) -> Denied:
    """The denial that says so, with a Retry-After that differs from client to client: they must not return as one."""
    wait_s = random.randint(1, _LONGEST_RETRY_S)  # noqa: S311 - spreads load
    return Denied("forward.upstream_busy", detail, headers=((b"retry-after", b"%d" % wait_s),))
