"""Says whether a trail is what was written. It needs the files and the public key, and does not know the writer.

1. Each segment: header, acknowledged slots, every group's header, every record's CRC, the hash chain, no gap in `seq`,
   nothing behind the end.
2. Each shard: its segments follow one another, by number, by `seq` and by chain.
3. The signed head: its signature, and that the chain had that value behind that record.
4. All shards together: every intent has an outcome, a refusal or a `recovered`.
5. Signed heads that were kept elsewhere, where there are any: each shard is there, and goes on from there.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from doorward.audit.checkpoint import FILE_NAME, BadCheckpoint, Checkpoint, load_public_key, read_checkpoint
from doorward.audit.format import NO_HASH, StoredRecord
from doorward.audit.reading import SegmentScan, generation, scan_segment, segment_paths, shard_directories
from doorward.controls.audit.record import finishes
from doorward.controls.audit.records import Carried, Intent, Lifecycle, Outcome, Recovered, UnreadableRecord, decode

KINDS: Final = {
    "changed": "bytes of a record or of its frame are not those that were written",
    "chain": "something before this record was replaced by something else that looks valid",
    "header": "the head of a segment file is not as it was written",
    "missing": "records were taken out",
    "order": "records stand in another order, or twice",
    "segment": "a whole segment file or shard was taken out, exchanged or renamed",
    "signature": "the signed head is missing, or not signed by the expected key",
    "tail": "bytes were added behind the last record",
    "truncated": "the end was cut off",
    "refused": "the writer found the shard damaged when it started, and did not go on in it",
    "rewritten": "the records differ from those that were signed",
    "torn": "the last write was interrupted: the next start cuts it and says so",
    "open": "an intent has neither an outcome nor a `recovered`",
    "unsigned": "a shard that holds only what the writer says about itself has no signed head yet",
    "unreadable": "a record is intact but cannot be decoded by this version",
}
"""What can be wrong, in words."""
_SECOND_LOOK_S: Final = 0.05


class State(IntEnum):
    """The result, and the exit status of `doorward audit verify`."""

    INTACT = 0
    TAMPERED = 1
    INCOMPLETE = 3


class Problem(NamedTuple):
    """One thing that is not as it should be."""

    shard: str
    segment: str
    seq: int
    """The first record that is wrong or not there."""
    kind: str
    detail: str

    @property
    def state(self) -> State:
        """How grave it is: what a crash can leave behind is incomplete, all else is tampering or a broken disk."""
        return State.INCOMPLETE if self.kind in {"torn", "open", "unsigned", "unreadable"} else State.TAMPERED


@dataclass(slots=True)
class Verdict:
    """What the whole trail looks like."""

    records: int = 0
    shards: int = 0
    segments: int = 0
    signed_shards: int = 0
    """Shards whose end is proved by a signature."""
    kept_heads: int = 0
    """Heads kept elsewhere that the trail goes on from."""
    open_intents: int = 0
    """Requests of the current run that have an intent and no outcome yet: under way, or lost if nothing runs."""
    problems: list[Problem] = field(default_factory=list)

    @property
    def state(self) -> State:
        """Tampered, else incomplete, else intact."""
        states = {problem.state for problem in self.problems}
        return next((state for state in (State.TAMPERED, State.INCOMPLETE) if state in states), State.INTACT)

    @property
    def intact(self) -> bool:
        """Whether everything is as it was written."""
        return self.state is State.INTACT

    @property
    def first_problem(self) -> Problem | None:
        """The gravest problem, the first of its kind."""
        return next((problem for problem in self.problems if problem.state is self.state), None)


def verify_trail(directory: Path, public_key: Path | None = None, kept: Path | None = None) -> Verdict:
    """What is true of the trail in `directory`; without `public_key` a cut end cannot be told from an early one.

    `kept`: a directory with copies of signed heads that were taken elsewhere before, under whatever names. Only they
    tell that a shard, or the whole trail, is gone, or that an older one was put back.

    Errors: OSError when a file cannot be read; ValueError when the key is not one, or there is none for `kept`.
    """
    key = None if public_key is None else load_public_key(public_key)
    verdict, exchanges = Verdict(), _Exchanges()
    shards = shard_directories(directory)
    verdict.problems += _missing_shards(shards)
    links_before: dict[str, set[bytes]] = {}
    links_of: dict[str, dict[int, bytes]] = {}
    for position, shard in enumerate(shards):
        base = _base(shard)
        goes_on = position + 1 < len(shards) and _base(shards[position + 1]) == base
        trusted = links_before.setdefault(base, {NO_HASH})
        links = links_of[shard.name] = _verify_shard(shard, key, verdict, exchanges, trusted, goes_on=goes_on)
        trusted |= set(links.values())
    if kept is not None:
        if key is None:
            raise ValueError("heads that were kept elsewhere say something only with the public key")
        _verify_kept(kept, key, verdict, links_of)
    verdict.problems += exchanges.open_problems()
    verdict.open_intents = len(exchanges.under_way())
    return verdict


def _missing_shards(shards: Iterable[Path]) -> list[Problem]:
    """`worker-0.2` exists only because `worker-0` and `worker-0.1` did."""
    names = {shard.name for shard in shards}
    problems = []
    for name in sorted(names):
        base = name.partition(".")[0]
        for number in range(generation(name)):
            earlier = f"{base}.{number}" if number else base
            if earlier not in names:
                problems.append(Problem(earlier, "", 1, "segment", f"{name} continues {earlier}, which is not there"))
                names = names | {earlier}
    return problems


def _base(shard: Path) -> str:
    return shard.name.partition(".")[0]


def _verify_shard(
    shard: Path,
    key: Ed25519PublicKey | None,
    verdict: Verdict,
    exchanges: "_Exchanges",
    trusted: set[bytes],
    *,
    goes_on: bool,
) -> dict[int, bytes]:
    """The values of the chain in this shard, by record.

    `trusted` are those of the shards before; `goes_on`: one comes after.
    """
    verdict.shards += 1
    # Read before the segments: a writer at work must not seem to have signed more than is there.
    head = None if key is None else _signed_head(shard, key)
    before: SegmentScan | None = None
    links: dict[int, bytes] = {}
    told_before = exchanges.told_count
    paths = segment_paths(shard)
    for path in paths:
        verdict.segments += 1
        reader = _Reader(shard.name, path.name, verdict, exchanges)
        scan = scan_segment(path, reader.visit, keep_links=True)
        links.update(scan.links)
        problem = _follows(shard.name, scan, before, trusted, is_last=path == paths[-1])
        if problem is not None and not (problem.kind == "torn" and _is_being_written(scan)):
            verdict.problems.append(problem)
        before = scan
    if head is not None:
        problem = head if isinstance(head, Problem) else _covers(shard.name, head, links)
        if problem is None:
            verdict.signed_shards += 1
        elif isinstance(head, Problem) and exchanges.told_count == told_before:
            # the chain of the shard after it starts where this one ended: what was durable here cannot be cut unseen
            verdict.problems += [problem._replace(kind="unsigned")] if links and not goes_on else []
        else:
            verdict.problems.append(problem)
    return links


def _verify_kept(
    kept: Path, key: Ed25519PublicKey, verdict: Verdict, links_of: Mapping[str, Mapping[int, bytes]]
) -> None:
    for path in sorted(each for each in kept.rglob("*") if each.is_file()):
        try:
            head = read_checkpoint(path, key)
        except BadCheckpoint as bad:
            verdict.problems.append(Problem("", path.name, 1, "signature", f"{path}: {bad}"))
            continue
        links = links_of.get(head.shard)
        if links is None:
            detail = f"records up to {head.seq} were signed, and the shard is not there"
            problem: Problem | None = Problem(head.shard, path.name, 1, "segment", detail)
        else:
            problem = _covers(head.shard, head, links)
        if problem is None:
            verdict.kept_heads += 1
        else:
            verdict.problems.append(problem._replace(segment=path.name))


def _is_being_written(scan: SegmentScan) -> bool:
    """Whether what looked torn was a write under way: a moment later there is a good group."""
    time.sleep(_SECOND_LOOK_S)
    return scan_segment(scan.path).end > scan.end


def _follows(
    shard: str, scan: SegmentScan, before: SegmentScan | None, trusted: set[bytes], *, is_last: bool
) -> Problem | None:
    header, name = scan.header, scan.path.name
    if header is not None:
        expected = (before.header.number + 1, before.next_seq, before.link) if before and before.header else None
        if before is None:
            expected = (1, 1, header.previous_hash if header.previous_hash in trusted else NO_HASH)
        found = (header.number, header.first_seq, header.previous_hash)
        if header.shard != shard:
            return Problem(shard, name, header.first_seq, "segment", f"the segment belongs to {header.shard}")
        if expected is not None and found != expected and (before is None or before.damage is None):
            detail = f"segment {header.number} from record {header.first_seq} on does not continue what is before it"
            return Problem(shard, name, expected[1], "segment", detail)
    if scan.damage is not None:
        kind = "torn" if scan.torn and is_last else scan.damage.kind
        return Problem(shard, name, scan.damage.seq, kind, scan.damage.detail)
    if not is_last and scan.size != scan.end:
        return Problem(shard, name, scan.next_seq, "tail", "a finished segment goes on behind its last record")
    return None


def _signed_head(shard: Path, key: Ed25519PublicKey) -> Checkpoint | Problem:
    try:
        head = read_checkpoint(shard / FILE_NAME, key)
    except FileNotFoundError:
        return Problem(shard.name, FILE_NAME, 1, "signature", "the shard has no signed head")
    except BadCheckpoint as bad:
        return Problem(shard.name, FILE_NAME, 1, "signature", str(bad))
    if head.shard != shard.name:
        return Problem(shard.name, FILE_NAME, 1, "signature", f"the signed head belongs to {head.shard}")
    return head


def _covers(shard: str, head: Checkpoint, links: Mapping[int, bytes]) -> Problem | None:
    last = max(links, default=0)
    if head.seq > last:
        detail = f"records up to {head.seq} were signed, {last} is the last that is there"
        return Problem(shard, FILE_NAME, last + 1, "truncated", detail)
    if links.get(head.seq) != head.link:
        detail = f"the chain had another value behind record {head.seq} when it was signed"
        return Problem(shard, FILE_NAME, head.seq, "rewritten", detail)
    return None


class _Reader:
    """Counts the records of one segment and sorts them into exchanges."""

    def __init__(self, shard: str, segment: str, verdict: Verdict, exchanges: "_Exchanges") -> None:
        self._shard, self._segment, self._verdict, self._exchanges = shard, segment, verdict, exchanges

    def visit(self, record: StoredRecord) -> None:
        self._verdict.records += 1
        try:
            entry = decode(record.kind, record.payload)
        except UnreadableRecord as error:
            problem = Problem(self._shard, self._segment, record.seq, "unreadable", str(error))
            self._verdict.problems.append(problem)
            return
        self._exchanges.told_count += not isinstance(entry, Lifecycle | Recovered | Carried)
        if isinstance(entry, Intent):
            self._exchanges.begin(entry.request_id, self._shard, self._segment, record.seq)
        elif isinstance(entry, Outcome | Recovered) and finishes(record.kind):
            self._exchanges.end(entry.request_id)
        elif isinstance(entry, Lifecycle) and entry.event in {"start", "stop"}:
            self._exchanges.run_ends(self._shard)
        elif isinstance(entry, Lifecycle) and entry.event == "shard_refused":
            self._verdict.problems.append(Problem(self._shard, self._segment, record.seq, "refused", entry.detail))


class _Exchanges:
    """Which intents have no end. An end stands behind its intent, in the same shard or in one that continues it."""

    def __init__(self) -> None:
        self._open: dict[bytes, tuple[str, str, int]] = {}
        self._past: dict[bytes, tuple[str, str, int]] = {}
        self.told_count = 0
        """Records of exchanges so far, without those that a start writes by itself."""

    def begin(self, request_id: bytes, shard: str, segment: str, seq: int) -> None:
        self._open[request_id] = (shard, segment, seq)

    def end(self, request_id: bytes) -> None:
        self._open.pop(request_id, None)
        self._past.pop(request_id, None)

    def run_ends(self, shard: str) -> None:
        """What is open in this worker's earlier runs can only be ended by a `recovered` now."""
        base = shard.partition(".")[0]
        over = {key: at for key, at in self._open.items() if at[0].partition(".")[0] == base}
        for request_id in over:
            del self._open[request_id]
        self._past.update(over)

    def under_way(self) -> list[tuple[str, str, int]]:
        return list(self._open.values())

    def open_problems(self) -> list[Problem]:
        return [
            Problem(shard, segment, seq, "open", "the intent has neither an outcome nor a `recovered`")
            for shard, segment, seq in sorted(self._past.values())
        ]
