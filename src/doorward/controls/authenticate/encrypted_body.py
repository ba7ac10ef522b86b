"""Bodies as encrypted messages (JWE): opened after the caller may ask and before anything reads the body.

Encryption says nothing about who sent a message: anybody can encrypt to a public key. Who calls is proved beside it,
and the message names a key of theirs for the answer. So nobody can take a message off the wire and send it as their
own, to have what is in it answered to themselves.
"""

import hashlib
import re
from functools import partial
from typing import Final

from doorward.controls.authenticate.encrypted_answer import DIRECTION, MESSAGE_TYPE, encrypt_answer
from doorward.controls.authenticate.encryption_keys import CallerKey, EncryptionKeys
from doorward.controls.authenticate.policy import EncryptedBodyPolicy
from doorward.controls.authenticate.replay import use_once
from doorward.denial import Denied
from doorward.exchange import Caller, Check, Exchange, Headers, SingleUse
from doorward.jose import OVERHEAD_BYTES, Decrypted, JoseError, decrypt, split_jwe

CODE: Final = "authenticate.body_decryption"
MEDIA_TYPE: Final = b"application/jose"
MESSAGE_ID: Final = b"doorward-message-id"
"""Field with the id of a request that has no body: what the answer is bound to."""
REPLY_KEY: Final = b"doorward-reply-key"
"""Field with the id of the key for the answer, of a request that has no body."""

_ID: Final = re.compile(r"[A-Za-z0-9_-]{16,64}")
_INNER_TYPE: Final = re.compile(r"[\x20-\x7e]{1,128}")
_ACCEPTED: Final = ((b"accept", MEDIA_TYPE),)
_OF_THE_MESSAGE: Final = frozenset(
    {b"content-type", b"content-length", b"transfer-encoding", b"content-digest", b"repr-digest", b"content-md5"}
    | {b"digest", b"content-encoding", b"content-language", b"content-disposition", b"content-range"}
)
"""Fields that speak of the encrypted body: what is in it is for them to say as little as for whoever is on the way."""
_OF_A_PART: Final = frozenset({b"range", b"if-range"})
"""Fields that ask for a part of an answer: it leaves whole or not at all."""


def sealed_bytes(content_bytes: int) -> int:
    """Most bytes of an encrypted message with so many bytes of content."""
    return content_bytes * 4 // 3 + OVERHEAD_BYTES


def compile_opening(policy: EncryptedBodyPolicy, keys: EncryptionKeys, local_issuer: str) -> Check:
    """The check that opens the body of a request; afterwards it is what was encrypted, of the type that it says.

    It notes the message among what may be used once, and sees to it that the answer is encrypted to the caller. One
    code for everything that is wrong. Errors of the check: Denied `authenticate.body_decryption`.
    """
    return _Opening(policy, keys, local_issuer)


class _Opening:
    __slots__ = ("_issuer", "_keys", "_policy")

    def __init__(self, policy: EncryptedBodyPolicy, keys: EncryptionKeys, local_issuer: str) -> None:
        self._policy, self._keys, self._issuer = policy, keys, local_issuer

    def __call__(self, exchange: Exchange) -> None:
        caller = exchange.caller
        if caller is None:
            raise _refused("nobody has proved who calls")
        headers = exchange.request.headers
        if exchange.request.has_body:
            self._open(exchange, caller)
            return
        message_id = (headers.get(MESSAGE_ID) or b"").decode("latin-1")
        if _ID.fullmatch(message_id) is None:
            raise _refused("no id for the answer to name")
        key = self._reply_key((headers.get(REPLY_KEY) or b"").decode("latin-1"), caller, exchange.complete_at)
        exchange.request.headers = _without(headers, _OF_A_PART)
        exchange.seal_answer = partial(encrypt_answer, key.encrypting, message_id)

    def _open(self, exchange: Exchange, caller: Caller) -> None:
        request, now = exchange.request, exchange.complete_at
        if _media_type(request.headers) != MEDIA_TYPE:
            raise _refused("the body is not encrypted")
        opened = self._opened(request.body, caller, now)
        inner_type = self._judged(opened, now)
        message_id = _text(opened, "jti")
        if _ID.fullmatch(message_id) is None:
            raise _refused("jti is not an id")
        key = self._reply_key(_text(opened, "reply_kid"), caller, now)
        request.body = opened.content
        request.has_body = bool(opened.content)
        kept = _without(request.headers, _OF_THE_MESSAGE | _OF_A_PART)
        request.headers = Headers([*kept, (b"content-type", inner_type)])
        exchange.seal_answer = partial(encrypt_answer, key.encrypting, message_id)
        self._note(exchange, caller, message_id, int(opened.header["iat"]))

    def _opened(self, body: bytes, caller: Caller, now: float) -> Decrypted:
        try:
            message = split_jwe(body, max_bytes=sealed_bytes(self._policy.max_bytes))
            key, counts = self._keys.opening(message.key_id, message.algorithm, now)
            if key is None:
                raise _refused(f"no key of ours for {message.algorithm}")
            opened = decrypt(message, key)
        except JoseError as error:
            raise _refused(f"{error.reason}: {error.problem}") from error
        if not counts:
            raise _refused("no such key")
        shared = self._keys.callers.get(key.id) if key.algorithm == "dir" else None
        if shared is not None:
            self._require_own(shared, caller, now)
        return opened

    def _judged(self, opened: Decrypted, now: float) -> bytes:
        """The media type of the content. Errors: Denied."""
        header = opened.header
        if header.get("typ") != MESSAGE_TYPE or header.get(DIRECTION) != "request":
            raise _refused("no message of a request")
        made_at = header.get("iat")
        if not isinstance(made_at, int) or isinstance(made_at, bool):
            raise _refused("it does not say when it was made")
        if not made_at - self._policy.clock_skew_s <= now <= made_at + self._policy.max_age_s:
            raise _refused("made too long ago, or for later")
        if len(opened.content) > self._policy.max_bytes:
            raise _refused(f"content above {self._policy.max_bytes} bytes")
        inner_type = _text(opened, "cty")
        if _INNER_TYPE.fullmatch(inner_type) is None:
            raise _refused("it does not say what is in it")
        # RFC 7515 section 4.1.10: `application/` may be left away.
        return (inner_type if "/" in inner_type.partition(";")[0] else f"application/{inner_type}").encode("ascii")

    def _reply_key(self, key_id: str, caller: Caller, now: float) -> CallerKey:
        key = self._keys.callers.get(key_id)
        if key is None:
            raise _refused(f"no key {key_id[:64]!r} for the answer")
        self._require_own(key, caller, now)
        return key

    def _require_own(self, key: CallerKey, caller: Caller, now: float) -> None:
        problem = key.refused(caller, self._issuer, now)
        if problem:
            raise _refused(problem)

    def _note(self, exchange: Exchange, caller: Caller, message_id: str, made_at: int) -> None:
        """Nothing; the message is to be used up."""
        use_once(
            exchange,
            SingleUse(
                proof=hashlib.blake2b(f"jwe\0{caller.key}\0{message_id}".encode(), digest_size=16).digest(),
                usable_from=made_at - self._policy.clock_skew_s,
                until=made_at + self._policy.max_age_s,
                ahead_s=self._policy.clock_skew_s,
                holder=caller.key,
                refusal=_refused(f"{caller.subject} sent message {message_id} before"),
            ),
        )


def _without(headers: Headers, names: frozenset[bytes]) -> Headers:
    return Headers([field for field in headers if field[0] not in names])


def _media_type(headers: Headers) -> bytes:
    return (headers.get(b"content-type") or b"").partition(b";")[0].strip(b" \t").lower()


def _text(opened: Decrypted, name: str) -> str:
    value = opened.header.get(name)
    return value if isinstance(value, str) else ""


def _refused(detail: str) -> Denied:
    return Denied(CODE, detail, headers=_ACCEPTED)
