"""Codes that people type: a few digits, made when they are sent, by mail or as a text message."""

import secrets
from typing import Final, Literal

from doorward.identity.sealing import ServerSecret

DIGITS: Final = 8
"""26 bits; guesses are counted with all others of the account."""


def make_code() -> str:
    """A new code."""
    return str(secrets.randbelow(10**DIGITS)).zfill(DIGITS)


def kept_code(secret: ServerSecret, way: Literal["mail", "sms"], code: str, *, user: str, place: str) -> str:
    """Under which a code is kept: keyed, because few digits could be tried out, and bound to its way, user and place.

    `place`: the browser, login or session that it is good in; it holds no line's end.
    """
    return secret.mac(f"{way} code", f"{place}\n{code}\n{user}".encode("utf-8", "surrogatepass")).hex()
