"""What the records of all credentials in the store have in common: whose they are, from where they may be used."""

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, TypeAlias

from doorward.exchange import Caller, CallerKind

Networks: TypeAlias = tuple[IPv4Network | IPv6Network, ...]


def load_networks(texts: Iterable[str]) -> Networks:
    """The networks. Errors: ValueError."""
    return tuple(ip_network(text) for text in texts)


def caller_of(record: Mapping[str, Any], kind: CallerKind, issuer: str, credential_id: str) -> Caller:
    """Who calls with the credential of that record."""
    return Caller(
        subject=record["subject"],
        kind=kind,
        issuer=issuer,
        roles=frozenset(record["roles"]),
        scopes=frozenset(record["scopes"]),
        claims=dict(record["claims"]),
        credential_id=credential_id,
        expires_at=float(record["expires_at"]),
    )


def is_within(address: str, networks: Networks) -> bool:
    """Whether the address is in one of the networks; any is, where there are none."""
    if not networks:
        return True
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    return any(parsed in network for network in networks)
