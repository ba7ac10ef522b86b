import json
from pathlib import Path

import pytest

from doorward.controls.inspect.judging import JUDGES
from doorward.controls.inspect.normalise import readings
from doorward.controls.inspect.prefilter import json_prefilter, text_prefilter
from doorward.controls.inspect.prefilter_patterns import BIT, DECODE
from doorward.controls.inspect.verdict import Threat

CORPORA = Path(__file__).parents[4] / "shared" / "corpora"


def test_plain_text_calls_no_judge() -> None:
    text = "The quick brown fox jumps over the lazy dog, five times a day. Call 555 1234 or write to ann@example.com"
    assert text_prefilter().bits(text.encode()) == 0


def test_a_plain_json_body_calls_no_judge_although_it_is_full_of_quotes_and_braces() -> None:
    body = {"name": "Ann", "tags": ["a", "b"], "size": 4.5, "more": {"ok": True, "none": None, "text": "select a seat"}}
    assert json_prefilter().bits(json.dumps(body).encode()) == 0


def test_an_escape_in_json_calls_for_a_closer_look() -> None:
    assert json_prefilter().bits(b'{"a": "\\u003c"}') & DECODE


@pytest.mark.parametrize(
    ("text", "threat"), [(".env", "traversal"), ("phpinfo()", "command"), (";x", "sql"), ("admin --", "sql")]
)
def test_the_start_and_end_of_a_string_in_json_are_those_of_a_text(text: str, threat: Threat) -> None:
    assert text_prefilter().bits(text.encode()) & BIT[threat]
    assert json_prefilter().bits(json.dumps({"a": text, "b": 1}).encode()) & BIT[threat]


def test_every_text_that_a_judge_refuses_reaches_that_judge() -> None:
    if not CORPORA.is_dir():
        pytest.skip("the shared attack lists are not beside this checkout")
    missed = []
    for name in ("lists_fuzzdb", "lists_patt", "lists_blns"):
        for line in (CORPORA / f"{name}.jsonl").read_text("utf-8").splitlines():
            for reading in readings(json.loads(line)["payload"]):
                bits = text_prefilter().bits(reading.encode("utf-8", "replace"))
                missed += [
                    (threat, reading) for threat, judge in JUDGES.items() if not bits & BIT[threat] and judge(reading)
                ]
    assert missed == []


def test_padding_does_not_hide_a_text_from_its_judge() -> None:
    padding = " " * 5_000
    assert text_prefilter().bits(f"select{padding}* {padding}from users;".encode()) & BIT["sql"]
    assert text_prefilter().bits(f"or {'a' * 500} = 1".encode()) & BIT["sql"]
