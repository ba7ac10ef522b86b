"""A small service over TLS on loopback, for what a gateway or a provider under attack asks of others."""

import http.server
import ssl
import threading
from abc import ABC, abstractmethod
from email.message import Message
from typing import Any, Final, NamedTuple, Self

_BODY_BYTES: Final = 65_536


class Told(NamedTuple):
    """What it answers."""

    status: int
    media_type: str
    body: bytes


class LoopbackService(ABC):
    """One service; `with` starts and ends it."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.service = self
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def origin(self) -> str:
        """Where it is, without a path."""
        return f"https://127.0.0.1:{self._server.server_address[1]}"

    @abstractmethod
    def tell(self, path: str, fields: Message, body: bytes) -> Told:
        """The answer to a GET, or to a POST with that body."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    service: LoopbackService

    def handle_error(self, *_: Any) -> None:
        """Whoever hangs up is no news."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        """A question without a body."""
        self._answer(b"")

    def do_POST(self) -> None:
        """A question with one."""
        self._answer(self.rfile.read(min(int(self.headers.get("content-length", "0")), _BODY_BYTES)))

    def _answer(self, body: bytes) -> None:
        told = self.server.service.tell(self.path, self.headers, body)
        self.send_response(told.status)
        self.send_header("content-type", told.media_type)
        self.send_header("content-length", str(len(told.body)))
        self.end_headers()
        self.wfile.write(told.body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
