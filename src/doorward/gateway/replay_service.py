"""Remembers the proofs that workers were shown: part of the control process, reached over a Unix socket."""

import time
from collections.abc import Callable
from pathlib import Path

from doorward.controls.authenticate.replay import ReplaySet
from doorward.gateway.replay_messages import pack_batch, read_proofs
from doorward.gateway.worker_socket import WorkerConnection, WorkerSocket


class ReplayService(WorkerSocket):
    """Listens for the workers of this host. What it remembers began with it: an earlier life's is unknown."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._seen = ReplaySet(born_at=clock())
        super().__init__(path, lambda: _Worker(self._seen, clock))


class _Worker(WorkerConnection):
    """One worker's connection."""

    def __init__(self, seen: ReplaySet, clock: Callable[[], float]) -> None:
        super().__init__("proofs used once")
        self._seen, self._clock = seen, clock

    def take(self, body: bytes) -> None:
        now = self._clock()
        words = [
            self._seen.claim(each.proof, usable_from=each.usable_from, until=each.until, now=now, holder=each.holder)
            for each in read_proofs(body)
        ]
        self.write(pack_batch(words))
