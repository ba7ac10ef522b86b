import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.audit.format import (
    GROUP_HEADER_BYTES,
    SLOT_OFFSETS,
    Item,
    Malformed,
    SegmentHeader,
    Slot,
    group_bytes,
    pack_group,
    pack_segment_header,
    pack_slot,
    unpack_group_header,
    unpack_records,
    unpack_segment_header,
    unpack_slots,
)

ITEMS = st.lists(
    st.builds(Item, st.integers(0, 255), st.integers(-(2**63), 2**63 - 1), st.binary(max_size=300)),
    min_size=1,
    max_size=8,
)
HASHES = st.binary(min_size=32, max_size=32)
HEADER = SegmentHeader("worker-0.3", 7, 4242, 1_700_000_000_000_000_000, bytes(range(32)))


@given(ITEMS, st.integers(1, 2**40), HASHES)
def test_a_group_reads_back_as_it_was_packed(items: list[Item], first_seq: int, previous: bytes) -> None:
    group = pack_group(items, first_seq=first_seq, time_ns=5, previous_hash=previous)
    header = unpack_group_header(group)
    records = unpack_records(group[GROUP_HEADER_BYTES:], header)
    assert len(group) == group_bytes(items)
    assert (header.first_seq, header.record_count, header.previous_hash) == (first_seq, len(items), previous)
    assert [(r.kind, r.time_ns, r.payload) for r in records] == [
        (item.kind, item.time_ns, item.payload) for item in items
    ]
    assert [r.seq for r in records] == list(range(first_seq, first_seq + len(items)))


@given(ITEMS, st.data())
def test_no_flipped_bit_of_a_group_goes_unnoticed(items: list[Item], data: st.DataObject) -> None:
    group = bytearray(pack_group(items, first_seq=1, time_ns=5, previous_hash=bytes(32)))
    group[data.draw(st.integers(0, len(group) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(Malformed):
        unpack_records(bytes(group[GROUP_HEADER_BYTES:]), unpack_group_header(bytes(group)))


@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_refused_without_another_error(raw: bytes) -> None:
    for read in (unpack_group_header, unpack_segment_header):
        with pytest.raises(Malformed):
            read(raw)


def test_a_segment_header_reads_back_as_it_was_packed() -> None:
    assert unpack_segment_header(pack_segment_header(HEADER)) == HEADER


@pytest.mark.parametrize("offset", [0, 8, 12, 20, 60, 100, 190, 250, 1023, 1050, 3000, 4095])
def test_no_changed_byte_of_a_segment_header_goes_unnoticed(offset: int) -> None:
    raw = bytearray(pack_segment_header(HEADER))
    raw[offset] ^= 0x40
    with pytest.raises(Malformed):
        unpack_segment_header(bytes(raw))


def test_the_later_of_two_slots_counts() -> None:
    raw = bytearray(pack_segment_header(HEADER))
    assert unpack_slots(bytes(raw)) == (None, 0)
    for offset, slot in zip(SLOT_OFFSETS, (Slot(9, 9000), Slot(8, 8000)), strict=True):
        packed = pack_slot(slot)
        raw[offset : offset + len(packed)] = packed
    assert unpack_slots(bytes(raw)) == (Slot(9, 9000), 0)
    assert unpack_segment_header(bytes(raw)) == HEADER


def test_a_torn_slot_is_told_and_the_other_one_counts() -> None:
    raw = bytearray(pack_segment_header(HEADER))
    packed = pack_slot(Slot(8, 8000))
    raw[SLOT_OFFSETS[1] : SLOT_OFFSETS[1] + len(packed)] = packed
    raw[SLOT_OFFSETS[0]] = 1
    assert unpack_slots(bytes(raw)) == (Slot(8, 8000), SLOT_OFFSETS[0])


def test_two_torn_slots_are_refused() -> None:
    raw = bytearray(pack_segment_header(HEADER))
    for offset in SLOT_OFFSETS:
        raw[offset] = 1
    with pytest.raises(Malformed):
        unpack_slots(bytes(raw))
