from collections.abc import Callable

import pytest

from doorward.exchange import Caller, Exchange, Headers, Request, Source


@pytest.fixture
def make_exchange() -> Callable[..., Exchange]:
    def make(
        address: str = "192.0.2.1",
        *,
        subject: str | None = None,
        roles: tuple[str, ...] = (),
        ticks: float = 1000.0,
        now: float = 1_700_000_000.0,
    ) -> Exchange:
        exchange = Exchange(
            id="0" * 32,
            now=now,
            ticks=ticks,
            source=Source(address=address),
            request=Request("GET", b"/", b"/", b"", Headers([])),
        )
        if subject is not None:
            exchange.caller = Caller(subject=subject, kind="user", issuer="local", roles=frozenset(roles))
        return exchange

    return make
