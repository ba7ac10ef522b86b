"""Content-Digest (RFC 9530): that a body is the one the signed head speaks of."""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Final, Literal

from doorward.signatures.errors import SignatureRefused
from doorward.signatures.structured_fields import FieldError, Item, parse_dictionary, serialize_dictionary

DigestAlgorithm = Literal["sha-256", "sha-512"]
_HASHES: Final = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}
"""The two that RFC 9530 section 5 calls active; MD5, SHA-1 and checksums prove nothing."""
_MOST: Final = 8


def content_digest(body: bytes, algorithm: DigestAlgorithm = "sha-256") -> str:
    """The value of Content-Digest for a body.

    >>> content_digest(b'{"hello": "world"}')
    'sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:'
    """
    return serialize_dictionary({algorithm: Item(_HASHES[algorithm](body).digest())})


def check_content_digest(values: Sequence[bytes], body: bytes) -> None:
    """Nothing, when every digest that can be checked fits the body, and one can.

    `values` are the values of the field. Errors: SignatureRefused `digest`.
    """
    if not values:
        raise SignatureRefused("digest", "the message has no Content-Digest")
    try:
        members = parse_dictionary(b", ".join(values).decode("latin-1"), most=_MOST, unique=True)
    except FieldError as error:
        raise SignatureRefused("digest", f"Content-Digest cannot be read: {error}") from None
    checked = False
    for name, member in members.items():
        make = _HASHES.get(name)
        if make is None:
            continue
        if not isinstance(member, Item) or not isinstance(member.value, bytes):
            raise SignatureRefused("digest", f"Content-Digest has no bytes for {name}")
        if not hmac.compare_digest(member.value, make(body).digest()):
            raise SignatureRefused("digest", f"the body is not the one with that {name}")
        checked = True
    if not checked:
        raise SignatureRefused("digest", "Content-Digest has neither sha-256 nor sha-512")
