"""A minimal HTTP/1.1 client that sends exactly the bytes it is given, malformed ones included.

An ordinary client library would repair or refuse most attacks. This one never follows, retries, decodes or repairs;
it reads one answer at a time, and an answer that never comes is an answer with status 0.
"""

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

import orjson

from doorward.denial import DENIALS

_DENIAL: Final = "urn:doorward:denial:"
_FAULT: Final = "urn:doorward:fault"
_READ_BYTES: Final = 64 * 1024
_BODY_BYTES: Final = 64 * 1024 * 1024
"""Most that is read of one answer; a target that sends more is cut off there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where attacks are sent. `tls` is None for a plain target."""

    host: str
    port: int
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    plain_port: int = 0
    """Port for plain HTTP beside the one for TLS; 0: what is asked in plain is sent to the TLS port."""

    @property
    def authority(self) -> str:
        """What stands in the Host header."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One response as it came. Status 0: the connection ended without one."""

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The first value of a header, or None."""
        return next((value for key, value in self.headers if key == name), None)

    @property
    def text(self) -> str:
        """The body as text, whatever it holds."""
        return self.body.decode("utf-8", "replace")

    @property
    def json(self) -> object:
        """The body as JSON, or None when it is none."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None

    @property
    def problem(self) -> str:
        """The type of the problem document it carries; empty when it carries none."""
        document = self.json if (self.header("content-type") or "").startswith("application/problem+json") else None
        return str(document.get("type", "")) if isinstance(document, dict) else ""

    @property
    def denial(self) -> str | None:
        """The denial code it carries, when it is one of ours *and* its status is the one of that code."""
        code = self.problem.removeprefix(_DENIAL) if self.problem.startswith(_DENIAL) else ""
        return code if code in DENIALS and DENIALS[code].status == self.status else None

    @property
    def is_fault(self) -> bool:
        """The gateway says that it broke."""
        return self.problem == _FAULT


NO_ANSWER: Final = Answer()


class Connection:
    """One connection to a target. Errors: OSError when it cannot be made (a target that is down is no finding)."""

    def __init__(self, target: Target, *, plain: bool = False, timeout_s: float = 15.0) -> None:
        port = (target.plain_port or target.port) if plain else target.port
        raw = socket.create_connection((target.host, port), timeout=timeout_s)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if target.tls is None or plain:
            self._socket: socket.socket = raw
        else:
            try:
                self._socket = target.tls.wrap_socket(raw, server_hostname=target.host)
            except (OSError, ssl.SSLError):
                raw.close()
                raise
        self._buffer = b""
        self.is_open = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends it, whatever state it is in."""
        self.is_open = False
        with contextlib.suppress(OSError):
            self._socket.close()

    def send(self, data: bytes, *, pause_s: float = 0.0) -> None:
        """Sends `data`; with a pause, half of it before and the rest after. A target that hung up is no error here."""
        middle = len(data) // 2 if pause_s else len(data)
        # A target may answer and close before it has read everything: what it answered is still to be read.
        with contextlib.suppress(OSError, ssl.SSLError):
            self._socket.sendall(data[:middle])
            if pause_s:
                time.sleep(pause_s)
                self._socket.sendall(data[middle:])

    def receive(self, *, method: str = "GET", timeout_s: float | None = None) -> Answer:
        """The next final answer (1xx are skipped), or one with status 0."""
        if timeout_s is not None:
            self._socket.settimeout(timeout_s)
        while True:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                if not self._fill():
                    return NO_ANSWER
                continue
            self._buffer = rest
            status, headers = _parse_head(head)
            if not 100 <= status < 200:
                break
        body = b"".join(self._body(method, status, dict(headers)))
        if dict(headers).get("connection", "").lower() == "close":
            self.close()
        return Answer(status=status, headers=headers, body=body)

    def _fill(self) -> bool:
        try:
            piece = self._socket.recv(_READ_BYTES)
        except (OSError, ssl.SSLError):
            piece = b""
        if not piece:
            self.is_open = False
        self._buffer += piece
        return bool(piece)

    def _take(self, count: int) -> bytes:
        pieces, missing = [], count
        while missing > 0 and (self._buffer or self._fill()):
            pieces.append(self._buffer[:missing])
            missing -= len(pieces[-1])
            self._buffer = self._buffer[len(pieces[-1]) :]
        return b"".join(pieces)

    def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            if not self._fill():
                return b""
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def _body(self, method: str, status: int, headers: dict[str, str]) -> Iterator[bytes]:
        if method == "HEAD" or status in {204, 304}:
            return
        if "chunked" in headers.get("transfer-encoding", "").lower():
            while size := _number(self._line().partition(b";")[0], base=16):
                yield self._take(min(size, _BODY_BYTES))
                self._line()
            self._line()
        elif "content-length" in headers:
            yield self._take(min(_number(headers["content-length"].encode("latin-1"), base=10), _BODY_BYTES))
        else:
            yield self._take(_BODY_BYTES)


def _number(text: bytes, *, base: int) -> int:
    try:
        return max(0, int(text, base))
    except ValueError:
        return 0


def _parse_head(head: bytes) -> tuple[int, tuple[tuple[str, str], ...]]:
    start, *lines = head.decode("latin-1").split("\r\n")
    words = start.split(" ")
    status = int(words[1]) if len(words) > 1 and words[1].isascii() and words[1].isdigit() else 599
    fields = (line.partition(":") for line in lines)
    return status, tuple((name.lower(), value.strip(" \t")) for name, _, value in fields)


def request_bytes(
    method: str, target: str, headers: tuple[tuple[str, str], ...], body: bytes, *, authority: str
) -> bytes:
    """A request as it goes on the wire. Values are sent as they are, so that bad ones can be sent too."""
    lines = [f"{method} {target} HTTP/1.1"]
    names = {name.lower() for name, _ in headers}
    if "host" not in names:
        lines.append(f"Host: {authority}")
    lines.extend(f"{name}: {value}" for name, value in headers)
    if (body or method in {"POST", "PUT", "PATCH"}) and not names & {"content-length", "transfer-encoding"}:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1", "surrogateescape") + b"\r\n\r\n" + body
