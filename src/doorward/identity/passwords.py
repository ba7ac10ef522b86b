"""Passwords: Argon2id, one documented normalisation (NFKC), a length that needs no other rule.

Source: NIST SP 800-63B-4 section 3.1.1; OWASP ASVS 5.0 V6.2; RFC 9106.
"""

import unicodedata
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from doorward.errors import PolicyError

LENGTH_LEAST: Final = 15
"""Code points of a password that is the only factor (NIST SP 800-63B-4)."""
LENGTH_MOST: Final = 256
"""Code points; the whole text counts, nothing is cut off."""

_HASHER: Final = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=1)
"""64 MiB, 3 passes, 1 lane: 162 ms where it was measured; RFC 9106 section 4 recommends it with 4 lanes."""
_NOBODYS: Final = "$argon2id$v=19$m=65536,t=3,p=1$b25seSBhIGR1bW15ISEhIQ$q0BkNUBtLQ2n4GEXTCGm2HVpP0IsxW2xcGyvDTVxVMA"
"""A hash of equal cost that no password has: an unknown user takes as long as a wrong password."""


def hash_password(password: str) -> str:
    """The hash under which a new password is kept. Errors: PolicyError for one too short or too long."""
    normal = _normal(password)
    if not LENGTH_LEAST <= len(normal) <= LENGTH_MOST:
        raise PolicyError(
            f"a password has {LENGTH_LEAST} to {LENGTH_MOST} characters, this one {len(normal)}",
            key="password",
            hint="a sentence is easier to remember than a short riddle",
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


def _normal(password: str) -> str:
    return unicodedata.normalize("NFKC", password)
