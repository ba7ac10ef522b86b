"""Header fields that sign a request, for any HTTP library."""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from doorward.signatures import (
    Message,
    SigningKey,
    VerifyingKey,
    content_digest,
    private_key_from_pem,
    shared_secret,
    sign_message,
)
from doorward.signatures.answers import verify_answer
from doorward.signatures.components import authority_text, component
from doorward.signatures.webhook import doorward_signed

_LABEL: Final = "sig"
_NONCE_BYTES: Final = 16
COMPONENTS: Final = ("@method", "@authority", "@path", "@query")
"""What the gateway demands by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentRequest:
    """A request as it goes on the wire."""

    method: str
    url: str
    """Absolute, percent-encoded as it is sent."""
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""

    def message(self) -> Message:
        """As a signature sees it."""
        parts = urlsplit(self.url)
        fields = _Fields(self.headers)
        host = fields.all(b"host")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return Message(
            method=self.method,
            scheme=parts.scheme,
            authority=host[0] if host else parts.netloc.rpartition("@")[2].encode("ascii"),
            target=target.encode("ascii"),
            fields=fields,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSigner:
    """Signs requests by RFC 9421, with a private key (PEM) or a shared secret.

    >>> signer = MessageSigner(key_id="partner-2026", key=MessageSigner.from_secret("c2VjcmV0" * 8))
    >>> fields = signer.sign(SentRequest(method="POST", url="https://api.example/orders", body=b"{}"))
    >>> sorted(fields)
    ['Content-Digest', 'Signature', 'Signature-Input']
    """

    key_id: str
    key: SigningKey = field(repr=False)
    components: tuple[str, ...] = COMPONENTS
    """Beside digest and type of a body and the authorization, which are covered whenever they are there."""
    tag: str = ""
    clock: Callable[[], float] = time.time

    @staticmethod
    def from_pem(pem: bytes) -> SigningKey:
        """The key in an unencrypted PEM private key. Errors: ValueError."""
        return private_key_from_pem(pem)

    @staticmethod
    def from_secret(encoded: str) -> SigningKey:
        """The key of a shared secret in base64, as `doorward key add-signature` prints it. Errors: ValueError."""
        return shared_secret(base64.b64decode(encoded, validate=True))[0]

    def sign(self, request: SentRequest) -> dict[str, str]:
        """The fields to add to the request. Each call signs anew: a signature is accepted once."""
        added: dict[str, str] = {}
        if request.body:
            added["Content-Digest"] = content_digest(request.body)
        # A digest that is there already would be joined with ours, and say something else.
        headers = [*((name, value) for name, value in request.headers if name.lower() != "content-digest")]
        message = SentRequest(
            method=request.method, url=request.url, headers=[*headers, *added.items()], body=request.body
        ).message()
        wanted = ("authorization", *(("content-digest", "content-type") if added else ()))
        there = [name for name in wanted if name not in self.components and message.fields.all(name.encode("ascii"))]
        names = [*self.components, *there]
        parameters: dict[str, int | str] = {
            "created": int(self.clock()),
            "nonce": secrets.token_urlsafe(_NONCE_BYTES),
            "keyid": self.key_id,
            **({"tag": self.tag} if self.tag else {}),
        }
        described, signature = sign_message(_LABEL, map(component, names), parameters, message, self.key)
        return {**added, "Signature-Input": described.decode("ascii"), "Signature": signature.decode("ascii")}


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSigner:
    """Signs requests by plain HMAC-SHA256, in Doorward's own form."""

    key_id: str
    secret: bytes = field(repr=False)
    clock: Callable[[], float] = time.time

    def sign(self, request: SentRequest) -> dict[str, str]:
        """The fields to add to the request."""
        message = request.message()
        made_at, message_id = int(self.clock()), secrets.token_urlsafe(_NONCE_BYTES)
        host = authority_text(message.scheme, message.authority)
        signed = doorward_signed(request.method, host, message.target, made_at, message_id, request.body)
        return {
            "X-Signature-Key": self.key_id,
            "X-Signature-Timestamp": str(made_at),
            "X-Signature-Id": message_id,
            "X-Signature": hmac.new(self.secret, signed, hashlib.sha256).hexdigest(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedAnswer:
    """An answer, and the request it is to."""

    status: int
    headers: Iterable[tuple[str, str]]
    body: bytes
    request: SentRequest
    asked_at: float
    """When the request was sent, Unix seconds."""

    def verify(self, key: VerifyingKey, *, now: float) -> None:
        """Nothing, when the gateway with this key gave the answer to this request. Errors: SignatureRefused."""
        answer = Message(status=self.status, fields=_Fields(self.headers), request=self.request.message())
        verify_answer(answer, self.body, key, asked_at=self.asked_at, now=now)


class _Fields:
    """Header fields by lower-case name."""

    __slots__ = ("_values",)

    def __init__(self, fields: Iterable[tuple[str, str]]) -> None:
        values: dict[bytes, list[bytes]] = {}
        for name, value in fields:
            values.setdefault(name.lower().encode("ascii"), []).append(value.encode("latin-1"))
        self._values: Mapping[bytes, list[bytes]] = values

    def all(self, name: bytes) -> Sequence[bytes]:
        return self._values.get(name, [])
