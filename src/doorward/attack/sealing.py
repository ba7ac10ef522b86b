"""How the simulator encrypts a body, well or badly: just before it is sent, so that it is no older than it says."""

import base64
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

import orjson

from doorward.attack.case import Ask, Sealing
from doorward.jose import DecryptionKey, EncryptionKey, encode_segment, encrypt, generate_decryption_key

_JOSE: Final = ("Content-Type", "application/jose")


@dataclass(frozen=True, slots=True, kw_only=True)
class BodySealer:
    """A caller that encrypts: the writer."""

    gateway: EncryptionKey
    own: DecryptionKey
    """Registered for the writer's answers."""
    clock: Callable[[], float] = time.time
    _stranger: DecryptionKey = field(default_factory=lambda: generate_decryption_key("ECDH-ES+A256KW"), repr=False)

    def sealed(self, ask: Ask, sealing: Sealing) -> Ask:
        """The request, to be encrypted when it is sent."""
        return replace(ask, who=sealing.who, times=sealing.times, finish=partial(self._finish, sealing))

    def _finish(self, sealing: Sealing, ask: Ask, _authority: str) -> Ask:
        kept = tuple(header for header in ask.headers if header[0].lower() != "content-type")
        inner = next((value for name, value in ask.headers if name.lower() == "content-type"), "application/json")
        body = sealing.instead or self._message(sealing, ask.body, inner)
        return replace(ask, headers=(*kept, _JOSE), body=body, finish=None)

    def _message(self, sealing: Sealing, content: bytes, inner_type: str) -> bytes:
        usual: dict[str, object] = {
            "iat": int(self.clock()),
            "direction": "request",
            "jti": secrets.token_urlsafe(18),
            "reply_kid": self.own.id,
            "cty": inner_type,
        }
        members = {name: value for name, value in {**usual, **sealing.members}.items() if value is not None}
        key = {"gateway": self.gateway, "own": self.own.public, "stranger": self._stranger.public}[sealing.key]
        message = encrypt(content, key, typ="doorward+jwe", members=members).encode("ascii")
        if sealing.header:
            message = _reheaded(message, sealing)
        if sealing.spoilt:
            # Not the last character: of the tag's last two bits nothing counts, and another spelling is refused anyway.
            message = message[:-6] + (b"AAAA" if message[-6:-2] != b"AAAA" else b"BBBB") + message[-2:]
        return message


def _reheaded(message: bytes, sealing: Sealing) -> bytes:
    head, _, rest = message.partition(b".")
    header = {**orjson.loads(base64.urlsafe_b64decode(head + b"==")), **sealing.header}
    return encode_segment(orjson.dumps(header)) + b"." + rest
