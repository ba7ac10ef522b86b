"""Answers as bytes: status line, fields, framing. The framing is always ours, never the upstream's."""

from http import HTTPStatus
from typing import Final

from doorward.exchange import Exchange, Header, Response

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
OVERLOADED: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)
"""To a connection beyond the limit. No request of it is read, so there is no exchange to record: it is counted."""
CHUNKED: Final = b"transfer-encoding: chunked\r\n"
LAST_CHUNK: Final = b"0\r\n\r\n"
BODILESS: Final = frozenset({204, 304})
"""Statuses whose answer has no body and no Content-Length (RFC 9110 sections 15.3.5 and 15.4.5)."""

_STATUS_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_CLOSE: Final = b"connection: close\r\n"
_OURS: Final = frozenset({b"connection", b"content-length", b"transfer-encoding", b"x-request-id"})


def whole_answer(exchange: Exchange, response: Response, *, closes: bool) -> bytes:
    """A whole answer. A HEAD request is told the length of what GET would get, where it is known, and else nothing."""
    body = response.body or b""
    is_bodiless = response.status in BODILESS
    is_head_request = exchange.request.method == "HEAD"
    framing = b"" if is_bodiless or (is_head_request and not body) else b"content-length: %d\r\n" % len(body)
    head = begun_answer(exchange, response, framing, closes=closes)
    return head if is_bodiless or is_head_request else head + body


def begun_answer(exchange: Exchange, response: Response, framing: bytes, *, closes: bool) -> bytes:
    """The head of an answer to this exchange; as `answer_head`."""
    return answer_head(response.status, response.headers, exchange.answer_headers, exchange.id, framing, closes=closes)


def answer_head(
    status: int, headers: list[Header], more: list[Header], request_id: str, framing: bytes, *, closes: bool
) -> bytes:
    """The head of an answer, final empty line included. `framing` is a whole line, or empty for none."""
    parts = [_STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status]
    for name, value in headers:
        if name not in _OURS:
            parts.append(name)
            parts.append(b": ")
            parts.append(value)
            parts.append(b"\r\n")
    for name, value in more:
        parts.append(name)
        parts.append(b": ")
        parts.append(value)
        parts.append(b"\r\n")
    parts += (b"x-request-id: ", request_id.encode("ascii"), b"\r\n", framing)
    if closes:
        parts.append(_CLOSE)
    parts.append(b"\r\n")
    return b"".join(parts)


def chunk(data: bytes) -> bytes:
    r"""One chunk of the chunked transfer coding. An empty one would end the body: it gives no bytes.

    >>> chunk(b"abc"), chunk(b"")
    (b'3\r\nabc\r\n', b'')
    """
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""
