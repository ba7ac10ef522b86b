"""The laboratory's issuer of opaque tokens: tells over TLS whether each is active (RFC 7662), and of one it lies."""

import base64
import http.server
import ssl
import threading
from http import HTTPStatus
from typing import Any, Final, Self
from urllib.parse import parse_qs

import orjson

ISSUER: Final = "https://opaque.example/"
AUDIENCE: Final = "lab"
CLIENT_ID: Final = "gateway"
SECRET: Final = "laboratory"  # noqa: S105 - of a server that lives for a minute on loopback
PREFIX: Final = "op_"
GOOD: Final = "op_2YotnFZFEjr1zCsicMWpAA"
FLATTERED: Final = "op_mF_9B5f41JqMflatteredA"
"""A token that is called active in a way that is none."""
_BODY_BYTES: Final = 65_536


class LabIssuer:
    """The issuer as a server; `with` starts and ends it."""

    def __init__(self, tls: ssl.SSLContext, roles: tuple[str, ...]) -> None:
        """`roles`: of who comes with the good token."""
        good = {"active": True, "sub": "attack-opaque", "aud": AUDIENCE, "scope": "", "roles": roles}
        self.answers: dict[str, object] = {GOOD: good, FLATTERED: {**good, "active": "true"}}
        """What is said of each token; of any other, that it is not active."""
        self.asked: list[str] = []
        """The tokens asked about, in order."""
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.issuer = self
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def endpoint(self) -> str:
        """Where it is asked."""
        return f"https://127.0.0.1:{self._server.server_address[1]}/introspect"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, authorization: str, token: str) -> tuple[HTTPStatus, object]:
        """What it answers to whoever proves themselves like that."""
        expected = base64.b64encode(f"{CLIENT_ID}:{SECRET}".encode()).decode("ascii")
        if authorization != f"Basic {expected}":
            return HTTPStatus.UNAUTHORIZED, {"error": "invalid_client"}
        self.asked.append(token)
        return HTTPStatus.OK, self.answers.get(token, {"active": False})


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    issuer: LabIssuer

    def handle_error(self, *_: Any) -> None:
        """A gateway that hangs up is no news."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        """One question."""
        form = self.rfile.read(min(int(self.headers.get("content-length", "0")), _BODY_BYTES))
        token = parse_qs(form.decode("latin-1")).get("token", [""])[0]
        status, answer = self.server.issuer.answer(self.headers.get("authorization", ""), token)
        body = orjson.dumps(answer)
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
