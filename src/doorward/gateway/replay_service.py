"""Remembers the proofs that workers were shown: part of the control process, reached over a Unix socket."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from doorward.controls.authenticate.replay import ReplaySet
from doorward.gateway.replay_messages import Proof, Word, pack_batch, read_proofs
from doorward.gateway.worker_socket import WorkerConnection, WorkerSocket


class SharedReplays(Protocol):
    """Who remembers proofs for several hosts."""

    def claim(self, proofs: Sequence[Proof], known: Callable[[list[Word]], None]) -> None:
        """Nothing; `known` is called once with a word for each, in the order of these calls."""


class ReplayService(WorkerSocket):
    """Listens for the workers of this host. What it remembers began with it: an earlier life's is unknown.

    With `shared` proofs that other hosts would accept, too, are asked for there. What this host saw is known here all
    the same, and no holder takes more than their part of it.
    """

    def __init__(
        self, path: Path, clock: Callable[[], float] = time.time, *, shared: SharedReplays | None = None
    ) -> None:
        self._seen = ReplaySet(born_at=clock())
        self._seen_anywhere = ReplaySet(born_at=float("-inf"))
        self._shared, self._clock = shared, clock
        super().__init__(path, lambda: _Worker(self))

    def claim(self, proofs: Sequence[Proof], known: Callable[[list[Word]], None]) -> None:
        """Nothing; `known` is called once with a word for each."""
        shared = self._shared
        if shared is None:
            known([self._own(each, self._seen) for each in proofs])
            return
        words = [self._own(each, self._seen if each.here else self._seen_anywhere) for each in proofs]
        open_ = [place for place, each in enumerate(proofs) if words[place] == "first" and not each.here]
        # Asked for nothing, too: answers to one worker come in the order of its questions.
        shared.claim([proofs[place] for place in open_], partial(_settle, words, open_, known))

    def _own(self, each: Proof, seen: ReplaySet) -> Word:
        return seen.claim(
            each.proof,
            usable_from=each.usable_from,
            until=each.until,
            now=self._clock(),
            holder=each.holder,
            ahead_s=each.ahead_s,
        )


def _settle(words: list[Word], places: list[int], known: Callable[[list[Word]], None], found: list[Word]) -> None:
    for place, word in zip(places, found, strict=True):
        words[place] = word
    known(words)


class _Worker(WorkerConnection):
    """One worker's connection."""

    def __init__(self, service: ReplayService) -> None:
        super().__init__("proofs used once")
        self._service = service

    def take(self, body: bytes) -> None:
        self._service.claim(read_proofs(body), self._answer)

    def _answer(self, words: list[Word]) -> None:
        self.write(pack_batch(words))
