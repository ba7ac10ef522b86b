"""Every kind of change to a finished trail is noticed, and named."""

from __future__ import annotations

import shutil
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from doorward.audit.format import FIXED_BYTES, HEADER_BYTES, SLOT_BYTES, SLOT_OFFSETS, Item, StoredRecord, pack_group
from doorward.audit.reading import scan_segment
from doorward.audit.verify import KINDS, State, verify_trail

if TYPE_CHECKING:
    from tests.audit.conftest import TrailKit


@pytest.fixture
def segments(kit: TrailKit) -> list[Path]:
    return kit.three_segments()


def _kinds(kit: TrailKit) -> list[str]:
    verdict = verify_trail(kit.directory, kit.public_key)
    assert {problem.kind for problem in verdict.problems} <= set(KINDS)
    return [problem.kind for problem in verdict.problems]


def test_an_untouched_trail_is_intact(kit: TrailKit, segments: list[Path]) -> None:
    verdict = verify_trail(kit.directory, kit.public_key)
    assert verdict.intact, verdict.problems
    assert (verdict.segments, verdict.shards, verdict.signed_shards) == (3, 1, 1)
    assert verdict.first_problem is None


def test_records_are_counted(kit: TrailKit, segments: list[Path]) -> None:
    counted: list[StoredRecord] = []
    for path in segments:
        scan_segment(path, counted.append)
    assert verify_trail(kit.directory).records == len(counted) == counted[-1].seq


def _interesting_offsets(path: Path) -> list[int]:
    size = path.stat().st_size
    borders = [*range(0, FIXED_BYTES + 4, 5), FIXED_BYTES, 1000, 3000, HEADER_BYTES - 1]
    slots = [offset + step for offset in SLOT_OFFSETS for step in (0, 7, 8, 15, 16, SLOT_BYTES - 1)]
    return [*borders, *slots, *range(HEADER_BYTES, size, 3), size - 1]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_no_flipped_byte_goes_unnoticed(kit: TrailKit, segments: list[Path], number: int) -> None:
    path = segments[number]
    original = path.read_bytes()
    unnoticed = []
    for offset in _interesting_offsets(path):
        changed = bytearray(original)
        changed[offset] ^= 0x01
        path.write_bytes(changed)
        if verify_trail(kit.directory, kit.public_key).intact:
            unnoticed.append(offset)
    assert not unnoticed


@pytest.mark.parametrize("number", [0, 1, 2])
def test_no_truncation_goes_unnoticed(kit: TrailKit, segments: list[Path], number: int) -> None:
    path = segments[number]
    original = path.read_bytes()
    unnoticed = []
    for length in [0, 1, 100, HEADER_BYTES - 1, *range(HEADER_BYTES, len(original), 3), len(original) - 1]:
        path.write_bytes(original[:length])
        verdict = verify_trail(kit.directory, kit.public_key)
        if verdict.state is not State.TAMPERED:
            unnoticed.append((length, verdict))
    assert not unnoticed


def test_a_truncation_without_the_key_is_noticed_up_to_the_last_acknowledged_group(
    kit: TrailKit, segments: list[Path]
) -> None:
    path = segments[-1]
    path.write_bytes(path.read_bytes()[: HEADER_BYTES + 200])
    verdict = verify_trail(kit.directory)
    assert verdict.state is State.TAMPERED
    assert verdict.first_problem
    assert verdict.first_problem.kind == "truncated"


@pytest.mark.parametrize("number", [0, 1])
def test_a_segment_that_was_taken_out_is_noticed(kit: TrailKit, segments: list[Path], number: int) -> None:
    segments[number].unlink()
    assert "segment" in _kinds(kit)


def test_the_newest_segment_that_was_taken_out_is_noticed_by_its_signed_head(
    kit: TrailKit, segments: list[Path]
) -> None:
    segments[-1].unlink()
    assert _kinds(kit) == ["truncated"]


def test_a_trail_without_any_segment_left_is_noticed(kit: TrailKit, segments: list[Path]) -> None:
    for path in segments:
        path.unlink()
    assert _kinds(kit) == ["truncated"]


def test_segments_that_changed_places_are_noticed(kit: TrailKit, segments: list[Path]) -> None:
    first, second = segments[:2]
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    assert "order" in _kinds(kit)


def test_bytes_behind_the_end_are_noticed(kit: TrailKit, segments: list[Path]) -> None:
    with segments[0].open("ab") as file:
        file.write(b"\0")
    assert _kinds(kit) == ["tail"]


def test_a_group_that_stands_twice_is_noticed(kit: TrailKit, segments: list[Path]) -> None:
    content = segments[0].read_bytes()
    end = HEADER_BYTES + 68 + struct.unpack_from("<I", content, HEADER_BYTES + 4)[0]
    segments[0].write_bytes(content[:end] + content[HEADER_BYTES:])
    assert _kinds(kit)[0] == "order"


def test_a_group_that_was_taken_out_is_noticed_with_its_first_record(kit: TrailKit, segments: list[Path]) -> None:
    content = segments[0].read_bytes()
    end = HEADER_BYTES + 68 + struct.unpack_from("<I", content, HEADER_BYTES + 4)[0]
    segments[0].write_bytes(content[:HEADER_BYTES] + content[end:])
    problem = verify_trail(kit.directory, kit.public_key).first_problem
    assert problem is not None
    assert (problem.kind, problem.seq) == ("missing", 1)


def test_a_record_that_was_replaced_with_fitting_checksums_breaks_the_chain_behind_it(
    kit: TrailKit, segments: list[Path]
) -> None:
    path = segments[0]
    content = path.read_bytes()
    records: list[StoredRecord] = []
    scan_segment(path, records.append)
    length = struct.unpack_from("<I", content, HEADER_BYTES + 4)[0]
    previous = content[HEADER_BYTES + 32 : HEADER_BYTES + 64]
    count = struct.unpack_from("<I", content, HEADER_BYTES + 8)[0]
    time_ns = struct.unpack_from("<q", content, HEADER_BYTES + 24)[0]
    items = [Item(r.kind, r.time_ns + 1, r.payload) for r in records[:count]]
    forged = pack_group(items, first_seq=1, time_ns=time_ns, previous_hash=previous)
    assert len(forged) == 68 + length
    path.write_bytes(content[:HEADER_BYTES] + forged + content[HEADER_BYTES + len(forged) :])
    problem = verify_trail(kit.directory, kit.public_key).first_problem
    assert problem is not None
    assert problem.kind == "chain"
    assert problem.seq == count + 1


def test_a_trail_that_was_written_anew_as_a_whole_does_not_fit_its_signed_head(
    kit: TrailKit, segments: list[Path]
) -> None:
    head = kit.directory / "worker-0" / "checkpoint"
    signed = head.read_bytes()
    shutil.rmtree(kit.directory)
    kit.three_segments()
    head.write_bytes(signed)
    assert _kinds(kit) == ["rewritten"]


def test_a_signed_head_that_was_removed_is_noticed(kit: TrailKit, segments: list[Path]) -> None:
    (kit.directory / "worker-0" / "checkpoint").unlink()
    assert _kinds(kit) == ["signature"]


def test_no_changed_byte_of_the_signed_head_goes_unnoticed(kit: TrailKit, segments: list[Path]) -> None:
    head = kit.directory / "worker-0" / "checkpoint"
    original = head.read_bytes()
    for offset in range(len(original)):
        changed = bytearray(original)
        changed[offset] ^= 0x01
        head.write_bytes(changed)
        verdict = verify_trail(kit.directory, kit.public_key)
        # what follows the signature line is no part of the note's signed text
        assert not verdict.intact or offset == len(original) - 1, offset


def test_a_head_signed_by_another_key_is_noticed(kit: TrailKit, segments: list[Path], tmp_path: Path) -> None:
    other = type(kit)(tmp_path / "other")
    other.three_segments()
    shutil.copy(other.directory / "worker-0" / "checkpoint", kit.directory / "worker-0" / "checkpoint")
    assert _kinds(kit) == ["signature"]


def test_a_head_of_another_shard_is_noticed(kit: TrailKit, segments: list[Path]) -> None:
    shard = kit.open(shard="worker-1")
    shard.close()
    shutil.copy(kit.directory / "worker-1" / "checkpoint", kit.directory / "worker-0" / "checkpoint")
    assert _kinds(kit) == ["signature"]


def test_a_shard_that_was_renamed_is_noticed(kit: TrailKit, segments: list[Path]) -> None:
    (kit.directory / "worker-0").rename(kit.directory / "worker-9")
    assert "segment" in _kinds(kit)


def test_a_shard_whose_predecessor_is_gone_is_noticed(kit: TrailKit, segments: list[Path]) -> None:
    shutil.copytree(kit.directory / "worker-0", kit.directory / "worker-0.1")
    shutil.rmtree(kit.directory / "worker-0")
    assert "segment" in _kinds(kit)


def test_an_intent_without_an_end_in_an_earlier_run_is_incomplete(kit: TrailKit) -> None:
    shard = kit.open()
    shard.write([kit.item(kit.intent(1))])
    shard.close()
    verdict = verify_trail(kit.directory, kit.public_key)
    assert verdict.state is State.INCOMPLETE
    assert verdict.first_problem
    assert verdict.first_problem.kind == "open"


def test_an_intent_without_an_end_in_the_run_under_way_is_only_counted(kit: TrailKit) -> None:
    shard = kit.open()
    shard.write([kit.item(kit.intent(1))])
    shard.sign()
    verdict = verify_trail(kit.directory, kit.public_key)
    assert verdict.intact
    assert verdict.open_intents == 1


def test_a_torn_tail_is_incomplete_not_tampered(kit: TrailKit) -> None:
    shard = kit.open(segment_bytes=20_000)
    shard.write([kit.item(kit.outcome(1))])
    shard.sign()
    shard.write([kit.item(kit.outcome(2))])
    path = next(kit.directory.glob("*/*.seg"))
    content = bytearray(path.read_bytes())
    end = scan_segment(path).end
    content[end - 10 : end] = bytes(10)
    path.write_bytes(content)
    verdict = verify_trail(kit.directory, kit.public_key)
    assert verdict.state is State.INCOMPLETE, verdict.problems
    assert verdict.first_problem
    assert verdict.first_problem.kind == "torn"


def test_a_record_of_an_unknown_kind_is_reported_and_does_not_stop_the_rest(kit: TrailKit) -> None:
    shard = kit.open()
    shard.write([Item(99, 1, b"?"), kit.item(kit.outcome(1))])
    shard.close()
    verdict = verify_trail(kit.directory, kit.public_key)
    assert verdict.state is State.INCOMPLETE
    assert [problem.kind for problem in verdict.problems] == ["unreadable"]


def test_an_empty_directory_is_an_intact_trail_of_nothing(tmp_path: Path) -> None:
    assert verify_trail(tmp_path) == verify_trail(tmp_path / "missing")
    assert verify_trail(tmp_path).records == 0


def test_the_checksum_is_the_one_the_documentation_names() -> None:
    assert zlib.crc32(b"123456789") == 0xCBF43926


@pytest.fixture
def kept(kit: TrailKit, segments: list[Path], tmp_path: Path) -> Path:
    """A copy of the signed head, taken elsewhere."""
    directory = tmp_path / "kept"
    directory.mkdir()
    shutil.copy(segments[0].parent / "checkpoint", directory / "monday")
    return directory


def test_a_trail_goes_on_from_a_head_that_was_kept(kit: TrailKit, kept: Path) -> None:
    shard = kit.open()
    shard.write([kit.item(kit.outcome(1))])
    shard.close()
    verdict = verify_trail(kit.directory, kit.public_key, kept)
    assert verdict.intact, verdict.problems
    assert verdict.kept_heads == 1


def test_a_shard_that_is_gone_with_all_its_files_is_told_by_a_head_that_was_kept(
    kit: TrailKit, segments: list[Path], kept: Path
) -> None:
    shutil.rmtree(segments[0].parent)
    assert verify_trail(kit.directory, kit.public_key).intact
    verdict = verify_trail(kit.directory, kit.public_key, kept)
    assert [problem.kind for problem in verdict.problems] == ["segment"]
    assert verdict.state is State.TAMPERED


def test_an_older_trail_that_was_put_back_is_told_by_a_head_that_was_kept(kit: TrailKit, tmp_path: Path) -> None:
    segments = kit.three_segments()
    older = tmp_path / "older"
    shutil.copytree(kit.directory, older)
    shard = kit.open()
    shard.write([kit.item(kit.outcome(1))])
    shard.close()
    kept = tmp_path / "kept"
    kept.mkdir()
    shutil.copy(segments[0].parent / "checkpoint", kept / "checkpoint")
    assert verify_trail(older, kit.public_key).intact
    assert [problem.kind for problem in verify_trail(older, kit.public_key, kept).problems] == ["truncated"]


def test_a_head_that_was_kept_and_is_signed_by_nobody_known_says_so(kit: TrailKit, kept: Path) -> None:
    (kept / "notes.txt").write_text("bring milk")
    verdict = verify_trail(kit.directory, kit.public_key, kept)
    assert [problem.kind for problem in verdict.problems] == ["signature"]
    with pytest.raises(ValueError, match="public key"):
        verify_trail(kit.directory, None, kept)
