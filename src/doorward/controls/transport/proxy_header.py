"""The PROXY protocol: one header in front of a connection, in which a balancer says whose it is. Bytes to facts."""

import re
import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Final, NamedTuple

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
FIXED_BYTES: Final = 16
"""Of version 2, before the part whose length it says."""
LINE_BYTES: Final = 107
"""Longest line of version 1, with its CRLF."""
PAYLOAD_BYTES: Final = 4096
"""Largest announced rest of version 2; addresses need 36, balancers add a few hundred bytes of TLVs."""
_LINE: Final = re.compile(
    rb"PROXY (?:(TCP4) ([0-9.]{7,15}) [0-9.]{7,15}|(TCP6) ([0-9A-Fa-f:.]{2,45}) [0-9A-Fa-f:.]{2,45})"
    rb" (0|[1-9][0-9]{0,4}) (?:0|[1-9][0-9]{0,4})\r\n"
)
_UNKNOWN: Final = re.compile(rb"PROXY UNKNOWN(?: [ -~]{0,90})?\r\n")
_LOCAL, _PROXY = 0x20, 0x21
_TCP4, _TCP6 = 0x11, 0x21
_CRC32C_TLV: Final = 0x03


class Malformed(ValueError):
    """The header is none; whoever sends it is not the balancer that was listed, or is broken."""


class Announced(NamedTuple):
    """Whose connection it is."""

    address: str
    port: int


def parse_line(line: bytes) -> Announced | None:
    r"""Version 1: the announced client, or None for `UNKNOWN`. Errors: Malformed.

    >>> parse_line(b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n")
    Announced(address='192.0.2.7', port=56324)
    """
    if _UNKNOWN.fullmatch(line):
        return None
    match = _LINE.fullmatch(line)
    if match is None:
        raise Malformed("no PROXY line")
    text = (match[2] or match[4]).decode("ascii")
    try:
        address = IPv4Address(text) if match[1] else IPv6Address(text)
    except ValueError:
        raise Malformed("no address in the PROXY line") from None
    port = int(match[5])
    if port > 65_535:
        raise Malformed("no port in the PROXY line")
    return Announced(_plain(address), port)


def payload_bytes(fixed: bytes) -> int:
    """How many bytes follow the fixed part of a version 2 header. Errors: Malformed."""
    length: int = struct.unpack_from(">H", fixed, 14)[0]
    if not fixed.startswith(SIGNATURE) or length > PAYLOAD_BYTES:
        raise Malformed("no PROXY version 2 header, or too long a one")
    return length


def parse_binary(fixed: bytes, payload: bytes) -> Announced | None:
    """Version 2: the announced client, or None for LOCAL and for what is no TCP. Errors: Malformed.

    Source: HAProxy, The PROXY protocol, versions 1 & 2, section 2.2.
    """
    command, family = fixed[12], fixed[13]
    if command == _LOCAL:
        return None
    if command != _PROXY:
        raise Malformed(f"PROXY command {command:#04x}")
    size = {_TCP4: 12, _TCP6: 36}.get(family)
    if size is None:
        return None
    if len(payload) < size:
        raise Malformed("a PROXY header shorter than its addresses")
    _check_tlvs(fixed, payload, size)
    if family == _TCP4:
        address: IPv4Address | IPv6Address = IPv4Address(payload[:4])
        port: int = struct.unpack_from(">H", payload, 8)[0]
    else:
        address = IPv6Address(payload[:16])
        port = struct.unpack_from(">H", payload, 32)[0]
    return Announced(_plain(address), port)


def _check_tlvs(fixed: bytes, payload: bytes, start: int) -> None:
    """What stands behind the addresses is well formed; a checksum, where there is one, fits."""
    position = start
    while position < len(payload):
        if position + 3 > len(payload):
            raise Malformed("a PROXY TLV is cut off")
        kind, length = payload[position], struct.unpack_from(">H", payload, position + 1)[0]
        end = position + 3 + length
        if end > len(payload):
            raise Malformed("a PROXY TLV is cut off")
        if kind == _CRC32C_TLV:
            told = payload[position + 3 : end]
            zeroed = payload[: position + 3] + bytes(length) + payload[end:]
            if length != 4 or int.from_bytes(told, "big") != _crc32c(fixed + zeroed):
                raise Malformed("the PROXY header does not fit its checksum")
        position = end


def _plain(address: IPv4Address | IPv6Address) -> str:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def _table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return tuple(table)


_TABLE: Final = _table()


def _crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli), bit by byte: headers are short and seldom carry it.

    >>> hex(_crc32c(b"123456789"))
    '0xe3069283'
    """
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ _TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF
