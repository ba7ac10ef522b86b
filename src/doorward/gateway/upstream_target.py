"""One address that serves the upstream: its connections, how it has been doing, whether it is worth asking."""

import math
from typing import TYPE_CHECKING, Final

from doorward.controls.forward import ForwardPolicy
from doorward.gateway.upstream_breaker import Breaker
from doorward.gateway.upstream_concurrency import AdaptiveLimit
from doorward.gateway.upstream_connection import Asker, UpstreamConnection
from doorward.gateway.upstream_names import Addresses, Resolve

if TYPE_CHECKING:
    from doorward.gateway.deadlines import Deadlines
    from doorward.gateway.upstream import UpstreamPool

SLOW_START_S: Final = 10.0
"""Time in which a target that came back gets ever more of its share, in seconds: caches are cold."""
_LONGEST_OPENINGS: Final = 60
_DECAY_S: Final = 10.0
"""After so many seconds a latency counts for a third."""
_ALIKE_S: Final = 0.001
"""Targets that answer faster than this are alike: a difference of microseconds is noise, not load."""
_OVERWHELMED: Final = frozenset({502, 503, 504})


class Target:
    """A target of one worker's pool; what its connections see of the pool.

    Its cost is the time a request would take there: peak-sensitive moving average of the latency, times the requests
    before it. Source: Finagle's `Peak EWMA`; Mitzenmacher, The power of two choices (2001).
    """

    __slots__ = (
        "_back_at",
        "_latency_s",
        "_measured_at",
        "_most",
        "_pool",
        "addresses",
        "breaker",
        "connections",
        "deadlines",
        "host",
        "idle",
        "is_healthy",
        "limit",
        "opening",
        "port",
        "response_s",
    )

    def __init__(self, pool: "UpstreamPool", host: str, port: int, policy: ForwardPolicy, resolve: Resolve) -> None:
        self.host, self.port = host, port
        self.breaker = Breaker(policy.breaker_failures, policy.breaker_s, policy.breaker_s * _LONGEST_OPENINGS)
        adaptive = policy.adaptive
        self.limit = (
            None
            if adaptive is None
            else AdaptiveLimit(least=adaptive.least, most=policy.connections, tolerance=adaptive.tolerance)
        )
        """How many requests it is given at once, where that is to be found out."""
        self._pool = pool
        self._most = policy.connections
        self.addresses = Addresses(pool, host, port, resolve=resolve, resolve_s=policy.resolve_s, moved=self._moved)
        self.deadlines: Deadlines = pool.deadlines
        self.response_s = pool.response_s
        self.idle: list[UpstreamConnection] = []
        self.connections: set[UpstreamConnection] = set()
        self.opening = 0
        self.is_healthy = True
        """What active health checks say; true without them."""
        self._latency_s = 0.0
        self._measured_at = 0.0
        self._back_at = -math.inf

    @property
    def name(self) -> str:
        """`host:port`, for people."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def size(self) -> int:
        """Connections, open and being opened."""
        return len(self.connections) + self.opening

    @property
    def busy(self) -> int:
        """Connections with a request, or being opened for one."""
        return self.size - len(self.idle)

    @property
    def has_room(self) -> bool:
        """One more request would not have to wait."""
        if self.limit is not None and self.busy >= self.limit.now:
            return False
        return bool(self.idle) or self.size < self._most

    def cost(self, now: float) -> float:
        """About how long a request would take here, in seconds."""
        # What was measured fades: a target that was slow once is asked again, and tells how it is now.
        latency_s = self._latency_s * math.exp((self._measured_at - now) / _DECAY_S)
        return max(latency_s, _ALIKE_S) * (self.busy + 1)

    def share(self, now: float) -> float:
        """Which part of the requests it would get it is given: 1, or less while it comes back."""
        return min(1.0, 0.1 + 0.9 * (now - self._back_at) / SLOW_START_S)

    def came_back(self, now: float) -> None:
        """It serves again after it did not."""
        self._back_at = now

    # -- upstream_connection.Pool ----------------------------------------------------------------------------------

    def released(self, connection: UpstreamConnection) -> None:
        """A whole response came, and the connection is clean."""
        now = self.deadlines.now()
        self._judge(connection, now)
        self._pool.released(self, connection, now)

    def answered(self, connection: UpstreamConnection) -> None:
        """A whole response came, over a connection that ends with it."""
        self._judge(connection, self.deadlines.now())

    def failed(self) -> None:
        """No whole response came, through no fault of the client."""
        self.breaker.failed(self.deadlines.now())
        if self.limit is not None:
            self.limit.failed()

    def lost(self, connection: UpstreamConnection) -> None:
        """The connection is gone."""
        self.connections.discard(connection)
        if connection in self.idle:
            self.idle.remove(connection)
        else:
            self.breaker.undecided()
        self._pool.lost()

    def retry(self, asker: Asker, connection: UpstreamConnection) -> bool:
        """Whether the request is sent once more."""
        if not self._pool.retry(asker, self, connection):
            return False
        if not connection.is_reused:
            self.failed()
        return True

    def _moved(self, addresses: tuple[str, ...]) -> None:
        """Let go of connections to where the name does not point any more."""
        for connection in list(self.connections):
            if connection.address not in addresses:
                connection.opened_at = -math.inf  # too old for another request
                if connection in self.idle:
                    self.idle.remove(connection)
                    connection.close()

    def _judge(self, connection: UpstreamConnection, now: float) -> None:
        latency_s = max(0.0, connection.began_at - connection.sent_at)
        if self.limit is not None:
            self.limit.answered(latency_s, self.busy, now)
        if self._pool.is_alone:
            # An answer is an answer: with no other target to ask, a 503 is better told than replaced by another.
            self.breaker.succeeded()
            return
        self._measure(latency_s, now)
        if connection.status in _OVERWHELMED:
            self.breaker.failed(now)
        elif self.breaker.succeeded():
            self.came_back(now)

    def _measure(self, latency_s: float, now: float) -> None:
        if latency_s >= self._latency_s:
            self._latency_s = latency_s  # a slow answer counts at once, a fast one bit by bit
        else:
            weight = math.exp((self._measured_at - now) / _DECAY_S)
            self._latency_s = self._latency_s * weight + latency_s * (1 - weight)
        self._measured_at = now
