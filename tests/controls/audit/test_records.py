from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.controls.audit.record import encode, finishes, request_id_of
from doorward.controls.audit.records import (
    Carried,
    Closed,
    Entry,
    Identity,
    Intent,
    Kind,
    Lifecycle,
    Outcome,
    Recovered,
    UnreadableRecord,
    decode,
)

IDS, TEXTS, NUMBERS, TAGS = (
    st.binary(min_size=16, max_size=16),
    st.text(),
    st.integers(0, 2**62),
    st.binary(max_size=32),
)
TUPLES = st.lists(TEXTS, max_size=3).map(tuple)
ENTRIES = st.one_of(
    st.tuples(
        st.just(Kind.INTENT),
        st.builds(Intent, IDS, NUMBERS, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, TAGS, TEXTS),
    ),
    st.tuples(
        st.sampled_from([Kind.OUTCOME, Kind.REFUSED]),
        st.builds(
            Outcome,
            *(IDS, NUMBERS, TEXTS, TEXTS, TEXTS, NUMBERS, TEXTS, TEXTS, TEXTS, TUPLES, TEXTS, NUMBERS, TEXTS, TEXTS),
            *(NUMBERS, NUMBERS, NUMBERS, TAGS, TEXTS, TUPLES, TEXTS, TEXTS, TAGS),
        ),
    ),
    st.tuples(st.just(Kind.CLOSED), st.builds(Closed, IDS, st.booleans(), NUMBERS, NUMBERS)),
    st.tuples(st.just(Kind.RECOVERED), st.builds(Recovered, IDS, TEXTS)),
    st.tuples(st.just(Kind.CARRIED), st.builds(Carried, st.lists(IDS, max_size=5).map(tuple))),
    st.tuples(st.just(Kind.LIFECYCLE), st.builds(Lifecycle, TEXTS, TEXTS)),
    st.tuples(
        st.just(Kind.IDENTITY),
        st.builds(Identity, IDS, NUMBERS, TEXTS, TEXTS, TEXTS, TEXTS, st.dictionaries(TEXTS, TEXTS, max_size=3)),
    ),
)


@given(ENTRIES)
def test_every_entry_reads_back_as_it_was_written(kind_and_entry: tuple[Kind, Entry]) -> None:
    kind, entry = kind_and_entry
    written = encode(kind, entry)
    assert decode(written.kind, written.payload) == entry


@given(ENTRIES)
def test_a_request_id_is_found_without_decoding(kind_and_entry: tuple[Kind, Entry]) -> None:
    kind, entry = kind_and_entry
    if isinstance(entry, Identity):
        expected = entry.event_id
    else:
        expected = b"" if isinstance(entry, Lifecycle | Carried) else entry.request_id
    assert request_id_of(encode(kind, entry).payload) == expected


@given(st.integers(0, 255), st.binary(max_size=100))
def test_bytes_of_any_kind_decode_or_are_called_unreadable(kind: int, payload: bytes) -> None:
    try:
        decode(kind, payload)
    except UnreadableRecord as error:
        assert str(kind) in str(error)  # noqa: PT017  the other outcome is as good


def test_a_later_version_may_add_fields_at_the_end() -> None:
    longer = encode(Kind.CLOSED, Closed(bytes(16), True, 1, 2)).payload
    assert longer[0] == 0x95
    assert decode(Kind.CLOSED, b"\x96" + longer[1:] + b"\xa3new") == Closed(bytes(16), True, 1, 2)


def test_a_record_of_an_earlier_version_lacks_fields_at_the_end() -> None:
    whole = encode(Kind.CLOSED, Closed(bytes(16), True, 1, 2)).payload
    assert decode(Kind.CLOSED, b"\x94" + whole[1:-1]) == Closed(bytes(16), True, 1, 2)


@pytest.mark.parametrize("kind", Kind)
def test_an_exchange_ends_with_an_answer_a_refusal_or_a_recovery(kind: int) -> None:
    assert finishes(kind) == (kind in {Kind.OUTCOME, Kind.REFUSED, Kind.RECOVERED})
