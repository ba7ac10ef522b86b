"""Requests that wait until a target can take them: few, and not for long."""

import random
from collections import deque
from typing import Final

from doorward.denial import Denied
from doorward.gateway.upstream_connection import Asker

Entry = tuple[float, Asker]
"""Until when somebody waits."""
_STANDING: Final = 0.1
"""Part of the patience that is left while the queue stands."""
_LONGEST_RETRY_S: Final = 3


class Waiting:
    """The queue. A queue that has not been empty for its whole patience stands: it hides no burst, it only adds delay.

    Then who comes waits a tenth as long, so that the answers which are given are young ones.
    Units: seconds of the loop's clock. Source: Nichols and Jacobson, Controlling Queue Delay (2012); Maurer, Fail at
    Scale (2015).
    """

    __slots__ = ("_empty_at", "_entries", "_most", "_patience_s")

    def __init__(self, most: int, patience_s: float) -> None:
        self._most, self._patience_s = most, patience_s
        self._entries: deque[Entry] = deque()
        self._empty_at = 0.0

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, asker: Asker, now: float) -> float:
        """When it will have waited too long. Errors: Denied `forward.upstream_busy`."""
        if len(self._entries) >= self._most:
            raise busy("no connection free")
        if not self._entries:
            self._empty_at = now
        stands = now - self._empty_at > self._patience_s
        deadline = now + (self._patience_s * _STANDING if stands else self._patience_s)
        self._entries.append((deadline, asker))
        return deadline

    def take(self) -> Entry:
        """The one that has waited longest. Only when there is one."""
        return self._entries.popleft()

    def put_back(self, entry: Entry) -> None:
        """Let it wait on where it was."""
        self._entries.appendleft(entry)

    def remove(self, asker: Asker) -> None:
        """Forget it."""
        self._entries = deque(entry for entry in self._entries if entry[1] is not asker)

    def expire(self, now: float) -> None:
        """Turn away who has waited too long."""
        if not any(deadline <= now for deadline, _ in self._entries):
            return
        late = [asker for deadline, asker in self._entries if deadline <= now]
        self._entries = deque(entry for entry in self._entries if entry[0] > now)
        for asker in late:
            asker.upstream_failed(busy("no connection became free in time"))


def busy(detail: str) -> Denied:
    """The denial that says so, with a Retry-After that differs from client to client: they must not return as one."""
    wait_s = random.randint(1, _LONGEST_RETRY_S)  # noqa: S311 - spreads load
    return Denied("forward.upstream_busy", detail, headers=((b"retry-after", b"%d" % wait_s),))
