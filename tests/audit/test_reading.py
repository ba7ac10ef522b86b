from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from doorward.audit.describing import describe, iso_time
from doorward.audit.format import Item
from doorward.audit.reading import Follower, Located, read_trail, shard_directories
from doorward.controls.audit.record import encode
from doorward.controls.audit.records import Kind, Lifecycle

if TYPE_CHECKING:
    from tests.audit.conftest import TrailKit


def test_shards_are_found_in_order_and_nothing_else_is(tmp_path: Path) -> None:
    for name in ("worker-10", "worker-2", "worker-2.10", "worker-2.9", "control", "lost+found", ".hidden", "Worker"):
        (tmp_path / name).mkdir()
    (tmp_path / "worker-0").write_text("a file")
    names = [path.name for path in shard_directories(tmp_path)]
    assert names == ["control", "worker-10", "worker-2", "worker-2.9", "worker-2.10"]
    assert [path.name for path in shard_directories(tmp_path, "worker-2")] == ["worker-2", "worker-2.9", "worker-2.10"]


def test_a_trail_is_read_in_order_of_time_over_all_shards(kit: TrailKit) -> None:
    first, second = kit.open(shard="worker-0"), kit.open(shard="worker-1")
    later = 2**62
    for number in range(6):
        (first if number % 2 else second).write([kit.item(kit.outcome(number), later + number)])
    read = [record.time_ns for record in read_trail(kit.directory)]
    assert read == sorted(read)
    assert len(read) == 8


def test_what_is_damaged_is_left_out_and_the_rest_is_read(kit: TrailKit) -> None:
    paths = kit.three_segments()
    whole = len(list(read_trail(kit.directory)))
    content = bytearray(paths[1].read_bytes())
    content[4200] ^= 1
    paths[1].write_bytes(content)
    assert 0 < len(list(read_trail(kit.directory))) < whole


def test_a_follower_sees_every_record_once_over_all_segments(kit: TrailKit) -> None:
    shard = kit.open()
    follower = Follower(kit.directory)
    seen = [record.seq for record in follower.read_new()]
    assert follower.read_new() == []
    for number in range(40):
        shard.write([kit.item(kit.outcome(number))])
        if number % 7 == 0:
            seen += [record.seq for record in follower.read_new()]
    seen += [record.seq for record in follower.read_new()]
    assert sorted(seen) == list(range(1, shard.last_seq + 1))


def test_a_described_record_holds_nothing_that_moves_a_terminal() -> None:
    forged = encode(Kind.LIFECYCLE, Lifecycle("start\x1b[2J", "\u202e"))
    described = describe(Located(5, "worker-0", 1, "1.seg", forged.kind, forged.payload))
    assert described["event"] == "start\\x1b[2J"
    assert described["detail"] == "\\u202e"


@pytest.mark.parametrize("item", [Item(77, 1, b""), Item(Kind.OUTCOME, 1, b"\xff")])
def test_a_record_that_cannot_be_decoded_is_described_as_such(item: Item) -> None:
    assert "problem" in describe(Located(5, "worker-0", 1, "1.seg", item.kind, item.payload))


def test_a_time_no_calendar_holds_is_printed_as_a_number() -> None:
    assert iso_time(2**63 - 1).startswith("2262-")
    assert iso_time(10**30) == str(10**30)
