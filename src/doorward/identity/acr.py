"""How much a login proves, in the one word that clients ask for and read (OpenID Connect Core, `acr`)."""

from collections.abc import Iterable
from typing import Final

ACR_ONE: Final = "urn:doorward:acr:1"
"""One factor."""
ACR_TWO: Final = "urn:doorward:acr:2"
"""Two."""
SECOND_AMR: Final = frozenset({"mfa", "otp", "pop", "sms"})
"""Ways to prove oneself that are a second factor's."""


def acr_of(amr: Iterable[str]) -> str:
    """What ways to prove oneself (RFC 8176) amount to.

    >>> acr_of(["pwd", "otp", "mfa"]), acr_of(["pwd"])
    ('urn:doorward:acr:2', 'urn:doorward:acr:1')
    """
    return ACR_TWO if "mfa" in amr else ACR_ONE
