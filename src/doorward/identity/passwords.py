"""Passwords: Argon2id, one documented normalisation (NFKC), a length and a blocklist, no other rule.

Source: NIST SP 800-63B-4 section 3.1.1; OWASP ASVS 5.0 V6.2; RFC 9106.
"""

import unicodedata
from collections.abc import Iterable
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from doorward.errors import PolicyError
from doorward.identity.blocklist import weakness

LENGTH_LEAST: Final = 15
"""Code points, with a second factor too: NIST SP 800-63B-4 would then allow 8, but a factor can be taken away."""
LENGTH_MOST: Final = 256
"""Code points; the whole text counts, nothing is cut off."""

_HASHER: Final = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=1)
"""64 MiB, 3 passes, 1 lane: 162 ms where it was measured; RFC 9106 section 4 recommends it with 4 lanes."""
_NOBODYS: Final = "$argon2id$v=19$m=65536,t=3,p=1$b25seSBhIGR1bW15ISEhIQ$q0BkNUBtLQ2n4GEXTCGm2HVpP0IsxW2xcGyvDTVxVMA"
"""A hash of equal cost that no password has: an unknown user takes as long as a wrong password."""


class WeakPassword(PolicyError):
    """A password that may not be chosen; `problem` can be shown to who chose it."""


def hash_password(password: str, context: Iterable[str] = ()) -> str:
    """The hash under which a new password is kept.

    `context`: words an attacker would try first. Errors: WeakPassword for one too short, too long or easy to guess.
    """
    normal = _normal(password)
    if not LENGTH_LEAST <= len(normal) <= LENGTH_MOST:
        raise WeakPassword(
            f"a password has {LENGTH_LEAST} to {LENGTH_MOST} characters, this one {len(normal)}",
            key="password",
            hint="a sentence is easier to remember than a short riddle",
        )
    reason = weakness(normal, context)
    if reason is not None:
        raise WeakPassword(
            f"this password is easy to guess: {reason}", key="password", hint="four or five words nobody said before"
        )
    return _HASHER.hash(normal)


def is_password(password: str, password_hash: str | None) -> bool:
    """Whether the hash is the password's. None, for a user who is unknown or has none, costs the same and is False."""
    normal = _normal(password)[: LENGTH_MOST + 1]
    try:
        _HASHER.verify(password_hash or _NOBODYS, normal)
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None


def rehashed(password: str, password_hash: str) -> str | None:
    """The hash to keep instead, when the cost has changed since; None when it has not. For a password just proved."""
    return _HASHER.hash(_normal(password)) if _HASHER.check_needs_rehash(password_hash) else None


def _normal(password: str) -> str:
    return unicodedata.normalize("NFKC", password.encode("utf-8", "replace").decode("utf-8"))
