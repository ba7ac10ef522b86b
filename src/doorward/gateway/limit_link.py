"""A worker's way to the shared counts: tells and asks the control process, in batches over a Unix socket."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final, cast

import msgspec
import structlog

from doorward.controls.limits import Gcra, SharedBucket, SharedSlots, Tally
from doorward.gateway.limit_messages import Answer, Batches, Entry, pack, read_answers, socket_address

_log: Final = structlog.get_logger()

SOCKET_NAME: Final = "limits.sock"
TELL_S: Final = 0.05
"""Longest time that what was let through is not told, in seconds."""
ANSWER_S: Final = 0.1
"""Longest wait for an answer, in seconds; then this worker gives out its share until one comes."""
CONNECT_S: Final = 0.25
"""Time between two tries to connect, in seconds."""
BATCH_COUNT: Final = 2_048
"""Most entries in a batch; as many untold keys are sent at once rather than after `TELL_S`."""
KNOWN_COUNT: Final = 256
"""Keys of a limit that are told again to a control process that began anew: those used last."""
BUCKETS: Final = 256
"""Limits of which something is told again then."""


class _Sent:
    """One entry under way."""

    __slots__ = ("bucket", "key", "known", "spent", "wish")

    def __init__(self, bucket: SharedBucket, key: str, spent: int, wish: int, known: Callable[[], None] | None) -> None:
        self.bucket = bucket
        self.key = key
        self.spent = spent
        self.wish = wish
        self.known = known


class LimitLink:
    """As `controls.limits.Link`. Everything happens on the loop's thread; `start` begins connecting."""

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop) -> None:
        self.is_up = False
        self._path = path
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._batches = Batches()
        self._buckets: dict[SharedBucket, None] = {}
        self._untold: dict[tuple[SharedBucket, str], None] = {}
        self._asked: list[tuple[SharedBucket, str, int, Callable[[], None]]] = []
        self._under_way: deque[tuple[float, list[_Sent]]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._looked_at = 0.0
        self._is_asking = False
        self._connecting: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Connect, and again whenever the connection is lost."""
        self._connecting = self._loop.create_task(self._connect())
        self._watch = self._loop.call_later(ANSWER_S / 2, self._look)

    def close(self) -> None:
        """Connect no more."""
        for timer in (self._timer, self._watch):
            if timer is not None:
                timer.cancel()
        if self._connecting is not None:
            self._connecting.cancel()
        if self._transport is not None:
            self._transport.abort()

    # -- used by the buckets --------------------------------------------------------------------------------------

    def tell(self, bucket: SharedBucket, key: str, *, at_once: bool = False) -> None:
        """As `Link`."""
        self._note(bucket)
        self._untold[bucket, key] = None
        if at_once:
            self._flush_soon()
        elif len(self._untold) >= BATCH_COUNT:
            self._flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(TELL_S, self._tell_all)

    def ask(self, bucket: SharedBucket, key: str, cost: int, known: Callable[[], None]) -> None:
        """As `Link`."""
        if not self.is_up:
            known()
            return
        self._note(bucket)
        self._asked.append((bucket, key, cost, known))
        self._flush_soon()

    def _note(self, bucket: SharedBucket) -> None:
        if bucket in self._buckets:
            return
        now_s = time.time()
        for known in [known for known in self._buckets if 0 < known.until_s < now_s]:
            del self._buckets[known]
        if len(self._buckets) < BUCKETS:
            self._buckets[bucket] = None

    def _flush_soon(self) -> None:
        if not self._is_asking:
            self._is_asking = True
            self._loop.call_soon(self._flush)

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
        # Who keeps the counts may have begun anew: what this worker knows of them goes first.
        for bucket in self._buckets:
            for key in bucket.ledger.recent(KNOWN_COUNT):
                self._untold[bucket, key] = None
        self._set_up(True)
        self._flush()

    def lost(self) -> None:
        """The connection is gone: whoever waits is told, and what was sent is sent again later."""
        self._transport = None
        self._set_up(False)
        while self._under_way:
            for sent in self._under_way.popleft()[1]:
                sent.bucket.unconfirmed(sent.key, sent.spent)
                self._untold[sent.bucket, sent.key] = None
                if sent.known is not None:
                    sent.known()
        self._release_asked()
        if self._connecting is not None and not self._connecting.cancelled():
            self._connecting = self._loop.create_task(self._connect())

    def received(self, data: bytes) -> None:
        """Answers."""
        try:
            for body in self._batches.feed(data):
                self._answered(read_answers(body))
        except (ValueError, IndexError, msgspec.DecodeError) as error:
            _log.error("shared counts: an answer that cannot be read", reason=str(error))
            if self._transport is not None:
                self._transport.abort()

    def _answered(self, answers: list[Answer]) -> None:
        _, batch = self._under_way.popleft()
        if len(batch) != len(answers):
            raise ValueError(f"{len(answers)} answers to {len(batch)} entries")
        now_ns = time.monotonic_ns()
        for sent, answer in zip(batch, answers, strict=True):
            sent.bucket.confirmed(sent.key, sent.spent, answer.number, sent.wish if answer.is_granted else 0, now_ns)
            if sent.wish and not answer.is_granted:
                sent.bucket.refused(sent.key)
        self._set_up(True)
        for sent in batch:
            if sent.known is not None:
                sent.known()

    def _set_up(self, is_up: bool) -> None:
        if is_up != self.is_up:
            self.is_up = is_up
            if is_up:
                _log.info("limits are counted together with the other workers")
            else:
                _log.warning("limits: no answer from the control process, this worker gives out its share")

    # -- batches --------------------------------------------------------------------------------------------------

    def _tell_all(self) -> None:
        self._timer = None
        self._flush()

    def _flush(self) -> None:
        self._is_asking = False
        transport = self._transport
        if transport is None:
            self._release_asked()
            return
        batch: list[_Sent] = []
        entries: list[Entry] = []
        asked, self._asked = self._asked, []
        for bucket, key, cost, known in asked:
            self._untold.pop((bucket, key), None)
            entry = entry_of(bucket, key, cost)
            entries.append(entry)
            batch.append(_Sent(bucket, key, entry.spent, cost, known))
        for bucket, key in list(self._untold)[: max(0, BATCH_COUNT - len(entries))]:
            del self._untold[bucket, key]
            entry = entry_of(bucket, key, 0)
            entries.append(entry)
            batch.append(_Sent(bucket, key, entry.spent, 0, None))
        if entries:
            self._under_way.append((self._loop.time(), batch))
            transport.write(pack(entries))
        if self._untold and self._timer is None:
            self._timer = self._loop.call_later(TELL_S, self._tell_all)

    def _look(self) -> None:
        """Whoever waited long enough is let go: it decides by this worker's share."""
        now, before = self._loop.time(), self._looked_at
        self._looked_at = now
        self._watch = self._loop.call_later(ANSWER_S / 2, self._look)
        # When this loop did not run, the answer may be here already: it is read before the next look.
        if now - before > ANSWER_S or not self._under_way or self._under_way[0][0] + ANSWER_S > now:
            return
        self._set_up(False)
        for _, batch in self._under_way:
            for sent in batch:
                known, sent.known = sent.known, None
                if known is not None:
                    known()
        self._release_asked()

    def _release_asked(self) -> None:
        asked, self._asked = self._asked, []
        for _, _, _, known in asked:
            known()


class _Connection(asyncio.Protocol):
    def __init__(self, link: LimitLink) -> None:
        self._link = link

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._link.connected(cast("asyncio.Transport", transport))

    def data_received(self, data: bytes) -> None:
        self._link.received(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio.Protocol
        self._link.lost()


def entry_of(bucket: SharedBucket, key: str, wish: int) -> Entry:
    """What is to be said of a key now; what is untold counts as sent from then on."""
    number, spent = bucket.take_untold(key)
    meter = bucket.meter
    interval_ns, tolerance_ns = (meter.interval_ns, meter.tolerance_ns) if isinstance(meter, Gcra) else (0, 0)
    most = meter.most if isinstance(meter, Tally) else 0
    is_slots = isinstance(bucket, SharedSlots)
    return Entry(bucket.name, key, number, spent, wish, interval_ns, tolerance_ns, most, is_slots, bucket.until_s)
