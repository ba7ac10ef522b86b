"""What is told of outcomes: the same to people and to machines."""

from io import StringIO

import pytest
from rich.console import Console

from doorward.attack.case import Attack
from doorward.attack.judge import Outcome, Verdict
from doorward.attack.report import as_json, as_table, last_line


def outcome(number: int, verdict: Verdict) -> Outcome:
    return Outcome(
        attack=Attack(
            id=f"authorize.x{number}",
            name=f"try [number] {number}",
            earns="authorize.role",
            threat="API5:2023",
            source="none",
            send=lambda samples: samples.read(),
            twin=lambda samples: samples.read(),
        ),
        verdict=verdict,
        note="a note",
    )


OUTCOMES = [outcome(1, "held"), outcome(2, "got_through"), outcome(3, "twin_refused"), outcome(4, "not_applicable")]


def printed(*, verbose: bool) -> str:
    console = Console(file=StringIO(), width=120)
    console.print(as_table(OUTCOMES, verbose=verbose))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_failures_are_shown_one_by_one_and_the_rest_in_sum() -> None:
    text = printed(verbose=False)
    assert "GOT THROUGH" in text
    assert "twin REFUSED" in text
    assert "try [number] 1" not in text
    assert "3 attacks" in text


def test_everything_is_shown_when_asked_for() -> None:
    text = printed(verbose=True)
    assert all(f"try [number] {number}" in text for number in (1, 2, 3, 4))
    assert "not applicable" in text


def test_the_last_line_counts() -> None:
    assert last_line(OUTCOMES) == "2 of 3 attacks stopped, 1 of 2 twins passed, 1 not applicable"


@pytest.mark.parametrize(
    ("index", "applicable", "stopped", "passed"),
    [(0, True, True, True), (1, True, False, False), (2, True, True, False), (3, False, False, False)],
)
def test_a_machine_reads_the_same(index: int, applicable: bool, stopped: bool, passed: bool) -> None:
    row = as_json(OUTCOMES)["attacks"][index]
    assert (row["applicable"], row["stopped"], row["twin_passed"]) == (applicable, stopped, passed)
