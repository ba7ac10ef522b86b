"""What goes into the check of a person's credential, and what comes out of it."""

from dataclasses import dataclass, field
from typing import Literal

CodeKind = Literal["totp", "recovery_code", "mail_code", "sms", "sms_proof"]
FactorKind = Literal["totp", "passkey", "sms", "recovery_code"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """Somebody's try, with what is known of them from the connection."""

    name: str
    secret: str = field(repr=False)
    address: str
    device: str | None = field(default=None, repr=False)
    """The device cookie."""
    challenge_passed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """The secret is the user's. `factors`: what second factors they have; when any, the login is not complete."""

    user: str
    factors: tuple[FactorKind, ...] = ()
    known_device: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """It is not, or was not looked at. Unknown user, disabled user and wrong secret are one answer."""

    kind: Literal["wrong", "wait", "challenge", "locked"]
    wait_s: float = 0.0
