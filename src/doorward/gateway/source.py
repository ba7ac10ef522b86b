"""Where a connection, or a request of it, comes from."""

import asyncio

from doorward.controls.transport import TrustedProxies
from doorward.controls.transport.proxy_header import Announced
from doorward.exchange import Exchange, Headers, Source
from doorward.gateway.client_certificate import certificate_of


def peer(
    transport: asyncio.Transport, announced: Announced | None = None, proxies: TrustedProxies | None = None
) -> Source:
    """The other end of a connection, or whom a listed proxy announced in front of it.

    An IPv4 address that came over an IPv6 socket is an IPv4 address.
    Errors: client_certificate.Unacceptable.
    """
    address = announced or transport.get_extra_info("peername") or ("", 0)
    secure = transport.get_extra_info("ssl_object")
    if secure is None:
        return Source(address=plain_address(address[0]), port=address[1])
    plain = plain_address(address[0])
    # A listed proxy asks for the hosts of its clients over whichever connection it has.
    speaks_for_others = proxies is not None and proxies.trusts(plain)
    return Source(
        address=plain,
        port=address[1],
        tls_version=secure.version(),
        certificate=certificate_of(secure),
        shown_names=None if speaks_for_others else getattr(secure.context, "shown_names", None),
    )


def plain_address(address: object) -> str:
    """An address as it is written everywhere: an IPv4 one that came over an IPv6 socket as IPv4."""
    return str(address).removeprefix("::ffff:")


def counted_as(source: Source, proxies: TrustedProxies | None) -> str:
    """The address a connection is counted under; empty for a listed proxy: all clients behind it have its address."""
    return "" if proxies is not None and proxies.trusts(source.address) else source.address


def behind(source: Source, proxies: TrustedProxies | None, headers: Headers) -> Source:
    """Where a request came from: the peer itself, or the client that a listed proxy speaks for. Errors: Denied."""
    if proxies is None or not proxies.trusts(source.address):
        return source
    address = proxies.client_address(source.address, headers)
    return source if address == source.address else Source(address=address, tls_version=source.tls_version)


def note_proxy(exchange: Exchange, peer_address: str, proxies: TrustedProxies | None) -> None:
    """Say in the record which listed proxy spoke for the client, and take over how the client came to it."""
    exchange.findings.append(f"transport.via:{peer_address}")
    scheme = proxies.client_scheme(exchange.request.headers) if proxies is not None else None
    if scheme is not None:
        exchange.request.scheme = scheme
