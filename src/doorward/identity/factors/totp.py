"""One-time codes of an authenticator app (HOTP, RFC 4226; TOTP, RFC 6238): SHA-1, 6 digits, 30 s.

Those are what every app supports; SHA-1's weakness is about collisions, which HMAC does not rest on.
"""

import base64
import hmac
import secrets
import struct
from typing import Final
from urllib.parse import quote

SEED_BYTES: Final = 20
"""RFC 4226 section 4, R6 recommends 160 bits."""
STEP_S: Final = 30
DIGITS: Final = 6
STEPS_BACK: Final = 1
"""The step before is taken too, where no profile forbids it: a code typed at its end arrives after it. None ahead."""


def make_seed() -> bytes:
    """A new seed."""
    return secrets.token_bytes(SEED_BYTES)


def hotp(seed: bytes, counter: int, digits: int = DIGITS, algorithm: str = "sha1") -> str:
    """The code for a counter (RFC 4226 section 5.3)."""
    mac = hmac.digest(seed, struct.pack(">Q", counter), algorithm)
    offset = mac[-1] & 0x0F
    (number,) = struct.unpack(">I", mac[offset : offset + 4])
    return str((number & 0x7FFF_FFFF) % 10**digits).zfill(digits)


def step_at(now: float) -> int:
    """The step of a time (RFC 6238 section 4.2)."""
    return int(now) // STEP_S


def matching_step(seed: bytes, code: str, *, now: float, last_step: int, steps_back: int = STEPS_BACK) -> int | None:
    """The step whose code this is, among those not used yet; None when there is none.

    Whoever acts on it stores it as `last_step` by a comparing update: a code works once.
    """
    found = None
    for step in range(step_at(now) - steps_back, step_at(now) + 1):
        same = hmac.compare_digest(hotp(seed, step).encode(), code.encode("utf-8", "surrogatepass"))
        if same and step > last_step:
            found = step
    return found


def provisioning_uri(seed: bytes, *, issuer: str, account: str) -> str:
    """What the QR code says to the app (Google's Key URI format)."""
    secret = base64.b32encode(seed).decode("ascii").rstrip("=")
    label = quote(f"{issuer}:{account}", safe="")
    return f"otpauth://totp/{label}?secret={secret}&issuer={quote(issuer, safe='')}&algorithm=SHA1&digits=6&period=30"
