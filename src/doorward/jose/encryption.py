"""Encrypted messages (JWE, RFC 7516, compact form): three ways to hand over a content key, one way to encrypt.

The content is always encrypted with A256GCM. There is no `zip` (a bomb can hide in it: CVE-2024-28180), no PBES2 (its
work is set by the sender: CVE-2023-51775), no RSA1_5 (Bleichenbacher). Encryption says nothing about who sent a
message: anybody can encrypt to a public key. Use it beside a signature or a token.

To receive: `split_jwe` reads what must be known to find the key, `decrypt` opens it, and only then may the header be
believed: it is authenticated together with the content. To send: `encrypt`.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc.errors import JoseError as LibraryError
from joserfc.jwe import JWERegistry, encrypt_compact

from doorward.jose.content_key import content_key
from doorward.jose.encryption_keys import ENCRYPTION_ALGORITHMS, DecryptionKey, EncryptionKey
from doorward.jose.errors import JoseError
from doorward.jose.parsing import (
    ascii_bytes,
    decode_segment,
    key_id_of,
    media_type_of,
    parse_object,
    refuse_members,
    shown,
)
from doorward.jose.tokens import EXTENSIONS, REFERENCES, TOKEN_BYTES

CONTENT_ENCRYPTION: Final = "A256GCM"
HEADER_BYTES: Final = 1024
"""Longest encoded header; one with an ephemeral key, `kid`, `typ`, `iat` and a request id has about 400 bytes."""
OVERHEAD_BYTES: Final = 4096
"""Most that everything but the content takes: header, content key (1,366 for RSA of 8,192 bits), nonce, tag."""
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_WRAPPED_BYTES: Final = {"ECDH-ES+A256KW": (40, 40), "RSA-OAEP-256": (256, 1024), "dir": (0, 0)}
"""Shortest and longest encrypted content key."""
_OURS: Final = frozenset({"alg", "enc", "kid", "epk", "apu", "apv", *EXTENSIONS, *REFERENCES, "zip", "p2c", "p2s"})
"""Members of the header that whoever encrypts cannot set."""
_EPHEMERAL: Final = frozenset({"kty", "crv", "x", "y"})


@dataclass(frozen=True, slots=True, kw_only=True)
class UnverifiedJwe:
    """A well-formed encrypted message that nobody has opened yet. Nothing in it may be trusted."""

    key_id: str
    """Empty when the header names none."""
    algorithm: str
    """What the header says; compared with the key's own, never used to choose one."""
    type: str
    """`typ` in lower case without `application/`; empty when absent."""
    _head: bytes = field(repr=False)
    """The header as it was written, which is what the sender authenticated: written anew it could differ."""
    _header: dict[str, Any] = field(repr=False)
    _wrapped: bytes = field(repr=False)
    _nonce: bytes = field(repr=False)
    _sealed: bytes = field(repr=False)
    """Ciphertext and tag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decrypted:
    """What was in an encrypted message, and the header that was authenticated with it."""

    content: bytes = field(repr=False)
    header: Mapping[str, Any]


def split_jwe(message: bytes | str, *, max_bytes: int = TOKEN_BYTES) -> UnverifiedJwe:
    """The parts of a compact JWE, judged strictly before anything is decrypted, derived or inflated.

    Units:  `max_bytes` counts the whole message as it is written: 4/3 of the content, and `OVERHEAD_BYTES`.
    Errors: JoseError `size`, `header`, `algorithm`, `reference`, `key`, `claims` (`typ`).
    Source: RFC 7516 section 5.2; RFC 8725 section 3; go-jose CVE-2024-28180.
    """
    if len(message) > max_bytes:
        raise JoseError("size", f"{len(message)} bytes, {max_bytes} allowed")
    raw = ascii_bytes(message) if isinstance(message, str) else message
    if raw.count(b".") != 4:
        raise JoseError("size", f"{raw.count(b'.')} dots, an encrypted message has 4")
    head, wrapped, nonce, content, tag = raw.split(b".")
    if len(head) > HEADER_BYTES:
        raise JoseError("size", f"a header of {len(head)} bytes, {HEADER_BYTES} allowed")
    header = parse_object(decode_segment(head, "header"), "header")
    algorithm, encryption = header.get("alg"), header.get("enc")
    if not isinstance(algorithm, str) or algorithm not in ENCRYPTION_ALGORITHMS:
        raise JoseError("algorithm", f"alg {shown(algorithm)}")
    if encryption != CONTENT_ENCRYPTION:
        raise JoseError("algorithm", f"enc {shown(encryption)}")
    refuse_members(header, REFERENCES, "reference")
    refuse_members(header, (*EXTENSIONS, "zip", "p2c", "p2s"), "header")
    _check_agreement(header, algorithm)
    shortest, longest = _WRAPPED_BYTES[algorithm]
    return UnverifiedJwe(
        key_id=key_id_of(header),
        algorithm=algorithm,
        type=media_type_of(header),
        _head=head,
        _header=header,
        _wrapped=_part(wrapped, "encrypted key", shortest, longest),
        _nonce=_part(nonce, "nonce", _NONCE_BYTES, _NONCE_BYTES),
        _sealed=b"".join(
            (decode_segment(content, "content") if content else b"", _part(tag, "tag", _TAG_BYTES, _TAG_BYTES))
        ),
    )


def decrypt(message: UnverifiedJwe, key: DecryptionKey) -> Decrypted:
    """The content and its header, proved to be unchanged and meant for `key`.

    Errors: JoseError `algorithm` when the key is for another one; `decryption` for everything else, without a cause.
    Source: RFC 7516 section 11.5: who cannot unwrap the content key goes on with one made up, so that nobody learns
    which step failed.
    """
    if message.algorithm != key.algorithm:
        raise JoseError("algorithm", f"alg {message.algorithm}, the key's is {key.algorithm}")
    header, wrapped = message._header, message._wrapped  # noqa: SLF001 - this module is the one that may open it
    unwrapped = content_key(header, wrapped, key, CONTENT_ENCRYPTION)
    cipher = AESGCM(secrets.token_bytes(32) if unwrapped is None else unwrapped)
    try:
        content = cipher.decrypt(message._nonce, message._sealed, message._head)  # noqa: SLF001 - as above
    except InvalidTag as error:
        # one reason for all of them: which step failed would tell an attacker how near the guess was
        raise JoseError("decryption", f"not encrypted to key {key.id!r}, or changed") from error
    return Decrypted(content=content, header=header)


def encrypt(content: bytes, key: EncryptionKey, *, typ: str, members: Mapping[str, Any] | None = None) -> str:
    """`content` encrypted to `key`; `members` are authenticated with it, and readable by everybody.

    Errors: ValueError for members that are not the sender's to set, or too long a header.
    """
    further = dict(members or {})
    if not _OURS.isdisjoint(further):
        raise ValueError(f"{min(_OURS & set(further))} cannot be set")
    header = {**further, "alg": key.algorithm, "enc": CONTENT_ENCRYPTION, "typ": typ, "kid": key.id}
    size = len(content) * 4 // 3 + OVERHEAD_BYTES
    try:
        message = encrypt_compact(header, content, key.material, registry=_registry(key.algorithm, size))
    except LibraryError as error:
        raise ValueError(f"cannot be encrypted: {type(error).__name__}") from error
    if message.index(".") > HEADER_BYTES:
        raise ValueError(f"the header is longer than {HEADER_BYTES} bytes")
    return message


def _registry(algorithm: str, message_bytes: int) -> JWERegistry:
    registry = JWERegistry(algorithms=[algorithm, CONTENT_ENCRYPTION], strict_check_header=False)
    # its limits are for tokens; `split_jwe` has counted the message against the caller's
    registry.max_ciphertext_length = message_bytes
    registry.max_encrypted_key_length = 2048
    return registry


def _check_agreement(header: Mapping[str, Any], algorithm: str) -> None:
    if algorithm != "ECDH-ES+A256KW":
        refuse_members(header, ("epk", "apu", "apv"), "header")
        return
    ephemeral = header.get("epk")
    if not isinstance(ephemeral, dict) or set(ephemeral) != _EPHEMERAL or ephemeral.get("crv") != "P-256":
        raise JoseError("header", "epk is not a bare public key of P-256")
    for value in (*ephemeral.values(), *(header[name] for name in ("apu", "apv") if name in header)):
        if not isinstance(value, str):
            raise JoseError("header", "a member of the key agreement is not a string")


def _part(segment: bytes, part: str, shortest: int, longest: int) -> bytes:
    decoded = decode_segment(segment, part) if segment else b""
    if not shortest <= len(decoded) <= longest:
        raise JoseError("header", f"{part} of {len(decoded)} bytes")
    return decoded
