"""A Unix socket on which the control process answers batches of its own workers, and of nobody else."""

import asyncio
import os
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Final, cast

import msgspec
import structlog

from doorward.gateway.limit_messages import Batches, socket_address

_log: Final = structlog.get_logger()
_UCRED: Final = struct.Struct("3i")


class WorkerSocket:
    """Listens for the workers of this host."""

    def __init__(self, path: Path, connection: Callable[[], "WorkerConnection"]) -> None:
        self._path, self._connection = path, connection
        self._serving: asyncio.Task[asyncio.Server] | None = None

    def start(self) -> None:
        """Listen; only processes of our own user may connect. Errors: OSError."""
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            with socket_address(self._path) as address:
                listener.bind(address)
        finally:
            os.umask(before)
        loop = asyncio.get_running_loop()
        self._serving = loop.create_task(loop.create_unix_server(self._connection, sock=listener))

    def close(self) -> None:
        """Listen no more."""
        if self._serving is not None and self._serving.done():
            self._serving.result().close()


class WorkerConnection(asyncio.Protocol, ABC):
    """One worker's connection; `take` answers its batches."""

    def __init__(self, what: str) -> None:
        """`what`: is counted or remembered, for the log."""
        self._what = what
        self._batches = Batches()
        self._transport: asyncio.Transport | None = None

    @abstractmethod
    def take(self, body: bytes) -> None:
        """Answer one batch. Errors: ValueError, DecodeError for one that cannot be read."""

    def write(self, data: bytes) -> None:
        """Send to the worker, if it is still there."""
        if self._transport is not None:
            self._transport.write(data)

    @property
    def is_open(self) -> bool:
        """Whether the worker is still there."""
        return self._transport is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, from a process of our own user."""
        transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("socket")
        _, uid, _ = _UCRED.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
        if uid != os.geteuid():
            _log.error(f"{self._what}: another user connected", uid=uid)
            transport.abort()
            return
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer what is complete; a connection that sends what cannot be read is ended."""
        if self._transport is None:
            return
        try:
            for body in self._batches.feed(data):
                self.take(body)
        except (ValueError, msgspec.DecodeError) as error:
            _log.error(f"{self._what}: a batch that cannot be read", reason=str(error))
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio.Protocol
        """The worker is gone."""
        self._transport = None
