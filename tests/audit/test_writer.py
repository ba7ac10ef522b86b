"""The loop's side: when records are told durable, when they are refused, and that the disk's return is noticed."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from doorward.audit.fileio import FileIo
from doorward.audit.lock import ShardInUse
from doorward.audit.reading import read_trail
from doorward.audit.verify import verify_trail
from doorward.audit.writer import QUEUE_BYTES, QUEUE_COUNT, RETRY_S, AuditWriter
from doorward.controls.audit import AuditPolicy
from doorward.controls.audit.record import Record
from doorward.controls.audit.records import Kind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.audit.conftest import TrailKit


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with structlog.testing.capture_logs():
        yield


@contextlib.asynccontextmanager
async def opened(kit: TrailKit, **settings: Any) -> AsyncIterator[AuditWriter]:
    loop = asyncio.get_running_loop()
    writer = AuditWriter(kit.directory, "worker-0", loop=loop, segment_bytes=1 << 20, signing_key=kit.key, **settings)
    try:
        yield writer
    finally:
        writer.close()


async def append(writer: AuditWriter, record: Record) -> bool:
    told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    writer.append(record, told.set_result)
    return await told


def _note(told: list[tuple[int, bool]], number: int, ok: bool) -> None:
    told.append((number, ok))


class GatedIo(FileIo):
    """A disk whose `sync` waits until it is let go."""

    def __init__(self) -> None:
        self.gate, self.reached = threading.Event(), threading.Event()
        self.is_armed = False
        self.sync_count = 0

    def sync(self, fd: int) -> None:
        self.sync_count += 1
        if self.is_armed:
            self.reached.set()
            assert self.gate.wait(30)
        super().sync(fd)


def test_a_record_is_on_the_disk_when_it_is_told_so(kit: TrailKit) -> None:
    async def run() -> None:
        async with opened(kit) as writer:
            assert await append(writer, kit.outcome(7)) is True
            stored = [record.payload for record in read_trail(kit.directory)]
            assert kit.outcome(7).payload in stored

    asyncio.run(run())


def test_records_are_told_in_the_order_they_came(kit: TrailKit) -> None:
    async def run() -> None:
        async with opened(kit) as writer:
            told: list[tuple[int, bool]] = []
            for number in range(1000):
                writer.append(kit.outcome(number), partial(_note, told, number))
            assert await append(writer, kit.outcome(1000))
            assert told == [(number, True) for number in range(1000)]

    asyncio.run(run())


def test_what_comes_while_the_disk_is_busy_shares_one_sync(kit: TrailKit) -> None:
    async def run() -> None:
        io = GatedIo()
        async with opened(kit, io=io) as writer:
            io.is_armed = True
            first = asyncio.ensure_future(append(writer, kit.outcome(0)))
            await asyncio.to_thread(io.reached.wait, 30)
            io.is_armed = False
            before = io.sync_count
            others = [asyncio.ensure_future(append(writer, kit.outcome(number))) for number in range(1, 201)]
            await asyncio.sleep(0)
            io.gate.set()
            assert all(await asyncio.gather(first, *others))
            # the first record's own, one for all the others, and at most one for a signed head
            assert io.sync_count - before <= 3

    asyncio.run(run())


def test_more_than_the_queue_holds_is_refused_at_once(kit: TrailKit) -> None:
    async def run() -> None:
        io = GatedIo()
        async with opened(kit, io=io) as writer:
            io.is_armed = True
            told: list[bool] = []
            for number in range(QUEUE_COUNT):
                writer.append(kit.outcome(number), told.append)
            assert told == []
            assert writer.load == 1
            writer.append(kit.outcome(0), told.append)
            assert told == [False]
            io.is_armed = False
            io.gate.set()
        assert told == [False] + [True] * QUEUE_COUNT

    asyncio.run(run())


def test_the_queue_is_bounded_by_bytes_too(kit: TrailKit) -> None:
    async def run() -> None:
        io = GatedIo()
        async with opened(kit, io=io) as writer:
            io.is_armed = True
            told: list[bool] = []
            large = Record(Kind.OUTCOME, bytes(QUEUE_BYTES // 4))
            for _ in range(5):
                writer.append(large, told.append)
            assert told == [False]
            io.is_armed = False
            io.gate.set()

    asyncio.run(run())


def test_close_writes_what_waits_and_tells_it(kit: TrailKit) -> None:
    async def run() -> None:
        told: list[bool] = []
        async with opened(kit) as writer:
            for number in range(700):
                writer.append(kit.outcome(number), told.append)
        assert told == [True] * 700
        writer.append(kit.outcome(1), told.append)
        assert told[-1] is False
        writer.close()

    asyncio.run(run())
    assert verify_trail(kit.directory, kit.public_key).intact


def test_an_answer_that_fails_does_not_keep_back_the_others(kit: TrailKit) -> None:
    def broken(_ok: bool) -> None:
        raise RuntimeError("no answer")

    async def run() -> None:
        reported = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context))
        async with opened(kit) as writer:
            writer.append(kit.outcome(1), broken)
            assert await append(writer, kit.outcome(2))
        assert len(reported) == 1

    asyncio.run(run())


@pytest.mark.parametrize("call", ["write", "sync", "reserve"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_while_the_disk_fails_nothing_is_acknowledged_and_it_recovers_alone(
    kit: TrailKit, call: str, code: int
) -> None:
    async def run() -> None:
        now = [100.0]
        is_broken = [False]
        io = kit.failing_io(lambda _number, name: code if is_broken[0] and name == call else None)
        loop, clock = asyncio.get_running_loop(), lambda: now[0]
        writer = AuditWriter(
            kit.directory, "worker-0", loop=loop, io=io, clock=clock, segment_bytes=6000, signing_key=kit.key
        )
        assert await append(writer, kit.outcome(0))
        is_broken[0] = True
        while await append(writer, kit.outcome(1)):  # `reserve` fails only once the segment is full
            assert not writer.is_down
        assert writer.is_down
        tried = len(io.calls)
        assert await append(writer, kit.outcome(2)) is False
        assert len(io.calls) == tried  # a second has not passed: the disk is left alone
        is_broken[0] = False
        now[0] += RETRY_S
        assert await append(writer, kit.outcome(3)) is True
        assert not writer.is_down
        writer.close()

    asyncio.run(run())
    kit.open().close()
    verdict = verify_trail(kit.directory, kit.public_key)
    assert verdict.intact, verdict.problems


def test_a_disk_that_is_full_at_the_start_refuses_until_there_is_room(kit: TrailKit) -> None:
    async def run() -> None:
        now, is_full = [100.0], [True]
        io = kit.failing_io(lambda _number, name: errno.ENOSPC if is_full[0] and name == "reserve" else None)
        async with opened(kit, io=io, clock=lambda: now[0]) as writer:
            assert await append(writer, kit.outcome(1)) is False
            is_full[0] = False
            now[0] += RETRY_S
            assert await append(writer, kit.outcome(2)) is True

    asyncio.run(run())
    assert verify_trail(kit.directory, kit.public_key).intact


def test_a_head_that_cannot_be_written_costs_no_record(kit: TrailKit) -> None:
    async def run() -> None:
        is_broken = [False]
        io = kit.failing_io(lambda _number, name: errno.EIO if is_broken[0] and name == "create" else None)
        async with opened(kit, io=io) as writer:
            is_broken[0] = True
            assert await append(writer, kit.outcome(1)) is True

    asyncio.run(run())


def test_a_shard_has_one_writer(kit: TrailKit) -> None:
    async def run() -> None:
        async with opened(kit):
            with pytest.raises(ShardInUse):
                AuditWriter(kit.directory, "worker-0", loop=asyncio.get_running_loop())
        async with opened(kit) as writer:
            assert await append(writer, kit.outcome(1))

    asyncio.run(run())


def test_a_trail_under_way_verifies(kit: TrailKit) -> None:
    async def run() -> None:
        async with opened(kit) as writer:
            for number in range(20):
                assert await append(writer, kit.outcome(number))
                verdict = verify_trail(kit.directory, kit.public_key)
                assert verdict.intact, verdict.problems

    asyncio.run(run())


def test_a_workers_writer_is_opened_as_the_policy_says(tmp_path: Path) -> None:
    async def run() -> None:
        policy = AuditPolicy(directory="records", gather_ms=0.5, group_count=16, segment_bytes=1 << 20)
        writer = AuditWriter.open(tmp_path, 3, policy, loop=asyncio.get_running_loop())
        writer.close()

    asyncio.run(run())
    verdict = verify_trail(tmp_path / "records", tmp_path / "keys" / "audit.pub")
    assert verdict.intact
    assert verdict.signed_shards == 1
    assert (tmp_path / "records" / "worker-3").is_dir()
