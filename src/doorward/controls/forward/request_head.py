"""The request head for the upstream: re-written from what was decided on, never copied as bytes."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes

from doorward.controls.forward.fields import Fields, credential_names, judged_names
from doorward.controls.forward.identity import IdentitySigner
from doorward.controls.forward.policy import ForwardPolicy
from doorward.controls.forward.upstream import parse_upstream
from doorward.errors import Fault
from doorward.exchange import Exchange, Headers
from doorward.operation import Operation
from doorward.wire import RANGE_PARTS, named_by_connection

_KEPT_OPERATIONS: Final = 32
"""Operations for which the lines made of one client's fields are remembered."""
_AUTHORITY: Final = re.compile(rb"[A-Za-z0-9._:\[\]-]{1,261}")
_VERSION_AND_HOST: Final = b" HTTP/1.1\r\nhost: "
_ORDINARY_CONNECTION: Final = frozenset({b"keep-alive", b"close", b"Keep-Alive", b"Close"})
# Bytes as numbers: CPython finds a number in bytes directly, but for bytes in bytes it makes and drops an error first.
_NUL: Final = 0x00
_LF: Final = 0x0A
_CR: Final = 0x0D
_SPACE: Final = 0x20
_EXPECTS_LENGTH: Final = frozenset({"POST", "PUT", "PATCH", "QUERY"})


def compile_request_head(
    operation: Operation,
    policy: ForwardPolicy,
    signer: IdentitySigner,
    covered: frozenset[bytes] = frozenset(),
    secret: frozenset[bytes] = frozenset(),
) -> Callable[[Exchange], bytes]:
    """What turns an admitted exchange into the request head for the upstream, final empty line included.

    The method, the canonical path and the query that were judged; Host as the policy says; end-to-end fields as they
    came; then our own, which nothing the client sent can replace or remove. A body that was read gets its
    Content-Length from its real size; a streamed one (`has_body`, but `body` is empty) gets no framing field: the
    gateway adds it with `with_framing`. `covered`: names of fields that callers must sign, which are judged like those
    that the description declares. `secret`: names of fields that carry credentials by the policy, beside those that the
    description names.
    Errors: PolicyError for a bad `upstream`. Of the result: Fault when a line break would slip in.
    """
    judged = judged_names(operation) | covered
    return _HeadWriter(operation, policy, signer, Fields(operation, policy, judged, secret), judged).write


class _HeadWriter:
    """Writes the request heads of one operation."""

    __slots__ = (
        "_authority",
        "_fields",
        "_identity",
        "_judged",
        "_keeps_host",
        "_key",
        "_prefix",
        "_secret_cookies",
        "_secret_parameters",
        "_token",
    )

    def __init__(
        self,
        operation: Operation,
        policy: ForwardPolicy,
        signer: IdentitySigner,
        fields: Fields,
        judged: frozenset[bytes],
    ) -> None:
        """`judged`: names of fields that were judged, which no client may have removed."""
        upstream = parse_upstream(policy.upstream)
        self._prefix, self._authority = upstream.prefix, upstream.authority
        self._keeps_host = policy.host == "client"
        self._fields, self._judged = fields, judged
        hides = not policy.pass_credentials
        self._secret_cookies = credential_names(operation, "cookie") if hides else frozenset[bytes]()
        self._secret_parameters = credential_names(operation, "query") if hides else frozenset[bytes]()
        self._identity = b"\r\n" + policy.identity_header.encode("ascii") + b": "
        self._token = signer.token
        self._key = object()
        """Under which headers remember the lines that are made of them."""

    def write(self, exchange: Exchange) -> bytes:
        """The head. Errors: Fault."""
        request = exchange.request
        headers = request.headers
        query = request.query
        if self._secret_parameters:
            query = _without_parameters(query, self._secret_parameters)
        if _SPACE in request.path or _SPACE in query:
            raise Fault("a space in the request target would split the request line")
        host = headers.get(b"host") or b""
        parts = [request.method.encode("ascii"), b" ", self._prefix, request.path]
        if query:
            parts += (b"?", query)
        own_lines, own_count = headers.memo.get(self._key) or self._end_to_end(headers)
        parts += (_VERSION_AND_HOST, host if self._keeps_host and host else self._authority, own_lines)
        lines = 2 + own_count
        if request.body or (not request.has_body and request.method in _EXPECTS_LENGTH):
            parts.append(b"\r\ncontent-length: %d" % len(request.body))
            lines += 1
        if exchange.caller is not None:
            parts += (self._identity, self._token(exchange.caller, exchange.now))
            lines += 1
        about, about_lines = _about_client(exchange.source.address, request.scheme, host)
        parts += (about, exchange.id.encode("ascii"), b"\r\n\r\n")
        head = b"".join(parts)
        # Whatever was checked before: this head has exactly the lines written here, or it does not leave.
        bare = head.replace(b"\r\n", b"")
        if len(head) - len(bare) != 2 * (lines + about_lines) or _LF in bare or _CR in bare or _NUL in bare:
            raise Fault("a line break or NUL in a request to the upstream")
        return head

    def _end_to_end(self, headers: Headers) -> tuple[bytes, int]:
        """The client's fields that go on, as lines, and how many; remembered with the fields."""
        connection = headers.get(b"connection")
        dropped = frozenset[bytes]()
        if connection is not None and connection not in _ORDINARY_CONNECTION:
            dropped = named_by_connection(headers.all(b"connection")) - self._judged
        parts: list[bytes] = []
        for name, value in headers.items:
            start = self._fields[name]
            if start is None or name in dropped or (name == b"range" and value.count(b",") >= RANGE_PARTS):
                continue
            if self._secret_cookies and name == b"cookie":
                value = _without_cookies(value, self._secret_cookies)  # noqa: PLW2901 - the value that goes on
                if not value:
                    continue
            parts += (start, value)
        if len(headers.memo) >= _KEPT_OPERATIONS:
            headers.memo.clear()
        lines = headers.memo[self._key] = b"".join(parts), len(parts) // 2
        return lines


def with_framing(head: bytes, headers: Headers) -> bytes:
    """The head of a request whose body is streamed, with the framing the client announced.

    Units: Content-Length in bytes, written anew from its number. Without one the body is sent chunked.
    """
    announced = headers.get(b"content-length")
    if announced is None:
        return head[:-2] + b"transfer-encoding: chunked\r\n\r\n"
    if re.fullmatch(rb"[0-9]{1,18}", announced) is None:
        raise Fault("Content-Length is not a number although it was checked")
    return head[:-2] + b"content-length: %d\r\n\r\n" % int(announced)


@lru_cache(maxsize=4_096)
def _about_client(address: str, scheme: str, host: bytes) -> tuple[bytes, int]:
    """Our own fields about the client, up to the value of x-request-id, and how many lines end within and after.

    Source: RFC 7239 sections 4 and 6 (an IPv6 address is bracketed and quoted).
    """
    plain = address.partition("%")[0]
    node = f'"[{plain}]"' if ":" in plain else plain or "unknown"
    named = _AUTHORITY.fullmatch(host) is not None
    lines = [
        f"forwarded: for={node};proto={scheme}" + (f';host="{host.decode("ascii")}"' if named else ""),
        f"x-forwarded-for: {plain or 'unknown'}",
        f"x-forwarded-proto: {scheme}",
        *([f"x-forwarded-host: {host.decode('ascii')}"] if named else []),
        "accept-encoding: identity",
        "x-request-id: ",
    ]
    return ("\r\n" + "\r\n".join(lines)).encode("ascii"), len(lines) + 1


def _without_cookies(value: bytes, names: frozenset[bytes]) -> bytes:
    kept = [pair for pair in value.split(b";") if pair.partition(b"=")[0].strip(b" \t").lower() not in names]
    return b";".join(kept).strip(b" \t")


def _without_parameters(query: bytes, names: frozenset[bytes]) -> bytes:
    return b"&".join(
        pair
        for pair in query.split(b"&")
        if unquote_to_bytes(pair.partition(b"=")[0].replace(b"+", b" ")).lower() not in names
    )
