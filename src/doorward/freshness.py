"""How long ago the control process last confirmed that what is published is true: told by the time of a file.

Its modification time is the machine's monotonic clock, which all processes of a host share, not the wall clock, which
somebody may set. Nothing is written but the time.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

FILE_NAME: Final = "confirmed"
ALERT_S: Final = 10.0
"""Age at which a worker tells the operator, in seconds: a revocation may not be in force."""
CONFIRM_S: Final = 1.0
"""Time between two confirmations, in seconds."""
_log: Final = structlog.get_logger()


class Confirming:
    """The control process's side."""

    __slots__ = ("_clock", "_confirmed_at", "_path")

    def __init__(self, state: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = state / FILE_NAME, clock
        self._confirmed_at = float("-inf")

    def confirm(self) -> None:
        """Nothing; what is published is true now. Once a second is enough. Errors: OSError."""
        now = self._clock()
        if now - self._confirmed_at < CONFIRM_S:
            return
        self._path.touch(mode=0o600)
        os.utime(self._path, (now, now))
        self._confirmed_at = now


class Freshness:
    """A worker's side."""

    __slots__ = ("_alerted", "_clock", "_path", "_served_at")

    def __init__(self, state: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = state / FILE_NAME, clock
        self._alerted = False
        self._served_at = float("-inf")
        """When what is served by was last confirmed."""

    def age_s(self) -> float:
        """Seconds since the last confirmation; infinite when there is none of this life of the machine."""
        try:
            confirmed_at = self._path.stat().st_mtime
        except OSError:
            return float("inf")
        age = self._clock() - confirmed_at
        # A time ahead of the clock is of an earlier life of the machine, or nobody's.
        return age if age >= -CONFIRM_S else float("inf")

    def look(self) -> float:
        """The age; tells the operator when it has become too great, and when it is well again."""
        age = self.age_s()
        if (age > ALERT_S) != self._alerted:
            self._alerted = not self._alerted
            if self._alerted:
                _log.error("nobody confirms what is published: revocations may be late", for_s=min(age, 1e9))
            else:
                _log.info("what is published is confirmed again")
        return age

    def served(self, age_s: float, *, is_current: bool) -> float:
        """The age of what is served by: that of what is published, as long as it is that; from then on it grows."""
        now = self._clock()
        if is_current:
            self._served_at = now - age_s
        return now - self._served_at
