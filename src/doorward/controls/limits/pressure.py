"""How hard pressed this worker is, and whom it turns away for it: the least important first.

| level | memory | trail | late | turned away |
|---|---|---|---|---|
| 1 | 85 % | 50 % | 0.1 s | operations of `low` priority; connections end with their answer |
| 2 | 92 % | 75 % | 0.25 s | requests with a body, but for `high` |
| 3 | 95 % | 90 % | 0.5 s | everything but `high`; new connections |
"""

import random
from typing import Final

from doorward.controls.limits.policy import LimitsPolicy, Priority
from doorward.denial import Denied
from doorward.exchange import Check, Exchange

NO_CONNECTIONS: Final = 3
"""The level from which on no new connection is taken."""
_NO_BODIES: Final = 2
# Of any length, as far as types go: mypyc takes a constant of three floats for one that was never set.
_MEMORY: Final[tuple[float, ...]] = (0.85, 0.92, 0.95)
_TRAIL: Final[tuple[float, ...]] = (0.5, 0.75, 0.9)
_LATE_S: Final[tuple[float, ...]] = (0.1, 0.25, 0.5)
_RELEASED: Final = 0.9
"""Part of a threshold that a reading must fall below before its level ends: without it the ladder would swing."""
_SHED_AT: Final[dict[Priority, int]] = {"low": 1, "normal": 3}
_LONGEST_RETRY_S: Final = 3


class Pressure:
    """The level in force: 0 for none, up to 3. Set by whoever reads the gauges, looked at by every request."""

    __slots__ = ("level",)

    def __init__(self) -> None:
        self.level = 0

    def read(self, *, memory: float, trail: float, late_s: float) -> bool:
        """Whether the level changed. It rises at once, and falls by one step a reading.

        Units: `memory` and `trail` are parts of what there is, 0 to 1; `late_s` is how late the event loop is.
        """
        readings = ((memory, _MEMORY), (trail, _TRAIL), (late_s, _LATE_S))
        reached = max(_steps(value, marks, 1.0) for value, marks in readings)
        held = max(_steps(value, marks, _RELEASED) for value, marks in readings)
        before = self.level
        if reached > before:
            self.level = reached
        elif held < before:
            self.level = before - 1
        return self.level != before


def shed_check(policy: LimitsPolicy, pressure: Pressure) -> Check | None:
    """The check that turns requests away under pressure; None for an operation of high priority.

    Errors of the check: Denied `limits.overload` with a Retry-After that differs from client to client.
    """
    if policy.priority == "high":
        return None
    shed_at = _SHED_AT[policy.priority]

    def check(exchange: Exchange) -> None:
        level = pressure.level
        if level and (level >= shed_at or (level >= _NO_BODIES and exchange.request.has_body)):
            raise overloaded(f"pressure of level {level}")

    return check


def overloaded(detail: str) -> Denied:
    """The denial for what there is no room for: clients must not all return at the same moment."""
    wait_s = random.randint(1, _LONGEST_RETRY_S)  # noqa: S311 - spreads load
    return Denied("limits.overload", detail, headers=((b"retry-after", b"%d" % wait_s),))


def _steps(value: float, marks: tuple[float, ...], part: float) -> int:
    return sum(value >= mark * part for mark in marks)
