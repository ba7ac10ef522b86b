"""Protocol upgrades: WebSocket where the policy says so, an offer of anything else is dropped unanswered."""

import re
from typing import Final

from doorward.exchange import Header

_OFFER: Final = re.compile(rb"\r\n(?:upgrade|http2-settings):[^\r]*+", re.IGNORECASE)
_UPGRADE: Final = re.compile(rb"\r\nupgrade:[\t ]*+([^\r]*+)", re.IGNORECASE)


def without_upgrade(head: bytes) -> bytes:
    r"""The head without any offer to change protocol; the same object when there is none.

    An `Upgrade` that reaches the parser makes it take a declared body for the new protocol's first bytes; one that
    reaches the upstream may open a tunnel past every check. RFC 9110 section 7.8 lets a server ignore the field.

    >>> without_upgrade(b"GET / HTTP/1.1\r\nUpgrade: h2c\r\nHost: a\r\n\r\n")
    b'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
    """
    lower = head.lower()
    if b"\nupgrade:" not in lower and b"\nhttp2-settings:" not in lower:
        return head
    return _OFFER.sub(b"", head)


def websocket_offer(head: bytes) -> list[Header]:
    """The Upgrade fields of a WebSocket handshake; none for every other head.

    Its client waits for 101 and can do nothing else: it is answered as a handshake, well or badly.
    """
    values = [value.rstrip(b" \t") for value in _UPGRADE.findall(head)]
    if any(b"websocket" in value.lower() for value in values):
        return [(b"upgrade", value) for value in values]
    return []
