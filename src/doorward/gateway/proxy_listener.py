"""Accepting behind a load balancer that speaks the PROXY protocol: its header first, then TLS or HTTP."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Final

import structlog

from doorward.controls.transport.proxy_header import (
    FIXED_BYTES,
    LINE_BYTES,
    SIGNATURE,
    Announced,
    Malformed,
    parse_binary,
    parse_line,
    payload_bytes,
)
from doorward.gateway.gateway import Gateway

Factory = Callable[[Announced | None], asyncio.Protocol]
_PENDING: Final = 1_024
"""Most connections whose header is awaited at a time; more wait in the kernel's queue."""
_log: Final = structlog.get_logger()


class ProxyListener:
    """Accepts on a listening socket until it is closed.

    Only listed proxies are let in: to everybody else a header would be a way to claim any address. Exactly the header's
    bytes are read from the socket, so that what follows, a TLS handshake for one, is untouched.
    """

    def __init__(
        self,
        gateway: Gateway,
        listener: socket.socket,
        context: ssl.SSLContext | None,
        loop: asyncio.AbstractEventLoop,
        factory: Factory,
        *,
        within_s: float,
        shutdown_s: float,
    ) -> None:
        self._gateway, self._listener, self._context, self._loop = gateway, listener, context, loop
        self._factory, self._within_s, self._shutdown_s = factory, within_s, shutdown_s
        self._pending = asyncio.Semaphore(_PENDING)
        self._admitting: set[asyncio.Task[None]] = set()
        self._accepting = loop.create_task(self._accept())

    def close(self) -> None:
        """Accept no more; a header that is awaited is not waited for."""
        self._accepting.cancel()
        for task in self._admitting:
            task.cancel()
        self._listener.close()

    async def _accept(self) -> None:
        while True:
            await self._pending.acquire()
            try:
                connection, address = await self._loop.sock_accept(self._listener)
            except OSError as error:
                # Out of descriptors, or a client that was gone before it was accepted: the next one may do better.
                self._pending.release()
                _log.warning("not accepted", reason=str(error))
                await asyncio.sleep(0.05)
                continue
            task = self._loop.create_task(self._admit(connection, str(address[0]).removeprefix("::ffff:")))
            self._admitting.add(task)
            task.add_done_callback(self._admitted)

    def _admitted(self, task: asyncio.Task[None]) -> None:
        self._admitting.discard(task)
        self._pending.release()

    async def _admit(self, connection: socket.socket, peer: str) -> None:
        connection.setblocking(False)
        try:
            async with asyncio.timeout(self._within_s):
                announced = await self._header(connection, peer)
            await self._loop.connect_accepted_socket(
                lambda: self._factory(announced),
                connection,
                ssl=self._context,
                ssl_handshake_timeout=None if self._context is None else self._within_s,
                ssl_shutdown_timeout=None if self._context is None else self._shutdown_s,
            )
        except (Malformed, EOFError, TimeoutError, OSError) as error:
            self._gateway.turned_away_count += 1
            _log.warning("turned away", peer=peer, reason=str(error) or type(error).__name__)
            with contextlib.suppress(OSError):
                connection.close()
        except asyncio.CancelledError:
            connection.close()
            raise

    async def _header(self, connection: socket.socket, peer: str) -> Announced | None:
        proxies = self._gateway.proxies
        if proxies is None or not proxies.trusts(peer):
            raise Malformed(f"{peer} is not among transport.trusted_proxies")
        start = await self._exactly(connection, FIXED_BYTES)
        if start.startswith(SIGNATURE):
            return parse_binary(start, await self._exactly(connection, payload_bytes(start)))
        if not start.startswith(b"PROXY "):
            raise Malformed("no PROXY header")
        line = start
        # Byte by byte, so that nothing behind the line is taken; the shortest line is as long as what was read.
        while not line.endswith(b"\r\n"):
            if len(line) >= LINE_BYTES:
                raise Malformed("a PROXY line without an end")
            line += await self._exactly(connection, 1)
        return parse_line(line)

    async def _exactly(self, connection: socket.socket, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = await self._loop.sock_recv(connection, count - len(data))
            if not piece:
                raise EOFError("closed before its PROXY header was complete")
            data += piece
        return data
