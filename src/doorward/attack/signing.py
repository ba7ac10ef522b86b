"""How the simulator signs a request, well or badly: just before it is sent, when the host is known."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from doorward.attack.case import Ask, Signing
from doorward.signatures import Message, SigningKey, content_digest, sign_message
from doorward.signatures.components import authority_text, component
from doorward.signatures.structured_fields import BareItem
from doorward.signatures.webhook import doorward_signed

_LABEL: Final = "sig"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSigner:
    """A partner that signs by RFC 9421."""

    key_id: str
    key: SigningKey
    scheme: str = "https"
    tag: str = ""
    clock: Callable[[], float] = time.time

    def signed(self, ask: Ask, signing: Signing) -> Ask:
        """The request, to be signed when it is sent."""
        return replace(ask, who="anonymous", finish=partial(self._finish, signing))

    def _finish(self, signing: Signing, ask: Ask, authority: str) -> Ask:
        components = list(signing.components)
        if ask.body:
            ask = ask.with_header("Content-Digest", content_digest(ask.body))
            if signing.covers_body:
                components.append("content-digest")
                components += ["content-type"] if _Fields(ask.headers).all(b"content-type") else []
        message = Message(
            method=ask.method,
            scheme=self.scheme,
            authority=authority.encode(),
            target=ask.target.encode("latin-1"),
            fields=_Fields(ask.headers),
        )
        described, signature = sign_message(
            _LABEL, map(component, components), self._parameters(signing), message, self.key
        )
        if signing.spoilt:
            signature = _LABEL.encode() + b"=:" + b"A" * 86 + b"==:"
        changed = ask if signing.after is None else signing.after(ask)
        input_field, signature_field = ("Signature-Input", described.decode()), ("Signature", signature.decode())
        if signing.doubled:
            input_field = (input_field[0], f"{described.decode()}, other{described.decode()[len(_LABEL) :]}")
            signature_field = (signature_field[0], f"{signature.decode()}, other{signature.decode()[len(_LABEL) :]}")
        if signing.mislabelled:
            signature_field = (signature_field[0], f"other{signature.decode()[len(_LABEL) :]}")
        return replace(changed, headers=(*changed.headers, input_field, signature_field), finish=None)

    def _parameters(self, signing: Signing) -> dict[str, BareItem]:
        now = int(self.clock())
        found: dict[str, BareItem] = {}
        if signing.created_ago_s is not None:
            found["created"] = now - signing.created_ago_s
        if signing.expires_in_s is not None:
            found["expires"] = now + signing.expires_in_s
        if signing.has_nonce:
            found["nonce"] = secrets.token_urlsafe(16)
        found["keyid"] = signing.key_id or self.key_id
        if signing.algorithm:
            found["alg"] = signing.algorithm
        if self.tag:
            found["tag"] = self.tag
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSigner:
    """A partner that signs by plain HMAC, in the form `doorward`."""

    key_id: str
    secret: bytes = field(repr=False)
    scheme: str = "https"
    clock: Callable[[], float] = time.time

    def signed(self, ask: Ask, signing: Signing) -> Ask:
        """The request, to be signed when it is sent."""
        return replace(ask, who="anonymous", finish=partial(self._finish, signing))

    def _finish(self, signing: Signing, ask: Ask, authority: str) -> Ask:
        made_at = int(self.clock()) - (signing.created_ago_s or 0)
        message_id = secrets.token_urlsafe(16)
        host = authority_text(self.scheme, authority.encode())
        signed = doorward_signed(ask.method, host, ask.target.encode("latin-1"), made_at, message_id, ask.body)
        mac = bytes(32) if signing.spoilt else hmac.new(self.secret, signed, hashlib.sha256).digest()
        changed = ask if signing.after is None else signing.after(ask)
        fields = (
            ("X-Signature-Key", signing.key_id or self.key_id),
            ("X-Signature-Timestamp", str(made_at)),
            ("X-Signature-Id", message_id),
            ("X-Signature", mac.hex()),
        )
        return replace(changed, headers=(*changed.headers, *fields), finish=None)


class _Fields:
    """The header fields of an ask, as a signature covers them."""

    def __init__(self, fields: tuple[tuple[str, str], ...]) -> None:
        self._fields = [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in fields]

    def all(self, name: bytes) -> list[bytes]:
        return [value for field, value in self._fields if field == name]
