"""What every test has: the shared test data where it is at hand, one PostgreSQL a process, an end that leaves nothing."""

import signal
from pathlib import Path

import pytest
from tests.databases import postgres

__all__ = ["postgres"]

CORPORA = Path(__file__).parents[2] / "shared" / "corpora"


def pytest_configure() -> None:
    """A test run that is told to end does so as by Ctrl-C: what its fixtures started ends with it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture
def corpora() -> Path:
    if not CORPORA.is_dir():
        pytest.skip("the shared test data is not beside this checkout")
    return CORPORA
