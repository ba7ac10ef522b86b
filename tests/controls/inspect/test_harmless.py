import json
from pathlib import Path

import pytest
from tests.controls.inspect import benign, benign_shapes
from tests.controls.inspect.benign import generated

from doorward.controls.inspect.judging import judge_text

CORPORA = Path(__file__).parents[4] / "shared" / "corpora"


@pytest.mark.slow
def test_of_a_hundred_thousand_harmless_texts_hardly_one_raises_an_alarm() -> None:
    """Joined at random, a few become what they were not: `date|time|host` before a path reads as a command."""
    alarms = [(verdict, text) for text in generated(20_260_118, 100_000) if (verdict := judge_text(text)) is not None]
    assert len(alarms) <= 6, alarms


@pytest.mark.parametrize(
    "name", [name for name in dir(benign) if name.isupper() and isinstance(getattr(benign, name), list)]
)
def test_none_of_the_parts_that_they_are_made_of_does(name: str) -> None:
    texts = [text for text in getattr(benign, name) if isinstance(text, str)]
    assert [(verdict, text) for text in texts if (verdict := judge_text(text)) is not None] == []


@pytest.mark.parametrize("name", [name for name in dir(benign_shapes) if name.isupper()])
def test_nor_does_any_shape_that_looks_like_something_else(name: str) -> None:
    alarms = [(verdict, text) for text in getattr(benign_shapes, name) if (verdict := judge_text(text)) is not None]
    assert alarms == []


@pytest.mark.parametrize(
    ("name", "kind", "least"),
    [
        ("lists_fuzzdb", "sqli", 0.95),
        ("lists_patt", "sqli", 0.98),
        ("lists_fuzzdb", "cmdi", 0.95),
        ("lists_patt", "cmdi", 0.95),
        ("lists_fuzzdb", "traversal", 0.98),
        ("lists_patt", "traversal", 0.99),
        ("lists_fuzzdb", "xss", 0.93),
        ("lists_patt", "xss", 0.93),
        ("lists_blns", "xss", 0.98),
        ("lists_patt", "nosqli", 0.95),
        ("lists_patt", "ssti", 0.94),
        ("lists_patt", "ssrf", 0.92),
        ("lists_patt", "xxe", 0.97),
        ("lists_fuzzdb", "crlf", 0.95),
        ("lists_patt", "ssi", 0.95),
        ("lists_patt", "protopollution", 0.95),
        ("lists_fuzzdb", "rfi", 0.95),
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
