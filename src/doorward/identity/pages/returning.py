"""Where people go on after signing in: the request that waits for them, a device, or their account."""

from typing import Final
from urllib.parse import quote

from doorward.identity.oauth.device import normal_code

_DEVICE: Final = "device."
"""No ticket of a request has a dot."""


def to_device(code: str) -> str:
    """What the sign-in page carries for somebody who came from the device page."""
    return _DEVICE + normal_code(code)


def is_ticket(tx: str) -> bool:
    """Whether what the sign-in page carries is a waiting request's ticket.

    >>> is_ticket("device.WDJBMJHT"), is_ticket("x" * 43), is_ticket("")
    (False, True, False)
    """
    return bool(tx) and not tx.startswith(_DEVICE)


def after_sign_in(base: str, tx: str) -> str:
    """Where to go on; always one of our own pages.

    >>> after_sign_in("", "device.wdjb-mjht//evil.example")
    '/auth/device?user_code=WDJBMJHTV'
    """
    if is_ticket(tx):
        return f"{base}/oauth/continue?tx={quote(tx, safe='')}"
    if tx:
        code = normal_code(tx.removeprefix(_DEVICE))
        return f"{base}/auth/device?user_code={code}" if code else f"{base}/auth/device"
    return f"{base}/account"
