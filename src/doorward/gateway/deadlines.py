"""One coarse timer for all connections of a worker: cheaper than a timer a request, exact to one step."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

import structlog

_log: Final = structlog.get_logger()


class Timed(Protocol):
    """Something that may run out of time."""

    deadline: float
    """Loop time, in seconds, after which `expire` is called; infinity for none."""

    def expire(self) -> None:
        """Act on the deadline having passed. Called once a step until the deadline is moved."""


class Deadlines:
    """The connections that have deadlines, looked over every `step_s` seconds."""

    __slots__ = ("_loop", "_members", "_step_s", "_timer", "now")

    def __init__(self, loop: asyncio.AbstractEventLoop, step_s: float = 0.25) -> None:
        self._loop = loop
        self._step_s = step_s
        self._members: set[Timed] = set()
        self.now = loop.time
        self._timer: asyncio.TimerHandle | None = loop.call_later(step_s, self._look)

    def add(self, member: Timed) -> None:
        """Watch it from now on."""
        self._members.add(member)

    def discard(self, member: Timed) -> None:
        """Watch it no more."""
        self._members.discard(member)

    def later(self, delay_s: float, act: Callable[[], None]) -> None:
        """Call `act` once after `delay_s` seconds, exactly."""
        self._loop.call_later(delay_s, act)

    def close(self) -> None:
        """Stop looking."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        # Set again first: a member whose `expire` raises must not switch off everybody's deadlines.
        self._timer = self._loop.call_later(self._step_s, self._look)
        now = self._loop.time()
        for member in [member for member in self._members if member.deadline <= now]:
            try:
                member.expire()
            except Exception as error:  # noqa: BLE001 - containment: the others' deadlines count all the same
                _log.error("fault", error=type(error).__name__, exc_info=error)
