"""The WebSocket handshake, read strictly: who asks, from where, in which words. No frame is read here."""

import base64
import hashlib
import re
from typing import Final

from doorward.controls.transport.policy import WebSocketPolicy
from doorward.denial import Denied
from doorward.exchange import Headers, Request

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY: Final = re.compile(rb"[A-Za-z0-9+/]{21}[AQgw]==")
_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}")


def check_handshake(request: Request, policy: WebSocketPolicy) -> tuple[bytes, ...]:
    """The subprotocols that may be agreed on, in the client's order.

    Errors: Denied `transport.upgrade` for a malformed handshake, `authorize.origin` for a page that may not connect.
    Source: RFC 6455 section 4.2.1; hostile inputs S22, D9 (cross-site WebSocket hijacking: CWE-1385).
    """
    headers = request.headers
    if request.method != "GET" or request.http_version != "1.1" or request.has_body:
        raise Denied("transport.upgrade", "a WebSocket handshake is a GET in HTTP/1.1 without a body")
    if _words(headers, b"upgrade") != [b"websocket"] or b"upgrade" not in _words(headers, b"connection"):
        raise Denied("transport.upgrade", "Upgrade or Connection do not ask for WebSocket alone")
    if headers.all(b"sec-websocket-version") != [b"13"]:
        raise Denied("transport.upgrade", "a version other than 13", headers=((b"sec-websocket-version", b"13"),))
    keys = headers.all(b"sec-websocket-key")
    if len(keys) != 1 or _KEY.fullmatch(keys[0]) is None:
        raise Denied("transport.upgrade", "Sec-WebSocket-Key is not 16 bytes in Base64, once")
    origins = headers.all(b"origin")
    if origins and (len(origins) > 1 or origins[0].lower().decode("latin-1") not in policy.origins):
        raise Denied("authorize.origin", f"pages from {origins[0][:255]!r} may not connect")
    offered = [word for value in headers.all(b"sec-websocket-protocol") for word in value.split(b",")]
    names = [word.strip(b" \t") for word in offered]
    if any(_TOKEN.fullmatch(name) is None for name in names):
        raise Denied("transport.upgrade", "Sec-WebSocket-Protocol is not a list of tokens")
    return tuple(name for name in names if name.decode("ascii") in policy.subprotocols)


def accept_value(key: bytes) -> bytes:
    """What a server must answer to a handshake's key (RFC 6455 section 4.2.2).

    >>> accept_value(b"dGhlIHNhbXBsZSBub25jZQ==")
    b's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
    """
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def _words(headers: Headers, name: bytes) -> list[bytes]:
    return [word.strip(b" \t").lower() for value in headers.all(name) for word in value.split(b",")]
