"""Somebody between client and gateway, who reads every byte and may change it."""

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Self

from tests.gateway.lab import PATIENCE_S

Change = Callable[[bytes], bytes]


def as_it_is(data: bytes) -> bytes:
    """The same bytes."""
    return data


def with_last_byte_altered(data: bytes) -> bytes:
    """One bit of the last byte is turned over: in TLS, of an authentication tag."""
    return data[:-1] + bytes([data[-1] ^ 1])


def with_first_record_altered(data: bytes) -> bytes:
    """One bit of the last byte of the first TLS record is turned over."""
    last = 4 + int.from_bytes(data[3:5], "big")
    return data[:last] + bytes([data[last] ^ 1]) + data[last + 1 :]


class Middle:
    """Passes one connection on to the gateway, as `to_gateway` and `to_client` would have it."""

    def __init__(self, gateway_port: int, *, to_gateway: Change = as_it_is, to_client: Change = as_it_is) -> None:
        self.to_gateway, self.to_client = to_gateway, to_client
        self.seen = b""
        """What the client sent."""
        self._gateway_port = gateway_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        gateway = socket.create_connection(("127.0.0.1", self._gateway_port), timeout=PATIENCE_S)
        self._open += (client, gateway)
        back = threading.Thread(target=self._pass, args=(gateway, client, self._changed))
        back.start()
        self._pass(client, gateway, self._noted)
        back.join(PATIENCE_S)

    def _noted(self, data: bytes) -> bytes:
        self.seen += data
        return self.to_gateway(data)

    def _changed(self, data: bytes) -> bytes:
        return self.to_client(data)

    @staticmethod
    def _pass(source: socket.socket, sink: socket.socket, change: Change) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(change(data))
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
