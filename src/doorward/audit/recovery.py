"""What a writer finds when it starts: cuts what a crash tore, refuses what was changed, ends what has no end."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from doorward.audit.checkpoint import FILE_NAME, BadCheckpoint, read_checkpoint
from doorward.audit.fileio import FileIo
from doorward.audit.format import HEADER_BYTES, NO_HASH, SLOT_BYTES, StoredRecord
from doorward.audit.reading import SegmentScan, generation, scan_segment, segment_paths, shard_directories
from doorward.controls.audit.record import Record, encode, finishes
from doorward.controls.audit.records import (
    Carried,
    Intent,
    Kind,
    Lifecycle,
    Outcome,
    Recovered,
    UnreadableRecord,
    decode,
)

_log: Final = structlog.get_logger("doorward.audit")


class Start(NamedTuple):
    """Where writing goes on, and what must be written first."""

    shard: str
    number: int
    """Of the newest segment; 0 when there is none."""
    next_seq: int
    link: bytes
    """The chain's value at the end of the newest segment."""
    preamble: tuple[Record, ...]
    """Start, cuts, refused shards, and one `recovered` for every intent without an end."""


def recover(directory: Path, base: str, io: FileIo, public_key: Ed25519PublicKey | None = None) -> Start:
    """Where the shard that is called `base` goes on after the last run, however that ended.

    With `public_key` a shard that holds exchanges must have a signed head, and all that was signed must be there.

    Errors: OSError, when the trail cannot be read or a torn tail cannot be cut: nothing may be answered then.
    """
    io.make_directory(directory)
    found = _Found()
    shards = shard_directories(directory, base)
    newest: _End | None = None
    for shard in reversed(shards):
        if found.life_is_complete:
            _cut_newest(shard, found, io)
            continue
        end = _look_at(shard, found, io, public_key)
        newest = newest or end
    if newest is None:
        newest = _End(base, 0, 1, NO_HASH)
    if newest.problem:
        _log.error("audit.shard_refused", shard=newest.shard, problem=newest.problem)
        found.events.insert(0, lifecycle("shard_refused", f"{newest.shard}: {newest.problem}"))
        newest = _End(f"{base}.{generation(newest.shard) + 1}", 0, 1, NO_HASH)
    unfinished = [request_id for request_id in found.intents if request_id not in found.finished]
    preamble = (
        lifecycle("start", ""),
        *found.events,
        *(recovered(request_id, "outcome unknown") for request_id in unfinished),
    )
    return Start(newest.shard, newest.number, newest.next_seq, newest.link, preamble)


def lifecycle(event: str, detail: str) -> Record:
    """A record about the trail itself."""
    return encode(Kind.LIFECYCLE, Lifecycle(event, detail))


def recovered(request_id: bytes, reason: str) -> Record:
    """The end of an exchange whose outcome nobody recorded."""
    return encode(Kind.RECOVERED, Recovered(request_id, reason))


@dataclass(slots=True)
class _Found:
    """What the segments since the last start hold, newest first."""

    intents: dict[bytes, None] = field(default_factory=dict)
    finished: set[bytes] = field(default_factory=set)
    events: list[Record] = field(default_factory=list)
    holds_exchanges: bool = False
    """The shard at hand holds more than what a start writes by itself."""
    life_is_complete: bool = False
    """A segment was seen that a start began, or one that names what was under way: nothing older matters."""
    is_first: bool = True
    """The next record is the first of its segment."""

    def visit(self, record: StoredRecord) -> None:
        is_first, self.is_first = self.is_first, False
        try:
            entry = decode(record.kind, record.payload)
        except UnreadableRecord:  # written by a newer version: it is kept, and says nothing to this one
            return
        if not isinstance(entry, Lifecycle | Recovered | Carried):
            self.holds_exchanges = True
        if isinstance(entry, Intent):
            self.intents[entry.request_id] = None
        elif isinstance(entry, Carried):
            self.intents.update(dict.fromkeys(entry.request_ids))
            self.life_is_complete = True
        elif isinstance(entry, Outcome | Recovered) and finishes(record.kind):
            self.finished.add(entry.request_id)
        elif isinstance(entry, Lifecycle) and entry.event == "start" and is_first:
            # behind a `continued` it belongs to a start whose first write failed: the shard before has to be seen too
            self.life_is_complete = True


@dataclass(slots=True)
class _End:
    shard: str
    number: int
    next_seq: int
    link: bytes
    problem: str = ""


def _look_at(shard: Path, found: _Found, io: FileIo, public_key: Ed25519PublicKey | None) -> _End:
    """The end of the shard; its segments since the last start are in `found`, and its torn tail is cut."""
    for left in shard.glob("*.tmp"):
        io.remove(left)
    found.holds_exchanges = False
    end: _End | None = None
    problem = ""
    later: SegmentScan | None = None
    for path in reversed(segment_paths(shard)):
        found.is_first = True
        scan = scan_segment(path, found.visit)
        if scan.header is None or (scan.damage is not None and (later is not None or not scan.torn)):
            problem = problem or _describe(scan)
        elif later is not None and later.header is not None and later.header.previous_hash != scan.link:
            problem = problem or f"{later.path.name} does not continue {path.name}"
        elif end is None:
            problem = problem or _judge_head(shard, scan.next_seq - 1, found, public_key)
            if not problem:
                _cut(scan, found, io)
            if scan.end > HEADER_BYTES:
                end = _End(shard.name, scan.header.number, scan.next_seq, scan.link)
        later = scan if scan.end > HEADER_BYTES else later
        if found.life_is_complete:
            break
    end = end or _End(shard.name, 0, 1, NO_HASH)
    end.problem = problem
    return end


def _cut_newest(shard: Path, found: _Found, io: FileIo) -> None:
    """A shard that was given up may end in its last, failed write."""
    for path in segment_paths(shard)[-1:]:
        scan = scan_segment(path)
        if scan.header is not None and (scan.damage is None or scan.torn):
            _cut(scan, found, io)


def _describe(scan: SegmentScan) -> str:
    damage = scan.damage
    return f"{scan.path.name}: {damage.kind} at record {damage.seq}: {damage.detail}" if damage else scan.path.name


def _judge_head(shard: Path, last_seq: int, found: _Found, public_key: Ed25519PublicKey | None) -> str:
    """What is wrong with the shard's signed head; empty when nothing is."""
    try:
        signed_seq = read_checkpoint(shard / FILE_NAME, public_key).seq
    except FileNotFoundError:
        return "it has no signed head" if public_key is not None and found.holds_exchanges else ""
    except BadCheckpoint as bad:
        return str(bad)
    return f"records behind {last_seq} were signed and are not there" if last_seq < signed_seq else ""


def _cut(scan: SegmentScan, found: _Found, io: FileIo) -> None:
    """The file ends behind its last good group; a segment without any group goes."""
    if scan.damage is not None:
        detail = f"{scan.path.parent.name}/{scan.path.name} behind record {scan.next_seq - 1}: {scan.damage.detail}"
        _log.warning("audit.torn_tail_cut", detail=detail)
        found.events.append(lifecycle("torn_tail_cut", detail))
    if scan.end == HEADER_BYTES:
        io.remove(scan.path)
        io.sync_directory(scan.path.parent)
    elif scan.size > scan.end or scan.torn_slot:
        fd = io.open(scan.path)
        try:
            if scan.torn_slot:
                io.write_all(fd, bytes(SLOT_BYTES), scan.torn_slot)
            io.truncate(fd, scan.end)
            io.sync(fd)
        finally:
            io.close(fd)
