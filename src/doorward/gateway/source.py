"""Where a connection, or a request of it, comes from."""

import asyncio

from doorward.controls.transport import TrustedProxies
from doorward.controls.transport.proxy_header import Announced
from doorward.exchange import ClientCertificate, Exchange, Headers, Source
from doorward.gateway.client_certificate import certificate_of
from doorward.gateway.proxied_certificate import ProxiedCertificates


def peer(
    transport: asyncio.Transport, announced: Announced | None = None, proxies: TrustedProxies | None = None
) -> Source:
    """The other end of a connection, or whom a listed proxy announced in front of it.

    An IPv4 address that came over an IPv6 socket is an IPv4 address.
    Errors: client_certificate.Unacceptable.
    """
    own = transport.get_extra_info("peername") or ("", 0)
    address = announced or own
    plain = plain_address(address[0])
    via = plain_address(own[0]) if announced else ""
    secure = transport.get_extra_info("ssl_object")
    if secure is None:
        return Source(address=plain, port=address[1], via=via)
    # A listed proxy asks for the hosts of its clients over whichever connection it has.
    speaks_for_others = proxies is not None and proxies.trusts(plain)
    return Source(
        address=plain,
        port=address[1],
        tls_version=secure.version(),
        via=via,
        certificate=certificate_of(secure),
        shown_names=None if speaks_for_others else getattr(secure.context, "shown_names", None),
    )


def plain_address(address: object) -> str:
    """An address as it is written everywhere: an IPv4 one that came over an IPv6 socket as IPv4."""
    return str(address).removeprefix("::ffff:")


def counted_as(source: Source, proxies: TrustedProxies | None) -> str:
    """The address a connection is counted under; empty for a listed proxy: all clients behind it have its address."""
    return "" if proxies is not None and proxies.trusts(source.address) else source.address


def behind(
    source: Source,
    proxies: TrustedProxies | None,
    headers: Headers,
    certificates: ProxiedCertificates | None = None,
) -> Source:
    """Where a request came from: the peer itself, or the client that a listed proxy speaks for. Errors: Denied."""
    if proxies is None or not proxies.trusts(source.address):
        return source
    address = proxies.client_address(source.address, headers)
    tells = certificates is not None and proxies.takes_certificate
    if address == source.address and not tells and not proxies.speaks_for_another(headers):
        return source
    via = f"{source.address} {source.via}" if source.via else source.address
    certificate: ClientCertificate | None = None
    # In the clear anybody on the way could have written it.
    if certificates is not None and proxies.takes_certificate and source.tls_version is not None:
        certificate = certificates.read(headers)
    return Source(address=address, tls_version=source.tls_version, via=via, certificate=certificate)


def note_way(exchange: Exchange, peer: Source, proxies: TrustedProxies | None) -> None:
    """Nothing; a request that came by way of a proxy tells so, and how the client came to that one.

    The latter where `peer`, the other end of the connection, is a listed proxy whose word the policy takes for it.
    """
    if not exchange.source.via:
        return
    exchange.findings.append(f"transport.via:{exchange.source.via}")
    if exchange.source is peer:
        return
    scheme = proxies.client_scheme(exchange.request.headers) if proxies is not None else None
    if scheme is not None:
        exchange.request.scheme = scheme
