"""Outcomes as a table for people and as JSON for machines. Both say the same."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from rich import box
from rich.table import Table
from rich.text import Text

from doorward.attack.judge import Outcome, Verdict, described
from doorward.attack.wire import NO_ANSWER

_WORDS: Final[dict[Verdict, tuple[str, str]]] = {
    "held": ("stopped", "green"),
    "got_through": ("GOT THROUGH", "bold red"),
    "twin_refused": ("twin REFUSED", "bold red"),
    "not_applicable": ("not applicable", "dim"),
}


def as_table(outcomes: Sequence[Outcome], *, verbose: bool = False) -> Table:
    """One line for each control; with `verbose`, or where something failed, one for each attack."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("control", "attack", "result", "code", "twin"):
        table.add_column(name, overflow="fold", no_wrap=name in {"control", "result", "code"})
    for control, group in _by_control(outcomes):
        shown = group if verbose else [outcome for outcome in group if outcome.is_failure]
        for outcome in shown:
            word, style = _WORDS[outcome.verdict]
            twin = _twin(outcome)
            came = outcome.attack.earns if outcome.verdict != "got_through" else described([outcome.answer])
            table.add_row(control, Text(outcome.attack.name), Text(word, style), came, twin)
        if not verbose:
            table.add_row(control, *_summary(group))
    return table


def as_json(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The same for machines."""
    counted = Counter(outcome.verdict for outcome in outcomes)
    return {
        "attacks": [
            {
                "id": outcome.attack.id,
                "name": outcome.attack.name,
                "control": outcome.attack.control,
                "code": outcome.attack.earns,
                "threat": outcome.attack.threat,
                "source": outcome.attack.source,
                "applicable": outcome.verdict != "not_applicable",
                "stopped": outcome.verdict in {"held", "twin_refused"},
                "twin_passed": outcome.verdict == "held",
                "note": outcome.note,
            }
            for outcome in outcomes
        ],
        "summary": {verdict: counted[verdict] for verdict in _WORDS},
    }


def last_line(outcomes: Sequence[Outcome]) -> str:
    """What came of it, in one line."""
    counted = Counter(outcome.verdict for outcome in outcomes)
    applicable = len(outcomes) - counted["not_applicable"]
    stopped = applicable - counted["got_through"]
    line = f"{stopped} of {applicable} attacks stopped, {counted['held']} of {stopped} twins passed"
    return f"{line}, {counted['not_applicable']} not applicable" if counted["not_applicable"] else line


def _twin(outcome: Outcome) -> str:
    if outcome.verdict == "not_applicable":
        return ""
    # a conversation has no one answer
    is_told = outcome.twin_answer is not NO_ANSWER or outcome.verdict != "held"
    return described([outcome.twin_answer]) if is_told else "passed"


def _by_control(outcomes: Sequence[Outcome]) -> list[tuple[str, list[Outcome]]]:
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(outcome.attack.control, []).append(outcome)
    return list(groups.items())


def _summary(group: list[Outcome]) -> tuple[str, Text, str, str]:
    counted = Counter(outcome.verdict for outcome in group)
    applicable = len(group) - counted["not_applicable"]
    stopped = applicable - counted["got_through"]
    style = "green" if counted["held"] == applicable else "bold red"
    codes = {outcome.attack.earns for outcome in group if outcome.verdict != "not_applicable"}
    twins = f"{counted['held']} of {stopped} passed"
    return f"{applicable} attacks", Text(f"{stopped} stopped", style), f"{len(codes)} codes", twins
