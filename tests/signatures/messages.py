"""The messages of RFC 9421 appendix B.2, and raw messages as `Message`."""

from collections.abc import Iterable

from doorward.exchange import Headers
from doorward.signatures import Message

REQUEST = (
    b"POST /foo?param=Value&Pet=dog HTTP/1.1\r\nHost: example.com\r\nDate: Tue, 20 Apr 2021 02:07:55 GMT\r\n"
    b"Content-Type: application/json\r\nContent-Digest: sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBW"
    b"nrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:\r\nContent-Length: 18\r\n%s\r\n"
    b'{"hello": "world"}'
)
RESPONSE_DIGEST = b"sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:"


def read(raw: bytes, scheme: str = "https") -> tuple[Message, bytes]:
    """A raw request as a message, and its body."""
    head, _, body = raw.partition(b"\r\n\r\n")
    line, *lines = head.split(b"\r\n")
    method, target, _ = line.split(b" ")
    fields = [(name.lower(), value.strip()) for name, _, value in (entry.partition(b":") for entry in lines)]
    headers = Headers(fields)
    authority = headers.get(b"host") or b""
    return Message(method=method.decode(), scheme=scheme, authority=authority, target=target, fields=headers), body


def request(
    target: str = "/foo?param=Value&Pet=dog", method: str = "POST", host: str = "example.com",
    fields: Iterable[tuple[str, str]] = (), scheme: str = "https",
) -> Message:  # fmt: skip
    headers = Headers([(name.lower().encode(), value.encode("latin-1")) for name, value in fields])
    return Message(method=method, scheme=scheme, authority=host.encode(), target=target.encode(), fields=headers)


def response(status: int, fields: Iterable[tuple[str, str]], asked: Message | None = None) -> Message:
    headers = Headers([(name.lower().encode(), value.encode("latin-1")) for name, value in fields])
    return Message(status=status, fields=headers, request=asked)
