"""The site's service that knows passwords of data breaches, by the first five digits of their hash."""

import hashlib
import http.server
import ssl
import threading
from collections.abc import Iterable
from typing import Any, Final, Self

_PREFIX: Final = 5


class BreachService:
    """Knows these passwords, over TLS on loopback; `with` starts and ends it."""

    def __init__(self, tls: ssl.SSLContext, passwords: Iterable[str]) -> None:
        self.known = [_sha1(password) for password in passwords]
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.service = self
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Where its ranges are."""
        return f"https://127.0.0.1:{self._server.server_address[1]}/range"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def range_of(self, prefix: str) -> bytes:
        """What it answers: padding, and what it knows."""
        found = [f"{digest[_PREFIX:]}:1" for digest in self.known if digest.startswith(prefix)]
        padding = [f"{_sha1(f'padding {number}')[_PREFIX:]}:0" for number in range(20)]
        return "\r\n".join([*padding, *found]).encode("ascii")


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    service: BreachService

    def handle_error(self, *_: Any) -> None:
        """A provider that hangs up is no news."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        """One range."""
        body = self.server.service.range_of(self.path.rpartition("/")[2])
        self.send_response(200)
        self.send_header("content-type", "text/plain")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def _sha1(password: str) -> str:
    return hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
