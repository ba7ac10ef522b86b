"""Tells the operator of what was turned away and stands in no record, in one line however much it is.

Connections that ended before their first request; requests that the provider was not asked about.
"""

import asyncio
from collections import Counter
from typing import Final

import structlog

EVERY_S: Final = 10.0
"""Least time between two lines, in seconds: a flood must not fill the disk."""
_REASONS: Final = 32
"""Most reasons told apart; they come from OpenSSL's fixed list, which is somebody else's, and from our own."""
_log: Final = structlog.get_logger()


class FailedHandshakes:
    """Counts them by reason. The first is told at once, those that follow together."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._told: asyncio.TimerHandle | None = None
        self._waiting: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        """By reason, since the start."""

    def note(self, address: str, reason: str) -> None:
        """One more, from this address."""
        if reason not in self.counts and len(self.counts) >= _REASONS:
            reason = "other"
        self.counts[reason] += 1
        if self._told is None:
            _log.warning("turned away", peer=address, reason=reason)
            self._told = self._loop.call_later(EVERY_S, self._tell)
        else:
            self._waiting[reason] += 1

    def close(self) -> None:
        """Tell what was not told yet, and no more."""
        if self._told is not None:
            self._told.cancel()
        self._tell_waiting()

    def _tell(self) -> None:
        self._told = self._loop.call_later(EVERY_S, self._tell) if self._waiting else None
        self._tell_waiting()

    def _tell_waiting(self) -> None:
        if self._waiting:
            _log.warning("turned away", reasons=dict(self._waiting))
            self._waiting.clear()
