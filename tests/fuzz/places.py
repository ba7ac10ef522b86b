"""Targets: where a request goes and whence it comes: paths, routes, addresses behind proxies; and media types."""

import ipaddress
from typing import Final
from urllib.parse import unquote_to_bytes

from tests.fuzz.target import Bytes, Target, expect_code

from doorward.controls.transport import TrustedProxies, canonical_path
from doorward.controls.transport.proxies import network
from doorward.controls.transport.proxy_header import FIXED_BYTES, Malformed, parse_binary, parse_line, payload_bytes
from doorward.controls.validate.media import parse_content_type
from doorward.denial import Denied
from doorward.exchange import Headers
from doorward.policy.routing import Router


def path(data: bytes) -> None:
    """A canonical path is its own canonical form, means the same as before, and has no second meaning below `/`."""
    try:
        canonical = canonical_path(data)
    except Denied as denied:
        expect_code(denied, "transport.")
        return
    assert canonical_path(canonical) == canonical
    assert unquote_to_bytes(canonical) == unquote_to_bytes(data)
    assert canonical.isascii()
    decoded = unquote_to_bytes(canonical).decode("utf-8")
    segments = decoded[1:].split("/")
    assert not {".", ".."} & set(segments)
    assert "" not in segments[:-1]
    assert len(segments) == canonical.count(b"/")
    assert not set(decoded) & set(";\\\0")


def route(data: bytes) -> None:
    """A canonical path leads to the one operation whose template, with its parameters filled in, spells it."""
    try:
        canonical = canonical_path(data)
    except Denied:
        return
    try:
        template, values = _ROUTER.find("GET", canonical)
    except Denied as denied:
        expect_code(denied, "validate.path_unknown", "validate.method", "validate.parameter")
        return
    filled = template
    for name, value in values.items():
        assert value
        filled = filled.replace("{" + name + "}", value.replace("{", "\0"), 1)
    assert filled.replace("\0", "{").encode() == unquote_to_bytes(data)


_ROUTER: Final = Router(
    [
        ("GET", template, template)
        for template in ("/", "/a", "/a/{x}", "/a/b", "/{x}/c", "/f/{x}.json", "/f/{x}-{y}", "/f/{x}..{y}/{z}", "/{x}")
    ]
)


def forwarded(data: bytes) -> None:
    """Whatever listed proxies write, the client is an address, and the scheme one of two or unknown."""
    choices = Bytes(data)
    proxies = _PROXIES[choices.number(2)]
    name = (b"x-forwarded-for", b"forwarded")[choices.number(2)]
    headers = Headers([(name, value) for value in choices.rest().split(b"\n")])
    try:
        address = proxies.client_address("127.0.0.1", headers)
    except Denied as denied:
        expect_code(denied, "transport.header_alias")
    else:
        assert str(ipaddress.ip_address(address)) == address
    assert proxies.client_scheme(headers) in {"http", "https", None}


_LISTED: Final = (network("127.0.0.0/8"), network("::1/128"))
_PROXIES: Final = (
    TrustedProxies(_LISTED, "x-forwarded-for", takes_scheme=True),
    TrustedProxies(_LISTED, "forwarded", takes_scheme=True),
)


def proxy_header(data: bytes) -> None:
    """A PROXY header that is taken announces an address and a port; a line of it, written again, says the same."""
    try:
        line = parse_line(data)
    except Malformed:
        line = None
    fixed = data[:FIXED_BYTES]
    binary = None
    if len(fixed) == FIXED_BYTES:
        try:
            binary = parse_binary(fixed, data[FIXED_BYTES : FIXED_BYTES + payload_bytes(fixed)])
        except Malformed:
            binary = None
    for announced in (line, binary):
        if announced is not None:
            parsed = ipaddress.ip_address(announced.address)
            assert str(parsed) == announced.address
            assert 0 <= announced.port <= 65_535
            text = f"PROXY TCP{parsed.version} {parsed} {parsed} {announced.port} 1\r\n"
            assert parse_line(text.encode()) == announced


def content_type(data: bytes) -> None:
    """A media type that is taken, written again from its parts, has the same parts."""
    try:
        name, parameters = parse_content_type(data)
    except Denied as denied:
        expect_code(denied, "validate.content_type")
        return
    again = name + "".join(f'; {key}="{value}"' for key, value in parameters.items())
    assert parse_content_type(again.encode("latin-1")) == (name, parameters)
    assert name == name.lower()
    assert name.count("/") == 1


_PATH_WORDS: Final = (
    *(b"/", b"/a", b"/.", b"/..", b"//", b"%2e", b"%2E", b"%2f", b"%5c", b"%25", b"%00", b"%c3%a4", b"%e2%80%a6"),
    *(b"%ef%bc%8f", b"%ef%bc%8e", b"%C0%AE", b"%", b";", b"\\", b"#", b"?", b"{", b"a", b"%41", b"%7e", b"~", b":"),
)
_ROUTE_WORDS: Final = (
    b"/",
    b"/a",
    b"/b",
    b"/c",
    b"/f/",
    b".json",
    b"-",
    b"..",
    b"%2f",
    b"%2e",
    b"{",
    b"{x}",
    b"%ff",
    b"",
)
_FORWARDED_WORDS: Final = (
    *(b"\x00\x00", b"\x01\x01", b"192.0.2.7", b"127.0.0.1", b"[::1]", b"::1", b"::ffff:1.2.3.4", b":80", b",", b", "),
    *(
        b"for=",
        b'for="[2001:db8::1]:4711"',
        b";",
        b"proto=https",
        b"by=",
        b'"',
        b"unknown",
        b"_x",
        b"\n",
        b"\\",
        b"%eth0",
    ),
)
_PROXY_WORDS: Final = (
    *(b"PROXY ", b"TCP4 ", b"TCP6 ", b"UNKNOWN", b"192.0.2.7 ", b"::1 ", b"::ffff:1.2.3.4 ", b"1 ", b"65536 ", b"\r\n"),
    *(
        b"\r\n\r\n\x00\r\nQUIT\n",
        b"\x21\x11\x00\x0c",
        b"\x21\x21\x00\x24",
        b"\x20\x00\x00\x00",
        b"\x03\x00\x04",
        b"\x00" * 4,
    ),
)
TARGETS: Final[dict[str, Target]] = {
    "path": Target(path, _PATH_WORDS),
    "route": Target(route, _ROUTE_WORDS),
    "forwarded": Target(forwarded, _FORWARDED_WORDS),
    "proxy_header": Target(proxy_header, _PROXY_WORDS),
    "content_type": Target(
        content_type, (b"text/plain", b"application/json", b";", b" ", b"charset=utf-8", b'"', b"\\", b"=", b"/")
    ),
}
