"""Every attack earns its code at a real gateway, every twin passes."""

from collections.abc import Iterator

import pytest
from tests.gateway.lab import Lab

from doorward.attack.case import Ask
from doorward.attack.runner import Runner
from doorward.attack.wire import Target
from doorward.controls.transport.attacks import ATTACKS
from doorward.denial import DENIALS


class Samples:
    """Requests to the API of `tests.gateway.lab`. What is not asked for here is None."""

    def read(self) -> Ask:
        return Ask(target="/items")

    def write(self) -> Ask:
        return Ask(method="POST", target="/items", headers=(("Content-Type", "text/plain"),), body=b"hello")

    def bodiless(self) -> Ask:
        return self.read()

    def lab(self, behaviour: str) -> Ask:
        return self.read()

    def __getattr__(self, name: str) -> object:
        return lambda *_, **__: None


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    with Lab() as lab:
        yield Target(host="127.0.0.1", port=lab.port, tls=None)


# These need TLS; the whole gateway's tests have it.
IN_PLAIN = [attack for attack in ATTACKS if not attack.earns.startswith("transport.tls_")]


@pytest.mark.parametrize("attack", IN_PLAIN, ids=lambda attack: attack.id)
def test_an_attack_is_stopped_and_its_twin_passes(target: Target, attack: object) -> None:
    samples: object = Samples()
    outcome = Runner(target, samples).try_one(attack)  # type: ignore[arg-type]
    assert outcome.verdict == "held", outcome


def test_every_code_of_transport_has_an_attack() -> None:
    codes = {code for code in DENIALS if code.startswith("transport.")}
    assert {attack.earns for attack in ATTACKS} == codes
