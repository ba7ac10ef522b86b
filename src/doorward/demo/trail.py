"""The audit trail put to the test: verified, and tampered with (a copy) to see whether it shows."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from doorward.audit.describing import describe
from doorward.audit.format import GROUP_HEADER_BYTES, HEADER_BYTES, unpack_group_header
from doorward.audit.reading import read_trail, scan_segment, segment_paths, shard_directories
from doorward.audit.verify import verify_trail


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailResult:
    """What came of it."""

    records: int
    verified: bool
    problem: str
    """The first thing found wrong with the real trail; empty when nothing is."""
    noticed: dict[str, str]
    """What was done to a copy, and what the verifier said; an empty text: it did not notice."""

    @property
    def tamper_noticed(self) -> bool:
        """Whether everything done to a copy was noticed."""
        return all(self.noticed.values())

    @property
    def held(self) -> bool:
        """Verified, and every tampering noticed."""
        return self.verified and self.records > 0 and self.tamper_noticed


def put_to_the_test(trail: Path, key: Path, scratch: Path) -> TrailResult:
    """The verdict on a trail and on tampered copies of it, which are made in `scratch`."""
    verdict = verify_trail(trail, key)
    first = verdict.first_problem
    noticed = {}
    for what, change in _TAMPERINGS.items():
        copy = scratch / what.replace(" ", "-")
        shutil.copytree(trail, copy)
        segment = segment_paths(shard_directories(copy, "worker-0")[0])[0]
        segment.write_bytes(change(segment.read_bytes(), scan_segment(segment).end))
        found = verify_trail(copy, key).first_problem
        noticed[what] = f"{found.kind}, record {found.seq}: {found.detail}" if found else ""
    return TrailResult(
        records=verdict.records,
        verified=verdict.intact,
        problem=f"{first.kind}: {first.detail}" if first else "",
        noticed=noticed,
    )


def findings_in(trail: Path) -> set[str]:
    """The names of all findings in the records, without their counts."""
    return {
        str(finding).partition(":")[0]
        for located in read_trail(trail)
        for finding in describe(located).get("findings", ())
    }


def _flip_a_byte(data: bytes, end: int) -> bytes:
    place = (HEADER_BYTES + end) // 2
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def _take_out_a_group(data: bytes, end: int) -> bytes:
    """The segment without one group in its middle, as somebody would leave it who hides what they did."""
    starts = [HEADER_BYTES]
    while starts[-1] < end:
        header = unpack_group_header(data[starts[-1] : starts[-1] + GROUP_HEADER_BYTES])
        starts.append(starts[-1] + GROUP_HEADER_BYTES + header.length)
    middle = len(starts) // 2 - 1
    return data[: starts[middle]] + data[starts[middle + 1] :]


_TAMPERINGS: Final[dict[str, Callable[[bytes, int], bytes]]] = {
    "one bit of a record changed": _flip_a_byte,
    "one record taken out": _take_out_a_group,
}
