"""Exchanges to be recorded, and a recorder."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from doorward.controls.audit import AuditPolicy, Recorder
from doorward.exchange import Caller, Exchange, Headers, Request, Response, Source
from doorward.operation import Operation, SecurityScheme

KEY = bytes(range(32))
OPERATION = Operation(id="readAccount", method="GET", path="/accounts/{id}", template="/accounts/{id}")


def make_exchange(
    *,
    method: str = "GET",
    path: bytes = b"/accounts/a-1",
    query: bytes = b"",
    body: bytes = b"",
    headers: list[tuple[bytes, bytes]] | None = None,
    operation: Operation | None = OPERATION,
    caller: Caller | None = None,
) -> Exchange:
    request = Request(method, path, path, query, Headers(headers or []), body=body)
    return Exchange(
        id="0123456789abcdef0123456789abcdef",
        now=1_700_000_000.25,
        ticks=5.0,
        source=Source(address="192.0.2.7", port=4711, tls_version="TLSv1.3"),
        request=request,
        response=Response(200, []),
        operation=None if operation is None else replace(operation, method=method),
        caller=caller,
        policy_version="v7",
    )


@pytest.fixture
def alice() -> Caller:
    return Caller(
        subject="alice",
        kind="user",
        issuer="https://login.test",
        roles=frozenset({"reader", "clerk"}),
        credential_id="jti-1",
    )


@pytest.fixture
def exchange() -> Callable[..., Exchange]:
    return make_exchange


@pytest.fixture
def recorder() -> Recorder:
    return Recorder(AuditPolicy(), KEY)


@pytest.fixture
def key() -> bytes:
    return KEY


@pytest.fixture
def keyed_operation() -> Operation:
    scheme = SecurityScheme(name="partner", kind="apiKey", location="header", parameter="X-Partner-Key")
    return replace(OPERATION, security=({scheme: ()},))
