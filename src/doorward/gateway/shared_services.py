"""What workers, and hosts, count and remember together: answered by the control process, over its sockets."""

from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING

from doorward.controls.limits import SharedPolicy
from doorward.gateway.limit_link import SOCKET_NAME
from doorward.gateway.limit_service import LimitService, SharedCounts
from doorward.gateway.replay_messages import SOCKET_NAME as REPLAY_SOCKET_NAME
from doorward.gateway.replay_service import ReplayService
from doorward.policy.document import Policy

if TYPE_CHECKING:
    from doorward.gateway.limit_valkey import ValkeyLink
    from doorward.gateway.replay_valkey import ValkeyReplays


class SharedServices:
    """The counts and the used proofs of one host, with a link to those of the others where the policy names a server.

    What is remembered begins with it.
    """

    def __init__(self, state: Path, policy: Policy) -> None:
        """Nothing is listened on, and nobody asked, before `start` and `work`."""
        shared = policy.limits.shared
        self._policy = policy
        self._link = None if shared is None else _counts(shared)
        self._memory = None if shared is None or policy.hosts == 1 else _memory(shared)
        self._limits = LimitService(state / SOCKET_NAME, SharedCounts(self._link, policy.hosts))
        self._replays = ReplayService(state / REPLAY_SOCKET_NAME, shared=self._memory)

    def start(self) -> None:
        """Listen for workers, for as much as they share. Errors: OSError."""
        if self._policy.counts_together:
            self._limits.start()
        if self._policy.remembers_together:
            self._replays.start()

    def work(self) -> list[Coroutine[None, None, None]]:
        """What has to go on beside: the conversation with the server. It ends when it is cancelled."""
        return [each.run() for each in (self._link, self._memory) if each is not None]

    async def close(self) -> None:
        """Listen no more, and let go of the server."""
        self._limits.close()
        self._replays.close()
        for each in (self._link, self._memory):
            if each is not None:
                await each.close()


def _counts(policy: SharedPolicy) -> "ValkeyLink":
    from doorward.gateway.limit_valkey import connect  # noqa: PLC0415 - its library is an extra

    return connect(policy)


def _memory(policy: SharedPolicy) -> "ValkeyReplays":
    from doorward.gateway.replay_valkey import connect  # noqa: PLC0415 - its library is an extra

    return connect(policy)
