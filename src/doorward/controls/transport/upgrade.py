"""Protocol upgrades: none is spoken here. WebSocket is refused, an offer of anything else is dropped unanswered."""

import re
from typing import Final

from doorward.denial import Denied

_OFFER: Final = re.compile(rb"\r\n(?:upgrade|http2-settings):[^\r]*+", re.IGNORECASE)
_WEBSOCKET: Final = re.compile(rb"\r\nupgrade:[^\r]*websocket", re.IGNORECASE)


def without_upgrade(head: bytes) -> bytes:
    r"""The head without any offer to change protocol; the same object when there is none.

    An `Upgrade` that reaches the parser makes it take a declared body for the new protocol's first bytes; one that
    reaches the upstream may open a tunnel past every check. RFC 9110 section 7.8 lets a server ignore the field.
    Errors: Denied `transport.upgrade` for a WebSocket handshake: its client waits for 101 and can do nothing else.

    >>> without_upgrade(b"GET / HTTP/1.1\r\nUpgrade: h2c\r\nHost: a\r\n\r\n")
    b'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
    """
    lower = head.lower()
    if b"\nupgrade:" not in lower and b"\nhttp2-settings:" not in lower:
        return head
    if _WEBSOCKET.search(lower) is not None:
        raise Denied("transport.upgrade", "WebSocket handshake")
    return _OFFER.sub(b"", head)
