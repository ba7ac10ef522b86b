"""What an operator may write about transport."""

import re
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from doorward.controls.transport.proxies import ClientField, TrustedProxies, network

_HOST: Final = re.compile(r"[a-z0-9_-]++(?:\.[a-z0-9_-]++)*+(?::[1-9][0-9]{0,4})?|\[[0-9a-f:.]+\](?::[1-9][0-9]{0,4})?")
Origin = Annotated[str, StringConstraints(pattern=r"^https?://[a-z0-9.-]{1,253}(:[1-9][0-9]{0,4})?$")]
SubProtocol = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$")]


def _folded_host(value: str) -> str:
    folded = value.lower() if value.isascii() else value
    if _HOST.fullmatch(folded) is None:
        raise ValueError(f"{value!r} is not a host name; write `api.example.com` or `api.example.com:8443`")
    return folded


def _known_network(value: str) -> str:
    return str(network(value))


class TransportPolicy(BaseModel):
    """How strictly a request is read. There is no switch that makes the reading of framing or paths looser."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    hosts: tuple[Annotated[str, AfterValidator(_folded_host)], ...] = Field(default=(), max_length=256, strict=False)
    """Host names this API answers to, with or without a port (without: any port). Empty: every valid host.

    A request for another host gets 421, so that a name pointed at this address by somebody else (DNS rebinding,
    a forgotten CNAME) reaches nothing.
    """

    http2: bool = True
    """HTTP/2 is offered to clients that connect by TLS. A change takes effect when the gateway starts anew."""

    trusted_proxies: tuple[Annotated[str, AfterValidator(_known_network)], ...] = Field(
        default=(), max_length=256, strict=False
    )
    """Addresses or networks (CIDR) of the proxies in front of this gateway, as `10.0.0.0/8`.

    From a peer listed here the client's address is taken from `client_address`: limits count it and records name it.
    Empty: nobody is believed, and every forwarding field is removed.
    """
    proxy_protocol: bool = False
    """Each connection begins with a PROXY protocol header (version 1 or 2) of a listed proxy; others are closed. For
    balancers that pass TCP on, as HAProxy in TCP mode or a cloud's network balancer. Changed by a restart."""
    client_address: ClientField = "x-forwarded-for"
    """The field in which the listed proxies say where a request came from; the other one is ignored."""

    client_scheme: bool = False
    """Takes from the listed proxies, too, whether the client came by https: from `X-Forwarded-Proto`, or from `proto=`
    where `client_address` is `forwarded`. The upstream is told so, and HSTS is sent. For proxies that end TLS."""

    client_certificate: bool = False
    """Takes from the listed proxies, too, the client's certificate, from `Client-Cert` (RFC 9440): for proxies that end
    TLS and ask clients for certificates. It must be signed by an authority in `tls.client_ca` itself, or by
    Doorward's own (`tls.local_ca`). The proxies must remove the field of clients, and it must be a TLS connection."""

    @model_validator(mode="after")
    def _headers_come_from_somebody(self) -> Self:
        if self.proxy_protocol and not self.trusted_proxies:
            raise ValueError("proxy_protocol needs trusted_proxies: without one, every connection would be closed")
        if self.client_scheme and not self.trusted_proxies:
            raise ValueError("client_scheme needs trusted_proxies: nobody else is believed")
        if self.client_certificate and not self.trusted_proxies:
            raise ValueError("client_certificate needs trusted_proxies: nobody else is believed")
        return self

    def proxies(self) -> TrustedProxies | None:
        """The listed proxies, or None when there are none."""
        if not self.trusted_proxies:
            return None
        networks = tuple(network(one) for one in self.trusted_proxies)
        return TrustedProxies(
            networks,
            self.client_address,
            takes_scheme=self.client_scheme,
            takes_certificate=self.client_certificate,
        )


class WebSocketPolicy(BaseModel):
    """What one operation's WebSocket may do. Without it the operation has none."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    origins: tuple[Origin, ...] = Field(default=(), max_length=64, strict=False)
    """Origins whose pages may connect, as `https://app.example.com`. A handshake with another Origin is refused; one
    without comes from no browser and passes. Empty: no page may connect."""
    subprotocols: tuple[SubProtocol, ...] = Field(default=(), max_length=16, strict=False)
    """Subprotocols that may be agreed on; others a client offers are not passed on."""
    message_bytes: int = Field(default=64 * 1024, ge=1, le=16 * 1024 * 1024)
    """Largest message, either way, in bytes. Beyond it: close 1009."""
    messages_per_s: float = Field(default=50.0, gt=0.0, le=100_000.0)
    """Messages a second from the client, pings among them, twice as many at once. Beyond it: close 1008."""
    idle_s: float = Field(default=60.0, ge=0.5, le=3_600.0)
    """Seconds without any frame from the client, asked by a ping at half of them. Beyond it: close 1001."""
    longest_s: float = Field(default=86_400.0, ge=1.0, le=604_800.0)
    """Seconds after which it is closed in any case (1001); a credential that expires sooner closes it sooner (1008)."""
