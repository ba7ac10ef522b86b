"""Failed authentications of clients, counted."""

import sys

import pytest

from doorward.identity.client_auth import FAILURES_COUNT, WINDOW_S, FailureLimiter
from doorward.identity.oauth_errors import OAuthError


def test_a_client_waits_after_so_many_failures_from_one_address_alone() -> None:
    limiter = FailureLimiter()
    for _ in range(FAILURES_COUNT):
        limiter.require_allowance("web", "192.0.2.1", 0.0)
        limiter.failed("web", "192.0.2.1", 0.0)
    with pytest.raises(OAuthError) as refused:
        limiter.require_allowance("web", "192.0.2.1", 1.0)
    assert refused.value.status == 429
    limiter.require_allowance("web", "192.0.2.2", 1.0)
    limiter.require_allowance("other", "192.0.2.1", 1.0)
    limiter.require_allowance("web", "192.0.2.1", WINDOW_S)


def test_what_cannot_be_a_name_takes_no_room() -> None:
    """Ten thousand names of 30 kB each would be 300 MB."""
    limiter = FailureLimiter()
    for number in range(100):
        limiter.failed(f"{number}" + "x" * 30_000, "192.0.2.1", 0.0)
        limiter.failed("web", "192.0.2.1", 0.0)
    kept = limiter._failures
    assert sum(sys.getsizeof(client) + sys.getsizeof(address) for client, address in kept) < 1_000
    with pytest.raises(OAuthError):
        limiter.require_allowance("web", "192.0.2.1", 0.0)
