"""The pool of connections to the upstream: bounded, kept alive, one exchange a connection at a time."""

import asyncio
import ssl
from collections import deque
from typing import Final

from doorward.controls.forward import ForwardPolicy, parse_upstream
from doorward.denial import Denied
from doorward.gateway.deadlines import Deadlines
from doorward.gateway.tls import upstream_context
from doorward.gateway.upstream_connection import Asker, UpstreamConnection

_FRESH_S: Final = 1.0
"""A request that must not be sent twice goes only over a connection used within this time, in seconds: it is the
less likely to be just closing."""
_NEVER: Final = float("inf")


class UpstreamPool:
    """Connections of one worker to one upstream."""

    def __init__(self, policy: ForwardPolicy, deadlines: Deadlines, loop: asyncio.AbstractEventLoop) -> None:
        """Errors: PolicyError for an upstream that cannot be, or a CA file that cannot be read."""
        self.deadlines = deadlines
        self.response_s = policy.response_s
        self._policy = policy
        self._target = parse_upstream(policy.upstream)
        self._context = upstream_context(policy) if self._target.scheme == "https" else None
        self._loop = loop
        self._idle: list[UpstreamConnection] = []
        self._all: set[UpstreamConnection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._waiting: deque[tuple[float, Asker]] = deque()
        self._is_retired = False
        self.deadline = loop.time() + policy.idle_s
        deadlines.add(self)

    def send(self, asker: Asker) -> None:
        """Send its request as soon as a connection is free. Errors: Denied `forward.upstream_busy`."""
        idle = self._idle
        newest = self._loop.time() - (_FRESH_S if not asker.may_retry else self._policy.idle_s)
        while idle:
            connection = idle.pop()
            if not connection.is_usable:
                continue
            if connection.idle_since >= newest:
                connection.is_reused = True
                connection.start(asker)
                return
            connection.close()
        if len(self._all) + len(self._opening) < self._policy.connections:
            self._open(asker)
        elif len(self._waiting) < self._policy.waiting:
            self._waiting.append((self._loop.time() + self.response_s, asker))
        else:
            raise Denied("forward.upstream_busy", "no connection free", headers=((b"retry-after", b"1"),))

    def withdraw(self, asker: Asker) -> None:
        """Forget an asker that waits for a connection."""
        self._waiting = deque(entry for entry in self._waiting if entry[1] is not asker)

    def retire(self) -> None:
        """Take no new requests; close what is idle now, the rest when its exchange ends."""
        self._is_retired = True
        self.deadlines.discard(self)
        while self._idle:
            self._idle.pop().close()

    async def close(self) -> None:
        """Close everything at once."""
        self.retire()
        for task in self._opening:
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        for connection in list(self._all):
            connection.close()

    # -- called by connections and the clock ----------------------------------------------------------------------

    def released(self, connection: UpstreamConnection) -> None:
        """A clean connection: the longest waiting request takes it, or it waits for the next."""
        self._serve_waiting(connection)

    def lost(self, connection: UpstreamConnection) -> None:
        """One less; somebody may be waiting for its place."""
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._open_for_waiting()

    def retry(self, asker: Asker) -> bool:
        """Whether the request, never answered by a kept connection, is on its way over a new one."""
        if not self._policy.retries or asker.was_retried:
            return False
        asker.was_retried = True
        self._open(asker)
        return True

    def expire(self) -> None:
        """Close connections unused for too long, and turn away who waited too long."""
        now = self._loop.time()
        self.deadline = now + 0.5
        oldest = now - self._policy.idle_s
        for connection in [one for one in self._idle if one.idle_since < oldest]:
            self._idle.remove(connection)
            connection.close()
        while self._waiting and self._waiting[0][0] <= now:
            self._waiting.popleft()[1].upstream_failed(
                Denied("forward.upstream_busy", "no connection became free in time", headers=((b"retry-after", b"1"),))
            )

    # -- details --------------------------------------------------------------------------------------------------

    def _open(self, asker: Asker) -> None:
        task = self._loop.create_task(self._connect(asker))
        self._opening.add(task)
        task.add_done_callback(self._opened)

    def _opened(self, task: asyncio.Task[None]) -> None:
        self._opening.discard(task)
        if not task.cancelled():
            # Whoever waits must not wait for a place that a failed attempt has given back.
            self._open_for_waiting()

    def _open_for_waiting(self) -> None:
        if self._waiting and len(self._all) + len(self._opening) < self._policy.connections:
            self._open(self._waiting.popleft()[1])

    async def _connect(self, asker: Asker) -> None:
        target = self._target
        try:
            async with asyncio.timeout(self._policy.connect_s):
                _, connection = await self._loop.create_connection(
                    lambda: UpstreamConnection(self),
                    target.host,
                    target.port,
                    ssl=self._context,
                    server_hostname=target.host if self._context is not None else None,
                )
        except ssl.SSLError as error:
            self._refused(asker, Denied("forward.upstream_tls", f"TLS with {target.host}: {error.reason or error}"))
        except ConnectionError as error:
            self._refused(asker, Denied("forward.upstream_unreachable", f"{target.host}: {error}"))
        except TimeoutError:
            self._refused(
                asker, Denied("forward.upstream_unreachable", f"no connection within {self._policy.connect_s:g} s")
            )
        except (OSError, ValueError) as error:
            self._refused(asker, Denied("forward.upstream_unreachable", f"{target.host}: {error}"))
        else:
            if not connection.is_usable:
                self._refused(asker, Denied("forward.upstream_unreachable", f"{target.host} closed at once"))
                return
            self._all.add(connection)
            if asker.is_abandoned:
                self._serve_waiting(connection)
            else:
                connection.start(asker)

    def _refused(self, asker: Asker, denied: Denied) -> None:
        if not asker.is_abandoned:
            asker.upstream_failed(denied)

    def _serve_waiting(self, connection: UpstreamConnection) -> None:
        if self._waiting and not self._is_retired:
            connection.is_reused = True
            connection.start(self._waiting.popleft()[1])
        elif self._is_retired:
            connection.close()
        else:
            connection.idle_since = self._loop.time()
            self._idle.append(connection)
