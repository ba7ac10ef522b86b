"""How the demonstration asks: the same questions to the bare bank and to the guarded one, by the same people."""

import base64
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, Self

import orjson

from doorward.attack.wire import Answer, Connection, Target, request_bytes

Person = Literal["alice", "bob", "carol", "root", "reporter", "app", "expired", "revoked", "nobody"]
"""alice, bob: customers; carol: support; root: administrator; reporter, app: clients of ours;
expired, revoked: alice's tokens that are no longer good."""
_JSON: Final = (("Content-Type", "application/json"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Asks one target. `bank_port` is where the bank itself listens (what an insider or a port scan would know)."""

    target: Target
    tokens: Mapping[str, str] = field(repr=False)
    bank_port: int

    def get(self, path: str, who: str = "nobody", *headers: tuple[str, str]) -> Answer:
        """The answer to a GET."""
        return self.ask("GET", path, who, headers)

    def send_json(self, method: str, path: str, who: str, body: object) -> Answer:
        """The answer to a JSON body; `bytes` are sent as they are."""
        return self.ask(method, path, who, _JSON, body if isinstance(body, bytes) else orjson.dumps(body))

    def ask(
        self, method: str, path: str, who: str, headers: tuple[tuple[str, str], ...] = (), body: bytes = b""
    ) -> Answer:
        """The answer to one request on a connection of its own."""
        token = self.tokens.get(who)
        if token and not any(name.lower() == "authorization" for name, _ in headers):
            headers = (("Authorization", f"Bearer {token}"), *headers)
        with Connection(self.target) as connection:
            connection.send(request_bytes(method, path, headers, body, authority=self.target.authority))
            return connection.receive(method=method)

    def in_plain(self) -> "Client":
        """The same, as somebody whose TLS was stripped on the way would ask."""
        return replace(self, target=replace(self.target, tls=None, port=self.target.plain_port or self.target.port))

    def overheard(self, path: str, who: str) -> bytes:
        """All bytes that somebody between `who` and the target sees while `path` is asked for."""
        with _Relay(self.target) as relay:
            there = Target(host="127.0.0.1", port=relay.port, tls=self.target.tls)
            replace(self, target=there).get(path, who, ("Host", self.target.authority))
        return bytes(relay.seen)


class _Relay:
    """Passes one connection on, both ways, and keeps what it saw."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.seen = bytearray()

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(10)
        self._listener.close()

    def _run(self) -> None:
        near, _ = self._listener.accept()
        with near, socket.create_connection((self._target.host, self._target.port)) as far:
            back = threading.Thread(target=self._pump, args=(far, near), daemon=True)
            back.start()
            self._pump(near, far)
            back.join(10)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while piece := source.recv(65536):
                self.seen += piece
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return  # either side hung up: there is nothing more to overhear


def unsigned(claims: dict[str, object], *, algorithm: str = "none", signature: str = "") -> str:
    """A compact JWT that anybody can make."""
    header = _part({"alg": algorithm, "typ": "at+jwt"})
    return f"{header}.{_part(claims)}.{signature}"


def with_subject(token: str, subject: str) -> str:
    """The token with another subject written into it, and its old signature."""
    header, claims, signature = token.split(".")
    document = orjson.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    return f"{header}.{_part({**document, 'sub': subject})}.{signature}"


def _part(document: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(document)).rstrip(b"=").decode()
