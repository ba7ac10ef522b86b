"""Listening for clients: over TLS, in the clear where the policy says so, and the port that only sends to https."""

import asyncio
import socket
import ssl
from typing import Protocol

from doorward.controls.transport import TransportPolicy, compile_check
from doorward.controls.transport.proxy_header import Announced
from doorward.denial import Denied
from doorward.exchange import Exchange, Response
from doorward.gateway.gateway import Gateway, LocalAnswer
from doorward.gateway.http1 import LINGER_S, ClientConnection
from doorward.gateway.http2 import Http2Connection
from doorward.gateway.proxy_listener import ProxyListener
from doorward.gateway.tls import HANDSHAKE_S, HTTP_2


class Listener(Protocol):
    """What accepts connections."""

    def close(self) -> None:
        """Accept no more."""


async def listen(
    gateway: Gateway,
    listener: socket.socket,
    context: ssl.SSLContext | None,
    loop: asyncio.AbstractEventLoop,
    *,
    proxy_protocol: bool = False,
) -> Listener:
    """What accepts on a listening socket and hands every connection to `gateway`.

    `proxy_protocol`: each connection begins with the header of a listed proxy.
    """
    listener.setblocking(False)

    def made(announced: Announced | None = None) -> asyncio.Protocol:
        return ClientConnection(gateway, announced) if context is None else _ByAlpn(gateway, announced)

    if proxy_protocol:
        return ProxyListener(gateway, listener, context, loop, made, within_s=HANDSHAKE_S, shutdown_s=LINGER_S)
    return await loop.create_server(
        made,
        sock=listener,
        ssl=context,
        ssl_handshake_timeout=None if context is None else HANDSHAKE_S,
        # A client that was told of the end and does not end its side is cut off; by default it may take half a minute.
        ssl_shutdown_timeout=None if context is None else LINGER_S,
        backlog=1024,
    )


class _ByAlpn(asyncio.Protocol):
    """Hands a connection to the protocol that its TLS handshake agreed on (RFC 7301), HTTP/1.1 without an agreement."""

    def __init__(self, gateway: Gateway, announced: Announced | None) -> None:
        self._gateway, self._announced = gateway, announced

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake is done."""
        secure = transport.get_extra_info("ssl_object")
        speaks_http2 = secure.selected_alpn_protocol() == HTTP_2
        chosen = Http2Connection if speaks_http2 else ClientConnection
        made = chosen(self._gateway, self._announced)
        transport.set_protocol(made)
        made.connection_made(transport)


def redirect_to_https(policy: TransportPolicy, port: int) -> LocalAnswer:
    """What answers a request on the plain port: 308 to the same place over https for GET and HEAD.

    A request of another kind has already sent its secrets in the clear, so it is refused and not repeated:
    Denied `transport.tls_plaintext`. The place is built from the checked Host and the canonical path.
    """
    check = compile_check(policy)
    suffix = b"" if port == 443 else b":%d" % port

    def answer(exchange: Exchange) -> Response:
        request = exchange.request
        check(exchange)
        if request.method not in {"GET", "HEAD"} or request.has_body or b"authorization" in request.headers:
            raise Denied("transport.tls_plaintext", f"{request.method} over plain HTTP")
        host = request.headers.get(b"host") or b""
        name = host.partition(b"]")[0] + b"]" if host[:1] == b"[" else host.partition(b":")[0]
        query = b"?" + request.query if request.query else b""
        place = b"https://" + name.lower() + suffix + request.path + query
        return Response(308, [(b"location", place), (b"cache-control", b"no-store")], b"")

    return answer
