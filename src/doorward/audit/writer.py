"""The event loop's side of the trail: hands groups of records to one writer thread, and says when they are durable.

A record that comes alone goes to the disk at once. While the thread is busy, records gather; under load they gather for
a millisecond between two groups, because waking a thread costs about 30 us and a group costs hardly more than a record.
"""

import asyncio
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from doorward.audit.checkpoint import CheckpointWriter, ensure_key, load_private_key
from doorward.audit.fileio import FileIo
from doorward.audit.format import Item
from doorward.audit.lock import lock
from doorward.audit.recovery import recover
from doorward.audit.shard import Shard
from doorward.controls.audit import AuditPolicy, Record

_log: Final = structlog.get_logger("doorward.audit")

QUEUE_COUNT: Final = 4096
"""Most records waiting for the disk; one more is refused at once."""
QUEUE_BYTES: Final = 8 << 20
"""Most payload bytes waiting for the disk."""
RETRY_S: Final = 1.0
"""How long nothing is tried after the disk has failed: requests are refused at once in the meantime."""
SIGN_S: Final = 1.0
"""Longest time that a durable record waits for a signed head."""
_LOADED_COUNT: Final = 4
"""A group of so many records means load: gathering then costs nobody a noticeable wait."""
_CLOSE_S: Final = 10.0

Done = Callable[[bool], None]


class _Waiting:
    __slots__ = ("done", "item")

    def __init__(self, item: Item, done: Done) -> None:
        self.item = item
        self.done = done


class AuditWriter:
    """Makes records durable, a group at a time.

    `append` and `close` belong to the thread of `loop`. Recovery runs in the constructor: when it returns, what the
    last run left is in order, and what has to be said about it is on the disk (or will be, before any other record).

    Errors: lock.ShardInUse; OSError when the trail cannot be read.
    """

    def __init__(
        self,
        directory: Path,
        shard: str,
        *,
        loop: asyncio.AbstractEventLoop,
        signing_key: Path | None = None,
        gather_s: float = 0.001,
        group_count: int = 256,
        segment_bytes: int = 64 << 20,
        io: FileIo | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._loop, self._gather_s, self._group_count, self._clock = loop, gather_s, group_count, clock
        io = io or FileIo()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock_fd = lock(directory / f"{shard}.lock")
        try:
            key = None if signing_key is None else load_private_key(signing_key)
            checkpoints = None if key is None else CheckpointWriter(key, io)
            start = recover(directory, shard, io, None if key is None else key.public_key())
        except BaseException:
            os.close(self._lock_fd)
            raise
        self._shard = Shard(directory, start, io=io, segment_bytes=segment_bytes, checkpoints=checkpoints)
        self._signs = checkpoints is not None
        self._signed_at = 0.0
        self._unsigned = False
        self._retry_at = 0.0
        self._is_down = False
        self._waiting: deque[_Waiting] = deque()
        self._queued_count = 0
        self._queued_bytes = 0
        self._is_scheduled = False
        self._is_busy = False
        self._is_loaded = False
        self._is_closed = False
        self._dispatched_at = 0.0
        self._inbox: queue.SimpleQueue[list[_Waiting] | None] = queue.SimpleQueue()
        self._finished: deque[tuple[list[_Waiting], bool]] = deque()
        self._attempt(self._shard.open)
        self._worker = threading.Thread(target=self._run, name=f"audit {shard}", daemon=True)
        self._worker.start()

    @classmethod
    def open(cls, state: Path, slot: int, policy: AuditPolicy, *, loop: asyncio.AbstractEventLoop) -> "AuditWriter":
        """The writer of worker `slot`, as the policy says; the signing key is made when there is none yet."""
        signing_key = state / "keys" / "audit.key"
        ensure_key(signing_key)
        return cls(
            trail_directory(state, policy),
            f"worker-{slot}",
            loop=loop,
            signing_key=signing_key,
            gather_s=policy.gather_ms / 1000,
            group_count=policy.group_count,
            segment_bytes=policy.segment_bytes,
        )

    @property
    def load(self) -> float:
        """How full the queue is, 0 to 1: above a half, traffic without a caller should be shed."""
        return max(self._queued_count / QUEUE_COUNT, self._queued_bytes / QUEUE_BYTES)

    @property
    def is_down(self) -> bool:
        """The disk failed last time: nothing can be recorded right now."""
        return self._is_down

    def append(self, record: Record, done: Done) -> None:
        """`done(True)` once the record is durable, `done(False)` when it could not be made so; always on the loop.

        When the queue is full or the writer closed, `done(False)` is called before this returns.
        """
        size = len(record.payload)
        if self._is_closed or self._queued_count >= QUEUE_COUNT or self._queued_bytes + size > QUEUE_BYTES:
            done(False)
            return
        self._queued_count += 1
        self._queued_bytes += size
        self._waiting.append(_Waiting(Item(record.kind, time.time_ns(), record.payload), done))
        if not self._is_busy and not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._dispatch)

    def close(self) -> None:
        """All that waits is written and told, the shard is ended. Waits for the disk, at most 10 s."""
        if self._is_closed:
            return
        self._is_closed = True
        while self._waiting:
            self._inbox.put(self._next_group())
        self._inbox.put(None)
        self._worker.join(_CLOSE_S)
        self._release()
        os.close(self._lock_fd)

    # -- on the loop ------------------------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        self._is_scheduled = False
        if self._is_busy or not self._waiting or self._is_closed:
            return
        if self._is_loaded and len(self._waiting) < self._group_count:
            wait_s = self._dispatched_at + self._gather_s - self._loop.time()
            if wait_s > 0:
                self._is_scheduled = True
                self._loop.call_later(wait_s, self._dispatch)
                return
        group = self._next_group()
        self._is_busy = True
        self._is_loaded = len(group) >= _LOADED_COUNT
        self._dispatched_at = self._loop.time()
        self._inbox.put(group)

    def _next_group(self) -> list[_Waiting]:
        return [self._waiting.popleft() for _ in range(min(self._group_count, len(self._waiting)))]

    def _release(self) -> None:
        """Every finished group is told; the next one goes."""
        while self._finished:
            group, is_durable = self._finished.popleft()
            self._is_busy = False
            for waiting in group:
                self._queued_count -= 1
                self._queued_bytes -= len(waiting.item.payload)
                try:
                    waiting.done(is_durable)
                except Exception as error:  # noqa: BLE001  one answer that fails must not keep back the others
                    context = {"message": "an answer failed after its record was written", "exception": error}
                    self._loop.call_exception_handler(context)
        self._dispatch()

    # -- in the writer thread ---------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            try:
                group = self._inbox.get(timeout=self._sign_in_s())
            except queue.Empty:
                self._sign()
                continue
            if group is None:
                break
            is_durable = self._attempt(partial(self._shard.write, [waiting.item for waiting in group]))
            self._finished.append((group, is_durable))
            self._tell_loop()
            if self._sign_in_s() == 0:
                self._sign()
        self._attempt(self._shard.close)

    def _attempt(self, work: Callable[[], None]) -> bool:
        """Whether the work was done. After a failure nothing is tried for `RETRY_S`."""
        if self._is_down and self._clock() < self._retry_at:
            return False
        try:
            work()
        except Exception as error:  # noqa: BLE001  whatever it is, these records are not durable and the thread lives on
            if not self._is_down:
                _log.critical("audit.unavailable", shard=self._shard.name, error=repr(error))
            self._is_down = True
            self._retry_at = self._clock() + RETRY_S
            return False
        if self._is_down:
            _log.warning("audit.available_again", shard=self._shard.name)
        self._is_down = False
        self._unsigned = self._signs
        return True

    def _sign_in_s(self) -> float | None:
        if not self._unsigned:
            return None
        return max(0.0, self._signed_at + SIGN_S - self._clock())

    def _sign(self) -> None:
        self._unsigned = False
        self._signed_at = self._clock()
        try:
            self._shard.sign()
        except OSError as error:  # the records are durable without it; the next second tries again
            _log.error("audit.not_signed", shard=self._shard.name, error=str(error))
            self._unsigned = True

    def _tell_loop(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._release)
        except RuntimeError:  # the loop is closed: `close` tells them
            return


def trail_directory(state: Path, policy: AuditPolicy) -> Path:
    """Where the trail is kept."""
    return state / policy.directory
