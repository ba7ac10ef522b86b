"""Where a connection, or a request of it, comes from."""

import asyncio

from doorward.controls.transport import TrustedProxies
from doorward.controls.transport.proxy_header import Announced
from doorward.exchange import Headers, Source


def peer(transport: asyncio.Transport, announced: Announced | None = None) -> Source:
    """The other end of a connection, or whom a listed proxy announced in front of it.

    An IPv4 address that came over an IPv6 socket is an IPv4 address.
    """
    address = announced or transport.get_extra_info("peername") or ("", 0)
    secure = transport.get_extra_info("ssl_object")
    return Source(
        address=str(address[0]).removeprefix("::ffff:"),
        port=address[1],
        tls_version=secure.version() if secure else None,
    )


def counted_as(source: Source, proxies: TrustedProxies | None) -> str:
    """The address a connection is counted under; empty for a listed proxy: all clients behind it have its address."""
    return "" if proxies is not None and proxies.trusts(source.address) else source.address


def behind(source: Source, proxies: TrustedProxies | None, headers: Headers) -> Source:
    """Where a request came from: the peer itself, or the client that a listed proxy speaks for. Errors: Denied."""
    if proxies is None or not proxies.trusts(source.address):
        return source
    address = proxies.client_address(source.address, headers)
    return source if address == source.address else Source(address=address, tls_version=source.tls_version)
