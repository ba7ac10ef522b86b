"""JWK sets that others publish (RFC 7517 section 5), read as untrusted documents: bounded, weak keys left out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from doorward.jose.errors import JoseError
from doorward.jose.keys import ALGORITHMS, Algorithm, PublicKey, public_key_from_jwk
from doorward.jose.parsing import parse_object

KEY_COUNT: Final = 64
"""Most keys taken from one set; one with more is refused whole."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys of a set that can be used, and why the others cannot."""

    keys: tuple[PublicKey, ...]
    left_out: tuple[str, ...]


def parse_key_set(document: bytes, algorithms: Iterable[Algorithm] = ALGORITHMS) -> KeySet:
    """The usable public keys of a JWK set.

    Errors: JoseError `key` when it is no JWK set, has too many keys, or none is usable: an empty set would lock
    everybody out, and is what a broken deployment looks like.
    """
    try:
        members = parse_object(document, "key set").get("keys")
    except JoseError as error:
        raise JoseError("key", error.problem) from error
    if not isinstance(members, list) or not all(isinstance(member, dict) for member in members):
        raise JoseError("key", "not a JWK set: it has no list of keys")
    return usable_keys(members, algorithms)


def usable_keys(members: Iterable[Mapping[str, Any]], algorithms: Iterable[Algorithm] = ALGORITHMS) -> KeySet:
    """The usable public keys among JWKs. Errors: JoseError `key`, as `parse_key_set`."""
    found, allowed = tuple(members), tuple(algorithms)
    if len(found) > KEY_COUNT:
        raise JoseError("key", f"{len(found)} keys, more than {KEY_COUNT}")
    keys: list[PublicKey] = []
    left_out: list[str] = []
    for member in found:
        try:
            keys.append(public_key_from_jwk(member, allowed))
        except JoseError as error:
            left_out.append(error.problem)
    if not keys:
        raise JoseError("key", f"no usable key{': ' + left_out[0] if left_out else ''}")
    return KeySet(tuple(keys), tuple(left_out))
