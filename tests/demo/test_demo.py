"""The demonstration as a stranger runs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from doorward.attack.wire import Answer
from doorward.demo.breaches import BREACHES
from doorward.demo.engine import Demonstration, Result
from doorward.demo.report import as_json, as_page
from doorward.demo.trail import TrailResult

HELD = Result(breach=BREACHES[0], evidence="x", got="401", stopped=True, twin_bare=True, twin_guarded=True)
TRAIL = TrailResult(records=3, verified=True, problem="", noticed={"one bit of a record changed": "changed"})


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_demonstration_holds_and_says_so_in_json_and_nothing_else(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "doorward", "demo", "--json"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    shown = json.loads(done.stdout)
    keys = {"id", "threat", "control", "code", "breached_bare", "stopped", "twin_bare", "twin_guarded"}
    assert [attack["id"] for attack in shown["attacks"]] == [breach.id for breach in BREACHES]
    for attack in shown["attacks"]:
        assert set(attack) == keys
        assert all(attack[name] for name in keys), attack
    assert shown["trail"]["records"] >= len(BREACHES)
    assert shown["trail"]["verified"]
    assert shown["trail"]["tamper_noticed"]
    assert done.returncode == 0


def test_it_holds_when_everything_held() -> None:
    assert Demonstration((HELD,), TRAIL).held


@pytest.mark.parametrize(
    "change", [{"evidence": None}, {"stopped": False}, {"twin_bare": False}, {"twin_guarded": False}]
)
def test_one_thing_that_did_not_hold_is_enough(change: dict[str, object]) -> None:
    fields = {name: getattr(HELD, name) for name in Result.__slots__} | change
    assert not Demonstration((HELD, Result(**fields)), TRAIL).held


@pytest.mark.parametrize(
    "trail",
    [
        TrailResult(records=3, verified=False, problem="changed: x", noticed={"a": "b"}),
        TrailResult(records=0, verified=True, problem="", noticed={"a": "b"}),
        TrailResult(records=3, verified=True, problem="", noticed={"a": "b", "c": ""}),
    ],
)
def test_a_trail_that_does_not_prove_itself_is_enough(trail: TrailResult) -> None:
    assert not Demonstration((HELD,), trail).held


def test_nothing_shown_is_nothing_held() -> None:
    assert not Demonstration((), TRAIL).held


def test_the_machine_sees_what_the_person_sees() -> None:
    failed = Result(breach=BREACHES[1], evidence="row", got="200", stopped=False, twin_bare=True, twin_guarded=False)
    assert as_json(Demonstration((HELD, failed), TRAIL))["attacks"][1]["stopped"] is False
    text = printed(Demonstration((HELD, failed), TRAIL))
    for word in ("GOT THROUGH", "REFUSED", "authenticate.missing", "noticed", "1 of 2 attacks"):
        assert word in text


def test_evidence_is_printed_as_text_whatever_it_holds() -> None:
    hostile = Result(
        breach=BREACHES[0], evidence="[bold]x[/nonsense]", got="401", stopped=True, twin_bare=True, twin_guarded=True
    )
    assert "[bold]x[/nonsense]" in printed(Demonstration((hostile,), TRAIL))


def printed(shown: Demonstration) -> str:
    from io import StringIO

    from rich.console import Console

    console = Console(file=StringIO(), width=120)
    console.print(as_page(shown))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_an_answer_is_no_breach_by_its_status_alone() -> None:
    assert all(breach.evidence((Answer(status=200), Answer(status=200))) is None for breach in BREACHES)
