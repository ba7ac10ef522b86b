"""The client of the Valkey or Redis server that several hosts share (extra `valkey`)."""

from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from doorward.controls.limits import SharedPolicy

RETRY_S: Final = 0.5
"""Time between two tries to reach a server that was lost, in seconds."""


def client_of(policy: SharedPolicy) -> Redis:
    """A client of the server a policy names; nothing is sent yet. It tries nothing twice by itself."""
    url = policy.url.replace("valkey", "redis", 1)
    tls: dict[str, Any] = {"ssl_ca_certs": policy.ca_file} if policy.ca_file and url.startswith("rediss") else {}
    return Redis.from_url(
        url,
        username=policy.username,
        password=None if policy.password is None else policy.password.get_secret_value(),
        socket_timeout=RETRY_S,
        socket_connect_timeout=RETRY_S,
        retry=Retry(NoBackoff(), 0),
        **tls,
    )
