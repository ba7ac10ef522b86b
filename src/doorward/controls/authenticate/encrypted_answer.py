"""Answers as encrypted messages (JWE): to the caller's key, and to their own question."""

import re
from typing import Final, Protocol

from doorward.denial import Denied
from doorward.exchange import Exchange, Response
from doorward.jose import EncryptionKey, encrypt

MESSAGE_TYPE: Final = "doorward+jwe"
"""`typ` of encrypted bodies: no message of another purpose passes for one."""
DIRECTION: Final = "direction"
"""Member that says `request` or `answer`: with a shared secret, one could be sent back as the other."""

_MEDIA_TYPE: Final = b"application/jose"
_BODILESS: Final = frozenset({204, 304})
_INNER_TYPE: Final = re.compile(rb"[\x20-\x7e]{0,128}")
_OF_THE_BODY: Final = frozenset(
    {b"content-type", b"content-length", b"transfer-encoding", b"content-encoding", b"content-language"}
    | {b"content-disposition", b"content-range", b"content-digest", b"repr-digest", b"content-md5", b"digest"}
    | {b"etag", b"last-modified", b"accept-ranges", b"trailer"}
)
"""Fields that speak of the body in clear: they say nothing of the message, and too much of what is in it."""


def encrypt_answer(key: EncryptionKey, message_id: str, exchange: Exchange, response: Response) -> None:
    """Nothing; the answer's body is a message to `key` that names the request, the status and the media type.

    A kind of answer that has no body stays as it is.
    """
    if exchange.request.method == "HEAD" or response.status in _BODILESS:
        response.headers = [field for field in response.headers if field[0] not in _OF_THE_BODY]
        return
    members: dict[str, str | int] = {
        "iat": int(exchange.now),
        DIRECTION: "answer",
        "in_reply_to": message_id,
        "status": response.status,
        "cty": _content_type(response).decode("ascii", "replace"),
    }
    body = encrypt(response.body or b"", key, typ=MESSAGE_TYPE, members=members).encode("ascii")
    kept = [field for field in response.headers if field[0] not in _OF_THE_BODY]
    response.headers = [*kept, (b"content-type", _MEDIA_TYPE), (b"content-length", b"%d" % len(body))]
    response.body = body


class _Release(Protocol):
    def apply(self, exchange: Exchange) -> None:
        """As `modes.Release`."""


class SealedRelease:
    """The release of answers that are encrypted: whatever it does to them, it is done to the whole answer."""

    __slots__ = ("_max_bytes", "_release")

    def __init__(self, release: _Release, max_bytes: int) -> None:
        self._release, self._max_bytes = release, max_bytes

    def reads_body(self, exchange: Exchange, response: Response) -> bool:  # noqa: ARG002 - the protocol's shape
        """Everything is held until it is encrypted."""
        return True

    def streams(self, exchange: Exchange, response: Response) -> bool:  # noqa: ARG002 - the protocol's shape
        """Nothing leaves in pieces."""
        return False

    def apply(self, exchange: Exchange) -> None:
        """As the release; what can then not be encrypted does not leave.

        Errors: Denied, its own and `forward.upstream_framing`.
        """
        self._release.apply(exchange)
        response = exchange.response
        if response is None:
            return
        if response.body is not None and len(response.body) > self._max_bytes:
            raise Denied(
                "forward.upstream_framing", f"answer above {self._max_bytes} bytes, the most that is encrypted"
            )
        for name, value in response.headers:
            if name == b"content-encoding" and value.lower() != b"identity":
                raise Denied("forward.upstream_framing", "the answer is compressed although none was asked for")
        if _INNER_TYPE.fullmatch(_content_type(response)) is None:
            raise Denied("forward.upstream_framing", "the answer's media type is no short text")


def _content_type(response: Response) -> bytes:
    for name, value in response.headers:
        if name == b"content-type":
            return value
    return b""
