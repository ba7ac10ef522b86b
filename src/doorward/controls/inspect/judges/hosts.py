"""Which machine a host means, read as leniently as the resolvers and URL parsers of many languages read it."""

import ipaddress
import re
import unicodedata
from typing import Final, Literal, TypeAlias

Place: TypeAlias = Literal["", "loopback", "metadata", "link-local", "private", "unspecified", "disguised"]
"""Where a host lies; empty: somewhere on the internet, or nobody knows. `disguised`: an address in a notation that only
serves to get past a list."""
Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_PART: Final = re.compile(r"0[xX][0-9a-fA-F]{0,16}|[0-9]{1,16}")
_DECIMAL: Final = re.compile(r"(?:0|[1-9][0-9]{0,2})(?:\.(?:0|[1-9][0-9]{0,2})){3}")
_EMBEDDED: Final = re.compile(r"(?:^|[.-])([0-9]{1,3})[.-]([0-9]{1,3})[.-]([0-9]{1,3})[.-]([0-9]{1,3})(?=[.-])")
_METADATA_ADDRESSES: Final = frozenset(
    map(
        ipaddress.ip_address,
        ("169.254.169.254", "169.254.170.2", "169.254.169.253", "192.0.0.192", "100.100.100.200",
        "168.63.129.16", "fd00:ec2::254", "fe80::a9fe:a9fe", "fd20:ce::254" ),
    )
)  # fmt: skip
_METADATA_NAMES: Final = frozenset(
    {
        "metadata", "instance-data", "instance-data.ec2.internal", "metadata.google.internal", "metadata.goog",
        "metadata.azure.com",
        "metadata.packet.net", "metadata.platformequinix.com", "metadata.nicdata.local", "metadata.tencentyun.com",
        "rancher-metadata",
        "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
    }
)  # fmt: skip
_LOCAL_NAMES: Final = frozenset(
    {
        "localhost", "localhost.localdomain", "localhost6", "localhost6.localdomain6", "ip6-localhost",
        "ip6-loopback", "loopback",
        "host.docker.internal", "gateway.docker.internal", "kubernetes.docker.internal", "localtest.me", "lvh.me",
        "vcap.me",
        "lacolhost.com",
    }
)  # fmt: skip
_REBINDING: Final = (
    ".rbndr.us", ".1u.ms", ".rebind.network", ".rebind.it", ".r3dir.me", ".ceye.io", ".dnslog.cn",
    ".burpcollaborator.net", ".oastify.com",
    ".interact.sh", ".interactsh.com", ".oast.pro", ".oast.live", ".oast.site", ".oast.online", ".oast.fun",
    ".oast.me", ".requestrepo.com",
)  # fmt: skip
"""Domains that exist for a name to mean two machines one after the other, or to tell that a name was looked up."""
_WILDCARDS: Final = (
    ".nip.io",
    ".sslip.io",
    ".xip.io",
    ".traefik.me",
    ".backname.io",
    ".xip.name",
    ".localtest.me",
    ".lvh.me",
    ".vcap.me",
)
"""Domains whose names mean the address they hold."""


_EXAMPLES: Final = tuple(
    map(ipaddress.ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "2001:db8::/32"))
)
"""What documents take for examples (RFC 5737, 3849): it leads nowhere."""


def place_of(host: str) -> Place:
    """Where a host as it stands in a URL lies.

    >>> place_of("127.0.0.1"), place_of("0x7f.1"), place_of("api.example.com"), place_of("[::ffff:169.254.169.254]")
    ('loopback', 'disguised', '', 'metadata')
    """
    folded = unicodedata.normalize("NFKC", host).replace("\u3002", ".").strip(" \t\r\n\0").lower()
    is_folded = folded != host.strip(" \t\r\n\0").lower()
    name = folded.rstrip(".")
    if name.startswith("[") or name.count(":") > 1:
        return _place_of_v6(name.strip("[]").partition("%")[0])
    address = address_of(name)
    if address is not None:
        is_plain = _DECIMAL.fullmatch(name) is not None and not is_folded
        place = _place(address)
        return place if is_plain else "disguised"
    if name in _METADATA_NAMES or name.endswith(".svc.cluster.local"):
        return "metadata"
    if name in _LOCAL_NAMES or name.endswith((".localhost", ".localtest.me", ".lvh.me")):
        return "disguised" if is_folded else "loopback"
    if name.endswith(_REBINDING):
        return "disguised"
    if name.endswith(_WILDCARDS) and (match := _EMBEDDED.search(name)) is not None:
        inner = address_of(".".join(match.groups()))
        return "" if inner is None else _place(inner)
    return ""


def is_rebinding(name: str) -> bool:
    """Whether the name belongs to a domain that exists to mean two machines, or an inner one, or to be noticed."""
    name = name.lower().rstrip(".")
    return name.endswith(_REBINDING) or (name.endswith(_WILDCARDS) and place_of(name) not in {"", "private"})


def address_of(name: str) -> ipaddress.IPv4Address | None:
    """The address that C's `inet_aton` reads: one to four parts, decimal, octal or hexadecimal; None when it is a name.

    >>> address_of("127.1"), address_of("017700000001"), address_of("1.2.3.4.5"), address_of("example")
    (IPv4Address('127.0.0.1'), IPv4Address('127.0.0.1'), None, None)
    """
    parts = name.split(".", 4)
    if len(parts) > 4 or not all(_PART.fullmatch(part) for part in parts):
        return None
    numbers = []
    for part in parts:
        is_octal = len(part) > 1 and part[0] == "0" and part.isdigit()
        if part[:2] in {"0x", "0X"}:
            numbers.append(int(part[2:] or "0", 16))
        elif is_octal and not set(part) & {"8", "9"}:
            numbers.append(int(part, 8))
        else:
            numbers.append(int(part))
    *leading, last = numbers
    value = 0
    for number in leading:
        value = value << 8 | number & 0xFF  # 256 and more wrap in some parsers
    return ipaddress.IPv4Address((value << 8 * (4 - len(leading)) | last & 0xFFFFFFFF) & 0xFFFFFFFF)


def _place_of_v6(text: str) -> Place:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        plain = address_of(text)
        return "" if plain is None else _place(plain)  # `[127.0.0.1]`
    inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
    number = int(address)
    if inner is None and number >> 96 == 0x0064FF9B << 64 >> 64 and number >> 32 << 32 != number:
        inner = ipaddress.IPv4Address(number & 0xFFFFFFFF)  # NAT64, 64:ff9b::/96
    if inner is None and number >> 32 == 0 and number > 0xFFFF:
        inner = ipaddress.IPv4Address(number)  # IPv4-compatible, ::127.0.0.1
    return _place(inner if inner is not None else address)


def _place(address: Address) -> Place:
    if address in _METADATA_ADDRESSES:
        return "metadata"
    if address.is_loopback:
        return "loopback"
    if address.is_unspecified or (address.version == 4 and int(address) >> 24 == 0):
        return "unspecified"
    if address.is_link_local:
        return "link-local"
    if any(address.version == network.version and address in network for network in _EXAMPLES):
        return ""
    return "private" if address.is_private else ""
