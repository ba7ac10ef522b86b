"""Request heads of one connection: read twice, and read once when only the request line is new."""

from typing import Final

from doorward.controls.transport import METHODS, check_head, start_line, websocket_offer, without_upgrade
from doorward.exchange import Headers
from doorward.gateway.request_reader import RequestReader

_METHODS: Final = {method: method.decode("ascii") for method in METHODS}


class RequestHead:
    """What a request head says."""

    __slots__ = (
        "asks_close",
        "asks_websocket",
        "headers",
        "http_1_1",
        "is_chunked",
        "is_read_twice",
        "length",
        "method",
        "offered_upgrade",
        "target",
    )

    def __init__(
        self,
        method: str,
        target: bytes,
        headers: Headers,
        http_1_1: bool,
        is_chunked: bool,
        length: int,
        asks_close: bool,
        offered_upgrade: bool,
        asks_websocket: bool,
        is_read_twice: bool,
    ) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.http_1_1 = http_1_1
        self.is_chunked = is_chunked
        self.length = length
        """Content-Length in bytes; 0 when there is none."""
        self.asks_close = asks_close
        """The client will send no other request."""
        self.offered_upgrade = offered_upgrade
        """An offer to change protocol was taken out."""
        self.asks_websocket = asks_websocket
        """That offer is a WebSocket handshake; its Upgrade fields are among the headers."""
        self.is_read_twice = is_read_twice
        """The second reader has seen it, and must see the body too."""


class HeadReader:
    """Reads the heads of one connection.

    A client sends the same fields again and again, byte for byte, and only its request line changes. Fields that were
    read and agreed on stand for the same bytes the next time, with all that controls found out about them
    (`Headers.memo`); the request line is judged anew. Chunked requests and offers to upgrade are always read anew.
    """

    __slots__ = ("_known", "_known_bytes", "second")

    def __init__(self) -> None:
        self.second = RequestReader()
        """The second reading; the bodies of heads with `is_read_twice` go to it."""
        self._known: RequestHead | None = None
        self._known_bytes = b""

    def read(self, head: bytes) -> RequestHead:
        """What `head` (up to and with its final CRLFCRLF) says. Errors: Denied: the connection cannot be read on."""
        line_end = head.find(b"\r\n", 2)
        known = self._known
        if known is not None and head[line_end:] == self._known_bytes:
            line = start_line(head[:line_end])
            if line is not None:
                method, target, minor = line
                return RequestHead(
                    _METHODS[method],
                    target,
                    known.headers,
                    minor == b"1",
                    False,
                    known.length,
                    known.asks_close,
                    False,
                    False,
                    False,
                )
        return self._read_anew(head, line_end)

    def _read_anew(self, head: bytes, line_end: int) -> RequestHead:
        self._known = None
        check_head(head)
        whole = without_upgrade(head)
        second = self.second
        second.read_head(whole)
        offer = websocket_offer(head) if whole is not head else []
        headers = Headers(second.headers + offer if offer else second.headers)
        length = headers.get(b"content-length")
        read = RequestHead(
            _METHODS[head[: head.index(b" ")].lstrip(b"\r\n")],
            second.target,
            headers,
            head[line_end - 1] == 0x31,
            b"transfer-encoding" in headers,
            int(length) if length is not None else 0,
            b"connection" in headers and _says_close(headers),
            whole is not head,
            bool(offer),
            True,
        )
        if not read.is_chunked and not read.offered_upgrade:
            self._known, self._known_bytes = read, head[line_end:]
        return read


def _says_close(headers: Headers) -> bool:
    options = b",".join(headers.all(b"connection")).lower().split(b",")
    return any(option.strip(b" \t") == b"close" for option in options)
