"""An upstream that misbehaves on demand: raw TCP, so that it can break every rule of HTTP. Loopback only."""

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final, Self

_NOTE: Final = b'{"id":1,"title":"a note"}'
_JSON: Final = b"Content-Type: application/json\r\n"
_DRIP_S: Final = 0.05
_PATIENCE_S: Final = 30.0

Behaviour = Callable[[socket.socket], None]
"""What is done with a connection instead of a decent answer; the connection is closed afterwards."""


def _answer(body: bytes = _NOTE, status: bytes = b"200 OK", fields: bytes = _JSON) -> bytes:
    return b"HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s" % (status, fields, len(body), body)


def _noted(sent: bytes) -> bytes:
    """The note that was sent; a note, when none was."""
    try:
        title = json.loads(sent)["title"]
    except (ValueError, TypeError, KeyError):
        return _NOTE
    return json.dumps({"id": 1, "title": title}).encode() if isinstance(title, str) else _NOTE


def _saying(data: bytes) -> Behaviour:
    return lambda connection: connection.sendall(data)


def _drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n" + _JSON + b"Content-Length: 1000000\r\n\r\n[")
    while True:
        time.sleep(_DRIP_S)
        connection.sendall(b" ")


_SAYS: Final[Mapping[str, Behaviour]] = {
    "chunked": _saying(
        b"HTTP/1.1 200 OK\r\n"
        + _JSON
        + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(_NOTE), _NOTE)
    ),
    "two_lengths": _saying(b"HTTP/1.1 200 OK\r\n" + _JSON + b"Content-Length: 25\r\nContent-Length: 5\r\n\r\n" + _NOTE),
    "length_and_chunked": _saying(
        b"HTTP/1.1 200 OK\r\n"
        + _JSON
        + b"Content-Length: 25\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(_NOTE), _NOTE)
    ),
    "short_length": _saying(b"HTTP/1.1 200 OK\r\n" + _JSON + b"Content-Length: 900\r\n\r\n" + _NOTE),
    "nul_in_header": _saying(_answer(fields=_JSON + b"X-Note: a\x00b\r\n")),
    "html_instead_of_json": _saying(_answer(b"<h1>It works!</h1>", fields=b"Content-Type: text/html\r\n")),
    "broken_json": _saying(_answer(b'{"id":1,"title":"a no')),
    "duplicate_json_member": _saying(_answer(b'{"id":1,"title":"a note","id":2}')),
    "object_instead_of_text": _saying(_answer(b'{"id":1,"title":{"password":"secret"}}')),
    "unfit_value": _saying(_answer(b'{"id":"one","title":"a note"}')),
    "undeclared_member": _saying(_answer(b'{"id":1,"title":"a note","password_hash":"$argon2id$v=19$x"}')),
    "card_number": _saying(_answer(b'{"id":1,"title":"paid with 4111 1111 1111 1111"}')),
    "stack_trace": _saying(_answer(b'{"id":1,"title":"Traceback (most recent call last):\\n File \\"/srv/app.py\\""}')),
    "service_key": _saying(_answer(b'{"id":1,"title":"use AKIAIOSFODNN7EXAMPLE for it"}')),
    "error_page": _saying(
        _answer(
            b"<h1>500</h1><pre>/srv/bank/db.py line 12</pre>",
            b"500 Internal Server Error",
            b"Content-Type: text/html\r\n",
        )
    ),
    "server_version": _saying(_answer(fields=_JSON + b"Server: Apache/2.4.1\r\nX-Powered-By: PHP/5.3\r\n")),
    "open_cookie": _saying(_answer(fields=_JSON + b"Set-Cookie: session=s3cr3t; Path=/\r\n")),
    "any_origin": _saying(
        _answer(fields=_JSON + b"Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Credentials: true\r\n")
    ),
    "undeclared_status": _saying(_answer(status=b"203 Non-Authoritative Information")),
    "drip": _drip,
}


class LabUpstream:
    """The upstream as a server; `with` starts and ends it. With TLS it shows the certificate it is told to."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.tls = tls
        """The context for the next connection; exchanged to show another certificate."""
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = int(self._listener.getsockname()[1])
        self._changed = threading.Condition()
        self._held = 0
        self._connections: set[socket.socket] = set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        # shutdown, because closing alone does not wake the thread that waits in accept
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def wait_until_held(self, count: int) -> None:
        """Nothing, once exactly `count` requests wait for an answer they never get. Errors: TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._held == count, _PATIENCE_S):
                raise TimeoutError(f"{self._held} requests are held, {count} expected")

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        connection = raw
        try:
            if self.tls is not None:
                connection = self.tls.wrap_socket(raw, server_side=True)
            self._connections.add(connection)
            with connection:
                while self._answer_one(connection):
                    pass
        except OSError:
            raw.close()  # the gateway hung up or refused the certificate, which is often the point
        finally:
            self._connections.discard(connection)

    def _answer_one(self, connection: socket.socket) -> bool:
        """Whether the connection may be used again. Errors: OSError."""
        target, sent = _read_request(connection)
        if not target:
            return False
        if not target.startswith("/lab/") or target == "/lab/ok":
            connection.sendall(_answer(_noted(sent)))
            # With TLS one connection serves one request, so that each one sees the certificate of the moment.
            return self.tls is None
        behaviour = target.removeprefix("/lab/").partition("?")[0]
        if behaviour == "slow":
            self._hold(connection)
        else:
            _SAYS.get(behaviour, _saying(_answer()))(connection)
        return False

    def _hold(self, connection: socket.socket) -> None:
        self._count(1)
        try:
            connection.recv(1)
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        with self._changed:
            self._held += change
            self._changed.notify_all()


def _read_request(connection: socket.socket) -> tuple[str, bytes]:
    """The target of the next request and its body as it came; both empty at the end of the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return "", b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    if "chunked" in fields.get("transfer-encoding", ""):
        while not body.endswith(b"0\r\n\r\n"):
            body += connection.recv(65536)
    missing = int(fields.get("content-length", "0")) - len(body)
    while missing > 0:
        piece = connection.recv(65536)
        body += piece
        missing -= len(piece) or missing
    return lines[0].split(" ")[1], body
