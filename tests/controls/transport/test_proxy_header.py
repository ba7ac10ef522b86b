"""What a load balancer announces in front of a connection, and what is no announcement."""

import contextlib
import struct
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.controls.transport.proxy_header import (
    PAYLOAD_BYTES,
    SIGNATURE,
    Announced,
    Malformed,
    _crc32c,
    parse_binary,
    parse_line,
    payload_bytes,
)

V4 = bytes([192, 0, 2, 7, 198, 51, 100, 1]) + struct.pack(">HH", 56324, 443)


def binary(payload: bytes = V4, command: int = 0x21, family: int = 0x11) -> tuple[bytes, bytes]:
    return SIGNATURE + bytes([command, family]) + struct.pack(">H", len(payload)), payload


def tlv(kind: int, value: bytes) -> bytes:
    return bytes([kind]) + struct.pack(">H", len(value)) + value


@pytest.mark.parametrize(
    ("line", "announced"),
    [
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n", Announced("192.0.2.7", 56324)),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 1 2\r\n", Announced("2001:db8::7", 1)),
        (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 0 2\r\n", Announced("192.0.2.7", 0)),
        (b"PROXY UNKNOWN\r\n", None),
        (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None),
    ],
)
def test_a_line_announces_a_client(line: bytes, announced: Announced | None) -> None:
    assert parse_line(line) == announced


@pytest.mark.parametrize(
    "line",
    [
        b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443 \r\n",
        b"PROXY  TCP4 192.0.2.7 198.51.100.1 56324 443\r\n",
        b"PROXY TCP4 192.0.2.777 198.51.100.1 56324 443\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 99999 443\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 01 443\r\n",
        b"PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n",
        b"PROXY TCP6 :::::: ::1 1 2\r\n",
        b"PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n",
        b"proxy tcp4 192.0.2.7 198.51.100.1 1 2\r\n",
        b"",
    ],
)
def test_another_line_is_none(line: bytes) -> None:
    with pytest.raises(Malformed):
        parse_line(line)


def test_a_binary_header_announces_a_client() -> None:
    assert parse_binary(*binary()) == Announced("192.0.2.7", 56324)
    v6 = bytes.fromhex("20010db8000000000000000000000007") + bytes(15) + b"\x01" + struct.pack(">HH", 1, 2)
    assert parse_binary(*binary(v6, family=0x21)) == Announced("2001:db8::7", 1)
    assert parse_binary(*binary(V4 + tlv(0x04, b"") + tlv(0xEA, b"vpce-1"))) == Announced("192.0.2.7", 56324)


@pytest.mark.parametrize(("command", "family"), [(0x20, 0x11), (0x20, 0x00), (0x21, 0x00), (0x21, 0x12), (0x21, 0x31)])
def test_a_health_check_or_another_transport_announces_nobody(command: int, family: int) -> None:
    assert parse_binary(*binary(V4, command, family)) is None


def test_a_checksum_must_fit() -> None:
    unsummed = V4 + tlv(0x03, bytes(4))
    fixed, _ = binary(unsummed)
    right = _crc32c(fixed + unsummed).to_bytes(4, "big")
    assert parse_binary(fixed, V4 + tlv(0x03, right)) == Announced("192.0.2.7", 56324)
    with pytest.raises(Malformed):
        parse_binary(fixed, V4 + tlv(0x03, bytes(4)))


@pytest.mark.parametrize(
    "header",
    [
        binary(command=0x22),
        binary(command=0x11),
        binary(V4[:11]),
        binary(V4 + b"\x01"),
        binary(V4 + b"\x01\x00\x09a"),
    ],
)
def test_a_broken_binary_header_is_none(header: tuple[bytes, bytes]) -> None:
    with pytest.raises(Malformed):
        parse_binary(*header)


def test_a_length_beyond_reason_is_refused_before_it_is_read() -> None:
    with pytest.raises(Malformed):
        payload_bytes(SIGNATURE + b"\x21\x11" + struct.pack(">H", PAYLOAD_BYTES + 1))


@given(st.binary(max_size=120))
def test_no_bytes_make_it_fail_otherwise(data: bytes) -> None:
    with contextlib.suppress(Malformed):
        found = parse_line(data)
        assert found is None or found.address
    with contextlib.suppress(Malformed):
        found = parse_binary((SIGNATURE + data[:4]).ljust(16, b"\0"), data[4:])
        assert found is None or found.address


TLVS = st.lists(st.tuples(st.integers(4, 255), st.binary(max_size=40)), max_size=8)


@given(st.ip_addresses(v=4), st.integers(0, 65_535), TLVS)
def test_whatever_else_a_header_carries_the_announced_client_is_read(
    address: IPv4Address, port: int, carried: list[tuple[int, bytes]]
) -> None:
    payload = address.packed + bytes(4) + struct.pack(">HH", port, 443)
    payload += b"".join(tlv(kind, value) for kind, value in carried)
    announced = parse_binary(*binary(payload))
    assert announced is not None
    assert (announced.address, announced.port) == (str(address), port)


@given(st.ip_addresses(v=6), TLVS, st.data())
def test_a_checksum_notices_every_altered_bit(
    address: IPv6Address, carried: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    payload = address.packed + bytes(16) + struct.pack(">HH", 1, 2)
    payload += b"".join(tlv(kind, value) for kind, value in carried)
    fixed, _ = binary(payload + tlv(0x03, bytes(4)), family=0x21)
    whole = payload + tlv(0x03, _crc32c(fixed + payload + tlv(0x03, bytes(4))).to_bytes(4, "big"))
    announced = parse_binary(fixed, whole)
    assert announced is not None
    mapped = address.ipv4_mapped
    assert announced.address == str(mapped or address)
    bit = data.draw(st.integers(0, 8 * (len(payload) - sum(3 + len(value) for _, value in carried)) - 1))
    altered = bytearray(whole)
    altered[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Malformed):
        parse_binary(fixed, bytes(altered))
