"""The provider's own secret: what must be read back is sealed with it, what must only be recognised is keyed by it."""

import os
import secrets
import stat
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_FILE: Final = "identity.key"
"""Its file among the keys in the state directory."""
SECRET_BYTES: Final = 32
_NONCE_BYTES: Final = 12


class Unsealable(Exception):
    """What was sealed with another secret, for another place, or changed since."""


class ServerSecret:
    """32 random bytes. They never show in a `repr`; every use derives a key of its own."""

    __slots__ = ("_bytes",)

    def __init__(self, data: bytes) -> None:
        if len(data) != SECRET_BYTES:
            raise ValueError(f"the secret has {SECRET_BYTES} bytes, not {len(data)}")
        self._bytes = data

    def __repr__(self) -> str:
        return "ServerSecret(****)"

    def derive(self, use: str) -> bytes:
        """A key of 32 bytes for that use alone (HKDF, RFC 5869)."""
        return HKDF(hashes.SHA256(), SECRET_BYTES, salt=None, info=f"doorward identity {use}".encode()).derive(
            self._bytes
        )

    def mac(self, use: str, data: bytes) -> bytes:
        """HMAC-SHA-256 of the data under the key of that use."""
        mac = HMAC(self.derive(use), hashes.SHA256())
        mac.update(data)
        return mac.finalize()

    def seal(self, data: bytes, place: str) -> str:
        """The data encrypted with AES-256-GCM for one place (table, row, column); in another it does not open."""
        nonce = os.urandom(_NONCE_BYTES)
        return (nonce + AESGCM(self.derive("sealing")).encrypt(nonce, data, place.encode())).hex()

    def open(self, sealed: str, place: str) -> bytes:
        """What was sealed for that place. Errors: Unsealable."""
        try:
            data = bytes.fromhex(sealed)
            return AESGCM(self.derive("sealing")).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], place.encode())
        except (ValueError, InvalidTag) as error:
            raise Unsealable("sealed with another secret or for another place") from error


def load_or_make_secret(path: Path) -> ServerSecret:
    """The secret in the file, made with mode 0600 when there is none.

    Errors: OSError; ValueError when others may read it or it is no secret.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        with path.open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise ValueError(f"{path} can be read by others: chmod 600 it") from None
            return ServerSecret(file.read())
    made = secrets.token_bytes(SECRET_BYTES)
    with os.fdopen(descriptor, "wb") as file:
        file.write(made)
        file.flush()
        os.fsync(file.fileno())
    return ServerSecret(made)
