"""What an operator may write about transport."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from doorward.controls.transport.proxies import ClientField, TrustedProxies, network

_HOST: Final = re.compile(r"[a-z0-9_-]++(?:\.[a-z0-9_-]++)*+(?::[1-9][0-9]{0,4})?|\[[0-9a-f:.]+\](?::[1-9][0-9]{0,4})?")


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
    client_address: ClientField = "x-forwarded-for"
    """The field in which the listed proxies say where a request came from; the other one is ignored."""

    def proxies(self) -> TrustedProxies | None:
        """The listed proxies, or None when there are none."""
        if not self.trusted_proxies:
            return None
        return TrustedProxies(tuple(network(one) for one in self.trusted_proxies), self.client_address)
