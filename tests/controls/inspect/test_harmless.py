import json
from pathlib import Path

import pytest

from doorward.controls.inspect.check import judge_text

CORPORA = Path(__file__).parents[4] / "shared" / "corpora"


def test_no_harmless_text_raises_an_alarm(harmless_texts: list[str]) -> None:
    alarms = [(verdict, text) for text in harmless_texts if (verdict := judge_text(text)) is not None]
    assert alarms == []


@pytest.mark.parametrize(
    ("name", "kind", "least"),
    [
        ("lists_fuzzdb", "sqli", 0.93),
        ("lists_patt", "sqli", 0.98),
        ("lists_fuzzdb", "cmdi", 0.85),
        ("lists_patt", "cmdi", 0.88),
        ("lists_fuzzdb", "traversal", 0.98),
        ("lists_patt", "traversal", 0.98),
        ("lists_fuzzdb", "xss", 0.79),
        ("lists_patt", "xss", 0.89),
        ("lists_blns", "xss", 0.98),
    ],
)
def test_lists_of_attacks_by_others_are_refused_as_before(name: str, kind: str, least: float) -> None:
    """Measured with `python -m bench.detection`; what passes are fragments that do nothing by themselves."""
    if not CORPORA.is_dir():
        pytest.skip("the shared attack lists are not beside this checkout")
    rows = [json.loads(line) for line in (CORPORA / f"{name}.jsonl").read_text("utf-8").splitlines()]
    attacks = [row["payload"] for row in rows if row["class"] == kind and row["tier"] == "A"]
    assert sum(judge_text(attack) is not None for attack in attacks) / len(attacks) >= least


@pytest.mark.parametrize("name", ["benign_openapi_values", "benign_blns"])
def test_examples_from_real_descriptions_pass(name: str) -> None:
    if not CORPORA.is_dir():
        pytest.skip("the shared lists are not beside this checkout")
    rows = [json.loads(line) for line in (CORPORA / f"{name}.jsonl").read_text("utf-8").splitlines()]
    alarms = [row["payload"] for row in rows if judge_text(row["payload"]) is not None]
    assert len(alarms) <= len(rows) // 1_000, alarms
