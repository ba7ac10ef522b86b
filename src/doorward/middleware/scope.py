"""Between ASGI's connection scope and an Exchange: translation only, no decisions."""

import os
import time
from typing import Any, Final
from urllib.parse import quote, unquote

from starlette.types import Scope

from doorward.exchange import Exchange, Header, Headers, Request, Response, Source

_SERVERS: Final = frozenset({b"connection", b"content-length", b"transfer-encoding", b"x-request-id"})
"""Response fields that are written anew, or are the server's."""
BODILESS: Final = frozenset({204, 205, 304})


def exchange_from(scope: Scope) -> Exchange:
    """The exchange that an HTTP scope begins."""
    headers = Headers([(bytes(name).lower(), bytes(value)) for name, value in scope["headers"]])
    path: bytes = scope.get("raw_path") or quote(scope["path"]).encode("ascii")
    query: bytes = scope.get("query_string") or b""
    length = headers.get(b"content-length")
    client = scope.get("client") or ("", 0)
    return Exchange(
        id=os.urandom(16).hex(),
        now=time.time(),
        ticks=time.monotonic(),
        source=Source(address=client[0] or "", port=client[1] or 0),
        request=Request(
            method=scope["method"],
            target=path + b"?" + query if query else path,
            path=path,
            query=query,
            headers=headers,
            scheme="https" if scope.get("scheme") == "https" else "http",
            http_version=scope.get("http_version", "1.1"),
            has_body=b"transfer-encoding" in headers or (length is not None and length.strip(b"0") != b""),
        ),
    )


def head_bytes(headers: Headers) -> int:
    """About as many bytes as the header fields had on the wire."""
    return sum(len(name) + len(value) + 4 for name, value in headers.items)


def scope_for_app(scope: Scope, exchange: Exchange, request_head: bytes) -> dict[str, Any]:
    """The scope the application gets: the request as `request_head` would tell it to an upstream.

    Only the Host stays the client's, and the path is not prefixed: there is no other server. Extensions go, since
    they are ways around `send` (files, trailers) that nothing would look at.
    """
    line, *lines = request_head[:-4].split(b"\r\n")
    headers = [(name, value) for name, _, value in (entry.partition(b": ") for entry in lines) if name != b"host"]
    host = exchange.request.headers.get(b"host")
    if host is not None:
        headers.insert(0, (b"host", host))
    path = exchange.request.path
    return {
        **scope,
        "path": unquote(path.decode("ascii")),
        "raw_path": path,
        "query_string": line.rpartition(b" ")[0].partition(b"?")[2],
        "headers": headers,
        "extensions": {},
        "doorward.caller": exchange.caller,
        "doorward.request_id": exchange.id,
    }


def answer_headers(exchange: Exchange, response: Response, *, length: int | None) -> list[Header]:
    """The header fields of an answer, ours included; `length` is None when the body is streamed."""
    headers = [field for field in response.headers if field[0] not in _SERVERS]
    headers += exchange.answer_headers
    headers.append((b"x-request-id", exchange.id.encode("ascii")))
    if length is not None and response.status not in BODILESS:
        headers.append((b"content-length", b"%d" % length))
    if exchange.denied is not None and exchange.denied.denial.closes:
        headers.append((b"connection", b"close"))
    return headers
