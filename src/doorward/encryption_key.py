"""The keys that clients encrypt bodies to: of the installation, in one private file, exchanged one after another.

The newest key of an algorithm is the one to encrypt to; those before it open messages until their time is over.
"""

import json
from pathlib import Path
from typing import Any, Final

from doorward.controls.authenticate import OwnKey
from doorward.errors import PolicyError
from doorward.jose import (
    DecryptionKey,
    EncryptionAlgorithm,
    JoseError,
    decryption_key_from_jwk,
    generate_decryption_key,
)
from doorward.private_file import alone_in, made_once, read_private, replace_private

KEY_NAME: Final = "encryption.json"
"""Beside the other keys, in `keys/` of the state directory."""
_NEVER: Final = float("inf")


def load_encryption_keys(keys: Path) -> tuple[OwnKey, ...]:
    """The keys in a `keys/` directory, newest first; none where none was made. Errors: PolicyError."""
    data = read_private(keys / KEY_NAME)
    return () if data is None else _read(data, keys / KEY_NAME)


def encryption_keys_for(keys: Path) -> tuple[OwnKey, ...]:
    """The keys in a `keys/` directory; one is made where there are none. Errors: PolicyError, OSError."""
    found = load_encryption_keys(keys)
    if found:
        return found
    first = OwnKey(key=generate_decryption_key("ECDH-ES+A256KW"))
    return _read(made_once(keys / KEY_NAME, _written([first])), keys / KEY_NAME)


def add_encryption_key(keys: Path, algorithm: EncryptionAlgorithm, *, now: float, overlap_s: float) -> DecryptionKey:
    """A new key, which clients are to use from now on; older ones of its algorithm open messages for `overlap_s` yet.

    Units: `overlap_s` is how long clients have to fetch the new key, in seconds.
    Errors: PolicyError, OSError.
    """
    made = generate_decryption_key(algorithm)
    encryption_keys_for(keys)
    with alone_in(keys):
        kept = [
            OwnKey(key=each.key, until=min(each.until, now + overlap_s)) if each.key.algorithm == algorithm else each
            for each in load_encryption_keys(keys)
            if each.until > now
        ]
        replace_private(keys / KEY_NAME, _written([OwnKey(key=made), *kept]))
    return made


def remove_encryption_key(keys: Path, key_id: str) -> None:
    """Nothing; from now on that key opens nothing. Errors: PolicyError when there is none, or it is the last."""
    with alone_in(keys):
        found = load_encryption_keys(keys)
        kept = [each for each in found if each.key.id != key_id]
        if len(kept) == len(found):
            raise PolicyError(f"there is no encryption key {key_id!r}", key="remove", hint="doorward key encryption")
        if not any(each.until == _NEVER for each in kept):
            raise PolicyError("clients would have no key to encrypt to", key="remove", hint="--rotate first")
        replace_private(keys / KEY_NAME, _written(kept))


def public_encryption_jwks(found: tuple[OwnKey, ...]) -> dict[str, Any]:
    """The keys to encrypt to, as clients fetch them: the newest of each algorithm (RFC 7517 section 5)."""
    newest: dict[str, dict[str, str]] = {}
    for each in found:
        if each.until == _NEVER:
            newest.setdefault(each.key.algorithm, each.key.public.jwk())
    return {"keys": list(newest.values())}


def _read(data: bytes, path: Path) -> tuple[OwnKey, ...]:
    try:
        return tuple(
            OwnKey(
                key=decryption_key_from_jwk(entry["key"]),
                until=_NEVER if entry["until"] is None else float(entry["until"]),
            )
            for entry in json.loads(data)
        )
    except (JoseError, ValueError, TypeError, KeyError) as error:
        # not the error's own text: it could show a part of a key
        raise PolicyError(
            f"{path} does not hold keys: {type(error).__name__}", key="state", hint="restore the file"
        ) from None


def _written(found: list[OwnKey]) -> bytes:
    entries = [{"key": each.key.jwk(), "until": None if each.until == _NEVER else each.until} for each in found]
    return json.dumps(entries, indent=1).encode("ascii")
