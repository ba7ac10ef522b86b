"""Secrets that must be read back, sealed with a key of the installation: AES-256-GCM, bound to the name they have.

The store and the snapshot hold sealed secrets only; the key stands in a file of its own, so neither of them, nor a
backup of them, gives a secret away.
"""

import base64
import contextlib
import os
import secrets
import stat
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from doorward.errors import PolicyError

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
    path = keys / KEY_NAME
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise PolicyError(f"{path} can be read by others", key="state", hint=f"chmod 600 {path}")
            return Sealer(file.read(_KEY_BYTES + 1))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PolicyError(f"{path} cannot be read: {error.strerror}", key="state") from error
    except ValueError as error:
        raise PolicyError(f"{path}: {error}", key="state", hint="restore the file") from error


def sealer_for(keys: Path) -> Sealer:
    """The sealer of a `keys/` directory; its key is made on first use, with mode 0600. Errors: PolicyError, OSError."""
    found = load_sealer(keys)
    if found is not None:
        return found
    # Written whole under another name first: a reader never sees half a key, and of two makers the first one wins.
    temporary = keys / f".{KEY_NAME}.{secrets.token_hex(8)}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            (keys / KEY_NAME).hardlink_to(temporary)
    finally:
        temporary.unlink(missing_ok=True)
    made = load_sealer(keys)
    if made is None:
        raise PolicyError(f"{keys / KEY_NAME} vanished", key="state")
    return made
