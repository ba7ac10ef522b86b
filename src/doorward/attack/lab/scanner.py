"""The laboratory's virus scanner: speaks the clamd protocol on loopback and knows one signature, EICAR's."""

import contextlib
import socket
import threading
from typing import Final, Self

from doorward.controls.validate.upload_attacks import EICAR

_PATIENCE_S: Final = 10.0
_COMMAND: Final = b"zINSTREAM\0"


class LabScanner:
    """The scanner as a server; `with` starts and ends it."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        # shutdown, because closing alone does not wake the thread that waits in accept
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(_PATIENCE_S)
            # A gateway that hangs up in the middle has lost its client: there is nobody to answer.
            with connection, contextlib.suppress(OSError):
                connection.sendall(_answer(connection))


def _answer(connection: socket.socket) -> bytes:
    with connection.makefile("rb") as stream:
        if stream.read(len(_COMMAND)) != _COMMAND:
            return b"UNKNOWN COMMAND\0"
        data = b""
        while size := int.from_bytes(stream.read(4), "big"):
            data += stream.read(size)
    return b"stream: Eicar-Signature FOUND\0" if EICAR in data else b"stream: OK\0"
