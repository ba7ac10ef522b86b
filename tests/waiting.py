"""Waiting for what another process brings about, where nothing tells of it."""

import time
from collections.abc import Callable
from typing import Final

_PATIENCE_S: Final = 90.0
_LOOK_S: Final = 0.02


def until(holds: Callable[[], bool], what: str) -> None:
    """Nothing, as soon as it holds. `what`: what is wrong if it never does."""
    deadline = time.monotonic() + _PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(_LOOK_S)
