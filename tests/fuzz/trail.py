"""Targets: the audit trail read back, whatever happened to its files meanwhile."""

import shutil
import struct
import zlib
from functools import cache
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from tests.fuzz.target import Bytes, Target, directory

from doorward.audit.checkpoint import BadCheckpoint, CheckpointWriter, ensure_key, load_private_key, read_checkpoint
from doorward.audit.fileio import FileIo
from doorward.audit.format import GROUP_HEADER_BYTES, HEADER_BYTES, Item, Malformed, StoredRecord, unpack_group_header
from doorward.audit.reading import scan_segment
from doorward.audit.recovery import recover
from doorward.audit.shard import Shard
from doorward.audit.verify import KINDS, State, verify_trail
from doorward.controls.audit.record import encode
from doorward.controls.audit.records import Intent, Kind, Outcome, UnreadableRecord, decode


def record(data: bytes) -> None:
    """A record decodes to an entry that, encoded again, is the same entry; or it says that it cannot be read."""
    choices = Bytes(data)
    kind = choices.number(9)
    try:
        entry = decode(kind, choices.rest())
    except UnreadableRecord:
        return
    written = encode(Kind(kind), entry)
    assert decode(written.kind, written.payload) == entry


def checkpoint(data: bytes) -> None:
    """A signed head is read or bad; and signed by our key only if we signed it."""
    file = directory() / "checkpoint"
    file.write_bytes(data)
    try:
        found = read_checkpoint(file, None)
    except BadCheckpoint:
        return
    assert found.seq > 0
    assert len(found.link) == 32
    trail = _trail()
    if data != trail.checkpoint:
        try:
            told = read_checkpoint(file, trail.public_key)
        except BadCheckpoint:
            return
        assert told == trail.told, "a head that nobody signed was believed"


class _Trail:
    """A small finished trail of one segment, and a key that signed it."""

    def __init__(self) -> None:
        root = directory() / "trail"
        self.key = root / "keys" / "audit.key"
        ensure_key(self.key)
        self.directory = root / "audit"
        private, io = load_private_key(self.key), FileIo()
        self.public_key: Ed25519PublicKey = private.public_key()
        start = recover(self.directory, "worker-0", io, self.public_key)
        clock = iter(range(1, 1_000))
        shard = Shard(
            self.directory,
            start,
            io=io,
            segment_bytes=1 << 16,
            checkpoints=CheckpointWriter(private, io),
            clock_ns=lambda: next(clock),
        )
        shard.open()
        for number in range(3):
            name = bytes((number,)) * 16
            intent = Intent(name, number, "op", "POST", "/a", "alice", "127.0.0.1", b"", "v1")
            outcome = Outcome(
                *(name, number, "op", "POST", "/a", 201, "alice", "user", "c1", ("clerk",), "127.0.0.1", 1, "TLSv1.3"),
                *("v1", 10, 20, 30, b"", "curl"),
            )
            written = (encode(Kind.INTENT, intent), encode(Kind.OUTCOME, outcome))
            shard.write([Item(each.kind, number, each.payload) for each in written])
        shard.close()
        (self.segment,) = self.directory.glob("*/*.seg")
        self.signed = self.segment.with_name("checkpoint")
        self.original, self.checkpoint = self.segment.read_bytes(), self.signed.read_bytes()
        self.told = read_checkpoint(self.signed, self.public_key)
        self.records: list[StoredRecord] = []
        scan_segment(self.segment, self.records.append)

    def restore(self, segment: bytes) -> None:
        """The trail again, with this segment in it, and nothing that a recovery left behind."""
        for shard in self.directory.iterdir():
            if shard != self.segment.parent:
                shutil.rmtree(shard)
        for file in self.segment.parent.iterdir():
            file.unlink()
        self.segment.write_bytes(segment)
        self.signed.write_bytes(self.checkpoint)


@cache
def _trail() -> _Trail:
    return _Trail()


def segment(data: bytes) -> None:
    """A changed segment is never called intact unless it holds what was written; recovery keeps no changed record."""
    trail = _trail()
    changed, is_sealed = _changed(trail.original, Bytes(data))
    trail.restore(changed)
    found: list[StoredRecord] = []
    scan = scan_segment(trail.segment, found.append)
    assert scan.end <= scan.size == len(changed)
    if not is_sealed:
        assert found == trail.records[: len(found)]
    if not scan.torn:  # the verifier looks at a torn end a second time, later
        verdict = verify_trail(trail.directory, trail.key.with_suffix(".pub"))
        assert {problem.kind for problem in verdict.problems} <= set(KINDS)
        if verdict.state is State.INTACT:
            assert found == trail.records
    start = recover(trail.directory, "worker-0", FileIo(), trail.public_key)
    kept: list[StoredRecord] = []
    if start.shard == "worker-0" and trail.segment.exists():
        after = scan_segment(trail.segment, kept.append)
        assert after.damage is None
        assert (start.next_seq, start.link) == (after.next_seq, after.link)
        # What was signed is there: all of it, for the trail was closed. A last group sealed anew shows by its link.
        assert [each.seq for each in kept] == [each.seq for each in trail.records]
    again = recover(trail.directory, "worker-0", FileIo(), trail.public_key)
    assert (again.shard, again.number, again.next_seq, again.link) == start[:4]


def _changed(original: bytes, choices: Bytes) -> tuple[bytes, bool]:
    """The segment after the changes that the choices name, and whether its checksums were made to fit again."""
    made = bytearray(original)
    is_sealed = False
    for _ in range(8):
        if not choices:
            break
        kind, place, value = choices.number(6), choices.number(max(1, len(made))), choices.number(256)
        match kind:
            case 0:
                made[place : place + 1] = bytes((made[place] ^ value,)) if made else b""
            case 1:
                del made[place:]
            case 2:
                made[place:place] = bytes((value,))
            case 3:
                del made[place : place + 1 + value % 8]
            case 4:
                made[place : place + value] = bytes(min(value, max(0, len(made) - place)))
            case _:
                is_sealed = True
    return (_sealed(made) if is_sealed else bytes(made)), is_sealed


def _sealed(made: bytearray) -> bytes:
    """With checksums that fit, as far as the frames can be followed: what a forger without the key can do."""
    offset = HEADER_BYTES
    while offset + GROUP_HEADER_BYTES <= len(made):
        struct.pack_into(
            "<I", made, offset + GROUP_HEADER_BYTES - 4, zlib.crc32(made[offset : offset + GROUP_HEADER_BYTES - 4])
        )
        try:
            header = unpack_group_header(bytes(made[offset : offset + GROUP_HEADER_BYTES]))
        except Malformed:
            break
        inner, end = offset + GROUP_HEADER_BYTES, offset + GROUP_HEADER_BYTES + header.length
        while inner + 28 <= min(end, len(made)):
            stop = inner + 24 + int(struct.unpack_from("<I", made, inner)[0])
            if stop + 4 > len(made):
                break
            struct.pack_into("<I", made, stop, zlib.crc32(made[inner:stop]))
            inner = stop + 4
        offset = end
    return bytes(made)


_NOTE_WORDS: Final = (
    *(
        b"doorward/chain/worker-0\n",
        b"1\n",
        b"A" * 43 + b"=\n",
        b"\n",
        b"\xe2\x80\x94 doorward ",
        b"AAAA",
        b"=",
        b"0",
        b"\xd9\xa1\n",
    ),
)
_CHANGE_WORDS: Final = tuple(
    bytes((kind,)) + place.to_bytes(2, "little") + bytes((value,))
    for kind in range(6)
    for place, value in ((0, 1), (12, 1), (80, 255), (1024, 20), (2048, 20), (4096, 1), (4100, 4), (4164, 1), (4500, 3))
)
_RECORD_WORDS: Final = (
    b"\x01\x99",
    b"\x02\xdc\x00\x17",
    b"\xc4\x10" + bytes(16),
    b"\xa0",
    b"\x90",
    b"\x91",
    b"\xc0",
    b"\xcf",
    b"\x06\x92",
)

TARGETS: Final[dict[str, Target]] = {
    "record": Target(record, _RECORD_WORDS),
    "checkpoint": Target(checkpoint, _NOTE_WORDS),
    "segment": Target(segment, _CHANGE_WORDS, max_bytes=40),
}
