import json

import pytest
from tests.controls.inspect.techniques import TECHNIQUES

from doorward.controls.inspect.judging import JUDGES, forms, judge_text
from doorward.controls.inspect.prefilter import json_prefilter, text_prefilter
from doorward.controls.inspect.prefilter_patterns import BIT
from doorward.controls.inspect.verdict import Threat

PAIRS = [(threat, attack, twin) for threat, pairs in TECHNIQUES.items() for attack, twin in pairs]


@pytest.mark.parametrize(("threat", "attack", "twin"), PAIRS)
def test_a_technique_is_recognised_as_what_it_is(threat: Threat, attack: str, twin: str) -> None:
    prefilter = text_prefilter()
    found = [
        JUDGES[threat](form)
        for form, bits in forms(attack, prefilter.bits(attack.encode()), prefilter)
        if bits & BIT[threat]
    ]
    assert any(found)


@pytest.mark.parametrize(("threat", "attack", "twin"), PAIRS)
def test_the_nearest_harmless_text_passes_every_judge(threat: Threat, attack: str, twin: str) -> None:
    assert judge_text(twin) is None


@pytest.mark.parametrize(("threat", "attack", "twin"), PAIRS)
def test_within_a_json_document_a_technique_is_looked_at_too(threat: Threat, attack: str, twin: str) -> None:
    document = json.dumps({"a": [1, {"b": attack}], "c": True}, ensure_ascii=False)
    assert json_prefilter().bits(document.encode())
