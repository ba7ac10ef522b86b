"""Remembers the proofs that workers were shown: part of the control process, reached over a Unix socket."""

import asyncio
import os
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, cast

import msgspec
import structlog

from doorward.controls.authenticate.replay import ReplaySet
from doorward.gateway.limit_messages import Batches, socket_address
from doorward.gateway.replay_messages import pack_batch, read_proofs

_log: Final = structlog.get_logger()
_UCRED: Final = struct.Struct("3i")


class ReplayService:
    """Listens for the workers of this host. What it remembers began with it: an earlier life's is unknown."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path, self._clock = path, clock
        self._seen = ReplaySet(born_at=clock())
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
        self._serving = loop.create_task(
            loop.create_unix_server(lambda: _Worker(self._seen, self._clock), sock=listener)
        )

    def close(self) -> None:
        """Listen no more."""
        if self._serving is not None and self._serving.done():
            self._serving.result().close()


class _Worker(asyncio.Protocol):
    """One worker's connection."""

    def __init__(self, seen: ReplaySet, clock: Callable[[], float]) -> None:
        self._seen, self._clock = seen, clock
        self._batches = Batches()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("socket")
        _, uid, _ = _UCRED.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
        if uid != os.geteuid():
            _log.error("proofs used once: another user connected", uid=uid)
            transport.abort()
            return
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._transport is None:
            return
        try:
            for body in self._batches.feed(data):
                now = self._clock()
                words = [
                    self._seen.claim(
                        each.proof, usable_from=each.usable_from, until=each.until, now=now, holder=each.holder
                    )
                    for each in read_proofs(body)
                ]
                self._transport.write(pack_batch(words))
        except (ValueError, msgspec.DecodeError) as error:
            _log.error("proofs used once: a batch that cannot be read", reason=str(error))
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio.Protocol
        self._transport = None
