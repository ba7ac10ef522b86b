from collections.abc import Callable

import pytest

from doorward.controls.forward import ForwardPolicy, IdentitySigner, compile_request_head
from doorward.exchange import Caller, Exchange, Header, Headers, Request, Source
from doorward.jose import PrivateKey, generate_key
from doorward.operation import Operation

OPERATION = Operation(id="x", method="GET", path="/orders", template="/orders")


@pytest.fixture(scope="session")
def key() -> PrivateKey:
    return generate_key("ES256")


@pytest.fixture
def make_exchange() -> Callable[..., Exchange]:
    def make(
        *headers: Header,
        method: str = "GET",
        path: bytes = b"/orders",
        query: bytes = b"",
        body: bytes = b"",
        has_body: bool | None = None,
        caller: Caller | None = None,
        address: str = "192.0.2.1",
    ) -> Exchange:
        fields = Headers([(b"host", b"api.example"), *headers])
        announced = bool(body) if has_body is None else has_body
        return Exchange(
            id="0123456789abcdef" * 2,
            now=1_700_000_000.0,
            ticks=1000.0,
            source=Source(address=address),
            request=Request(method, path, path, query, fields, has_body=announced, body=body),
            caller=caller,
        )

    return make


@pytest.fixture
def sent(key: PrivateKey) -> Callable[..., tuple[bytes, list[Header]]]:
    """The request line and the fields that the upstream gets for an exchange."""

    def send(
        exchange: Exchange,
        operation: Operation = OPERATION,
        secret: frozenset[bytes] = frozenset(),
        **policy: object,
    ) -> tuple[bytes, list[Header]]:
        settings = ForwardPolicy.model_validate({"upstream": "http://127.0.0.1:8000", **policy})
        head = compile_request_head(operation, settings, IdentitySigner(key, settings), secret=secret)(exchange)
        assert head.endswith(b"\r\n\r\n")
        line, *lines = head[:-4].split(b"\r\n")
        fields = [(name, value) for name, _, value in (entry.partition(b": ") for entry in lines)]
        return line, fields

    return send
