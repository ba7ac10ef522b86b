"""Private JWK sets on disk, readable by their owner alone. The first key of a set is the one that signs."""

import json
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from doorward.jose.errors import JoseError
from doorward.jose.keys import PrivateKey, private_key_from_jwk


def save_private_keys(path: Path, keys: Iterable[PrivateKey]) -> None:
    """Nothing; the set stands at `path` with mode 0600, whole or not at all. Errors: OSError."""
    text = json.dumps({"keys": [key.jwk() for key in keys]}, indent=2) + "\n"
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def load_private_keys(path: Path) -> list[PrivateKey]:
    """The keys of the set at `path`, the signing key first; never an empty list.

    Errors: OSError; JoseError `key` when others may read the file, or it is not a set of our keys.
    """
    with path.open("rb") as file:
        if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
            raise JoseError("key", f"{path} can be read by others: chmod 600 it")
        data = file.read()
    try:
        members = json.loads(data)["keys"]
        keys = [private_key_from_jwk(member) for member in members]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise JoseError("key", f"{path} is not a private JWK set") from error
    if not keys:
        raise JoseError("key", f"{path} holds no key")
    return keys
