"""How a child tells its supervisor that it lives: bytes on a pipe, and how it learns that the supervisor does not.

The supervisor starts every child with `--status-fd FD`, the writing end of a pipe. The child writes `r` once, when it
serves, and `.` every `BEAT_S` from its event loop, so that a loop that spins or waits goes silent. When the
supervisor is gone the write fails, and the child stops: nobody is left to restart or to drain it.
"""

import asyncio
import os
from collections.abc import Callable
from typing import Final

BEAT_S: Final = 0.25
"""Time between two heartbeats, in seconds."""
WEDGED_S: Final = 5.0
"""Silence after which a child that was ready is taken for wedged, killed and replaced, in seconds."""
READY: Final = b"r"
BEAT: Final = b"."


class Heartbeat:
    """The child's end. `orphaned` is called once, when the supervisor is gone."""

    __slots__ = ("_descriptor", "_loop", "_orphaned", "_timer")

    def __init__(self, descriptor: int, loop: asyncio.AbstractEventLoop, orphaned: Callable[[], None]) -> None:
        # A full pipe must never stop the loop whose life it reports.
        os.set_blocking(descriptor, False)
        self._descriptor, self._loop, self._orphaned = descriptor, loop, orphaned
        self._timer: asyncio.TimerHandle | None = None

    def ready(self) -> None:
        """Report that the child serves, and go on reporting that it lives."""
        self._write(READY)
        self._beat()

    def stop(self) -> None:
        """Report nothing more."""
        if self._timer is not None:
            self._timer.cancel()

    def _beat(self) -> None:
        self._timer = self._loop.call_later(BEAT_S, self._beat)
        self._write(BEAT)

    def _write(self, what: bytes) -> None:
        try:
            os.write(self._descriptor, what)
        except BlockingIOError:
            return  # the supervisor is behind with reading: it has enough beats to see us live
        except BrokenPipeError:
            self.stop()
            self._orphaned()
