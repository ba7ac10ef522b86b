"""Ports, TLS and plain HTTP servers on loopback, for whatever a test runs beside Doorward."""

import http.server
import itertools
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, ClassVar, Final

import trustme

_PORTS: Final = range(20_000, 30_000)
"""Below those that the system gives to connections and to listeners that do not name one (from 32768 on)."""
_TRIED: Final = itertools.count(os.getpid() * 101)


def free_port() -> int:
    """A port nobody listens on, and nobody will but the caller: it is this process's own until it ends.

    A port that was merely free a moment ago may be gone before a server that takes seconds to start comes to it.
    """
    for tried in _TRIED:
        port = _PORTS[tried % len(_PORTS)]
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            _hold(port)
            return port
    raise AssertionError("unreachable: the count has no end")


def _hold(port: int) -> None:
    """Nothing; other test runs on this machine pass the port over. Errors: OSError when another holds it."""
    name = socket.socket(socket.AF_UNIX)  # a name of Linux's that is no file, and goes with the process that has it
    try:
        name.bind(f"\0doorward-test-port-{port}")
    except OSError:
        name.close()
        raise
    name.detach()


def server_tls(authority: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    """What a server needs whom the authority vouches for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


class JsonAnswer(http.server.BaseHTTPRequestHandler):
    """Answers every GET with the same JSON."""

    body: ClassVar[bytes] = b"{}"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(handler: type[http.server.BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """The port at which the handler answers; the server ends with the block, however that ends."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
