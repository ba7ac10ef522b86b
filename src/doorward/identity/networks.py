"""Under which addresses are counted together, where counting each alone would let one line of many through."""

from ipaddress import ip_network
from typing import Final

_PREFIX: Final = {4: 24, 6: 56}


def network_of(address: str) -> str | None:
    """The network of an address (/24, /56); None for a text that is no address.

    >>> network_of("192.0.2.7"), network_of("2001:db8:1:2ff::7%eth0"), network_of("")
    ('192.0.2.0/24', '2001:db8:1:200::/56', None)
    """
    plain = address.partition("%")[0]
    try:
        return str(ip_network(f"{plain}/{_PREFIX[6 if ':' in plain else 4]}", strict=False))
    except ValueError:
        return None
