"""Whatever call to the disk fails, and whenever: no acknowledged record is lost and the trail verifies afterwards."""

from __future__ import annotations

import contextlib
import errno
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from doorward.audit.fileio import FileIo
from doorward.audit.reading import read_trail
from doorward.audit.verify import State, verify_trail
from doorward.controls.audit.records import Kind, Lifecycle, Outcome, decode

if TYPE_CHECKING:
    from tests.audit.conftest import FailingIo, TrailKit

    from doorward.audit.shard import Shard

GROUPS = 12
RECOVERY_CALLS = 2
"""Of the first start, on an empty disk. When one of them fails, the writer does not start."""


def _run(kit: TrailKit, io: FailingIo) -> list[int]:
    """The numbers whose intent and outcome were both acknowledged, over one life of a writer on this disk."""
    acknowledged: list[int] = []
    try:
        shard = kit.open(io=io, segment_bytes=4700, is_eager=False)
    except OSError:
        return acknowledged
    for number in range(GROUPS):
        try:
            shard.write([kit.item(kit.intent(number))])
            shard.write([kit.item(kit.outcome(number))])
            acknowledged.append(number)
            if number % 3 == 0:
                shard.sign()
        except OSError:
            continue
    try:
        shard.close()
    except OSError:
        return acknowledged
    return acknowledged


def _fails_once(failing: int, code: int, number: int, _name: str) -> int | None:
    return code if number == failing else None


def _fails_from(failing: int, number: int, _name: str) -> int | None:
    return errno.EIO if number >= failing else None


def _calls_of_a_good_run(kit: TrailKit) -> int:
    io = kit.failing_io(lambda _number, _name: None)
    assert len(_run(kit, io)) == GROUPS
    return len(io.calls)


def _check(kit: TrailKit, acknowledged: list[int]) -> None:
    before = verify_trail(kit.directory, kit.public_key)
    assert before.state is not State.TAMPERED, before.problems
    kit.open().close()
    verdict = verify_trail(kit.directory, kit.public_key)
    assert verdict.intact, verdict.problems
    stored = [(decode(r.kind, r.payload), r.kind) for r in read_trail(kit.directory)]
    outcomes = [entry.request_id for entry, kind in stored if isinstance(entry, Outcome) and kind == Kind.OUTCOME]
    for number in acknowledged:
        assert outcomes.count(kit.request_id(number)) == 1, number


def _write_until_it_fails(kit: TrailKit, shard: Shard) -> None:
    with contextlib.suppress(OSError):
        for number in range(100):
            shard.write([kit.item(kit.outcome(number))])
        pytest.fail("nothing failed")


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_every_call_may_fail_once(kit: TrailKit, tmp_path: Path, code: int) -> None:
    calls = _calls_of_a_good_run(type(kit)(tmp_path / "good"))
    assert calls > 60
    for failing in range(1, calls + 1):
        once = type(kit)(tmp_path / str(failing))
        io = kit.failing_io(partial(_fails_once, failing, code))
        acknowledged = _run(once, io)
        assert len(acknowledged) >= GROUPS - 2 or failing <= RECOVERY_CALLS, (failing, io.calls[failing - 1])
        _check(once, acknowledged)


def test_every_call_may_fail_from_then_on(kit: TrailKit, tmp_path: Path) -> None:
    calls = _calls_of_a_good_run(type(kit)(tmp_path / "good"))
    for failing in range(1, calls + 1, 3):
        from_then_on = type(kit)(tmp_path / str(failing))
        io = kit.failing_io(partial(_fails_from, failing))
        _check(from_then_on, _run(from_then_on, io))


def test_a_sync_that_failed_is_never_repeated_on_the_same_file(kit: TrailKit) -> None:
    failed: list[int] = []

    def fail_the_fifth_sync(_number: int, name: str) -> int | None:
        if name == "sync" and io.calls.count("sync") == 5:
            failed.append(len(io.calls))
            return errno.EIO
        return None

    io = kit.failing_io(fail_the_fifth_sync)
    shard = kit.open(io=io, segment_bytes=1 << 20)
    _write_until_it_fails(kit, shard)
    assert shard.name == "worker-0.1"
    old = next((kit.directory / "worker-0").glob("*.seg"))
    content = old.read_bytes()
    shard.write([kit.item(kit.outcome(9))])
    assert old.read_bytes() == content
    assert io.calls[failed[0]] == "close"


def test_a_shard_that_goes_on_under_a_new_name_says_why(kit: TrailKit) -> None:
    io = kit.failing_io(lambda _number, name: errno.EIO if name == "sync" and io.calls.count("sync") == 4 else None)
    shard = kit.open(io=io)
    _write_until_it_fails(kit, shard)
    shard.write([kit.item(kit.outcome(9))])
    entries = [decode(r.kind, r.payload) for r in read_trail(kit.directory) if r.shard == "worker-0.1"]
    assert isinstance(entries[0], Lifecycle)
    assert entries[0].event == "continued"
    assert "EIO" in entries[0].detail


def test_short_writes_are_continued_until_all_is_written(kit: TrailKit) -> None:
    class ShortIo(FileIo):
        def write(self, fd: int, data: bytes, offset: int) -> int:
            return super().write(fd, data[:100], offset)

    shard = kit.open(io=ShortIo())
    shard.write([kit.item(kit.outcome(number)) for number in range(5)])
    shard.close()
    assert verify_trail(kit.directory, kit.public_key).intact


def test_a_disk_that_takes_nothing_is_an_error_not_a_loop(kit: TrailKit) -> None:
    class StuckIo(FileIo):
        def write(self, fd: int, data: bytes, offset: int) -> int:
            del fd, data, offset
            return 0

    with pytest.raises(OSError, match="took 0 of"):
        kit.open(io=StuckIo())


def test_a_group_larger_than_a_segment_is_written_whole(kit: TrailKit) -> None:
    shard = kit.open(segment_bytes=4500)
    shard.write([kit.item(kit.outcome(number)) for number in range(50)])
    shard.write([kit.item(kit.outcome(number)) for number in range(50, 100)])
    shard.close()
    verdict = verify_trail(kit.directory, kit.public_key)
    assert verdict.intact, verdict.problems
    assert verdict.records == 2 + 100 + verdict.segments - 1


def test_files_and_directories_are_for_their_owner_alone(kit: TrailKit) -> None:
    kit.three_segments()
    for path in kit.directory.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_cut_of_a_shard_that_was_given_up_is_noticed_by_the_one_that_continues_it(kit: TrailKit) -> None:
    io = kit.failing_io(lambda _number, name: errno.EIO if name == "sync" and io.calls.count("sync") == 9 else None)
    shard = kit.open(io=io, segment_bytes=1 << 20)
    _write_until_it_fails(kit, shard)
    shard.close()
    assert verify_trail(kit.directory, kit.public_key).intact
    old = kit.directory / "worker-0"
    (old / "checkpoint").unlink()
    for path in old.glob("*.seg"):
        path.unlink()
    assert verify_trail(kit.directory, kit.public_key).state is State.TAMPERED
