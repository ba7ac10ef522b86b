"""Passwords: Argon2id, one documented normalisation (NFKC), a length and a blocklist, no other rule.

Where the server's secret is at hand, what is hashed is its HMAC of the password (a pepper): whoever has the store
alone cannot even start to guess. Hashes of before, and those made at the command line, change at the next login.

Source: NIST SP 800-63B-4 section 3.1.1; OWASP ASVS 5.0 V6.2; RFC 9106.
"""

import unicodedata
from collections.abc import Iterable
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from doorward.errors import PolicyError
from doorward.identity.blocklist import weakness
from doorward.identity.sealing import ServerSecret

LENGTH_LEAST: Final = 15
"""Code points, with a second factor too: NIST SP 800-63B-4 would then allow 8, but a factor can be taken away."""
LENGTH_MOST: Final = 256
"""Code points; the whole text counts, nothing is cut off."""

_HASHER: Final = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=1)
"""64 MiB, 3 passes, 1 lane: 162 ms where it was measured; RFC 9106 section 4 recommends it with 4 lanes."""
_NOBODYS: Final = "$argon2id$v=19$m=65536,t=3,p=1$b25seSBhIGR1bW15ISEhIQ$q0BkNUBtLQ2n4GEXTCGm2HVpP0IsxW2xcGyvDTVxVMA"
"""A hash of equal cost that no password has: an unknown user takes as long as a wrong password."""


_PEPPERED: Final = "peppered:"
"""Before the hash of a password that was keyed first."""


class WeakPassword(PolicyError):
    """A password that may not be chosen; `problem` can be shown to who chose it."""


def hash_password(
    password: str,
    context: Iterable[str] = (),
    *,
    pepper: ServerSecret | None = None,
    letters_and_digits: bool = False,
) -> str:
    """The hash under which a new password is kept. `pepper`: the server's secret, where it is at hand.

    Errors: WeakPassword, as `require_strong`.
    """
    require_strong(password, context, letters_and_digits=letters_and_digits)
    return _hashed(normal_form(password), pepper)


def require_strong(password: str, context: Iterable[str] = (), *, letters_and_digits: bool = False) -> None:
    """Nothing, for a password that may be chosen.

    `context`: words an attacker would try first. `letters_and_digits`: it has to hold both (PCI DSS 8.3.6).
    Errors: WeakPassword for one too short, too long or easy to guess.
    """
    normal = normal_form(password)
    if not LENGTH_LEAST <= len(normal) <= LENGTH_MOST:
        raise WeakPassword(
            f"a password has {LENGTH_LEAST} to {LENGTH_MOST} characters, this one {len(normal)}",
            key="password",
            hint="a sentence is easier to remember than a short riddle",
        )
    if letters_and_digits and not (any(map(str.isalpha, normal)) and any(map(str.isdigit, normal))):
        raise WeakPassword(
            "a password has letters and digits here", key="password", hint="add a number to the sentence"
        )
    reason = weakness(normal, context)
    if reason is not None:
        raise WeakPassword(
            f"this password is easy to guess: {reason}", key="password", hint="four or five words nobody said before"
        )


def is_password(password: str, password_hash: str | None, pepper: ServerSecret | None = None) -> bool:
    """Whether the hash is the password's. None, for a user who is unknown or has none, costs the same and is False."""
    normal = normal_form(password)[: LENGTH_MOST + 1]
    # made for every hash, so that the time says nothing about which kind it is
    keyed = _keyed(normal, pepper)
    kept = password_hash if password_hash is not None else _NOBODYS
    try:
        _HASHER.verify(kept.removeprefix(_PEPPERED), keyed if kept.startswith(_PEPPERED) else normal)
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None


def rehashed(password: str, password_hash: str, pepper: ServerSecret | None = None) -> str | None:
    """The hash to keep instead, when cost or pepper have changed since; None when not. For a password just proved."""
    stale = _HASHER.check_needs_rehash(password_hash.removeprefix(_PEPPERED))
    stale = stale or (pepper is not None and not password_hash.startswith(_PEPPERED))
    return _hashed(normal_form(password), pepper) if stale else None


def _hashed(normal: str, pepper: ServerSecret | None) -> str:
    if pepper is None:
        return _HASHER.hash(normal)
    return _PEPPERED + _HASHER.hash(_keyed(normal, pepper))


def _keyed(normal: str, pepper: ServerSecret | None) -> str:
    # without the secret a keyed hash is nobody's: the password itself would be a guess at 256 bits
    return normal if pepper is None else pepper.mac("password", normal.encode()).hex()


def normal_form(password: str) -> str:
    """The one way of writing a password that counts, whichever a keyboard chose (NFKC)."""
    return unicodedata.normalize("NFKC", password.encode("utf-8", "replace").decode("utf-8"))
