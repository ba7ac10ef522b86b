"""The key that the content of an encrypted message is encrypted with, out of its header and the key it is meant for."""

from collections.abc import Mapping
from typing import Any, Final

from joserfc.errors import JoseError as LibraryError
from joserfc.jwa import JWEAlgModel, JWEDirectEncryption, JWEEncModel, JWEKeyAgreement
from joserfc.jwe import CompactEncryption, JWERegistry, Recipient

from doorward.jose.encryption_keys import DecryptionKey

_KEY_BYTES: Final = 32


def content_key(header: Mapping[str, Any], wrapped: bytes, key: DecryptionKey, encryption: str) -> bytes | None:
    """The content key; None when `wrapped` was not made for `key`.

    Source: RFC 7518 sections 4.3, 4.5 and 4.6.
    """
    registry = JWERegistry(algorithms=[key.algorithm, encryption], strict_check_header=False)
    message = CompactEncryption(dict(header))
    recipient: Recipient[Any] = Recipient(message, None, key.material)
    recipient.encrypted_key = wrapped
    try:
        registry.check_header(message.protected, True)
        found = _unwrapped(registry.get_alg(key.algorithm), registry.get_enc(encryption), recipient, wrapped)
    except (LibraryError, ValueError, TypeError, KeyError, AssertionError, ArithmeticError):
        return None
    return found if len(found) == _KEY_BYTES else None


def _unwrapped(algorithm: JWEAlgModel, content: JWEEncModel, recipient: Recipient[Any], wrapped: bytes) -> bytes:
    if isinstance(algorithm, JWEDirectEncryption):
        return algorithm.compute_cek(content.cek_size, recipient)
    if isinstance(algorithm, JWEKeyAgreement):
        return algorithm.unwrap_cek_with_auk(wrapped, algorithm.decrypt_agreed_upon_key(content, recipient))
    return algorithm.decrypt_cek(recipient)
