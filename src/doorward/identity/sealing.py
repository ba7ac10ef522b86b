"""The provider's own secret: what must be read back is sealed with it, what must only be recognised is keyed by it."""

import secrets
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from doorward.errors import PolicyError
from doorward.private_file import made_once, read_private
from doorward.sealing import Sealer

KEY_FILE: Final = "identity.key"
"""Its file among the keys in the state directory."""
SECRET_BYTES: Final = 32


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
        """The data sealed for one place (table, row, column); in another it does not open."""
        return Sealer(self.derive("sealing")).seal(place, data)

    def open(self, sealed: str, place: str) -> bytes:
        """What was sealed for that place. Errors: SealBroken."""
        return Sealer(self.derive("sealing")).open(place, sealed)


def load_or_make_secret(path: Path) -> ServerSecret:
    """The secret in the file, made with mode 0600 when there is none.

    Errors: OSError; PolicyError when others may read it or it is no secret.
    """
    found = read_private(path)
    if found is None:
        found = made_once(path, secrets.token_bytes(SECRET_BYTES))
    try:
        return ServerSecret(found)
    except ValueError as error:
        raise PolicyError(f"{path}: {error}", key="state", hint="restore the file") from error
