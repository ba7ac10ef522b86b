"""What happened to an account, in the words of the people whose it is."""

from collections.abc import Mapping
from typing import Any, Final

from doorward.identity.mail.notices import TOLD

_SAID: Final[Mapping[str, str]] = {
    **TOLD,
    "login.ok": "You signed in.",
    "login.fail": "Somebody typed a wrong password.",
    "login.wait": "Somebody guessed too often and had to wait.",
    "login.challenged": "Somebody was asked for more than the password.",
    "factor.fail": "A second factor was wrong.",
    "session.created": "A session began.",
    "session.renewed": "A session got a new id.",
    "session.revoked": "A session was ended.",
    "session.stolen": "Somebody else may have had the cookie of a session: they had to sign in.",
    "logout.undelivered": "An application could not be told that a session ended.",
    "device.allowed": "You allowed a device what it asked for.",
    "device.denied": "You denied a device what it asked for.",
    "consent.granted": "You let an application in.",
    "consent.revoked": "You took an application's access back.",
    "token.issued": "An application was given access.",
    "token.refreshed": "An application renewed its access.",
    "token.exchanged": "A service got access to the next one in your name.",
    "token.revoked": "An application's access ended.",
    "token.reuse_detected": "A spent key of an application was used again; its access was ended.",
    "code.reuse_detected": "A spent code of an application was used again; its access was ended.",
    "risk.cleared": "The failed attempts were forgotten.",
    "risk.raised": "The account was reported, and locked up.",
    "password.reset_asked": "Whoever runs this service had a link sent to you, with which a new password can be set.",
    "password.unchecked": "It could not be looked up whether a new password is known from data breaches.",
    "mail.undelivered": "A mail or text message to you could not be delivered.",
    "user.added": "The account was made.",
    "user.changed": "The account was changed by whoever runs this service.",
    "user.enabled": "Your account was enabled again.",
    "user.disabled": "The account was disabled.",
}
_SHOWN: Final = ("label", "client")
"""Details that say which: names that the user gave or knows."""


def said(kind: str, detail: Mapping[str, Any]) -> str:
    """The event as a sentence; its kind where there is none for it.

    >>> said("factor.added", {"factor": "passkey", "label": "blue key"})
    'A second factor was added. (blue key)'
    >>> said("something.new", {})
    'something.new'
    """
    named = [str(detail[name]) for name in _SHOWN if isinstance(detail.get(name), str) and detail[name]]
    return _SAID.get(kind, kind) + (f" ({', '.join(named)})" if named else "")
