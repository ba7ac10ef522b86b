"""The layout of segment files, and nothing else: bytes in, facts out, no file is touched. Little-endian throughout.

    segment header   4,096 bytes: fixed part with its CRC, two acknowledged slots at 1,024 and 2,048, zeros between
    group            a 68-byte header and its records: what one `fdatasync` made durable, one link of the hash chain
    end              zeros: the rest of the reserved file, or the end of a finished one

CRC is CRC-32/ISO-HDLC (`zlib.crc32`): it finds accidents, the hash chain finds everything else. The chain starts in
each segment as SHA-256 of the header's fixed part, which holds the chain's value at the end of the segment before;
each group's link is SHA-256(previous link, group).
"""

import hashlib
import struct
import zlib
from collections.abc import Sequence
from typing import Final, NamedTuple

MAGIC: Final = b"DWAUDIT1"
VERSION: Final = 1
HEADER_BYTES: Final = 4096
SLOT_OFFSETS: Final = (1024, 2048)
NO_HASH: Final = bytes(32)
GROUP_MAGIC: Final = 0x31475744
"""`DWG1` as it stands in the file."""
GROUP_BYTES_MAX: Final = 16 << 20
"""A larger group is not read: 256 records of 16 KiB are a quarter of it."""

_FIXED: Final = struct.Struct("<8sIIQq32s64s")
_CRC: Final = struct.Struct("<I")
_SLOT: Final = struct.Struct("<QQ")
_GROUP: Final = struct.Struct("<IIIIQq32s")
_RECORD: Final = struct.Struct("<IBBHQq")
FIXED_BYTES: Final = _FIXED.size + _CRC.size
SLOT_BYTES: Final = _SLOT.size + _CRC.size
GROUP_HEADER_BYTES: Final = _GROUP.size + _CRC.size
RECORD_OVERHEAD_BYTES: Final = _RECORD.size + _CRC.size


class Malformed(Exception):
    """These bytes are not what should stand here. `what` is a word of `verify.KINDS`."""

    def __init__(self, what: str, detail: str) -> None:
        super().__init__(detail)
        self.what, self.detail = what, detail


class SegmentHeader(NamedTuple):
    """What a segment says about itself."""

    shard: str
    number: int
    """Counts the segments of a shard from 1."""
    first_seq: int
    created_ns: int
    previous_hash: bytes
    """Value of the chain at the end of the segment before, or behind the last durable record of the shard before;
    zeros where nothing is before, or nothing that can be trusted."""


class Slot(NamedTuple):
    """How far a segment was known to be durable."""

    seq: int
    offset: int
    """End of the group that holds `seq`, from the start of the file."""


class GroupHeader(NamedTuple):
    """What stands before the records of a group."""

    length: int
    """Of the records behind it, in bytes."""
    record_count: int
    first_seq: int
    time_ns: int
    previous_hash: bytes


class Item:
    """One record to be written."""

    __slots__ = ("kind", "payload", "time_ns")

    def __init__(self, kind: int, time_ns: int, payload: bytes) -> None:
        self.kind = kind
        self.time_ns = time_ns
        self.payload = payload


class StoredRecord(NamedTuple):
    """One record as read back."""

    seq: int
    time_ns: int
    kind: int
    payload: bytes


def pack_segment_header(header: SegmentHeader) -> bytes:
    """The first 4,096 bytes of a segment, with empty slots."""
    shard = header.shard.encode()
    fixed = _FIXED.pack(MAGIC, VERSION, header.number, header.first_seq, header.created_ns, header.previous_hash, shard)
    return (fixed + _CRC.pack(zlib.crc32(fixed))).ljust(HEADER_BYTES, b"\0")


def unpack_segment_header(raw: bytes) -> SegmentHeader:
    """What the header says. Errors: Malformed."""
    if len(raw) < HEADER_BYTES:
        raise Malformed("truncated", "the file ends inside the segment header")
    fixed = raw[: _FIXED.size]
    magic, version, number, first_seq, created_ns, previous_hash, shard = _FIXED.unpack(fixed)
    if magic != MAGIC:
        raise Malformed("header", "the file does not begin as a segment does")
    if _CRC.unpack_from(raw, _FIXED.size)[0] != zlib.crc32(fixed):
        raise Malformed("header", "the segment header does not fit its checksum")
    if version != VERSION:
        raise Malformed("header", f"format version {version} is not known to this program")
    blank = raw[FIXED_BYTES : SLOT_OFFSETS[0]] + raw[SLOT_OFFSETS[0] + SLOT_BYTES : SLOT_OFFSETS[1]]
    if any(blank) or any(raw[SLOT_OFFSETS[1] + SLOT_BYTES : HEADER_BYTES]):
        raise Malformed("header", "the segment header holds bytes where it must be empty")
    return SegmentHeader(shard.rstrip(b"\0").decode("utf-8", "replace"), number, first_seq, created_ns, previous_hash)


def chain_start(raw_header: bytes) -> bytes:
    """The chain's value before the first group of the segment that begins with these bytes."""
    return hashlib.sha256(raw_header[:FIXED_BYTES]).digest()


def pack_slot(slot: Slot) -> bytes:
    """An acknowledged slot as it stands in the header."""
    packed = _SLOT.pack(*slot)
    return packed + _CRC.pack(zlib.crc32(packed))


def unpack_slots(raw_header: bytes) -> tuple[Slot | None, int]:
    """The later of the acknowledged slots (None while both are empty), and the offset of a torn one (0: none is).

    The slots are written in turn, so a crash can tear one and never both. Errors: Malformed, when both are wrong.
    """
    found: Slot | None = None
    torn: list[int] = []
    for offset in SLOT_OFFSETS:
        raw = raw_header[offset : offset + SLOT_BYTES]
        if not any(raw):
            continue
        if _CRC.unpack_from(raw, _SLOT.size)[0] != zlib.crc32(raw[: _SLOT.size]):
            torn.append(offset)
            continue
        slot = Slot(*_SLOT.unpack_from(raw))
        if found is None or slot.seq > found.seq:
            found = slot
    if len(torn) == len(SLOT_OFFSETS):
        raise Malformed("header", "neither acknowledged slot fits its checksum")
    return found, torn[0] if torn else 0


def group_bytes(items: Sequence[Item]) -> int:
    """How many bytes the group of these records takes."""
    return GROUP_HEADER_BYTES + sum(RECORD_OVERHEAD_BYTES + len(item.payload) for item in items)


def pack_group(items: Sequence[Item], *, first_seq: int, time_ns: int, previous_hash: bytes) -> bytes:
    """Header and records of one group."""
    parts: list[bytes] = []
    for seq, item in enumerate(items, first_seq):
        framed = _RECORD.pack(len(item.payload), item.kind, VERSION, 0, seq, item.time_ns) + item.payload
        parts += (framed, _CRC.pack(zlib.crc32(framed)))
    body = b"".join(parts)
    header = _GROUP.pack(GROUP_MAGIC, len(body), len(items), 0, first_seq, time_ns, previous_hash)
    return header + _CRC.pack(zlib.crc32(header)) + body


def next_link(link: bytes, group: bytes) -> bytes:
    """The chain's value after this group."""
    chained = hashlib.sha256(link)
    chained.update(group)
    return chained.digest()


def unpack_group_header(raw: bytes) -> GroupHeader:
    """The header of a group. Errors: Malformed."""
    if len(raw) < GROUP_HEADER_BYTES:
        raise Malformed("truncated", "the file ends inside a group header")
    packed = raw[: _GROUP.size]
    magic, length, record_count, flags, first_seq, time_ns, previous_hash = _GROUP.unpack(packed)
    if magic != GROUP_MAGIC or _CRC.unpack_from(raw, _GROUP.size)[0] != zlib.crc32(packed):
        raise Malformed("changed", "a group header does not fit its checksum")
    if flags or not record_count or length > GROUP_BYTES_MAX:
        raise Malformed("changed", "a group header holds values that are never written")
    return GroupHeader(length, record_count, first_seq, time_ns, previous_hash)


def unpack_records(body: bytes, header: GroupHeader) -> list[StoredRecord]:
    """The records of a group. Errors: Malformed."""
    records: list[StoredRecord] = []
    offset = 0
    for seq in range(header.first_seq, header.first_seq + header.record_count):
        if offset + RECORD_OVERHEAD_BYTES > len(body):
            raise Malformed("changed", f"record {seq} does not fit into its group")
        length, kind, version, flags, stored_seq, time_ns = _RECORD.unpack_from(body, offset)
        end = offset + _RECORD.size + length
        if end + _CRC.size > len(body) or _CRC.unpack_from(body, end)[0] != zlib.crc32(body[offset:end]):
            raise Malformed("changed", f"record {seq} does not fit its checksum")
        if flags or version != VERSION or stored_seq != seq:
            raise Malformed("changed", f"record {seq} is framed as record {stored_seq}, version {version}")
        records.append(StoredRecord(seq, time_ns, kind, body[offset + _RECORD.size : end]))
        offset = end + _CRC.size
    if offset != len(body):
        raise Malformed("changed", f"bytes behind the last record of the group of record {header.first_seq}")
    return records
