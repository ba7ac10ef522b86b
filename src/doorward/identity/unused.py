"""Accounts that nobody used for long are disabled: whoever left is still known here, and nobody looks.

Source: PCI DSS 4.0.1, 8.2.6 (90 days).
"""

import math
from typing import Final

from sqlalchemy import Connection, select

from doorward.identity.users import disable_in
from doorward.store import events, users

_USES: Final = ("login.ok", "session.renewed", "token.refreshed", "device.allowed", "user.enabled")
"""Events that show that an account is in use, or that an operator wants it to be."""


def disable_unused(connection: Connection, unused_s: float, *, now: float) -> list[str]:
    """The users disabled because nothing came of their account for so many seconds; infinity: nobody."""
    if math.isinf(unused_s):
        return []
    since = now - unused_s
    used = select(events.c.id).where(events.c.subject == users.c.name, events.c.at > since, events.c.kind.in_(_USES))
    unused = (users.c.disabled_at.is_(None), users.c.created_at <= since, ~used.exists())
    found = connection.execute(select(users.c.name).where(*unused).order_by(users.c.name)).scalars().all()
    # whoever signs in meanwhile stays
    return [name for name in found if disable_in(connection, name, *unused, now=now, reason="unused")]
