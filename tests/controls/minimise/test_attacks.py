"""The attacks by an answer are stopped because they are cleaned, and would be told if they were not."""

from typing import Any, get_args

import orjson
import pytest
from tests.controls.minimise.test_release import JSON, answer, exchange, release, released
from tests.controls.validate.carrying import code_of

from doorward.attack.case import Ask, Attack
from doorward.attack.lab.upstream import _SAYS
from doorward.attack.wire import Answer
from doorward.controls.minimise import MinimisePolicy
from doorward.controls.minimise.attacks import ATTACKS
from doorward.controls.minimise.masks import Style
from doorward.controls.minimise.policy import Personal


class Listener:
    """Takes what an upstream says."""

    said = b""

    def sendall(self, data: bytes) -> None:
        self.said += data


class EchoSamples:
    """An API that gives a text back, whatever kind of data it is."""

    def echoed(self, kind: str, value: str) -> Ask:
        return Ask(target=kind, body=orjson.dumps({"note": value}))


SAMPLES: Any = EchoSamples()
PERSONAL = [attack for attack in ATTACKS if attack.id.startswith("minimise.personal_")]


def answered(ask: Ask | None, style: str) -> Answer:
    """The answer with what was sent, its kind masked in that way; "": not masked."""
    assert ask is not None
    made = exchange(ask.body)
    left = released(made, MinimisePolicy.model_validate({"mask": {ask.target: style} if style else []}))
    return Answer(status=left.status, body=left.body or b"")


@pytest.mark.parametrize("attack", PERSONAL, ids=lambda attack: attack.id)
def test_personal_data_is_masked_in_every_way_and_what_only_looks_like_it_is_not(attack: Attack) -> None:
    assert attack.is_harmless is not None
    assert not attack.is_harmless(answered(attack.send(SAMPLES), ""))
    for style in get_args(Style):
        assert attack.is_harmless(answered(attack.send(SAMPLES), style)), style
        twin = attack.twin(SAMPLES)
        assert twin is not None
        assert twin.echoes in answered(twin, style).text, style


def test_every_kind_of_personal_data_has_an_attack() -> None:
    asked = set()
    for attack in PERSONAL:
        ask = attack.send(SAMPLES)
        assert ask is not None
        asked.add(ask.target)
    assert asked == set(get_args(Personal))


def test_a_value_that_does_not_fit_is_refused_where_the_policy_says_so() -> None:
    [attack] = [each for each in ATTACKS if each.id == "minimise.unfit_value"]
    listener = Listener()
    _SAYS["unfit_value"](listener)  # type: ignore[arg-type]
    unfit = listener.said.partition(b"\r\n\r\n")[2]
    note = {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}, "title": {}}}

    def code(body: bytes, values: str) -> str:
        compiled = release(MinimisePolicy.model_validate({"values": values}), {"200": answer("200", {JSON: note})})
        return code_of(lambda: compiled.apply(exchange(body)))

    assert code(unfit, "refuse") == attack.earns
    assert code(unfit, "report") == ""
    assert code(b'{"id":1,"title":"a note"}', "refuse") == ""


@pytest.mark.parametrize(
    "attack",
    [attack for attack in ATTACKS if attack.is_harmless is not None and attack not in PERSONAL],
    ids=lambda attack: attack.id,
)
def test_the_upstreams_own_answer_does_harm(attack: Attack) -> None:
    assert attack.is_harmless is not None
    behaviour = attack.id.partition(".")[2]
    listener = Listener()
    _SAYS[behaviour](listener)  # type: ignore[arg-type]
    head, _, body = listener.said.partition(b"\r\n\r\n")
    lines = [line.partition(":") for line in head.decode().split("\r\n")[1:]]
    fields = tuple((name.lower(), value.strip()) for name, _, value in lines)
    assert not attack.is_harmless(Answer(status=200, headers=fields, body=body))
    assert attack.is_harmless(Answer(status=200, headers=(("set-cookie", "a=b; HttpOnly; Secure; SameSite=Lax"),)))
