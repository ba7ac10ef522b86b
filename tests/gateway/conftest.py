"""A gateway for each test."""

from collections.abc import Iterator

import pytest
from tests.gateway.lab import Lab


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab
