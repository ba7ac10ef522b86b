"""Every attack Doorward claims to stop: each control brings its own, this is only where they meet."""

from collections.abc import Iterator
from typing import Final

from doorward.attack.case import Attack
from doorward.controls.audit import attacks as audit
from doorward.controls.authenticate import attacks as authenticate
from doorward.controls.authorize import attacks as authorize
from doorward.controls.forward import attacks as forward
from doorward.controls.inspect import attacks as inspect
from doorward.controls.limits import attacks as limits
from doorward.controls.minimise import attacks as minimise
from doorward.controls.transport import attacks as transport
from doorward.controls.validate import attacks as validate

_CONTROLS: Final = (transport, limits, authenticate, authorize, validate, inspect, forward, minimise, audit)


def every_attack() -> Iterator[Attack]:
    """All attacks, control by control in the order of the pipeline."""
    for control in _CONTROLS:
        yield from control.ATTACKS
