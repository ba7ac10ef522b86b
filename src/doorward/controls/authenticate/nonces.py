"""Nonces for proofs of possession: made by the gateway, known again without being kept (RFC 9449 section 9).

A nonce is the time it was made and a keyed hash of that time, so any worker with the key knows it again and knows how
old it is. A proof with one was made after it, whatever the client's clock says.
"""

import base64
import binascii
import hashlib
import hmac
from typing import Final

LIFE_S: Final = 120.0
"""How long a nonce is accepted, in seconds: a client gets the next one with an answer when half of it is over."""
_TIME_BYTES: Final = 6
_HASH_BYTES: Final = 16
_LENGTH: Final = 30
"""Characters: 22 bytes in base64url without padding."""


def nonce_key(record_key: bytes, host: str) -> bytes:
    """The key of nonces: the same in all workers of a host, and in no other host, even one with a copy of its keys.

    What proofs were used is remembered by host; so a nonce must be good on the one that made it alone.
    """
    return hmac.digest(record_key, b"doorward dpop nonces\0" + host.encode(), hashlib.sha256)


class Nonces:
    """Makes and knows nonces under one key.

    >>> nonces = Nonces(b"k" * 32)
    >>> nonces.issued_at(nonces.fresh(1000.25).decode(), 1010.0)
    1000.25
    """

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __repr__(self) -> str:
        return "Nonces(****)"

    def fresh(self, now: float) -> bytes:
        """A nonce made now, ready for a DPoP-Nonce field."""
        time = int(now * 1000).to_bytes(_TIME_BYTES, "big")
        return base64.urlsafe_b64encode(time + self._tag(time)).rstrip(b"=")

    def issued_at(self, nonce: str, now: float) -> float | None:
        """When it was made, Unix seconds; None for one that is not ours, too old, or from the future."""
        if len(nonce) != _LENGTH or not nonce.isascii():
            return None
        try:
            data = base64.b64decode(nonce + "==", altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        time = data[:_TIME_BYTES]
        if not hmac.compare_digest(data[_TIME_BYTES:], self._tag(time)):
            return None
        made = int.from_bytes(time, "big") / 1000
        return made if made <= now < made + LIFE_S else None

    def _tag(self, time: bytes) -> bytes:
        return hmac.digest(self._key, b"doorward dpop nonce\0" + time, hashlib.sha256)[:_HASH_BYTES]
