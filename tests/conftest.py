"""What every test has: the shared test data where it is at hand, one PostgreSQL a process, an end that leaves nothing.

And the order: whole files, those with the longest time limits first. Whoever takes minutes must not begin when the
others have ended.
"""

import os
import signal
from itertools import groupby
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from tests.databases import postgres

__all__ = ["postgres"]

_OF_PROCESSES: Final = {"client", "faults", "processes"}
"""Folders whose tests start gateways: on a busy machine each takes half a minute until it serves."""
CORPORA: Final = Path(__file__).parents[2] / "shared" / "corpora"

# The same inputs each run, so that a run says something about the change before it; what a loaded machine is slow at
# is no failure. `tests.fuzz.run` looks for new inputs.
settings.register_profile(
    "doorward", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("doorward")


def pytest_configure() -> None:
    """A test run that is told to end does so as by Ctrl-C: what its fixtures started ends with it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Tests start hundreds of interpreters: each would compile the whole source anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files whose tests may take longest come first; within a file, and among equals, the order stays by chance."""
    for item in items:
        if not _OF_PROCESSES.isdisjoint(item.path.parts) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(180))
    files = [list(tests) for _, tests in groupby(items, key=lambda item: item.path)]
    items[:] = [item for tests in sorted(files, key=_longest_s, reverse=True) for item in tests]


def _longest_s(tests: list[pytest.Item]) -> float:
    limits = [mark.args[0] for item in tests for mark in item.iter_markers("timeout")]
    return max(limits, default=1.0 if any(item.get_closest_marker("slow") for item in tests) else 0.0)


@pytest.fixture
def corpora() -> Path:
    if not CORPORA.is_dir():
        pytest.skip("the shared test data is not beside this checkout")
    return CORPORA
