"""The pool of connections to the upstream: bounded, kept alive, one exchange a connection at a time.

One target or several serve the upstream. Of several, the cheaper of two drawn by chance gets the request; one whose
breaker is open or whose health checks fail gets none while another can.
"""

import asyncio
import random
import ssl
from collections.abc import Callable, Coroutine
from typing import Final, TypeVar

import structlog

from doorward.controls.forward import ForwardPolicy, parse_upstream
from doorward.denial import Denied
from doorward.gateway.deadlines import Deadlines
from doorward.gateway.upstream_breaker import RetryBudget
from doorward.gateway.upstream_connection import Asker, Pool, UpstreamConnection
from doorward.gateway.upstream_dial import Dialer
from doorward.gateway.upstream_health import HealthCheck
from doorward.gateway.upstream_names import Resolve, resolve_by_system
from doorward.gateway.upstream_queue import Waiting, busy
from doorward.gateway.upstream_target import Target

_FRESH_S: Final = 1.0
"""A request that must not be sent twice goes only over a connection used within this time, in seconds: it is the
less likely to be just closing."""
_STEP_S: Final = 0.5
_Protocol = TypeVar("_Protocol", bound=asyncio.BaseProtocol)
_log: Final = structlog.get_logger()


class UpstreamPool:
    """Connections of one worker to one upstream."""

    def __init__(
        self,
        policy: ForwardPolicy,
        deadlines: Deadlines,
        loop: asyncio.AbstractEventLoop,
        resolve: Resolve = resolve_by_system,
    ) -> None:
        """Errors: PolicyError for an upstream that cannot be, or a CA, certificate or key file that cannot be used."""
        self.deadlines = deadlines
        self.response_s = policy.response_s
        self._policy = policy
        self._upstream = parse_upstream(policy.upstream)
        self._dialer = Dialer(policy, self._upstream, loop)
        self._loop = loop
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting = Waiting(policy.waiting, policy.waiting_s)
        self._is_retired = False
        self._budget = RetryBudget(policy.retry_percent)
        self._chance = random.Random()  # noqa: S311 - spreads load
        self.targets = [Target(self, host, port, policy, resolve) for host, port in self._addresses()]
        self.is_alone = len(self.targets) == 1
        """There is one target: no choice, and nothing to compare."""
        self._checks = [HealthCheck(self, target, policy.health) for target in self.targets if policy.health]
        self.deadline = loop.time() + min(policy.idle_s, _STEP_S)
        deadlines.add(self)

    def send(self, asker: Asker) -> None:
        """Send its request as soon as a connection is free. Errors: Denied `forward.upstream_busy`."""
        self._budget.count()
        self._send(asker, self._choose(None, may_try=asker.may_retry))

    def withdraw(self, asker: Asker) -> None:
        """Forget an asker that waits for a connection."""
        self._waiting.remove(asker)

    def retire(self) -> None:
        """Take no new requests; close what is idle now, the rest when its exchange ends and nobody waits any more."""
        self._is_retired = True
        for check in self._checks:
            check.stop()
        for target in self.targets:
            target.addresses.stop()
            while target.idle:
                target.idle.pop().close()
        if not self._waiting:
            self.deadlines.discard(self)

    async def close(self) -> None:
        """Close everything at once."""
        self.retire()
        self.deadlines.discard(self)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for target in self.targets:
            for connection in list(target.connections):
                connection.close()

    def renew(self) -> None:
        """Have new connections use what the files with certificates hold now.

        Errors: PolicyError, and then the ones in force stay.
        """
        self._dialer.renew()

    async def connect(self, target: Target, pool: Pool) -> UpstreamConnection:
        """A new connection to a target, TLS included, that answers to `pool`. Errors: OSError, TimeoutError."""
        address, connection = await self._dialer.connect(target.addresses, lambda: UpstreamConnection(pool))
        connection.address = address
        return connection

    async def tunnel(self, factory: Callable[[], _Protocol]) -> _Protocol:
        """A connection that is nobody else's, to the target a request would go to.

        Errors: Denied `forward.upstream_busy`, OSError, TimeoutError.
        """
        target = self._choose(None, may_try=False)
        try:
            _, made = await self._dialer.connect(target.addresses, factory)
        except (OSError, TimeoutError):
            target.failed()
            raise
        target.breaker.succeeded()
        return made

    @property
    def authority(self) -> bytes:
        """What stands in Host."""
        return self._upstream.authority

    def run(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run it in the background, cancelled when the pool is closed."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # -- called by targets and the clock --------------------------------------------------------------------------

    def released(self, target: Target, connection: UpstreamConnection, now: float) -> None:
        """A clean connection: the longest waiting request takes it, or it waits for the next."""
        if now - connection.opened_at > self._policy.connection_s or (self._is_retired and not self._waiting):
            connection.close()
            return
        connection.idle_since = now
        target.idle.append(connection)
        if self._waiting:
            self._serve_waiting()

    def lost(self) -> None:
        """There is one connection less; somebody may be waiting for its place."""
        if self._waiting:
            self._serve_waiting()

    def retry(self, asker: Asker, target: Target, connection: UpstreamConnection) -> bool:
        """Whether the request, whose connection broke before any answer, is on its way over a new one.

        To the same target only when the connection was a kept one, which may have been closing already. A new one that
        breaks says that the target is broken: then it needs another.
        """
        if not self._policy.retries or asker.was_retried or (self.is_alone and not connection.is_reused):
            return False
        if not self._budget.spend():
            return False
        asker.was_retried = True
        if self._sent_elsewhere(asker, target):
            return True
        if connection.is_reused:
            self._open(asker, target)
        return connection.is_reused

    def expire(self) -> None:
        """Close connections unused for too long, and turn away who waited too long."""
        now = self._loop.time()
        self.deadline = now + _STEP_S
        oldest = now - self._policy.idle_s
        for target in self.targets:
            for connection in [one for one in target.idle if one.idle_since < oldest]:
                target.idle.remove(connection)
                connection.close()
        if self._waiting:
            self._waiting.expire(now)
        elif self._is_retired:
            self.deadlines.discard(self)

    # -- details --------------------------------------------------------------------------------------------------

    def _addresses(self) -> list[tuple[str, int]]:
        if not self._policy.targets:
            return [(self._upstream.host, self._upstream.port)]
        split = (address.rpartition(":") for address in self._policy.targets)
        return [(host.strip("[]"), int(port)) for host, _, port in split]

    def _choose(self, without: Target | None, *, may_try: bool) -> Target:
        now = self._loop.time()
        if self.is_alone:
            only = self.targets[0]
            if not only.breaker.lets(now):
                raise busy(f"{only.name} is left alone after {self._policy.breaker_failures} failures in a row")
            return only
        usable = [one for one in self.targets if one is not without and one.breaker.may_let(now)]
        # When health checks fail everywhere, the checks may be what is broken: then requests decide.
        usable = [one for one in usable if one.is_healthy] or usable
        if not usable:
            raise busy("no target can be asked")
        if may_try:
            # A target that was left alone long enough is tried by a request that loses nothing by it.
            tried = next((one for one in usable if not one.breaker.is_closed), None)
        else:
            tried = None
            usable = [one for one in usable if one.breaker.is_closed] or usable
        chosen = tried or self._of_two([one for one in usable if one.has_room] or usable, now)
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
        limit = target.limit
        is_full = limit is not None and target.busy >= limit.now
        if not is_full and self._start(asker, target):
            return
        target.breaker.undecided()
        self.deadline = min(self.deadline, self._waiting.add(asker, self._loop.time()))

    def _start(self, asker: Asker, target: Target) -> bool:
        """Whether the request is on its way, over a kept connection or a new one."""
        idle = target.idle
        newest = self._loop.time() - (_FRESH_S if not asker.may_retry else self._policy.idle_s)
        while idle:
            connection = idle.pop()
            if not connection.is_usable:
                continue
            if connection.idle_since >= newest:
                connection.is_reused = True
                connection.start(asker)
                return True
            connection.close()
        if target.size >= self._policy.connections:
            return False
        self._open(asker, target)
        return True

    def _serve_waiting(self) -> None:
        """Start as many of the waiting requests as there is room for now."""
        now = self._loop.time()
        for target in self.targets:
            while self._waiting and target.has_room and target.breaker.lets(now):
                entry = self._waiting.take()
                if not self._start(entry[1], target):
                    target.breaker.undecided()
                    self._waiting.put_back(entry)
                    break

    def _open(self, asker: Asker, target: Target) -> None:
        target.opening += 1
        self.run(self._connect(asker, target)).add_done_callback(self._opened)

    def _opened(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and self._waiting:
            # Whoever waits must not wait for a place that a failed attempt has given back.
            self._serve_waiting()

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
        except Exception as error:  # noqa: BLE001 - containment: whoever asks gets an answer, whatever broke here
            _log.error("fault", error=type(error).__name__, exc_info=error)
            self._refused(asker, target, "forward.upstream_unreachable", f"{name}: {type(error).__name__}")
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
        target.failed()
        if was_closed and not target.breaker.is_closed:
            _log.warning("target left alone", target=target.name, reason=detail)
        if asker.is_abandoned:
            return
        if not asker.was_retried and not self.is_alone and self._budget.spend():
            # Nothing was sent: another target may take it, whatever its method.
            asker.was_retried = True
            if self._sent_elsewhere(asker, target):
                return
        asker.upstream_failed(Denied(code, detail))

    def _sent_elsewhere(self, asker: Asker, without: Target) -> bool:
        """Whether another target takes the request."""
        if self.is_alone:
            return False
        try:
            self._send(asker, self._choose(without, may_try=asker.may_retry))
        except Denied:
            _log.debug("no other target", target=without.name)
            return False
        return True
