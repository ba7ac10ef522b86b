"""How much the judges find in a list of cases, and how often they are wrong. Data only: nothing is sent anywhere."""

import json
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from doorward.controls.inspect.judging import judge_text
from doorward.controls.inspect.verdict import Verdict

ALL: Final = "all"
"""The source of a row that sums up a class."""


class Case(msgspec.Struct, frozen=True):
    """One text with what is expected of it: a line of a file of cases. Other members are passed over."""

    payload: str
    """The text, decoded as an API would see it; a JSON document is judged text by text as well."""
    expect: str = "block"
    """`block`: it must be refused; anything else: it must pass."""
    kind: str = msgspec.field(name="class", default="-")
    source: str = "-"
    tier: str = ""


class Row(NamedTuple):
    """The tally of one class and source."""

    expect: str
    kind: str
    source: str
    cases: int
    refused: int

    @property
    def rate(self) -> float:
        """The part that was refused: what is wanted of attacks, and false alarms of the rest."""
        return self.refused / self.cases


def judge_case(case: Case) -> Verdict | None:
    """The verdict on a case: on the text as it stands, and on each text in it when it is a JSON object or list.

    Of a case that must pass only the texts count: that is how a body arrives.
    """
    document = _document(case.payload)
    if document is None:
        return judge_text(case.payload)
    if case.expect == "block" and (verdict := judge_text(case.payload)) is not None:
        return verdict
    for text in _texts(document):
        verdict = judge_text(text)
        if verdict is not None:
            return verdict
    return None


def tally(cases: Iterable[Case]) -> list[Row]:
    """One row a class and source, and one for all sources of a class that has several; attacks first."""
    counts: dict[tuple[str, str, str], list[int]] = {}
    for case in cases:
        is_refused = judge_case(case) is not None
        expect = "block" if case.expect == "block" else "pass"
        for source in (case.source, ALL):
            count = counts.setdefault((expect, case.kind, source), [0, 0])
            count[0] += 1
            count[1] += is_refused
    sources: dict[tuple[str, str], int] = {}
    for expect, kind, source in counts:
        sources[expect, kind] = sources.get((expect, kind), 0) + (source != ALL)
    return [
        Row(expect, kind, source, count, refused)
        for (expect, kind, source), (count, refused) in sorted(counts.items())
        if source != ALL or sources[expect, kind] > 1
    ]


def _document(payload: str) -> object | None:
    if payload[:1] not in {"{", "["}:
        return None
    try:
        found: object = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return found


def _texts(document: object) -> Iterator[str]:
    waiting = [document]
    while waiting:
        current = waiting.pop()
        if isinstance(current, str):
            yield current
        elif isinstance(current, dict):
            waiting += [*current, *current.values()]
        elif isinstance(current, list):
            waiting += current
