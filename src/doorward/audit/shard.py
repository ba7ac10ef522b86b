"""One shard being written: a group is durable when `write` returns. No thread, no queue."""

import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import structlog

from doorward.audit.checkpoint import CheckpointWriter
from doorward.audit.fileio import FileIo
from doorward.audit.format import (
    HEADER_BYTES,
    SLOT_OFFSETS,
    Item,
    SegmentHeader,
    Slot,
    chain_start,
    group_bytes,
    next_link,
    pack_group,
    pack_segment_header,
    pack_slot,
)
from doorward.audit.reading import generation
from doorward.audit.recovery import Start, lifecycle, recovered
from doorward.controls.audit.record import Record, encode, finishes, request_id_of
from doorward.controls.audit.records import Carried, Intent, Kind, UnreadableRecord, decode

_log: Final = structlog.get_logger("doorward.audit")
_PREAMBLE_COUNT: Final = 256
_INTENT: Final = int(Kind.INTENT)
_CARRIED_COUNT: Final = 500
"""Request ids in one record: 18 bytes each, so that a payload stays below its bound."""


class Shard:
    """Writes groups. After an error the file is never trusted again: the shard goes on under a new name.

    Units: `segment_bytes` in bytes. Not for two threads at once.
    """

    def __init__(
        self,
        directory: Path,
        start: Start,
        *,
        io: FileIo,
        segment_bytes: int,
        checkpoints: CheckpointWriter | None,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._directory, self._io, self._segment_bytes, self._clock_ns = directory, io, segment_bytes, clock_ns
        self._checkpoints = checkpoints
        self.name, self._number, self._next_seq, self._link = start.shard, start.number, start.next_seq, start.link
        self._head = start.link
        """The chain's value behind the newest durable record."""
        self._is_signed = False
        self._preamble = list(start.preamble)
        self._fd: int | None = None
        self._offset = 0
        self._slot: Slot | None = None
        self._slot_turn = 0
        self._under_way: dict[bytes, None] = {}
        """Requests with a durable intent and no durable end."""
        self._carries = False
        """The next group is the first of a segment that continues another."""

    @property
    def last_seq(self) -> int:
        """The newest durable record; 0 before the first."""
        return self._next_seq - 1

    def open(self) -> None:
        """A segment is open, what recovery has to say stands in it, and its head is signed.

        Errors: OSError; call again later.
        """
        if self._fd is None:
            self._create_segment()
        while self._preamble:
            now_ns = self._clock_ns()
            self._write_group([_item(record, now_ns) for record in self._preamble[:_PREAMBLE_COUNT]])
            del self._preamble[:_PREAMBLE_COUNT]
        if not self._is_signed:
            self.sign()

    def write(self, items: Sequence[Item]) -> None:
        """All these records are durable. Errors: OSError: none of them may be relied on."""
        self.open()
        self._write_group(items)

    def sign(self) -> None:
        """The newest link of the chain is signed, if a key is at hand and there is something new."""
        if self._checkpoints is not None and self.last_seq:
            self._checkpoints.write(self._directory / self.name, self.name, self.last_seq, self._head)
        self._is_signed = True

    def close(self) -> None:
        """The shard ends: the newest segment has its exact length and its end is signed. Errors: OSError."""
        self.open()
        self._write_group([_item(lifecycle("stop", ""), self._clock_ns())])
        self._finish_segment()
        self.sign()

    def _write_group(self, items: Sequence[Item]) -> None:
        length = group_bytes(items)
        if self._fd is not None and self._offset > HEADER_BYTES and self._offset + length > self._segment_bytes:
            self._finish_segment()
            self._carries = True
        if self._fd is None:
            self._create_segment()
        if self._carries:
            items = [*self._carried(), *items]
            length = group_bytes(items)
        fd, io = self._descriptor(), self._io
        group = pack_group(items, first_seq=self._next_seq, time_ns=self._clock_ns(), previous_hash=self._link)
        try:
            self._write_slot(fd)
            io.write_all(fd, group, self._offset)
            io.sync(fd)
        except OSError as error:
            self._abandon(error, items)
            raise
        self._link = self._head = next_link(self._link, group)
        self._next_seq += len(items)
        self._offset += length
        self._slot = Slot(self._next_seq - 1, self._offset)
        self._carries = False
        self._note(items)

    def _note(self, items: Sequence[Item]) -> None:
        for item in items:
            if item.kind == _INTENT:
                self._under_way[request_id_of(item.payload)] = None
            elif self._under_way and finishes(item.kind):
                self._under_way.pop(request_id_of(item.payload), None)

    def _carried(self) -> list[Item]:
        ids, now_ns = tuple(self._under_way), self._clock_ns()
        return [
            _item(encode(Kind.CARRIED, Carried(ids[start : start + _CARRIED_COUNT])), now_ns)
            for start in range(0, max(len(ids), 1), _CARRIED_COUNT)
        ]

    def _descriptor(self) -> int:
        if self._fd is None:
            raise OSError("no segment is open")
        return self._fd

    def _write_slot(self, fd: int) -> None:
        if self._slot is not None:
            self._io.write_all(fd, pack_slot(self._slot), SLOT_OFFSETS[self._slot_turn])
            self._slot_turn ^= 1

    def _create_segment(self) -> None:
        """A new segment under its final name. Up to the renaming an error leaves everything as it was."""
        io, shard = self._io, self._directory / self.name
        io.make_directory(shard)
        path = shard / f"{self._next_seq:020d}.seg"
        unfinished = path.with_suffix(".tmp")
        header = pack_segment_header(
            SegmentHeader(self.name, self._number + 1, self._next_seq, self._clock_ns(), self._link)
        )
        fd = io.create(unfinished)
        try:
            io.reserve(fd, self._segment_bytes)
            io.write_all(fd, header, 0)
            io.sync(fd)
            io.rename(unfinished, path)
        except OSError:
            with contextlib.suppress(OSError):  # the first error is the one to report; recovery removes what is left
                io.close(fd)
            with contextlib.suppress(OSError):
                io.remove(unfinished)
            raise
        self._fd, self._offset, self._slot, self._slot_turn = fd, HEADER_BYTES, None, 0
        try:
            io.sync_directory(shard)
        except OSError as error:
            self._abandon(error, ())
            raise
        self._number += 1
        self._link = chain_start(header)

    def _finish_segment(self) -> None:
        """The segment is cut to its exact length and closed; nothing is written to it again."""
        fd, io = self._descriptor(), self._io
        try:
            self._write_slot(fd)
            io.truncate(fd, self._offset)
            io.sync(fd)
            io.close(fd)
        except OSError as error:
            self._abandon(error, ())
            raise
        self._fd = None

    def _abandon(self, error: OSError, lost: Sequence[Item]) -> None:
        """The open file is given up for good: whether its last write is on the disk, nobody can tell any more.

        Source: since Linux 4.13 an `fdatasync` that failed once can succeed when repeated, without the data
        (PostgreSQL wiki, "fsync errors").
        """
        _log.error("audit.shard_given_up", shard=self.name, seq=self._next_seq, error=str(error))
        if self._fd is not None:
            with contextlib.suppress(OSError):  # it is given up anyway
                self._io.close(self._fd)
        reason = f"{self.name} given up behind record {self._next_seq - 1}: {error}"
        base = self.name.partition(".")[0]
        self.name = f"{base}.{generation(self.name) + 1}"
        # The chain goes on behind the last durable record, so that the new shard's signed head covers the old one too.
        self._fd, self._number, self._next_seq, self._link = None, 0, 1, self._head
        self._is_signed = self._carries = False
        # The lost group may be on the disk all the same: its intents must not stand there without an end.
        self._preamble = [lifecycle("continued", reason), *_ends_of(lost), *self._preamble]


def _ends_of(items: Sequence[Item]) -> list[Record]:
    ends = []
    for item in items:
        if item.kind == Kind.INTENT:
            with contextlib.suppress(UnreadableRecord):  # what has no request id cannot be ended
                entry = decode(item.kind, item.payload)
                if isinstance(entry, Intent):
                    ends.append(recovered(entry.request_id, "refused: the intent could not be made durable"))
    return ends


def _item(record: Record, now_ns: int) -> Item:
    return Item(record.kind, now_ns, record.payload)
