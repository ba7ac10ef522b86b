"""A virus scanner's protocol on a Unix socket: reads INSTREAM strictly, keeps every file, answers as it is told."""

import contextlib
import queue
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

from tests.gateway.lab import PATIENCE_S

from doorward.controls.validate.upload_attacks import EICAR

OK: Final = b"stream: OK\0"
FOUND: Final = b"stream: Eicar-Signature FOUND\0"
TOO_LARGE: Final = b"INSTREAM size limit exceeded. ERROR\0"


def honest(data: bytes) -> bytes:
    if b"unscannable" in data:
        return b"stream: lstat() failed. ERROR\0"
    return FOUND if EICAR in data else OK


class FakeClamd:
    """`answer` makes of a file what is said, which may be half an answer or none: then the connection closes."""

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="clamd-"))
        self.address = str(self._directory / "clamd.ctl")
        self.answer: Callable[[bytes], bytes] = honest
        self.most_bytes = 1 << 30
        """A file beyond it is refused in its middle, as clamd does beyond `StreamMaxLength`."""
        self.received: list[bytes] = []
        self.arrived: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.gone: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        """Files whose sender went away while it was kept waiting."""
        self.release = threading.Event()
        self.release.set()
        self.at_a_time = 0
        self._now = 0
        self._lock = threading.Lock()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.address)
        self._listener.listen(64)
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in (self._thread, *self._threads):
            thread.join(PATIENCE_S)
        shutil.rmtree(self._directory)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            self._now += 1
            self.at_a_time = max(self.at_a_time, self._now)
        with connection, contextlib.suppress(OSError):
            try:
                answer = self._scan(connection)
            finally:
                # Before the answer: whoever has it may begin another scan at once.
                with self._lock:
                    self._now -= 1
            connection.sendall(answer)

    def _scan(self, connection: socket.socket) -> bytes:
        """What is answered. Errors: OSError, also when the sender went away."""
        data = self._read(connection)
        if data is None:
            return TOO_LARGE
        self.received.append(data)
        self.arrived.put(data)
        connection.settimeout(0.01)
        while not self.release.is_set():
            try:
                if not connection.recv(1):
                    self.gone.put(data)
                    raise ConnectionResetError
            except TimeoutError:
                continue
        connection.settimeout(PATIENCE_S)
        return self.answer(data)

    def _read(self, connection: socket.socket) -> bytes | None:
        stream = connection.makefile("rb")
        command = stream.read(10)
        assert command == b"zINSTREAM\0", command
        data = b""
        while size := int.from_bytes(stream.read(4), "big"):
            if len(data) + size > self.most_bytes:
                return None
            data += stream.read(size)
        return data
