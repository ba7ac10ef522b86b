"""Encrypted bodies (JWE) for any HTTP library: requests to the gateway, answers from it."""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from doorward.jose import (
    OVERHEAD_BYTES,
    DecryptionKey,
    EncryptionKey,
    JoseError,
    decrypt,
    decryption_key_from_jwk,
    decryption_key_from_pem,
    encrypt,
    encryption_key_from_jwk,
    split_jwe,
)

MEDIA_TYPE: Final = "application/jose"
_MESSAGE_TYPE: Final = "doorward+jwe"
_ID_BYTES: Final = 18
_ANSWER_BYTES: Final = 2_097_152 + OVERHEAD_BYTES
"""Longest encrypted answer read: more than a gateway makes."""


class EncryptionRefused(ValueError):
    """An answer that was not encrypted to this client and this very question, or was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedBody:
    """A request's body as it is sent, and the fields that go with it."""

    body: bytes
    headers: Mapping[str, str]
    message_id: str
    """What the answer must name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedAnswer:
    """What was in an answer."""

    content: bytes = field(repr=False)
    media_type: str
    """As its Content-Type would say it; empty when the answer has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyEncrypter:
    """Encrypts requests to a gateway, and opens the answers that it encrypted to `own`."""

    gateway: EncryptionKey
    own: DecryptionKey
    """Its `kid` is the id under which it was registered. With a shared secret both keys are the same."""
    clock: Callable[[], float] = time.time

    @classmethod
    def of(
        cls, gateway_keys: Mapping[str, Any] | None, key: Mapping[str, Any] | bytes, *, key_id: str = ""
    ) -> "BodyEncrypter":
        """With the gateway's keys (JWKS, as it publishes them), and one's own: a private JWK, or a PEM file and an id.

        Without the gateway's keys one's own must be a shared secret. Errors: ValueError.
        """
        try:
            if isinstance(key, bytes):
                own = decryption_key_from_pem(key, key_id)
            else:
                own = decryption_key_from_jwk({**key, "kid": key_id or key.get("kid", "")})
            if own.algorithm == "dir":
                return cls(gateway=own.public, own=own)
            keys = [encryption_key_from_jwk(jwk) for jwk in (gateway_keys or {}).get("keys", ())]
        except JoseError as error:
            raise ValueError(error.problem) from error
        if not keys:
            raise ValueError(
                "no keys of the gateway: its provider has them under /.well-known/doorward-encryption-keys"
            )
        # Of several the one that costs least to use.
        return cls(gateway=min(keys, key=lambda each: each.algorithm != "ECDH-ES+A256KW"), own=own)

    def seal(self, content: bytes, media_type: str) -> SealedBody:
        """The body of a request, with `media_type` what is in it; for an empty one, the fields of a request without."""
        message_id = secrets.token_urlsafe(_ID_BYTES)
        if not content:
            fields = {"Doorward-Message-Id": message_id, "Doorward-Reply-Key": self.own.id}
            return SealedBody(body=b"", headers=fields, message_id=message_id)
        members = {
            "iat": int(self.clock()),
            "direction": "request",
            "jti": message_id,
            "reply_kid": self.own.id,
            "cty": media_type,
        }
        body = encrypt(content, self.gateway, typ=_MESSAGE_TYPE, members=members).encode("ascii")
        return SealedBody(body=body, headers={"Content-Type": MEDIA_TYPE}, message_id=message_id)

    def open(self, body: bytes, *, status: int, message_id: str) -> OpenedAnswer:
        """What the gateway answered with this status to that message. Errors: EncryptionRefused."""
        try:
            opened = decrypt(split_jwe(body, max_bytes=_ANSWER_BYTES), self.own)
        except JoseError as error:
            raise EncryptionRefused(error.problem) from error
        header = opened.header
        if header.get("typ") != _MESSAGE_TYPE or header.get("direction") != "answer":
            raise EncryptionRefused("no answer of a gateway")
        if header.get("in_reply_to") != message_id:
            raise EncryptionRefused("an answer to another message")
        if header.get("status") != status:
            raise EncryptionRefused(f"given with status {header.get('status')!r}, received with {status}")
        media_type = header.get("cty")
        return OpenedAnswer(content=opened.content, media_type=media_type if isinstance(media_type, str) else "")
