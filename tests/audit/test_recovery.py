"""What a start makes of what the last run left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from doorward.audit.format import HEADER_BYTES
from doorward.audit.reading import read_trail, scan_segment
from doorward.audit.verify import State, verify_trail
from doorward.controls.audit.records import Entry, Kind, Lifecycle, Recovered, decode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.audit.conftest import TrailKit

    from doorward.audit.shard import Shard


def _crash(shard: Shard) -> None:
    """The process is gone: nothing is finished, the descriptor is closed."""
    shard._io.close(shard._descriptor())


def _entries(kit: TrailKit) -> list[Entry]:
    return [decode(record.kind, record.payload) for record in read_trail(kit.directory)]


def _events(kit: TrailKit) -> list[str]:
    return [entry.event for entry in _entries(kit) if isinstance(entry, Lifecycle)]


def test_every_intent_without_an_end_gets_one_before_anything_else_is_written(kit: TrailKit) -> None:
    shard = kit.open()
    for number in range(10):
        shard.write([kit.item(kit.intent(number))])
        if number % 2:
            shard.write([kit.item(kit.outcome(number))])
    _crash(shard)
    kit.open()
    recovered = [entry.request_id for entry in _entries(kit) if isinstance(entry, Recovered)]
    assert sorted(recovered) == sorted(kit.request_id(number) for number in range(0, 10, 2))
    assert verify_trail(kit.directory, kit.public_key).intact


def test_an_end_is_recovered_once_however_often_it_crashes(kit: TrailKit) -> None:
    shard = kit.open()
    shard.write([kit.item(kit.intent(1))])
    for _ in range(3):
        _crash(shard)
        shard = kit.open()
    assert sum(isinstance(entry, Recovered) for entry in _entries(kit)) == 1


def test_numbers_go_on_without_a_gap_over_a_crash(kit: TrailKit) -> None:
    for _ in range(4):
        shard = kit.open()
        shard.write([kit.item(kit.outcome(1))])
        _crash(shard)
    numbers = [record.seq for record in sorted(read_trail(kit.directory), key=lambda record: record.seq)]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("cut", [1, 4, 30, 67, 68, 90, 150])
def test_a_torn_tail_is_cut_and_the_cut_recorded(kit: TrailKit, cut: int) -> None:
    shard = kit.open(segment_bytes=20_000)
    shard.write([kit.item(kit.outcome(1))])
    path = next(kit.directory.glob("*/*.seg"))
    whole = scan_segment(path).end
    shard.write([kit.item(kit.outcome(2))])
    _crash(shard)
    end = scan_segment(path).end
    with path.open("r+b") as file:
        file.seek(whole + cut)
        file.write(bytes(end - whole - cut))
    kit.open()
    assert path.stat().st_size == whole
    assert "torn_tail_cut" in _events(kit)
    assert "shard_refused" not in _events(kit)
    assert verify_trail(kit.directory).intact


def test_a_tail_that_was_signed_is_never_cut(kit: TrailKit) -> None:
    shard = kit.open(segment_bytes=20_000)
    shard.write([kit.item(kit.outcome(1))])
    path = next(kit.directory.glob("*/*.seg"))
    whole = scan_segment(path).end
    shard.write([kit.item(kit.outcome(2))])
    shard.sign()
    _crash(shard)
    with path.open("r+b") as file:
        file.seek(whole + 80)
        file.write(b"??")
    damaged = path.read_bytes()
    assert kit.open().name == "worker-0.1"
    assert path.read_bytes() == damaged
    assert "shard_refused" in _events(kit)
    assert verify_trail(kit.directory, kit.public_key).state is State.TAMPERED


@pytest.mark.parametrize("offset", [5, HEADER_BYTES + 3, HEADER_BYTES + 100])
def test_damage_to_what_was_acknowledged_refuses_the_shard_and_leaves_it_untouched(kit: TrailKit, offset: int) -> None:
    shard = kit.open(segment_bytes=20_000)
    for number in range(4):
        shard.write([kit.item(kit.outcome(number))])
    _crash(shard)
    path = next(kit.directory.glob("*/*.seg"))
    content = bytearray(path.read_bytes())
    content[offset] ^= 0xFF
    path.write_bytes(content)
    shard = kit.open()
    assert shard.name == "worker-0.1"
    assert path.read_bytes() == bytes(content)
    shard.write([kit.item(kit.outcome(9))])
    assert "shard_refused" in _events(kit)
    _crash(shard)
    assert kit.open().name == "worker-0.1"


def test_a_file_shorter_than_what_was_acknowledged_is_damage_not_a_torn_tail(kit: TrailKit) -> None:
    shard = kit.open(segment_bytes=20_000)
    for number in range(4):
        shard.write([kit.item(kit.outcome(number))])
    _crash(shard)
    path = next(kit.directory.glob("*/*.seg"))
    with path.open("r+b") as file:
        file.truncate(HEADER_BYTES + 300)
    assert kit.open().name == "worker-0.1"


def test_a_segment_without_records_and_unfinished_files_are_removed(kit: TrailKit) -> None:
    shard = kit.open()
    shard.write([kit.item(kit.outcome(1))])
    next_seq = shard.last_seq + 1
    shard._finish_segment()
    shard._create_segment()
    _crash(shard)
    (kit.directory / "worker-0" / f"{99:020d}.tmp").write_bytes(b"half")
    kit.open().close()
    assert not list(kit.directory.glob("*/*.tmp"))
    verdict = verify_trail(kit.directory, kit.public_key)
    assert verdict.intact, verdict.problems
    assert (kit.directory / "worker-0" / f"{next_seq:020d}.seg").exists()


def test_workers_do_not_touch_each_others_shards(kit: TrailKit) -> None:
    first, second = kit.open(shard="worker-1"), kit.open(shard="worker-10")
    second.write([kit.item(kit.intent(1))])
    first.close()
    assert kit.open(shard="worker-1").name == "worker-1"
    assert not any(isinstance(entry, Recovered) for entry in _entries(kit))


def test_a_clean_stop_leaves_nothing_to_say(kit: TrailKit) -> None:
    shard = kit.open()
    shard.write([kit.item(kit.intent(1)), kit.item(kit.outcome(1))])
    shard.close()
    kit.open().close()
    assert _events(kit) == ["start", "stop", "start", "stop"]
    assert [record.kind for record in read_trail(kit.directory)].count(Kind.RECOVERED) == 0


@pytest.mark.parametrize("spoil", [lambda head: head.unlink(), lambda head: head.write_bytes(b"a\n1\nb\n\n")])
def test_a_shard_with_exchanges_and_no_valid_signed_head_is_refused(
    kit: TrailKit, spoil: Callable[[Path], object]
) -> None:
    shard = kit.open()
    shard.write([kit.item(kit.outcome(1))])
    shard.close()
    spoil(kit.directory / "worker-0" / "checkpoint")
    assert kit.open().name == "worker-0.1"
    kinds = [problem.kind for problem in verify_trail(kit.directory, kit.public_key).problems]
    assert sorted(kinds) == ["refused", "signature"]


def test_recovery_reads_no_more_than_the_segments_that_name_what_was_under_way(kit: TrailKit) -> None:
    shard = kit.open()
    shard.write([kit.item(kit.intent(1))])
    for number in range(100, 160):
        shard.write([kit.item(kit.intent(number)), kit.item(kit.outcome(number))])
    shard.sign()
    _crash(shard)
    paths = sorted(kit.directory.glob("*/*.seg"))
    assert len(paths) > 5
    for path in paths[:-3]:
        path.write_bytes(b"")  # would be damage, if anybody looked
    kit.open()
    recovered = [entry.request_id for entry in _entries(kit) if isinstance(entry, Recovered)]
    assert recovered == [kit.request_id(1)]


def test_many_requests_under_way_are_carried_in_records_of_bounded_size(kit: TrailKit) -> None:
    shard = kit.open(segment_bytes=200_000)
    for number in range(1200):
        shard.write([kit.item(kit.intent(number))])
    while len(list(kit.directory.glob("*/*.seg"))) < 2:
        shard.write([kit.item(kit.outcome(number)) for number in range(5000, 5100)])
    _crash(shard)
    kit.open()
    recovered = {entry.request_id for entry in _entries(kit) if isinstance(entry, Recovered)}
    assert recovered == {kit.request_id(number) for number in range(1200)}
    carried = [record for record in read_trail(kit.directory) if record.kind == Kind.CARRIED]
    assert len(carried) >= 3
    assert max(len(record.payload) for record in carried) < 16 * 1024
