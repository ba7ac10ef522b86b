"""Turns at what few can do at a time: fair between networks, and never with more than a few that wait.

A queue in order of arrival would be the flooder's: whoever sends most has most of the places, and everybody else waits
behind them or is turned away. Here each network that waits has its turn before any has a second one, and where all
places are taken, somebody of a network that has fewer takes the last place of the one that has most.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

PATIENCE_S: Final = 10.0
"""Longest time that somebody waits for a turn, in seconds: browsers and people give up later."""


class Busy(Exception):
    """More wait than can be served soon: logins, or one user's new passwords."""


class Turns:
    """Turns for `parallel` at a time, with at most `waiting` who wait. Everything happens on one loop."""

    __slots__ = ("_free", "_most", "_patience_s", "_queues", "_waiting")

    def __init__(self, parallel: int, waiting: int, *, patience_s: float = PATIENCE_S) -> None:
        self._free, self._most, self._patience_s = parallel, waiting, patience_s
        self._queues: dict[str, deque[asyncio.Future[None]]] = {}
        """Who waits by network; the first network's turn comes next."""
        self._waiting = 0

    @contextlib.asynccontextmanager
    async def turn(self, network: str) -> AsyncIterator[None]:
        """A turn, for as long as the block runs. Errors: Busy."""
        if self._free:
            self._free -= 1
        else:
            await self._wait(network)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, network: str) -> None:
        self._make_room(network)
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(network, deque()).append(mine)
        self._waiting += 1
        try:
            async with asyncio.timeout(self._patience_s):
                await mine
        except BaseException as error:
            if mine.done() and not mine.cancelled() and mine.exception() is None:
                # it was given the turn in the same moment
                self._pass_on()
            else:
                self._leave(network, mine)
            if isinstance(error, TimeoutError):
                raise Busy from None
            raise

    def _make_room(self, network: str) -> None:
        """Nothing, where one more of the network may wait. Errors: Busy."""
        if self._waiting < self._most:
            return
        largest = max(self._queues, key=lambda name: len(self._queues[name]), default=network)
        if len(self._queues.get(largest, ())) <= len(self._queues.get(network, ())) + 1:
            raise Busy
        last = self._queues[largest][-1]
        self._leave(largest, last)
        if not last.done():
            last.set_exception(Busy())

    def _leave(self, network: str, one: asyncio.Future[None]) -> None:
        queue = self._queues.get(network)
        if queue is None or one not in queue:
            return
        queue.remove(one)
        self._waiting -= 1
        if not queue:
            del self._queues[network]

    def _pass_on(self) -> None:
        """The turn is over: the next network's, which then comes last."""
        while self._queues:
            network = next(iter(self._queues))
            queue = self._queues.pop(network)
            one = queue.popleft()
            self._waiting -= 1
            if queue:
                self._queues[network] = queue
            # one that gave up in this moment is still here
            if not one.done():
                one.set_result(None)
                return
        self._free += 1
