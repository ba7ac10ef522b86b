"""Listening for clients: over TLS, in the clear where the policy says so, and the port that only sends to https."""

import asyncio
import re
import socket
from collections.abc import Callable
from typing import Final, Protocol

from doorward.controls.transport import TransportPolicy, compile_check
from doorward.denial import Denied
from doorward.exchange import Exchange, Response, Source
from doorward.gateway.acceptor import Acceptor, Handshakes
from doorward.gateway.gateway import Gateway, LocalAnswer
from doorward.gateway.http1 import LINGER_S, ClientConnection
from doorward.gateway.http2 import Http2Connection
from doorward.gateway.tls import HANDSHAKE_S, HTTP_2
from doorward.policy.tls import ACME_CHALLENGE

_CHALLENGE: Final = ACME_CHALLENGE.encode("ascii")
_TOKEN: Final = re.compile(rb"[A-Za-z0-9_-]{16,128}")
"""base64url of at least 96 random bits; no other character, so that nothing else can be put into the answer."""
_CHALLENGE_FIELDS: Final = (
    (b"content-type", b"application/octet-stream"),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
)


class Listener(Protocol):
    """What accepts connections."""

    def close(self) -> None:
        """Accept no more."""


async def listen(
    gateway: Gateway,
    listener: socket.socket,
    tls: Handshakes | None,
    loop: asyncio.AbstractEventLoop,
    *,
    proxy_protocol: bool = False,
) -> Listener:
    """What accepts on a listening socket and hands every connection to `gateway`.

    `proxy_protocol`: each connection begins with the header of a listed proxy.
    """
    listener.setblocking(False)
    if tls is None and not proxy_protocol:
        return await loop.create_server(lambda: ClientConnection(gateway), sock=listener, backlog=1024)

    def speaker(transport: asyncio.Transport, source: Source) -> asyncio.Protocol:
        secure = transport.get_extra_info("ssl_object")
        # What the handshake agreed on (RFC 7301); HTTP/1.1 without an agreement.
        speaks_http2 = secure is not None and secure.selected_alpn_protocol() == HTTP_2
        return Http2Connection(gateway, source) if speaks_http2 else ClientConnection(gateway, source)

    return Acceptor(
        gateway,
        listener,
        tls,
        loop,
        speaker,
        proxy_protocol=proxy_protocol,
        within_s=HANDSHAKE_S,
        shutdown_s=LINGER_S,
    )


def redirect_to_https(
    policy: TransportPolicy, port: int, acme_thumbprint: Callable[[], str] = lambda: ""
) -> LocalAnswer:
    """What answers a request on the plain port: 308 to the same place over https for GET and HEAD.

    A request of another kind has already sent its secrets in the clear, so it is refused and not repeated:
    Denied `transport.tls_plaintext`. The place is built from the checked Host and the canonical path.
    A question of an ACME server (RFC 8555 section 8.3) is answered here: whatever token it brings, with the account's
    thumbprint behind it. That proves nothing to anybody but the server that knows this account.
    """
    check = compile_check(policy)
    suffix = b"" if port == 443 else b":%d" % port

    def answer(exchange: Exchange) -> Response:
        request = exchange.request
        thumbprint = acme_thumbprint()
        token = request.path.removeprefix(_CHALLENGE)
        if thumbprint and token != request.path and request.method == "GET" and _TOKEN.fullmatch(token):
            return Response(200, list(_CHALLENGE_FIELDS), token + b"." + thumbprint.encode("ascii"))
        check(exchange)
        if request.method not in {"GET", "HEAD"} or request.has_body or b"authorization" in request.headers:
            raise Denied("transport.tls_plaintext", f"{request.method} over plain HTTP")
        host = request.headers.get(b"host") or b""
        name = host.partition(b"]")[0] + b"]" if host[:1] == b"[" else host.partition(b":")[0]
        query = b"?" + request.query if request.query else b""
        place = b"https://" + name.lower() + suffix + request.path + query
        return Response(308, [(b"location", place), (b"cache-control", b"no-store")], b"")

    return answer
