"""A gateway whose `GET /items` may be a WebSocket, an aiohttp server behind it, and a raw client that masks or not."""

import asyncio
import contextlib
import os
import queue
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Self

from aiohttp import WSMsgType, web
from tests.gateway.lab import PATIENCE_S, Lab, StubPipeline

from doorward.controls.inspect import InspectPolicy, compile_message_check
from doorward.controls.transport import WebSocketPolicy, accept_value
from doorward.denial import Denied
from doorward.exchange import Caller, Exchange, Pending
from doorward.operation import ApiDescription
from doorward.pipeline import WebSocketPlan

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class SocketPipeline(StubPipeline):
    """`GET /items` may be a WebSocket, by a caller whose time and standing a test decides."""

    settings: dict[str, Any] = {}  # noqa: RUF012 - replaced by each test
    expires_at = float("inf")
    is_revoked = False
    asks_first = False
    """A check of the credential has to wait for an answer first."""

    def admit_head(self, exchange: Exchange) -> Any:
        plan = super().admit_head(exchange)
        exchange.caller = Caller(subject="alice", kind="user", issuer="local", expires_at=self.expires_at)
        if plan.operation.path != "/items":
            return plan
        description = ApiDescription(title="t", version="1", operations=(), resolve=lambda schema: schema, document={})
        judge = compile_message_check(plan.operation, InspectPolicy(), description)
        policy = WebSocketPolicy(**self.settings)
        return replace(plan, websocket=WebSocketPlan(policy=policy, judge=judge, recheck=self._recheck))

    def _recheck(self, exchange: Exchange) -> None:
        if self.asks_first and not exchange.findings:

            def ask(known: Callable[[], None]) -> None:
                exchange.findings.append("asked")
                known()

            raise Pending(ask)
        if self.is_revoked:
            raise Denied("authenticate.token_revoked", "revoked")


class SocketLab(Lab):
    """A gateway with WebSockets."""

    pipeline_type = SocketPipeline

    @property
    def sockets(self) -> SocketPipeline:
        """The pipeline, with what tests change."""
        assert isinstance(self.pipeline, SocketPipeline)
        return self.pipeline


class Peer:
    """An aiohttp server: echoes messages, and does what some of them ask for."""

    def __init__(self) -> None:
        self.heads: queue.SimpleQueue[dict[str, str]] = queue.SimpleQueue()
        self.messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.closed: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._ready: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self.port = self._ready.get(timeout=PATIENCE_S)

    def stop(self) -> None:
        """End it."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(PATIENCE_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stopping = asyncio.Event()
        application = web.Application()
        application.router.add_route("*", "/items", self._handle)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self._ready.put(runner.addresses[0][1])
        await self._stopping.wait()
        await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.heads.put({name.lower(): value for name, value in request.headers.items()})
        answer = web.WebSocketResponse(protocols=("chat", "other"), max_msg_size=0)
        await answer.prepare(request)
        async for message in answer:
            self.messages.put(message.data)
            if message.type == WSMsgType.TEXT and message.data == "large":
                await answer.send_str("x" * 200_000)
            elif message.type == WSMsgType.TEXT and message.data == "bye":
                await answer.close(code=4001, message=b"bye")
            elif message.type == WSMsgType.TEXT and message.data == "vanish":
                assert request.transport is not None
                request.transport.abort()
            elif message.type == WSMsgType.TEXT:
                await answer.send_str(message.data)
            elif message.type == WSMsgType.BINARY:
                await answer.send_bytes(message.data)
        self.closed.put(answer.close_code)
        return answer


@contextlib.contextmanager
def websocket_lab(**settings: Any) -> Iterator[tuple[SocketLab, Peer]]:
    peer = Peer()
    try:
        with SocketLab(forward={"upstream": f"http://127.0.0.1:{peer.port}"}) as lab:
            lab.sockets.settings = settings
            yield lab, peer
    finally:
        peer.stop()


def handshake(*fields: str, target: str = "/items", key: bytes = KEY, version: str = "HTTP/1.1") -> bytes:
    """A handshake; fields of the same name replace the usual ones."""
    usual = [
        "Host: api.test",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key.decode()}",
        "Sec-WebSocket-Version: 13",
    ]
    replaced = {field.partition(":")[0].lower() for field in fields}
    lines = [
        f"GET {target} {version}",
        *[one for one in usual if one.partition(":")[0].lower() not in replaced],
        *fields,
    ]
    return ("\r\n".join(line for line in lines if not line.endswith(":-")) + "\r\n\r\n").encode("latin-1")


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, masked: bool = True, rsv: int = 0, length: int = -1
) -> bytes:
    """One frame, however wrong."""
    size = len(payload) if length < 0 else length
    mask_bit = 0x80 if masked else 0
    if size < 126:
        lengths = bytes([mask_bit | size])
    elif size < 65_536:
        lengths = bytes([mask_bit | 126]) + struct.pack(">H", size)
    else:
        lengths = bytes([mask_bit | 127]) + struct.pack(">Q", size)
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode]) + lengths
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))


class RawSocket:
    """A client on a raw socket, after its handshake."""

    def __init__(self, port: int, *fields: str, early: bytes = b"") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self.socket.sendall(handshake(*fields) + early)
        self._buffer = b""
        while b"\r\n\r\n" not in self._buffer:
            data = self.socket.recv(65536)
            assert data, "no answer to the handshake"
            self._buffer += data
        self.head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        assert self.head.startswith(b"HTTP/1.1 101 "), self.head
        assert b"sec-websocket-accept: " + accept_value(KEY) in self.head

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            self.socket.sendall(data)

    def frame(self) -> tuple[int, bytes] | None:
        """Opcode and payload of the next frame; None when the connection ends."""
        head = self._take(2)
        if head is None:
            return None
        assert not head[1] & 0x80, "a server's frame is not masked"
        size = head[1] & 0x7F
        if size >= 126:
            count = 2 if size == 126 else 8
            size = int.from_bytes(self._take(count) or b"", "big")
        return head[0] & 0x0F, self._take(size) or b""

    def closed_with(self) -> int | None:
        """The code of the close frame that comes, whatever comes before it."""
        while (got := self.frame()) is not None:
            if got[0] == CLOSE:
                return int.from_bytes(got[1][:2], "big")
        return None

    def _take(self, count: int) -> bytes | None:
        while len(self._buffer) < count:
            try:
                data = self.socket.recv(65536)
            except ConnectionError:
                return None
            if not data:
                return None
            self._buffer += data
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken
