"""A worker's way to the proofs that were used up, shared by all workers: asks the control process, in batches.

Without an answer nobody can tell, and the request is refused: losing the control process never lets a proof pass twice.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, cast

import msgspec
import structlog

from doorward.controls.authenticate.replay import Sight
from doorward.exchange import Exchange, Pending, SingleUse
from doorward.gateway.limit_messages import Batches, socket_address
from doorward.gateway.replay_messages import Proof, pack_batch, read_words

_log: Final = structlog.get_logger()

ANSWER_S: Final = 0.5
"""Longest wait for an answer, in seconds; then the request is refused."""
CONNECT_S: Final = 0.25
"""Time between two tries to connect, in seconds."""


class _Asked:
    """One proof under way."""

    __slots__ = ("known", "proof", "sight")

    def __init__(self, proof: SingleUse, known: Callable[[], None]) -> None:
        self.proof, self.known = proof, known
        self.sight: Sight | None = None
        """The answer, once it is there."""


class ReplayLink:
    """As `controls.authenticate.Replays`. Everything happens on the loop's thread; `start` begins connecting."""

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop) -> None:
        self._path, self._loop = path, loop
        self._transport: asyncio.Transport | None = None
        self._batches = Batches()
        self._asked: list[_Asked] = []
        self._under_way: deque[list[_Asked]] = deque()
        self._of_exchanges: dict[tuple[str, bytes], _Asked] = {}
        """Asked for exchanges that are not over, by their ids and the proofs."""
        self._timer: asyncio.TimerHandle | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._is_closed = False

    def start(self) -> None:
        """Connect, and again whenever the connection is lost."""
        self._connecting = self._loop.create_task(self._connect())

    def close(self) -> None:
        """Connect no more."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._connecting is not None:
            self._connecting.cancel()
        if self._transport is not None:
            self._transport.abort()

    def claim(self, exchange: Exchange, proof: SingleUse) -> Sight:
        """As `Replays`."""
        key = exchange.id, proof.proof
        asked = self._of_exchanges.get(key)
        if asked is not None and asked.sight is not None:
            del self._of_exchanges[key]
            return asked.sight
        if self._transport is None:
            return "unknown"
        raise Pending(partial(self._ask, exchange, proof))

    def _ask(self, exchange: Exchange, proof: SingleUse, known: Callable[[], None]) -> None:
        if not self._asked:
            self._loop.call_soon(self._flush)
        asked = _Asked(proof, known)
        self._asked.append(asked)
        key = exchange.id, proof.proof
        self._of_exchanges[key] = asked
        # Here and not with the answer: the exchange may end before that comes.
        exchange.on_end.append(partial(self._forget, key))

    def _forget(self, key: tuple[str, bytes]) -> None:
        self._of_exchanges.pop(key, None)

    def _flush(self) -> None:
        asked, self._asked = self._asked, []
        if self._transport is None:
            self._settle(asked, ["unknown"] * len(asked))
            return
        self._under_way.append(asked)
        proofs = [each.proof for each in asked]
        self._transport.write(
            pack_batch(
                [
                    Proof(each.proof, each.usable_from, each.until, each.holder, each.here, each.ahead_s)
                    for each in proofs
                ]
            )
        )
        if self._timer is None:
            self._timer = self._loop.call_later(ANSWER_S, self._give_up, asked)

    def _give_up(self, oldest: list[_Asked]) -> None:
        """When the batch that was the oldest is still under way, the connection is as good as lost."""
        self._timer = None
        if not self._under_way:
            return
        if self._under_way[0] is oldest and self._transport is not None:
            _log.error("proofs used once: no answer from the control process, signed requests are refused")
            self._transport.abort()
            return
        self._timer = self._loop.call_later(ANSWER_S, self._give_up, self._under_way[0])

    def _settle(self, asked: list[_Asked], words: list[Sight]) -> None:
        for each, word in zip(asked, words, strict=True):
            each.sight = word
            each.known()

    # -- the connection -------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        while True:
            try:
                with socket_address(self._path) as address:
                    await self._loop.create_unix_connection(lambda: _Connection(self), address)
            except OSError:
                await asyncio.sleep(CONNECT_S)
            else:
                return

    def connected(self, transport: asyncio.Transport) -> None:
        """The connection stands."""
        self._transport = transport
        self._batches = Batches()

    def lost(self) -> None:
        """The connection is gone: whoever waits is refused, for nobody can tell whether their proof was counted."""
        self._transport = None
        while self._under_way:
            asked = self._under_way.popleft()
            self._settle(asked, ["unknown"] * len(asked))
        if not self._is_closed:
            self._connecting = self._loop.create_task(self._connect())

    def received(self, data: bytes) -> None:
        """Answers."""
        try:
            for body in self._batches.feed(data):
                words: list[Sight] = [*read_words(body)]
                asked = self._under_way.popleft()
                if len(words) != len(asked):
                    self._under_way.appendleft(asked)
                    raise ValueError(f"{len(words)} answers to {len(asked)} proofs")  # noqa: TRY301 - one place ends it
                self._settle(asked, words)
        except (ValueError, IndexError, msgspec.DecodeError) as error:
            _log.error("proofs used once: an answer that cannot be read", reason=str(error))
            if self._transport is not None:
                self._transport.abort()


class _Connection(asyncio.Protocol):
    def __init__(self, link: ReplayLink) -> None:
        self._link = link

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._link.connected(cast("asyncio.Transport", transport))

    def data_received(self, data: bytes) -> None:
        self._link.received(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio.Protocol
        self._link.lost()
