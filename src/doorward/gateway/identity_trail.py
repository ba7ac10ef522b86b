"""Moves the events of the identity provider from the store, where they came in with their change, into the audit trail.

An event is marked only once its record is durable, so a crash loses none. What was under way is looked for in the shard
at the next start, so a crash makes none stand there twice either; only after a disk that failed may one come again,
with the same id.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from doorward.audit.checkpoint import ensure_key
from doorward.audit.format import StoredRecord
from doorward.audit.reading import scan_segment, segment_paths, shard_directories
from doorward.audit.writer import AuditWriter, trail_directory
from doorward.controls.audit import AuditPolicy, Kind, Record, identity_record
from doorward.controls.audit.records import Identity, UnreadableRecord, decode
from doorward.identity.events import WAITING_MOST, Event, mark_recorded, waiting
from doorward.store import Store

SHARD: Final = "identity"
SEGMENT_BYTES: Final = 4 << 20
"""Size of a segment of this shard: a start reads the newest one, and there is little in it."""
LOOK_S: Final = 0.1
"""Time between two looks at the store, in seconds."""
RETRY_S: Final = 1.0
"""How long nothing is tried after disk or store have failed, in seconds."""

_log = structlog.get_logger("doorward.audit")


class IdentityTrail:
    """One mover; the lock of the shard keeps a second one away. No shard is made before there is an event.

    `follow`, `move` and `close` belong to the event loop.
    """

    def __init__(self, store: Store, state: Path, policy: AuditPolicy, *, clock: Callable[[], float]) -> None:
        self._store, self._state, self._policy, self._clock = store, state, policy, clock
        self._directory = trail_directory(state, policy)
        self._writer: AuditWriter | None = None
        self._known: frozenset[str] = frozenset()
        """Events that stand in the shard and may not be marked yet: of an earlier run, or of a mark that failed."""
        self._moving: asyncio.Task[bool] | None = None
        self._is_down = False

    async def follow(self, version: Callable[[], Awaitable[str]]) -> None:
        """Move whatever comes, until cancelled. `version` is another text after every change of the store."""
        seen: str | None = None
        while True:
            # asked before the store is read: what comes in between is looked for again
            found = await self._asked(version)
            if found is None or found != seen:
                self._moving = asyncio.create_task(self.move_all())
                # whoever cancels this waits for it in `close`: an event half moved would be moved once more there
                seen = found if await asyncio.shield(self._moving) else None
            await asyncio.sleep(RETRY_S if self._is_down or found is None else LOOK_S)

    async def move_all(self) -> bool:
        """Whether nothing waits any more. What cannot be moved now is told in the log, once, and stays."""
        try:
            while await self.move():
                pass
        except (OSError, ValueError, SQLAlchemyError) as error:
            if not self._is_down:
                _log.error("events of the identity provider wait in the store", reason=str(error))
            self._is_down = True
            return False
        if self._is_down:
            _log.warning("events of the identity provider are recorded again")
        self._is_down = False
        return True

    async def move(self) -> int:
        """How many events were moved: the oldest ones, at most `WAITING_MOST`.

        Errors: OSError when the trail does not take them; SQLAlchemyError.
        """
        found = await asyncio.to_thread(waiting, self._store)
        if not found:
            return 0
        writer = self._writer or await self._open()
        new = [event for event in found if event.uid not in self._known]
        if new and not await _durable(writer, new):
            raise OSError("the records could not be made durable")
        # known until they are marked: a store that takes no mark must not fill the trail with them
        self._known |= {event.uid for event in new}
        await asyncio.to_thread(mark_recorded, self._store, [event.uid for event in found], now=self._clock())
        self._known -= {event.uid for event in found}
        return len(found)

    async def close(self) -> None:
        """The rest is moved, if it can be, and the shard ends."""
        if self._moving is not None:
            await self._moving
        await self.move_all()
        if self._writer is not None:
            await asyncio.to_thread(self._writer.close)
            self._writer = None

    async def _asked(self, version: Callable[[], Awaitable[str]]) -> str | None:
        try:
            return await version()
        except SQLAlchemyError as error:
            _log.error("the store cannot be asked whether events wait in it", reason=str(error))
            return None

    async def _open(self) -> AuditWriter:
        writer = await asyncio.to_thread(self._opened, asyncio.get_running_loop())
        try:
            self._known = await asyncio.to_thread(_newest_events, self._directory)
        except BaseException:
            # without them an event could come again: another try, which needs the lock
            await asyncio.to_thread(writer.close)
            raise
        self._writer = writer
        return writer

    def _opened(self, loop: asyncio.AbstractEventLoop) -> AuditWriter:
        signing_key = self._state / "keys" / "audit.key"
        ensure_key(signing_key)
        return AuditWriter(
            self._directory,
            SHARD,
            loop=loop,
            signing_key=signing_key,
            gather_s=self._policy.gather_ms / 1000,
            group_count=self._policy.group_count,
            segment_bytes=min(self._policy.segment_bytes, SEGMENT_BYTES),
        )


async def _durable(writer: AuditWriter, events: Sequence[Event]) -> bool:
    told = []
    for event in events:
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        writer.append(_record(event), future.set_result)
        told.append(future)
    return all(await asyncio.gather(*told))


def _record(event: Event) -> Record:
    return identity_record(
        event.uid,
        event.at,
        event.kind,
        subject=event.subject,
        actor=event.actor,
        address=event.address,
        detail=event.detail,
    )


def _newest_events(directory: Path) -> frozenset[str]:
    """The ids of the newest events in the shard: at least as many as can have been under way when it was left.

    A shard that was given up is not asked: what its last write left there may not be durable.
    """
    found: deque[str] = deque()
    for path in reversed(segment_paths(shard_directories(directory, SHARD)[-1])):
        records: list[StoredRecord] = []
        scan_segment(path, records.append)
        found.extendleft(reversed([uid for record in records if (uid := _uid(record))]))
        if len(found) >= WAITING_MOST:
            break
    return frozenset(list(found)[-WAITING_MOST:])


def _uid(record: StoredRecord) -> str:
    if record.kind != Kind.IDENTITY:
        return ""
    try:
        entry = decode(record.kind, record.payload)
    except UnreadableRecord:  # of a newer version: it says nothing to this one
        return ""
    return entry.event_id.hex() if isinstance(entry, Identity) else ""
