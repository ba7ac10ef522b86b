"""ClientHellos as bytes, the old and the odd ones too that no library of today makes."""

import os
import socket
import ssl
import struct

HANDSHAKE, ALERT = 22, 21
SSL_3, TLS_1_0, TLS_1_1, TLS_1_2, TLS_1_3 = 0x0300, 0x0301, 0x0302, 0x0303, 0x0304
GOOD_SUITES = (0xC02B, 0xC02F)
GOOD_GROUPS = (0x001D, 0x0017)
GOOD_SIGNATURES = (0x0403, 0x0804, 0x0401)


def client_hello(
    version: int = TLS_1_2,
    *,
    suites: tuple[int, ...] = GOOD_SUITES,
    groups: tuple[int, ...] = GOOD_GROUPS,
    signatures: tuple[int, ...] = GOOD_SIGNATURES,
    name: bytes | None = None,
) -> bytes:
    """A ClientHello of up to TLS 1.2, in records. Source: RFC 5246 section 7.4.1.2."""
    extensions = _extension(10, _vector(groups)) + _extension(11, b"\x01\x00")
    if version >= TLS_1_2:
        extensions += _extension(13, _vector(signatures))
    if name is not None:
        entry = b"\x00" + struct.pack(">H", len(name)) + name
        extensions += _extension(0, struct.pack(">H", len(entry)) + entry)
    body = struct.pack(">H", version) + os.urandom(32) + b"\x00" + _vector(suites) + b"\x01\x00"
    body += struct.pack(">H", len(extensions)) + extensions
    return records(b"\x01" + struct.pack(">I", len(body))[1:] + body, version=min(version, TLS_1_0))


def records(message: bytes, *, size: int = 1 << 14, version: int = TLS_1_0) -> bytes:
    """A handshake message in records of at most `size` bytes."""
    pieces = [message[start : start + size] for start in range(0, len(message), size)]
    return b"".join(struct.pack(">BHH", HANDSHAKE, version, len(piece)) + piece for piece in pieces)


def alert_in(answer: bytes) -> int | None:
    """The description of the fatal alert that is the whole answer; None when it is anything else."""
    if len(answer) == 7 and answer[0] == ALERT and answer[5] == 2:
        return answer[6]
    return None


class Handshake:
    """A client's handshake whose bytes pass through the test's hands."""

    def __init__(self, port: int, context: ssl.SSLContext, name: str | None = "127.0.0.1") -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.secure = context.wrap_bio(self._in, self._out, server_hostname=name)
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)

    def close(self) -> None:
        self._socket.close()

    def run(self, *, first_records_of: int) -> None:
        """Do the handshake, the ClientHello in records of this size. Errors: ssl.SSLError, OSError."""
        self._step()
        hello = self._out.read()
        self._socket.sendall(records(hello[5:], size=first_records_of))
        while True:
            self._take()
            done = self._step()
            self._socket.sendall(self._out.read())
            if done:
                return

    def ask(self, request: bytes) -> bytes:
        """What comes back for these bytes, until the other side closes."""
        self.secure.write(request)
        self._socket.sendall(self._out.read())
        answer = b""
        while True:
            try:
                piece = self.secure.read(65536)
            except ssl.SSLWantReadError:
                self._take()
                continue
            if not piece:
                return answer
            answer += piece

    def _step(self) -> bool:
        try:
            self.secure.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def _take(self) -> None:
        data = self._socket.recv(65536)
        if data:
            self._in.write(data)
        else:
            self._in.write_eof()


def _vector(numbers: tuple[int, ...]) -> bytes:
    return struct.pack(f">H{len(numbers)}H", 2 * len(numbers), *numbers)


def _extension(kind: int, body: bytes) -> bytes:
    return struct.pack(">HH", kind, len(body)) + body
