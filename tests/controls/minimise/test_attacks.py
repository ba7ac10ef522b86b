"""The attacks by an answer are stopped because they are cleaned, and would be told if they were not."""

import pytest

from doorward.attack.case import Attack
from doorward.attack.lab.upstream import _SAYS
from doorward.attack.wire import Answer
from doorward.controls.minimise.attacks import ATTACKS


class Listener:
    """Takes what an upstream says."""

    said = b""

    def sendall(self, data: bytes) -> None:
        self.said += data


@pytest.mark.parametrize(
    "attack", [attack for attack in ATTACKS if attack.is_harmless is not None], ids=lambda attack: attack.id
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
