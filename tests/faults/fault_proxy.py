"""A proxy that stands before an upstream and breaks what passes: late, slow, cut, reset, swallowed, altered.

It knows nothing of HTTP except where a response's Content-Length stands. Faults may be changed while it runs; what is
under way takes them up with its next piece.
"""

import asyncio
import contextlib
import re
import socket
import struct
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

PATIENCE_S = 10.0
_LENGTH = re.compile(rb"(?i)(content-length: *)([0-9]+)")
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Faults:
    """What goes wrong with every answer; by default nothing."""

    latency_s: float = 0.0
    """Time every piece of the answer is late."""
    piece_bytes: int = 65_536
    """Largest piece the answer comes in."""
    cut_after: int | None = None
    """Bytes of the answer after which its connection ends."""
    resets: bool = False
    """An ending is a reset (RST), not an orderly one (FIN)."""
    swallows: bool = False
    """Connections are made, requests read, and nothing ever comes back."""
    refuses: bool = False
    """A connection is reset as soon as it is made."""
    length_off_by: int = 0
    """What Content-Length says too much, or too little."""
    flips: int | None = None
    """Position of a byte of the answer in which one bit is changed."""


class FaultProxy:
    """Listens on `host`, and hands on to `to`. `with` starts and stops it; it runs on a thread of its own."""

    def __init__(self, to: int, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.faults = Faults()
        self.accepted = 0
        """Connections made so far."""
        self.requests = 0
        """Pieces that came from the client's side: with small requests, how many there were."""
        self.to, self._host = to, host
        self.port = port
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._serve, self._host, self.port, backlog=512))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()

    @property
    def address(self) -> str:
        return f"{self._host}:{self.port}"

    def break_all(self) -> None:
        """Reset every connection that stands."""
        self._call(self._break_all())

    def _call(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    async def _break_all(self) -> None:
        for writer in list(self._writers):
            _end(writer, resets=True)

    async def _stop(self) -> None:
        self._server.close()
        await self._break_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        self.accepted += 1
        try:
            if self.faults.refuses:
                _end(writer, resets=True)
                return
            behind, upstream = await asyncio.open_connection("127.0.0.1", self.to)
            self._writers.add(upstream)
            ways = [
                self._loop.create_task(self._forth(reader, upstream)),
                self._loop.create_task(self._back(behind, writer)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
                self._writers.discard(upstream)
                upstream.close()
        finally:
            self._writers.discard(writer)
            self._tasks.discard(task)
            writer.close()

    async def _forth(self, reader: asyncio.StreamReader, upstream: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            self.requests += 1
            if not self.faults.swallows:
                upstream.write(data)
                await upstream.drain()

    async def _back(self, behind: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passed = 0
        while data := await behind.read(self.faults.piece_bytes):
            faults = self.faults
            if faults.latency_s:
                await asyncio.sleep(faults.latency_s)
            if faults.length_off_by:
                data = _with_length_off_by(faults.length_off_by, data)
            if faults.flips is not None and passed <= faults.flips < passed + len(data):
                at = faults.flips - passed
                data = data[:at] + bytes([data[at] ^ 0x20]) + data[at + 1 :]
            if faults.cut_after is not None and passed + len(data) >= faults.cut_after:
                writer.write(data[: max(0, faults.cut_after - passed)])
                with contextlib.suppress(OSError):
                    await writer.drain()
                _end(writer, resets=faults.resets)
                return
            passed += len(data)
            writer.write(data)
            await writer.drain()


def _with_length_off_by(count: int, data: bytes) -> bytes:
    return _LENGTH.sub(lambda found: found[1] + b"%d" % (int(found[2]) + count), data)


def _end(writer: asyncio.StreamWriter, *, resets: bool) -> None:
    if resets:
        made: socket.socket = writer.get_extra_info("socket")
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        writer.transport.abort()
    else:
        writer.close()


class BlackHole:
    """An address at which connections are never made: the system's queue for them is full, so it drops the SYN."""

    def __enter__(self) -> Self:
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(0)
        self.port: int = self._listener.getsockname()[1]
        self._fill: list[socket.socket] = []
        while True:
            filler = socket.socket()
            self._fill.append(filler)
            filler.settimeout(0.2)
            try:
                filler.connect(("127.0.0.1", self.port))
            except TimeoutError:
                return self

    def __exit__(self, *_: object) -> None:
        for one in (*self._fill, self._listener):
            one.close()
