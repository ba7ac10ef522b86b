"""Removes what has ended by itself: spent and expired secrets, sessions, families, guesses, events, certificates.

And lets take place what has waited long enough.
"""

import math
from typing import Final

from doorward.identity import address_holds, events, logout_notices, registration_tokens, sessions
from doorward.identity.ca import certificates
from doorward.identity.mail import outbox
from doorward.identity.oauth import device, families
from doorward.identity.risk import counters
from doorward.identity.sms import sending
from doorward.identity.unused import disable_unused
from doorward.store import Store, single_use

_PURGES: Final = (
    single_use.purge,
    sessions.purge,
    families.purge,
    counters.purge,
    events.purge,
    certificates.purge,
    logout_notices.purge,
    device.purge,
    outbox.purge,
    registration_tokens.purge,
    address_holds.settle,
    sending.purge,
)


def tidy(store: Store, *, now: float, unused_s: float = math.inf) -> None:
    """Nothing; each table in a transaction of its own, so that nobody waits long.

    `unused_s`: time without use after which accounts are disabled, in seconds.
    """
    for purge in _PURGES:
        with store.begin() as connection:
            purge(connection, now=now)
    with store.begin() as connection:
        disable_unused(connection, unused_s, now=now)
