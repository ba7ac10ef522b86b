"""Reads segments and trails. It changes nothing, trusts nothing, and does not know the writer."""

import contextlib
import heapq
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from doorward.audit.format import (
    GROUP_HEADER_BYTES,
    GROUP_MAGIC,
    HEADER_BYTES,
    Malformed,
    SegmentHeader,
    Slot,
    StoredRecord,
    chain_start,
    next_link,
    unpack_group_header,
    unpack_records,
    unpack_segment_header,
    unpack_slots,
)

_SHARD_NAME: Final = re.compile(r"([a-z][a-z0-9-]*)(?:\.([0-9]{1,9}))?", re.ASCII)
_SEGMENT_NAME: Final = re.compile(r"[0-9]{20}\.seg", re.ASCII)
_GROUP_MAGIC: Final = GROUP_MAGIC.to_bytes(4, "little")
_CHUNK_BYTES: Final = 1 << 20


class Damage(NamedTuple):
    """The first thing in a segment that is not as it was written."""

    kind: str
    seq: int
    """The record that should stand there."""
    offset: int
    detail: str


@dataclass(slots=True)
class SegmentScan:
    """What a segment holds."""

    path: Path
    header: SegmentHeader | None = None
    link: bytes = b""
    """The chain's value at `end`."""
    next_seq: int = 0
    end: int = 0
    """Where the last good group ends."""
    size: int = 0
    slot: Slot | None = None
    torn_slot: int = 0
    """Offset of an acknowledged slot that does not fit its checksum; 0 when there is none."""
    damage: Damage | None = None
    torn: bool = False
    """The damage can be the last write before a crash: nothing acknowledged is touched, nothing valid stands behind."""
    links: dict[int, bytes] = field(default_factory=dict)
    """The chain's value by the last seq of each group; only when asked for."""


Visit = Callable[[StoredRecord], None]


def shard_directories(directory: Path, base: str | None = None) -> list[Path]:
    """The shards of a trail in order (`worker-0`, `worker-0.1`, ...); only those that continue `base` when given."""
    if not directory.is_dir():
        return []
    found = []
    for path in directory.iterdir():
        match = _SHARD_NAME.fullmatch(path.name)
        if match and path.is_dir() and base in {None, match[1]}:
            found.append((match[1], int(match[2] or 0), path))
    return [path for _, _, path in sorted(found)]


def generation(shard: str) -> int:
    """How often the shard was given up and continued under a new name: 2 for `worker-0.2`.

    >>> generation("worker-0"), generation("worker-0.2")
    (0, 2)
    """
    return int(shard.partition(".")[2] or 0)


def segment_paths(shard: Path) -> list[Path]:
    """The segments of a shard, oldest first."""
    return sorted(path for path in shard.iterdir() if _SEGMENT_NAME.fullmatch(path.name))


def scan_segment(path: Path, visit: Visit | None = None, *, keep_links: bool = False) -> SegmentScan:
    """What the segment holds up to its first damage; `visit` sees every good record on the way.

    Errors: OSError when it cannot be read.
    """
    scan = SegmentScan(path)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        scan.size = os.fstat(fd).st_size
        _scan(fd, scan, visit, keep_links)
        if scan.damage is not None and scan.header is not None:
            acknowledged = scan.slot.offset if scan.slot else HEADER_BYTES
            scan.torn = scan.end >= acknowledged and not _group_behind(fd, scan.end + 1, scan.size)
    finally:
        os.close(fd)
    return scan


def _scan(fd: int, scan: SegmentScan, visit: Visit | None, keep_links: bool) -> None:
    raw_header = os.pread(fd, HEADER_BYTES, 0)
    try:
        header = unpack_segment_header(raw_header)
        scan.slot, scan.torn_slot = unpack_slots(raw_header)
    except Malformed as malformed:
        scan.damage = Damage(malformed.what, _seq_in_name(scan.path), 0, malformed.detail)
        return
    scan.header, scan.link, scan.end, scan.next_seq = header, chain_start(raw_header), HEADER_BYTES, header.first_seq
    if header.first_seq != _seq_in_name(scan.path):
        scan.damage = Damage("order", _seq_in_name(scan.path), 0, f"the file holds records from {header.first_seq} on")
        return
    scan.damage = _take_groups(fd, scan, visit, keep_links)
    if scan.damage is not None:
        return
    if scan.slot is not None and scan.slot.offset > scan.end:
        detail = f"record {scan.slot.seq} was acknowledged and is not there"
        scan.damage = Damage("truncated", scan.next_seq, scan.end, detail)
    elif not _only_zeros(fd, scan.end, scan.size):
        scan.damage = Damage("tail", scan.next_seq, scan.end, "bytes behind the last group")
    elif scan.torn_slot:
        detail = "an acknowledged slot does not fit its checksum"
        scan.damage = Damage("header", scan.next_seq, scan.torn_slot, detail)


def _take_groups(fd: int, scan: SegmentScan, visit: Visit | None, keep_links: bool) -> Damage | None:
    while scan.end < scan.size:
        raw = os.pread(fd, GROUP_HEADER_BYTES, scan.end)
        if not any(raw[:4]):
            return None
        try:
            _take_group(fd, raw, scan, visit)
        except Malformed as malformed:
            return Damage(malformed.what, scan.next_seq, scan.end, malformed.detail)
        if keep_links:
            scan.links[scan.next_seq - 1] = scan.link
    return None


def _take_group(fd: int, raw_header: bytes, scan: SegmentScan, visit: Visit | None) -> None:
    header = unpack_group_header(raw_header)
    if header.first_seq > scan.next_seq:
        raise Malformed("missing", f"records {scan.next_seq} to {header.first_seq - 1} are not there")
    if header.first_seq < scan.next_seq:
        raise Malformed("order", f"record {header.first_seq} stands here a second time")
    if header.previous_hash != scan.link:
        raise Malformed("chain", "the group does not continue the hash chain: something before it was replaced")
    body = os.pread(fd, header.length, scan.end + GROUP_HEADER_BYTES)
    if len(body) < header.length:
        raise Malformed("truncated", "the file ends inside a group")
    records = unpack_records(body, header)
    scan.link = next_link(scan.link, raw_header + body)
    scan.end += GROUP_HEADER_BYTES + header.length
    scan.next_seq += header.record_count
    if visit is not None:
        for record in records:
            visit(record)


def _seq_in_name(path: Path) -> int:
    return int(path.name[:20])


def _only_zeros(fd: int, start: int, end: int) -> bool:
    while start < end:
        chunk = os.pread(fd, _CHUNK_BYTES, start)
        if not chunk:
            return True
        if chunk.count(0) != len(chunk):
            return False
        start += len(chunk)
    return True


def _group_behind(fd: int, start: int, end: int) -> bool:
    """Whether a valid group header stands anywhere from `start` on."""
    while start < end:
        chunk = os.pread(fd, _CHUNK_BYTES + GROUP_HEADER_BYTES, start)
        at = chunk.find(_GROUP_MAGIC)
        while 0 <= at < _CHUNK_BYTES:
            try:
                unpack_group_header(chunk[at : at + GROUP_HEADER_BYTES])
            except Malformed:
                at = chunk.find(_GROUP_MAGIC, at + 1)
            else:
                return True
        start += _CHUNK_BYTES
    return False


class Located(NamedTuple):
    """A record and where it stands."""

    time_ns: int
    shard: str
    seq: int
    segment: str
    kind: int
    payload: bytes


def read_trail(directory: Path) -> Iterator[Located]:
    """All readable records of a trail in order of time. What is damaged is left out: `verify` reports it."""
    return heapq.merge(*(_read_shard(shard) for shard in shard_directories(directory)))


def _read_shard(shard: Path) -> Iterator[Located]:
    for path in segment_paths(shard):
        records: list[StoredRecord] = []
        scan_segment(path, records.append)
        yield from _located(path, records)


def _located(path: Path, records: Iterable[StoredRecord]) -> list[Located]:
    return [Located(time_ns, path.parent.name, seq, path.name, kind, data) for seq, time_ns, kind, data in records]


class Follower:
    """Reads what was added to a trail since the last look, from where that ended."""

    __slots__ = ("_directory", "_scans")

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._scans: dict[str, SegmentScan] = {}

    def read_new(self) -> list[Located]:
        """The records added since the last call (all of the newest segments at the first), in order of time."""
        found: list[Located] = []
        for shard in shard_directories(self._directory):
            paths = segment_paths(shard)
            scan = self._scans.get(shard.name)
            if scan is None:
                paths = paths[-1:]
            else:
                records: list[StoredRecord] = []
                _scan_on(scan, records.append)
                found += _located(scan.path, records)
                paths = [path for path in paths if path.name > scan.path.name]
            for path in paths:
                records = []
                self._scans[shard.name] = scan_segment(path, records.append)
                found += _located(path, records)
        return sorted(found)


def _scan_on(scan: SegmentScan, visit: Visit) -> None:
    """The scan goes on with what stands behind its end by now."""
    with contextlib.suppress(FileNotFoundError):  # taken away since: there is nothing more in it
        fd = os.open(scan.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            scan.size = os.fstat(fd).st_size
            _take_groups(fd, scan, visit, keep_links=False)
        finally:
            os.close(fd)
