"""How many requests a target is given at once, found from how its latency answers to load. No clock, no I/O."""

import math
from typing import Final

_WINDOW_S: Final = 0.25
"""Shortest time over which latencies are averaged, in seconds."""
_SAMPLES: Final = 10
"""Fewest latencies that make an average."""
_LONGEST_PROBE_S: Final = 2.0
"""Time after which one latency is enough while a target is relieved, in seconds: nobody waits long for a number."""
_REMEASURE_S: Final = 30.0
"""Time after which the latency without load is measured anew, in seconds: it changes with every deployment."""
_FIRST: Final = 20.0
"""The limit before anything is known."""
_STEEPEST: Final = 0.5
"""One window shrinks the limit to this part at most."""
_AFTER_FAILURE: Final = 0.9


class AdaptiveLimit:
    """The limit shrinks as the latency rises above `tolerance` times the one without load, and else grows.

    For every window of answers: limit = limit * clamp(tolerance * idle latency / latency, 0.5, 1) + sqrt(limit),
    between `least` and `most`; it grows only while at least half of it is used, since an idle target proves nothing.
    Every 30 s the target is given only `least` requests for one window, and that window's latency is the one without
    load; a window in which no more than `least` were under way counts as such too.
    Units: seconds of one monotonic clock.
    Source: Netflix's `concurrency-limits` (Gradient2) and Envoy's adaptive concurrency filter; Little's law.
    """

    __slots__ = (
        "_count",
        "_idle_s",
        "_least",
        "_limit",
        "_measured_at",
        "_most",
        "_probe_at",
        "_started_at",
        "_tolerance",
        "_total_s",
        "_widest",
        "now",
    )

    def __init__(self, *, least: int, most: int, tolerance: float) -> None:
        self._least, self._most, self._tolerance = least, most, tolerance
        self._limit = min(float(most), max(float(least), _FIRST))
        self.now = int(self._limit)
        """Requests that may be under way at once."""
        self._idle_s = math.inf
        self._measured_at = -math.inf
        self._probe_at = -math.inf
        self._count = self._widest = 0
        self._total_s = 0.0
        self._started_at = -math.inf

    def answered(self, latency_s: float, busy: int, now: float) -> None:
        """Take the latency of an answer that came while `busy` requests, itself included, were under way."""
        if self.is_probing and now - latency_s < self._probe_at:
            return  # asked before the target was relieved
        if not self._count:
            self._started_at = now
        self._count += 1
        self._total_s += latency_s
        self._widest = max(self._widest, busy)
        is_whole = self._count >= _SAMPLES and now - self._started_at >= _WINDOW_S
        if is_whole or (self.is_probing and now - self._probe_at >= _LONGEST_PROBE_S):
            self._end_window(self._total_s / self._count, self._widest, now)
            self._count = self._widest = 0
            self._total_s = 0.0

    def failed(self) -> None:
        """Take that a request got no answer."""
        self._limit = max(float(self._least), self._limit * _AFTER_FAILURE)
        if not self.is_probing:
            self.now = int(self._limit)

    @property
    def is_probing(self) -> bool:
        """The target is relieved, to see how fast it is without load."""
        return self._probe_at > -math.inf

    def _end_window(self, latency_s: float, widest: int, now: float) -> None:
        if self.is_probing or widest <= self._least:
            self._idle_s, self._measured_at, self._probe_at = latency_s, now, -math.inf
        elif now - self._measured_at > _REMEASURE_S:
            self._probe_at, self.now = now, self._least
            return
        gradient = min(1.0, max(_STEEPEST, self._tolerance * self._idle_s / max(latency_s, 1e-6)))
        limit = self._limit * gradient + math.sqrt(self._limit)
        if limit < self._limit or 2 * widest >= self._limit:
            self._limit = min(float(self._most), max(float(self._least), limit))
        self.now = int(self._limit)
