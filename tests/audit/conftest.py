"""A disk that fails on demand, and trails to look at."""

import errno
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from doorward.audit.checkpoint import CheckpointWriter, ensure_key, load_private_key
from doorward.audit.fileio import FileIo
from doorward.audit.format import Item
from doorward.audit.recovery import recover
from doorward.audit.shard import Shard
from doorward.controls.audit.record import Record, encode
from doorward.controls.audit.records import Intent, Kind, Outcome


class FailingIo(FileIo):
    """Counts the calls that change the disk; fails those in `failing`, a write after half of its bytes."""

    def __init__(self, failing: Callable[[int, str], int | None]) -> None:
        self.calls: list[str] = []
        self.failing = failing

    def _count(self, name: str) -> None:
        self.calls.append(name)
        code = self.failing(len(self.calls), name)
        if code is not None:
            raise OSError(code, errno.errorcode[code])

    def make_directory(self, path: Path) -> None:
        if not path.is_dir():
            self._count("make_directory")
        super().make_directory(path)

    def create(self, path: Path) -> int:
        self._count("create")
        return super().create(path)

    def open(self, path: Path) -> int:
        self._count("open")
        return super().open(path)

    def reserve(self, fd: int, length: int) -> None:
        self._count("reserve")
        super().reserve(fd, length)

    def write(self, fd: int, data: bytes, offset: int) -> int:
        try:
            self._count("write")
        except OSError:
            super().write(fd, data[: len(data) // 2], offset)
            raise
        return super().write(fd, data, offset)

    def truncate(self, fd: int, length: int) -> None:
        self._count("truncate")
        super().truncate(fd, length)

    def sync(self, fd: int) -> None:
        self._count("sync")
        super().sync(fd)

    def rename(self, old: Path, new: Path) -> None:
        self._count("rename")
        super().rename(old, new)

    def remove(self, path: Path) -> None:
        self._count("remove")
        super().remove(path)

    def sync_directory(self, path: Path) -> None:
        self._count("sync_directory")
        super().sync_directory(path)

    def close(self, fd: int) -> None:
        super().close(fd)  # the descriptor is gone whatever close says
        self._count("close")


def request_id(number: int) -> bytes:
    """A request id that is easy to make again."""
    return hashlib.sha256(number.to_bytes(8, "big")).digest()[:16]


def intent(number: int) -> Record:
    entry = Intent(request_id(number), number, "op", "POST", f"/a/{number}", "alice", "127.0.0.1", b"", "v1")
    return encode(Kind.INTENT, entry)


def outcome(number: int) -> Record:
    entry = Outcome(
        *(request_id(number), number, "op", "POST", f"/a/{number}", 201, "alice", "user", "c1", ("clerk",)),
        *("127.0.0.1", 1, "TLSv1.3", "v1", 10, 20, 30, b"", "curl"),
    )
    return encode(Kind.OUTCOME, entry)


def item(record: Record, time_ns: int = 1) -> Item:
    return Item(record.kind, time_ns, record.payload)


class TrailKit:
    """Opens shards of a trail in a directory, signed with a key beside it."""

    request_id = staticmethod(request_id)
    intent = staticmethod(intent)
    outcome = staticmethod(outcome)
    item = staticmethod(item)
    failing_io = FailingIo

    def __init__(self, root: Path) -> None:
        self.directory = root / "audit"
        self.key = root / "keys" / "audit.key"
        self.public_key = self.key.with_suffix(".pub")
        ensure_key(self.key)

    def open(
        self, *, io: FileIo | None = None, segment_bytes: int = 5000, shard: str = "worker-0", is_eager: bool = True
    ) -> Shard:
        io = io or FileIo()
        key = load_private_key(self.key)
        checkpoints = CheckpointWriter(key, io)
        start = recover(self.directory, shard, io, key.public_key())
        opened = Shard(self.directory, start, io=io, segment_bytes=segment_bytes, checkpoints=checkpoints)
        if is_eager:
            opened.open()
        return opened

    def three_segments(self) -> list[Path]:
        """A small finished trail: three segments, several groups in each, intents and outcomes."""
        shard = self.open()
        number = 0
        while len(list(self.directory.glob("*/*.seg"))) < 3:
            shard.write([item(intent(number)), item(outcome(number))])
            number += 1
        shard.write([item(intent(number)), item(outcome(number))])
        shard.close()
        return sorted(self.directory.glob("*/*.seg"))


@pytest.fixture
def kit(tmp_path: Path) -> TrailKit:
    return TrailKit(tmp_path)
