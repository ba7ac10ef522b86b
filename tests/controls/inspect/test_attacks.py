from typing import Any

import pytest

from doorward.attack.case import Ask, Attack
from doorward.controls.inspect.attacks import ATTACKS
from doorward.controls.inspect.field_attacks import FIELD_ATTACKS
from doorward.controls.inspect.judging import judge_text
from doorward.controls.inspect.verdict import THREATS


class TextSamples:
    """An API with one free text field."""

    def text(self, value: str) -> Ask:
        return Ask(body=value.encode())


def body_of(ask: Ask | None) -> str:
    assert ask is not None
    return ask.body.decode()


SAMPLES: Any = TextSamples()
BY_TEXT = [attack for attack in ATTACKS if attack not in FIELD_ATTACKS]


@pytest.mark.parametrize("attack", BY_TEXT, ids=lambda attack: attack.id)
def test_each_attack_earns_its_code(attack: Attack) -> None:
    verdict = judge_text(body_of(attack.send(SAMPLES)))
    assert verdict is not None
    assert f"inspect.{verdict.threat}" == attack.earns


@pytest.mark.parametrize("attack", BY_TEXT, ids=lambda attack: attack.id)
def test_each_twin_passes(attack: Attack) -> None:
    assert judge_text(body_of(attack.twin(SAMPLES))) is None


def test_every_code_of_the_control_has_an_attack() -> None:
    assert {attack.earns for attack in BY_TEXT} == {f"inspect.{threat}" for threat in THREATS}
