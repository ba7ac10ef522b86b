"""A request head as the `Request` of an exchange, and what stands for one that could not be read."""

from typing import Final, Literal

from doorward.controls.transport import METHODS
from doorward.exchange import Headers, Request
from doorward.gateway.request_head import RequestHead

_METHODS: Final = {method: method.decode("ascii") for method in METHODS}


def request_of(head: RequestHead, scheme: Literal["http", "https"]) -> Request:
    """The request, its body still to come."""
    path, _, query = head.target.partition(b"?")
    return Request(
        method=head.method,
        target=head.target,
        path=path,
        query=query,
        headers=head.headers,
        scheme=scheme,
        http_version="1.1" if head.http_1_1 else "1.0",
        has_body=head.is_chunked or head.length > 0,
    )


def unreadable(head: bytes, scheme: Literal["http", "https"]) -> Request:
    """A request that could not be read, as far as it can be told for the record."""
    method, _, rest = head.lstrip(b"\r\n").partition(b"\n")[0].rstrip(b"\r").partition(b" ")
    target = rest.partition(b" ")[0]
    return Request(
        method=_METHODS.get(method, "?"),
        target=target,
        path=target.partition(b"?")[0],
        query=b"",
        headers=Headers([]),
        scheme=scheme,
    )
