"""Secrets that must be read back, sealed with a key of the installation: AES-256-GCM, bound to the name they have.

The store and the snapshot hold sealed secrets only; the key stands in a file of its own, so neither of them, nor a
backup of them, gives a secret away.
"""

import base64
import secrets
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from doorward.errors import PolicyError
from doorward.private_file import made_once, read_private

KEY_NAME: Final = "sealing.key"
"""Beside the other keys, in `keys/` of the state directory."""
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12


class SealBroken(ValueError):
    """The secret was not sealed with this key under this name, or was changed."""


class Sealer:
    """Seals and opens secrets with one key. Its `repr` shows nothing."""

    __slots__ = ("_cipher",)

    def __init__(self, key: bytes) -> None:
        """Errors: ValueError unless the key has 32 bytes."""
        if len(key) != _KEY_BYTES:
            raise ValueError(f"a sealing key has {_KEY_BYTES} bytes")
        self._cipher = AESGCM(key)

    def seal(self, name: str, secret: bytes) -> str:
        """The secret as text that only this key opens, and only under this name.

        >>> sealer = Sealer(bytes(32))
        >>> sealer.open("row 1", sealer.seal("row 1", b"secret"))
        b'secret'
        """
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, secret, name.encode("utf-8"))).decode("ascii")

    def open(self, name: str, sealed: str) -> bytes:
        """The secret. Errors: SealBroken."""
        try:
            data = base64.b64decode(sealed, validate=True)
            return self._cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], name.encode("utf-8"))
        except (ValueError, InvalidTag) as error:
            raise SealBroken(f"the secret of {name} cannot be opened with this key") from error


def load_sealer(keys: Path) -> Sealer | None:
    """The sealer of a `keys/` directory; None where nothing was ever sealed.

    Errors: PolicyError for a key that others may read, or that is none.
    """
    key = read_private(keys / KEY_NAME)
    return None if key is None else _sealer(key, keys / KEY_NAME)


def sealer_for(keys: Path) -> Sealer:
    """The sealer of a `keys/` directory; its key is made on first use, with mode 0600. Errors: PolicyError, OSError."""
    return load_sealer(keys) or _sealer(made_once(keys / KEY_NAME, secrets.token_bytes(_KEY_BYTES)), keys / KEY_NAME)


def _sealer(key: bytes, path: Path) -> Sealer:
    try:
        return Sealer(key)
    except ValueError as error:
        raise PolicyError(f"{path}: {error}", key="state", hint="restore the file") from error
