"""What attacks fields that hold markup or code is refused there; their twins pass there, and not as any text."""

from typing import Any

import pytest
from tests.controls.inspect.test_check import exchange, operation, refusal

from doorward.attack.case import Ask, Attack
from doorward.controls.inspect.contents import KINDS
from doorward.controls.inspect.field_attacks import FIELD_ATTACKS
from doorward.operation import Schema


class FieldSamples:
    """An API with one field, said to hold whatever an attack asks for."""

    def containing(self, kind: str, value: str) -> Ask:
        return Ask(target=kind, body=value.encode())


SAMPLES: Any = FieldSamples()


def code(ask: Ask | None, *, is_said: bool = True) -> str:
    assert ask is not None
    schema: Schema = {"type": "string", **({"x-doorward": {"contains": ask.target}} if is_said else {})}
    denied = refusal(exchange({"text": ask.body.decode()}), operation(schema={"properties": {"text": schema}}))
    return denied.code if denied is not None else ""


@pytest.mark.parametrize("attack", FIELD_ATTACKS, ids=lambda attack: attack.id)
def test_each_attack_earns_its_code_in_its_field(attack: Attack) -> None:
    assert code(attack.send(SAMPLES)) == attack.earns


@pytest.mark.parametrize("attack", FIELD_ATTACKS, ids=lambda attack: attack.id)
def test_each_twin_passes_in_its_field(attack: Attack) -> None:
    assert code(attack.twin(SAMPLES)) == ""


@pytest.mark.parametrize("attack", FIELD_ATTACKS, ids=lambda attack: attack.id)
def test_either_attack_or_twin_would_be_judged_otherwise_in_any_other_field(attack: Attack) -> None:
    in_any_field = code(attack.send(SAMPLES), is_said=False), code(attack.twin(SAMPLES), is_said=False)
    assert in_any_field != (attack.earns, "")


def test_every_word_has_an_attack() -> None:
    asked = set()
    for attack in FIELD_ATTACKS:
        ask = attack.send(SAMPLES)
        assert ask is not None
        asked.add(ask.target)
    assert asked == set(KINDS)
