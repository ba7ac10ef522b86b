"""One step of the order, and what a control's mode makes of it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from doorward.exchange import Check
from doorward.modes import check_in
from doorward.policy.values import ControlName, Mode

_T = TypeVar("_T")


@dataclass(frozen=True)
class Step(Generic[_T]):
    """What makes one check, of what is known when plans are made."""

    control: ControlName | None
    """Whose check it is, and whose mode holds for it. None: no mode does, it is always run."""
    make: Callable[[_T], Check | None]
    """None comes of it where the policy sets nothing to check."""
    when: Callable[[_T], bool] = lambda _: True
    """Whether it is made at all."""


def checks(steps: Iterable[Step[_T]], known: _T, modes: Mapping[ControlName, Mode]) -> tuple[Check, ...]:
    """The checks that these steps come to, in their order. Errors: PolicyError, of a control that is off too."""
    made: list[Check] = []
    for step in steps:
        check = step.make(known) if step.when(known) else None
        if check is not None and step.control is not None:
            check = check_in(modes.get(step.control, "enforce"), check)
        if check is not None:
            made.append(check)
    return tuple(made)
