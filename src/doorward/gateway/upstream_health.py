"""Asks one target, again and again, whether it is well."""

from typing import TYPE_CHECKING, Final

import structlog

from doorward.controls.forward import HealthPolicy
from doorward.controls.limits import Priority
from doorward.denial import Denied
from doorward.exchange import Header
from doorward.gateway.upstream_connection import Asker, UpstreamConnection

if TYPE_CHECKING:
    from doorward.gateway.deadlines import Deadlines
    from doorward.gateway.upstream import UpstreamPool
    from doorward.gateway.upstream_target import Target

_log: Final = structlog.get_logger()


class HealthCheck:
    """The check of one target. Each question has a connection of its own, so that it tells of new ones too."""

    def __init__(self, pool: "UpstreamPool", target: "Target", policy: HealthPolicy) -> None:
        self._pool, self._target, self._policy = pool, target, policy
        self._head = b"GET %b HTTP/1.1\r\nhost: %b\r\nuser-agent: doorward-health\r\nconnection: close\r\n\r\n" % (
            policy.path.encode("ascii"),
            pool.authority,
        )
        self._connection: UpstreamConnection | None = None
        self._is_asking = False
        self._in_a_row = 0
        self.deadline = 0.0
        pool.deadlines.add(self)

    def expire(self) -> None:
        """Time for the next question."""
        self.deadline = self._pool.deadlines.now() + self._policy.interval_s
        if not self._is_asking:
            self._is_asking = True
            self._pool.run(self._ask())

    def stop(self) -> None:
        """Ask no more, and leave the question under way."""
        self._pool.deadlines.discard(self)
        if self._connection is not None:
            self._connection.close()

    def told(self, *, well: bool, reason: str) -> None:
        """Take an answer. The opposite of what is believed must be heard several times in a row to change it."""
        self._is_asking = False
        self._connection = None
        target, policy = self._target, self._policy
        if well is target.is_healthy:
            self._in_a_row = 0
            return
        self._in_a_row += 1
        if self._in_a_row < (policy.healthy_after if well else policy.unhealthy_after):
            return
        self._in_a_row = 0
        target.is_healthy = well
        if well:
            target.came_back(self._pool.deadlines.now())
            _log.info("target is well again", target=target.name)
        else:
            _log.warning("target is not well", target=target.name, reason=reason)

    async def _ask(self) -> None:
        question = _Question(self, self._head, self._policy.timeout_s)
        try:
            connection = await self._pool.connect(self._target, _Places(self._pool.deadlines, self._policy.timeout_s))
        except (OSError, TimeoutError, ValueError) as error:
            self.told(well=False, reason=str(error) or "no connection in time")
        else:
            self._connection = connection
            connection.start(question)


class _Places:
    """What a connection needs of a pool, for one that is used once."""

    def __init__(self, deadlines: "Deadlines", response_s: float) -> None:
        self.deadlines, self.response_s = deadlines, response_s

    def released(self, connection: UpstreamConnection) -> None:
        """Used once."""
        connection.close()

    def answered(self, connection: UpstreamConnection) -> None:
        """The question hears of it."""

    def failed(self) -> None:
        """The question hears of it."""

    def lost(self, connection: UpstreamConnection) -> None:
        """Used once."""

    def retry(self, asker: Asker, connection: UpstreamConnection) -> bool:  # noqa: ARG002 - the protocol's shape
        """Never: a lost question is an answer."""
        return False


class _Question:
    """One question under way: an `Asker`."""

    body = b""
    is_head_request = False
    may_retry = False
    streams_body = False
    is_abandoned = False

    def __init__(self, check: HealthCheck, head: bytes, timeout_s: float) -> None:
        self._check, self._timeout_s = check, timeout_s
        self.head = head
        self.was_retried = True
        self.priority: Priority = "high"
        self._status = 0

    def upstream_ready(self, connection: UpstreamConnection) -> None:
        """Sent."""

    def response_head(self, status: int, headers: list[Header], length: int | None) -> None:  # noqa: ARG002
        """Keep the status."""
        self._status = status

    def response_data(self, data: bytes) -> None:
        """The body says nothing that is listened to."""

    def response_end(self) -> None:
        """The answer is complete."""
        self._check.told(well=200 <= self._status < 300, reason=f"status {self._status}")

    def upstream_failed(self, denied: Denied) -> None:
        """There is no answer."""
        self._check.told(well=False, reason=denied.detail)

    def upstream_pressure(self, *, pauses: bool) -> None:
        """Nothing is streamed."""
