"""How much mail may be asked for at one account: counted by who asks, so that a stranger uses up nobody else's share.

Threat:   a stranger asks for mail at a victim's account, so that its owner gets none, or drowns in it.
How:      whoever asks from one network, and each browser that the account knows, has a share of its own; all strangers
          together have a bound. A link for a forgotten password opens wherever it is used, whoever asked for it: beyond
          every bound one more is sent when the latest is a quarter of an hour old. So whoever is sent nothing has a
          link in their mailbox that is good for a quarter of an hour yet.
Not:      a code is good in the browser that asked alone. Strangers from several networks can keep the codes of an hour
          from a browser that the account does not know; its owner has the link.
"""

from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection, select

from doorward.identity.devices import device_hash, is_known_device
from doorward.identity.networks import network_of
from doorward.store import mails

ASKED_MOST: Final = 3
"""Mails of one kind that one network, or one known browser, may ask for at one account within an hour."""
STRANGERS_MOST: Final = 6
"""Those that everybody whom the account does not know may ask for together."""
QUIET_S: Final = 900.0
"""Age of the latest link for a forgotten password at which one more is sent beyond every bound, in seconds."""
_HOUR_S: Final = 3_600.0
_STRANGER: Final = "network:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks for mail at an account, as far as the connection shows it. By default somebody from nowhere known."""

    address: str = ""
    device: str | None = field(default=None, repr=False)
    """The device cookie."""
    is_operator: bool = False


def share_of(connection: Connection, asker: Asker, user: str, *, now: float) -> str:
    """Under which one asker's mails at an account are counted. `user`: whose it is; empty for nobody's."""
    # asked for nobody too: one statement less would tell who there is
    is_known = is_known_device(connection, user, asker.device, now=now)
    if asker.is_operator:
        return "operator"
    if is_known and asker.device:
        return f"device:{device_hash(asker.device)[:32]}"
    return _STRANGER + (network_of(asker.address) or "others")


def may_ask(connection: Connection, kind: str, account: str, share: str, *, now: float) -> bool:
    """Whether one more mail of the kind may be asked for there. The caller has the account's turn."""
    lately = (mails.c.account == account) & (mails.c.kind == kind) & (mails.c.created_at > now - _HOUR_S)
    rows = connection.execute(select(mails.c.share, mails.c.created_at).where(lately)).all()
    own = sum(row.share == share for row in rows)
    strangers = sum(row.share.startswith(_STRANGER) for row in rows)
    if own < ASKED_MOST and (strangers < STRANGERS_MOST or not share.startswith(_STRANGER)):
        return True
    return kind == "recover" and max(row.created_at for row in rows) <= now - QUIET_S
