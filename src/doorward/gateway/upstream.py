"""The pool of connections to the upstream: bounded, kept alive, one exchange a connection at a time.

One target or several serve the upstream. Of several, the cheaper of two drawn by chance gets the request; one whose
breaker is open or whose health checks fail gets none while another can.
"""

import asyncio
import random
import ssl
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Final, TypeVar

import structlog

from doorward.controls.forward import ForwardPolicy, parse_upstream
from doorward.denial import Denied
from doorward.gateway.deadlines import Deadlines
from doorward.gateway.tls import upstream_context
from doorward.gateway.upstream_breaker import Breaker, RetryBudget
from doorward.gateway.upstream_connection import Asker, Pool, UpstreamConnection
from doorward.gateway.upstream_health import HealthCheck
from doorward.gateway.upstream_target import Target

_FRESH_S: Final = 1.0
"""A request that must not be sent twice goes only over a connection used within this time, in seconds: it is the
less likely to be just closing."""
_Protocol = TypeVar("_Protocol", bound=asyncio.BaseProtocol)
_LONGEST_OPENINGS: Final = 60
_log: Final = structlog.get_logger()


class UpstreamPool:
    """Connections of one worker to one upstream."""

    def __init__(self, policy: ForwardPolicy, deadlines: Deadlines, loop: asyncio.AbstractEventLoop) -> None:
        """Errors: PolicyError for an upstream that cannot be, or a CA, certificate or key file that cannot be used."""
        self.deadlines = deadlines
        self.response_s = policy.response_s
        self._policy = policy
        self._upstream = parse_upstream(policy.upstream)
        self._context = upstream_context(policy) if self._upstream.scheme == "https" else None
        self._loop = loop
        self._opening: set[asyncio.Task[None]] = set()
        self._waiting: deque[tuple[float, Asker]] = deque()
        self._is_retired = False
        self._budget = RetryBudget(policy.retry_percent)
        self._chance = random.Random()  # noqa: S311 - spreads load
        self.targets = [self._target(host, port) for host, port in self._addresses()]
        self.is_alone = len(self.targets) == 1
        """There is one target: no choice, and nothing to compare."""
        self._checks = [HealthCheck(self, target, policy.health) for target in self.targets if policy.health]
        self.deadline = loop.time() + policy.idle_s
        deadlines.add(self)

    def send(self, asker: Asker) -> None:
        """Send its request as soon as a connection is free. Errors: Denied `forward.upstream_busy`."""
        self._budget.count()
        self._send(asker, self._choose(None, may_try=asker.may_retry))

    def withdraw(self, asker: Asker) -> None:
        """Forget an asker that waits for a connection."""
        self._waiting = deque(entry for entry in self._waiting if entry[1] is not asker)

    def retire(self) -> None:
        """Take no new requests; close what is idle now, the rest when its exchange ends."""
        self._is_retired = True
        self.deadlines.discard(self)
        for check in self._checks:
            check.stop()
        for target in self.targets:
            while target.idle:
                target.idle.pop().close()

    async def close(self) -> None:
        """Close everything at once."""
        self.retire()
        for task in self._opening:
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        for target in self.targets:
            for connection in list(target.connections):
                connection.close()

    def renew(self) -> None:
        """Have new connections use what the files with certificates hold now.

        Errors: PolicyError, and then the ones in force stay.
        """
        if self._context is not None:
            self._context = upstream_context(self._policy)

    async def connect(self, target: Target, pool: Pool) -> UpstreamConnection:
        """A new connection to a target, TLS included, that answers to `pool`. Errors: OSError, TimeoutError."""
        return await self._connected(target, lambda: UpstreamConnection(pool))

    async def tunnel(self, factory: Callable[[], _Protocol]) -> _Protocol:
        """A connection that is nobody else's, to the target a request would go to.

        Errors: Denied `forward.upstream_busy`, OSError, TimeoutError.
        """
        target = self._choose(None, may_try=False)
        try:
            made = await self._connected(target, factory)
        except (OSError, TimeoutError):
            target.failed()
            raise
        target.breaker.succeeded()
        return made

    async def _connected(self, target: Target, factory: Callable[[], _Protocol]) -> _Protocol:
        async with asyncio.timeout(self._policy.connect_s):
            _, made = await self._loop.create_connection(
                factory,
                target.host,
                target.port,
                ssl=self._context,
                server_hostname=self._upstream.host if self._context is not None else None,
            )
        return made

    @property
    def authority(self) -> bytes:
        """What stands in Host."""
        return self._upstream.authority

    def run(self, work: Coroutine[None, None, None]) -> None:
        """Run it in the background, cancelled when the pool is closed."""
        task = self._loop.create_task(work)
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    # -- called by targets and the clock --------------------------------------------------------------------------

    def released(self, target: Target, connection: UpstreamConnection, now: float) -> None:
        """A clean connection: the longest waiting request takes it, or it waits for the next."""
        if self._is_retired or now - connection.opened_at > self._policy.connection_s:
            connection.close()
            return
        if self._waiting:
            connection.is_reused = True
            connection.start(self._waiting.popleft()[1])
            return
        connection.idle_since = now
        target.idle.append(connection)

    def lost(self) -> None:
        """There is one connection less; somebody may be waiting for its place."""
        if self._waiting:
            self._open_for_waiting()

    def retry(self, asker: Asker, target: Target) -> bool:
        """Whether the request, never answered by a kept connection, is on its way over a new one."""
        if not self._policy.retries or asker.was_retried or not self._budget.spend():
            return False
        asker.was_retried = True
        self._open(asker, target)
        return True

    def expire(self) -> None:
        """Close connections unused for too long, and turn away who waited too long."""
        now = self._loop.time()
        self.deadline = now + 0.5
        oldest = now - self._policy.idle_s
        for target in self.targets:
            for connection in [one for one in target.idle if one.idle_since < oldest]:
                target.idle.remove(connection)
                connection.close()
        while self._waiting and self._waiting[0][0] <= now:
            self._waiting.popleft()[1].upstream_failed(_busy("no connection became free in time"))

    # -- details --------------------------------------------------------------------------------------------------

    def _addresses(self) -> list[tuple[str, int]]:
        if not self._policy.targets:
            return [(self._upstream.host, self._upstream.port)]
        split = (address.rpartition(":") for address in self._policy.targets)
        return [(host.strip("[]"), int(port)) for host, _, port in split]

    def _target(self, host: str, port: int) -> Target:
        policy = self._policy
        breaker = Breaker(policy.breaker_failures, policy.breaker_s, policy.breaker_s * _LONGEST_OPENINGS)
        return Target(self, host, port, breaker)

    def _choose(self, without: Target | None, *, may_try: bool) -> Target:
        now = self._loop.time()
        if self.is_alone:
            only = self.targets[0]
            if not only.breaker.lets(now):
                raise _busy(f"{only.name} is left alone after {self._policy.breaker_failures} failures in a row")
            return only
        usable = [one for one in self.targets if one is not without and one.breaker.may_let(now)]
        # When health checks fail everywhere, the checks may be what is broken: then requests decide.
        usable = [one for one in usable if one.is_healthy] or usable
        if not usable:
            raise _busy("no target can be asked")
        chosen = self._of_two(usable, now)
        if may_try:
            # A target that was left alone long enough is tried by a request that loses nothing by it.
            chosen = next((one for one in usable if not one.breaker.is_closed), chosen)
        chosen.breaker.lets(now)
        return chosen

    def _of_two(self, usable: list[Target], now: float) -> Target:
        if len(usable) == 1:
            return usable[0]
        one, other = self._chance.sample(usable, 2)
        if one.cost(now) > other.cost(now):
            one, other = other, one
        return one if self._chance.random() < one.share(now) else other

    def _send(self, asker: Asker, target: Target) -> None:
        idle = target.idle
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
        if target.size < self._policy.connections:
            self._open(asker, target)
        elif len(self._waiting) < self._policy.waiting:
            target.breaker.undecided()
            self._waiting.append((self._loop.time() + self.response_s, asker))
        else:
            target.breaker.undecided()
            raise _busy("no connection free")

    def _open(self, asker: Asker, target: Target) -> None:
        target.opening += 1
        task = self._loop.create_task(self._connect(asker, target))
        self._opening.add(task)
        task.add_done_callback(self._opened)

    def _opened(self, task: asyncio.Task[None]) -> None:
        self._opening.discard(task)
        if not task.cancelled() and self._waiting:
            # Whoever waits must not wait for a place that a failed attempt has given back.
            self._open_for_waiting()

    def _open_for_waiting(self) -> None:
        if self._is_retired or not self._waiting:
            return
        now = self._loop.time()
        for target in self.targets:
            if target.size < self._policy.connections and target.breaker.lets(now):
                self._open(self._waiting.popleft()[1], target)
                return

    async def _connect(self, asker: Asker, target: Target) -> None:
        name = target.name
        try:
            connection = await self.connect(target, target)
        except ssl.SSLError as error:
            self._refused(asker, target, "forward.upstream_tls", f"TLS with {name}: {error.reason or error}")
        except TimeoutError:
            detail = f"{name}: no connection within {self._policy.connect_s:g} s"
            self._refused(asker, target, "forward.upstream_unreachable", detail)
        except (OSError, ValueError) as error:
            self._refused(asker, target, "forward.upstream_unreachable", f"{name}: {error}")
        else:
            if not connection.is_usable:
                self._refused(asker, target, "forward.upstream_unreachable", f"{name} closed at once")
                return
            target.connections.add(connection)
            if asker.is_abandoned:
                target.breaker.undecided()
                self.released(target, connection, self._loop.time())
            else:
                connection.start(asker)
        finally:
            target.opening -= 1

    def _refused(self, asker: Asker, target: Target, code: str, detail: str) -> None:
        was_closed = target.breaker.is_closed
        target.breaker.failed(self._loop.time())
        if was_closed and not target.breaker.is_closed:
            _log.warning("target left alone", target=target.name, reason=detail)
        if asker.is_abandoned:
            return
        if not self.is_alone and not asker.was_retried and self._budget.spend():
            # Nothing was sent: another target may take it, whatever its method.
            asker.was_retried = True
            try:
                self._send(asker, self._choose(target, may_try=asker.may_retry))
            except Denied:
                _log.debug("no other target", target=target.name)
            else:
                return
        asker.upstream_failed(Denied(code, detail))


def _busy(detail: str) -> Denied:
    return Denied("forward.upstream_busy", detail, headers=((b"retry-after", b"1"),))
