"""Proxies in front of the gateway: whose word about the client's address is taken, and what it says."""

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Literal

from doorward.denial import Denied
from doorward.exchange import Headers

Network = IPv4Network | IPv6Network
ClientField = Literal["x-forwarded-for", "forwarded"]
Scheme = Literal["http", "https"]
HOPS: Final = 32
"""Most hops a list may name; a longer one is no list of proxies that anybody runs (hostile input H5)."""

_NODE: Final = re.compile(
    r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([0-9.]{7,15}))(?::[0-9]{1,5})?|([0-9A-Fa-f:.]{2,45})", re.ASCII
)
_FOR: Final = re.compile(rb"""(?:^|;)[ \t]*+for=(?:"([^"\\]*+)"|([^;" \t]++))[ \t]*+(?=;|$)""", re.IGNORECASE)
_PROTO: Final = re.compile(rb"""(?:^|;)[ \t]*+proto=(?:"([^"\\]*+)"|([^;" \t]++))[ \t]*+(?=;|$)""", re.IGNORECASE)
_SCHEMES: Final[dict[bytes, Scheme]] = {b"http": "http", b"https": "https"}


class TrustedProxies:
    """The proxies of one policy.

    An address is believed only from a peer that is listed; then the right-most hop that is not listed is the client,
    whatever stands to the left of it: that part anybody may have written. Source: RFC 7239 sections 4, 6, 8.1.
    """

    __slots__ = ("_field", "_is_forwarded", "_networks", "_takes_scheme", "takes_certificate", "trusts")

    def __init__(
        self,
        networks: tuple[Network, ...],
        field: ClientField,
        *,
        takes_scheme: bool = False,
        takes_certificate: bool = False,
    ) -> None:
        self.takes_certificate = takes_certificate
        """Whether they tell of their clients' certificates, too."""
        self._takes_scheme = takes_scheme
        self._networks = networks
        self._is_forwarded = field == "forwarded"
        self._field = field.encode("ascii")
        self.trusts = lru_cache(maxsize=1_024)(self._trusts)
        """Whether a peer's address is listed."""

    def client_address(self, peer: str, headers: Headers) -> str:
        """The client behind a listed peer, as plain address; the nearest hop that is known when a hop is no address.

        Errors: Denied `transport.header_alias` for a list of more than 32 hops.
        """
        values = headers.all(self._field)
        if not values:
            return peer
        hops = b",".join(values).split(b",")
        if len(hops) > HOPS:
            raise Denied("transport.header_alias", f"{self._field.decode()} names more than {HOPS} hops")
        nearest = peer
        for hop in reversed(hops):
            address = self._address(hop.strip(b" \t"))
            if address is None:
                return nearest
            nearest = str(address)
            if not self.trusts(nearest):
                break
        return nearest

    def speaks_for_another(self, headers: Headers) -> bool:
        """Whether a listed peer sent a request that is not its own, be it of somebody whose address it does not tell.

        What the peer has proved of itself, such as its certificate, says nothing of them then.
        """
        return bool(headers.all(self._field))

    def client_scheme(self, headers: Headers) -> Scheme | None:
        """Whether the client came by `http` or `https`, as the nearest proxy says.

        None where that is not to be believed, and where it says nothing of the kind.
        """
        if not self._takes_scheme:
            return None
        nearest = b",".join(headers.all(self._field if self._is_forwarded else b"x-forwarded-proto"))
        nearest = nearest.rpartition(b",")[2].strip(b" \t")
        if self._is_forwarded:
            found = _PROTO.findall(nearest)
            nearest = found[0][0] or found[0][1] if len(found) == 1 else b""
        return _SCHEMES.get(nearest.lower())

    def _address(self, hop: bytes) -> IPv4Address | IPv6Address | None:
        if self._is_forwarded:
            found = _FOR.findall(hop)
            if len(found) != 1:
                return None
            hop = found[0][0] or found[0][1]
        node = _NODE.fullmatch(hop.decode("latin-1"))
        if node is None:
            return None
        try:
            address = ip_address(node[1] or node[2] or node[3])
        except ValueError:
            return None
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        return mapped or address

    def _trusts(self, address: str) -> bool:
        try:
            parsed = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)


def network(text: str) -> Network:
    """An address or a network in CIDR notation. Errors: ValueError that says what to write."""
    try:
        return ip_network(text, strict=True)
    except ValueError as error:
        raise ValueError(f"{text!r} is no network: {error}; write `10.0.0.0/8` or `192.0.2.7`") from None
