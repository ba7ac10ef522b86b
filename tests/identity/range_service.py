"""A service that knows passwords of breaches, over real TLS on loopback; well-behaved or not."""

import hashlib
import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trustme
from tests.loopback import server_tls, serving

from doorward.policy.breaches import BreachedPasswordsPolicy

AUTHORITY = trustme.CA()


class RangeService:
    """Knows `seen`; pads with lines of count 0. `hostile`: answers instead, with the handler at hand."""

    def __init__(self, directory: Path) -> None:
        self.seen: dict[str, int] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.hostile: Callable[[http.server.BaseHTTPRequestHandler], None] | None = None
        self.ended = threading.Event()
        self.port, self.ca_file = 0, directory / "range-ca.pem"
        AUTHORITY.cert_pem.write_to_path(str(self.ca_file))

    def policy(self, **more: Any) -> BreachedPasswordsPolicy:
        given = {
            "url": f"https://127.0.0.1:{self.port}/range",
            "insecure_networks": ("127.0.0.0/8",),
            "ca_file": self.ca_file,
            "timeout_s": 10.0,
            **more,
        }
        return BreachedPasswordsPolicy(**given)

    def range_of(self, prefix: str) -> bytes:
        digests = {sha1(password): count for password, count in self.seen.items()}
        lines = [f"{digest[5:]}:{count}" for digest, count in digests.items() if digest.startswith(prefix)]
        padding = [f"{sha1(f'padding {number}')[5:]}:0" for number in range(20)]
        return "\r\n".join([*padding, *lines]).encode()

    @contextmanager
    def serving(self) -> Iterator["RangeService"]:
        service = self

        class Answers(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                if service.hostile is not None:
                    service.hostile(self)
                else:
                    send(self, service.range_of(self.path.rpartition("/")[2]))

            def log_message(self, *_: Any) -> None:
                pass

        with serving(Answers, server_tls(AUTHORITY)) as self.port:
            try:
                yield self
            finally:
                self.ended.set()


def send(
    handler: http.server.BaseHTTPRequestHandler, body: bytes, *, status: int = 200, kind: str = "text/plain"
) -> None:
    """An answer, whole."""
    handler.send_response(status)
    handler.send_header("content-type", kind)
    handler.send_header("content-length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def sha1(password: str) -> str:
    return hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
