"""How an API key is written: `dw_<id>_<secret>_<checksum>`, made for leak scanners and against typing errors.

The id finds the record and is no secret; the secret has 256 bits; the checksum is the CRC-32 of all before it, so a
mistyped key never reaches a lookup. Source: GitHub's token format (2021), NIST SP 800-63B-4 section 3.1.3.
"""

import base64
import hashlib
import re
import zlib
from typing import Final

ID_BYTES: Final = 8
SECRET_BYTES: Final = 32
_FORM: Final = re.compile(rb"(dw_([a-z2-7]{13})_[a-z2-7]{52})_([0-9a-f]{8})")


def make_api_key(id_bytes: bytes, secret_bytes: bytes) -> tuple[str, str]:
    """The id and the whole key, from randomness of `ID_BYTES` and `SECRET_BYTES`.

    >>> make_api_key(bytes(8), bytes(32))
    ('aaaaaaaaaaaaa', 'dw_aaaaaaaaaaaaa_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa_93ad3e29')

    Errors: ValueError for randomness of another length.
    """
    if len(id_bytes) != ID_BYTES or len(secret_bytes) != SECRET_BYTES:
        raise ValueError("an API key is made of 8 and 32 random bytes")
    key_id = _base32(id_bytes)
    body = f"dw_{key_id}_{_base32(secret_bytes)}"
    return key_id, f"{body}_{zlib.crc32(body.encode()):08x}"


def api_key_id(key: bytes) -> str | None:
    """The id in a well-formed key whose checksum fits; None for anything else."""
    match = _FORM.fullmatch(key)
    if match is None or zlib.crc32(match[1]) != int(match[3], 16):
        return None
    return match[2].decode("ascii")


def hash_api_key(key: bytes) -> bytes:
    """The SHA-256 under which a key is kept."""
    return hashlib.sha256(key).digest()


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode("ascii").rstrip("=").lower()
