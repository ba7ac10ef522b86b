"""A gateway for each test, attacked over a raw socket; its log is judged too."""

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs
from tests.gateway.lab import Lab
from tests.hostile.judge import assert_clean_text


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


@pytest.fixture(autouse=True)
def short_farewells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over TLS the end of an HTTP/2 connection shows when the gateway waits for the client's no longer."""
    monkeypatch.setattr("doorward.gateway.http2.connection.LINGER_S", 0.2)


@pytest.fixture(autouse=True)
def clean_logs() -> Iterator[None]:
    """Nothing in the log of a test holds a secret or a raw control character, in whatever field."""
    with capture_logs() as events:
        yield
    for event in events:
        for value in event.values():
            assert_clean_text(str(value))
