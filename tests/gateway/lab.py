"""A gateway in a thread of its own on loopback, with an audit that remembers and an upstream that records."""

import asyncio
import contextlib
import queue
import socket
import ssl
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any, Final, Self

import uvloop

from doorward.controls import audit, forward, transport
from doorward.controls.audit.record import Record
from doorward.controls.audit.records import Closed, Intent, Outcome, decode
from doorward.controls.forward import ForwardPolicy, IdentitySigner
from doorward.controls.limits import LimitsPolicy
from doorward.controls.validate import BodyMode
from doorward.denial import Denied
from doorward.exchange import Exchange, Response
from doorward.gateway.acceptor import Handshakes
from doorward.gateway.deadlines import Deadlines
from doorward.gateway.gateway import Gateway
from doorward.gateway.listener import listen
from doorward.gateway.upstream import UpstreamPool
from doorward.gateway.upstream_names import Resolve, resolve_by_system
from doorward.jose import generate_key
from doorward.operation import Operation, RequestBody
from doorward.pipeline import Plan

PATIENCE_S: Final = 30.0
"""Longest wait for anything: the first text that a process inspects has its automata compiled meanwhile."""
OK: Final = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{"ok":true}'


class MemoryAudit:
    """Durable at once, in the order of arrival; or refusing, when told so."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.records: list[Record] = []
        self.fails: Callable[[Record], bool] = lambda _: False
        self.changed = threading.Condition()

    def append(self, record: Record, done: Callable[[bool], None]) -> None:
        if self.fails(record):
            self._loop.call_soon(done, False)
            return
        with self.changed:
            self.records.append(record)
            self.changed.notify_all()
        self._loop.call_soon(done, True)

    def entries(self) -> list[Any]:
        return [decode(record.kind, record.payload) for record in self.records]

    def outcomes(self) -> list[Outcome]:
        return [entry for entry in self.entries() if isinstance(entry, Outcome)]

    def intents(self) -> list[Intent]:
        return [entry for entry in self.entries() if isinstance(entry, Intent)]

    def wait_for_outcomes(self, count: int) -> list[Outcome]:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.outcomes()) >= count, PATIENCE_S), "no record came"
        return self.outcomes()

    def wait_for_closed(self) -> Closed:
        def closed() -> list[Closed]:
            return [entry for entry in self.entries() if isinstance(entry, Closed)]

        with self.changed:
            assert self.changed.wait_for(lambda: bool(closed()), PATIENCE_S), "no record of the stream's end came"
        return closed()[0]


@dataclass
class Seen:
    """One request as the upstream read it."""

    connection: int
    head: bytes
    body: bytes

    @property
    def line(self) -> bytes:
        return self.head.partition(b"\r\n")[0]

    @property
    def names(self) -> set[bytes]:
        return {line.partition(b":")[0].lower() for line in self.head.split(b"\r\n")[1:] if line}


class RecordingUpstream:
    """Reads requests strictly, keeps every byte, and answers as scripted by path."""

    def __init__(self) -> None:
        self.answers: dict[bytes, bytes | Callable[[socket.socket], None]] = {}
        self.seen: list[Seen] = []
        self.raw: dict[int, bytes] = {}
        self.arrived: queue.SimpleQueue[Seen] = queue.SimpleQueue()
        self.gone: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE_S)

    def _accept(self) -> None:
        threads: list[threading.Thread] = []
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                break
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection, len(threads)), daemon=True)
            threads.append(thread)
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)

    def _serve(self, connection: socket.socket, number: int) -> None:
        self.raw[number] = b""
        with connection, contextlib.suppress(OSError):
            buffer = b""
            while True:
                while b"\r\n\r\n" not in buffer:
                    buffer += self._more(connection, number)
                head, _, buffer = buffer.partition(b"\r\n\r\n")
                lower = head.lower()
                body = b""
                if b"\ntransfer-encoding: chunked" in lower:
                    while b"0\r\n\r\n" not in buffer:
                        buffer += self._more(connection, number)
                    body, buffer = buffer, b""
                elif b"\ncontent-length:" in lower:
                    length = int(lower.split(b"\ncontent-length:")[1].split(b"\r\n")[0])
                    while len(buffer) < length:
                        buffer += self._more(connection, number)
                    body, buffer = buffer[:length], buffer[length:]
                seen = Seen(number, head, body)
                self.seen.append(seen)
                self.arrived.put(seen)
                answer = self.answers.get(seen.line.split(b" ")[1], OK)
                if callable(answer):
                    answer(connection)
                else:
                    connection.sendall(answer)
        self.gone.put(number)

    def _more(self, connection: socket.socket, number: int) -> bytes:
        data = connection.recv(65536)
        if not data:
            raise ConnectionResetError
        self.raw[number] += data
        return data


@dataclass
class StubRelease:
    reads: bool = True

    def reads_body(self, exchange: Exchange, response: Response) -> bool:
        return self.reads

    def streams(self, exchange: Exchange, response: Response) -> bool:
        return False

    def apply(self, exchange: Exchange) -> None:
        if exchange.response is not None and exchange.response.headers.count((b"x-leak", b"1")):
            raise Denied("minimise.response_schema", "leak")


class StubPipeline:
    """`GET /items`, `/a%20b`, `/boom` (breaks), `/stream` (streamed answer); `POST /items` (read), `/upload` (streamed)."""

    audit_policy = audit.AuditPolicy(coalesce=False)

    def __init__(self, policy: ForwardPolicy) -> None:
        self.recorder = audit.Recorder(self.audit_policy, bytes(32))
        self._check = transport.compile_check(transport.TransportPolicy(hosts=("api.test", "127.0.0.1")))
        signer = IdentitySigner(generate_key("ES256"), policy)
        self.plans: dict[tuple[str, bytes], Plan] = {}
        rows: tuple[tuple[str, bytes, BodyMode, bool], ...] = (
            ("GET", b"/items", "none", True),
            ("HEAD", b"/items", "none", True),
            ("DELETE", b"/items", "none", True),
            ("GET", b"/a%20b", "none", True),
            ("GET", b"/boom", "none", True),
            ("GET", b"/stream", "none", False),
            ("POST", b"/items", "read", True),
            ("POST", b"/upload", "stream", True),
        )
        for method, path, mode, reads in rows:
            body = RequestBody(required=True, content={}) if mode != "none" else None
            name = path.decode()
            operation = Operation(id=f"{method} {name}", method=method, path=name, template=name, request_body=body)
            head = forward.compile_request_head(operation, policy, signer)
            self.plans[method, path] = Plan(
                operation=operation,
                head=(),
                body=(),
                body_mode=mode,
                body_bytes=64 * 1024,
                request_head=head,
                release=StubRelease(reads),
                records_intent=operation.changes_state,
            )

    def set_body_bytes(self, method: str, path: bytes, body_bytes: int) -> None:
        """The largest body that an operation takes."""
        self.plans[method, path] = replace(self.plans[method, path], body_bytes=body_bytes)

    def set_reads_body(self, method: str, path: bytes, *, reads: bool) -> None:
        """Whether the release of an operation wants its answers whole."""
        self.plans[method, path] = replace(self.plans[method, path], release=StubRelease(reads))

    def count_address(self, exchange: Exchange) -> None:
        """Nothing is counted."""

    def preflight(self, exchange: Exchange) -> Response | None:
        return None

    def admit_head(self, exchange: Exchange) -> Any:
        self._check(exchange)
        request = exchange.request
        if request.path == b"/boom":
            raise RuntimeError("boom with secret=hunter2")
        plan = self.plans.get((request.method, request.path))
        if plan is None:
            raise Denied("validate.path_unknown", f"no operation at {request.path!r}")
        exchange.operation = plan.operation
        if request.has_body and plan.body_mode == "none":
            raise Denied("transport.unexpected_body", "no body declared")
        return plan

    def seal_answer(self, exchange: Exchange, response: Response) -> None:
        """Nothing is signed here."""

    def admit_body(self, exchange: Exchange, plan: Any) -> None:
        if b"forbidden" in exchange.request.body:
            raise Denied("inspect.sql", "forbidden")


@dataclass
class Answer:
    status: int
    headers: dict[bytes, bytes]
    body: bytes

    @property
    def code(self) -> str:
        """The denial code, or empty."""
        _, _, rest = self.body.partition(b'"type":"urn:doorward:denial:')
        return rest.partition(b'"')[0].decode()


class Client:
    """A raw socket that can read answers."""

    def __init__(self, port: int, address: str = "127.0.0.1") -> None:
        """`address` is whom it comes from."""
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S, source_address=(address, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, raw: bytes, *, bytewise: bool = False) -> None:
        """Send; a gateway that has had enough may close in the middle, which is no failure of the sender."""
        with contextlib.suppress(ConnectionError):
            if not bytewise:
                self.socket.sendall(raw)
                return
            for position in range(len(raw)):
                self.socket.sendall(raw[position : position + 1])

    def answer(self, *, to_head: bool = False) -> Answer | None:
        """The next answer, or None when the connection ends without one."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._more():
                assert not self._buffer, f"an answer was cut in its head: {self._buffer!r}"
                return None
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        line, *lines = head.split(b"\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (one.partition(b":") for one in lines)}
        status = int(line.split(b" ")[1])
        length = 0 if to_head or status < 200 else int(headers.get(b"content-length", b"0"))
        if headers.get(b"transfer-encoding") == b"chunked":
            decoder = transport.ChunkedBody()
            body = decoder.feed(self._buffer)
            while not decoder.is_complete:
                self._buffer = decoder.rest
                if not self._more():
                    raise EOFError(f"chunked answer cut after {len(body)} bytes")
                body += decoder.feed(self._buffer)
            self._buffer = decoder.rest
            return Answer(status, headers, body)
        while len(self._buffer) < length:
            if not self._more():
                raise EOFError("answer cut")
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return Answer(status, headers, body)

    def is_closed(self) -> bool:
        """Whether the gateway has closed, after everything it said was read."""
        return not self._buffer and not self._more()

    def _more(self) -> bool:
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            return False
        self._buffer += data
        return bool(data)


@dataclass
class Cost:
    """What the gateway spent between two moments."""

    lines: int = 0
    """Lines of our own code run on its loop: steps that no other load on the machine disturbs (none when compiled)."""
    peak_bytes: int = 0
    """Memory beyond what was held at the start, at its highest; the lab's own small change included."""


class Fixed:
    """One context for every handshake."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context

    def take(self) -> ssl.SSLContext:
        return self._context

    def give_back(self, context: ssl.SSLContext, version: str | None) -> None:
        """Nothing is kept."""


class Looks:
    """What is under test runs on a loop in another thread: looks at it, and what it costs."""

    loop: asyncio.AbstractEventLoop

    @contextlib.contextmanager
    def measured(self) -> Iterator[Cost]:
        """The cost of what happens inside."""
        cost = Cost()

        def trace(frame: FrameType, event: str, _: object) -> Any:
            if "/doorward/" not in frame.f_code.co_filename:
                return None
            cost.lines += event == "line"
            return trace

        async def watch(tracer: Any) -> None:
            self.loop.call_soon(sys.settrace, tracer)

        asyncio.run_coroutine_threadsafe(watch(trace), self.loop).result(PATIENCE_S)
        tracemalloc.start()
        held, _ = tracemalloc.get_traced_memory()
        try:
            yield cost
        finally:
            cost.peak_bytes = tracemalloc.get_traced_memory()[1] - held
            tracemalloc.stop()
            asyncio.run_coroutine_threadsafe(watch(None), self.loop).result(PATIENCE_S)

    def wait_until(self, claim: Callable[[], bool]) -> None:
        """Return once the claim about the gateway holds; it is looked at on the gateway's own loop."""

        async def look() -> bool:
            return claim()

        end = time.monotonic() + PATIENCE_S
        while not asyncio.run_coroutine_threadsafe(look(), self.loop).result(PATIENCE_S):
            assert time.monotonic() < end, "it never came to hold"


class Lab(Looks):
    """The gateway under test and everything around it."""

    pipeline_type: type[StubPipeline] = StubPipeline
    proxy_protocol = False
    resolve: Resolve = staticmethod(resolve_by_system)

    def __init__(
        self,
        *,
        limits: LimitsPolicy | None = None,
        forward: dict[str, Any] | None = None,
        base: str = "",
        context: ssl.SSLContext | None = None,
        tls: Handshakes | None = None,
        **kwargs: Any,
    ) -> None:
        self.upstream = RecordingUpstream()
        self._limits = limits or LimitsPolicy()
        self._policy = ForwardPolicy(**{"upstream": f"http://127.0.0.1:{self.upstream.port}{base}", **(forward or {})})
        self._tls = tls if context is None else Fixed(context)
        self._kwargs = kwargs
        self._ready: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=uvloop.run, args=(self._main(),), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        error = self._ready.get(timeout=PATIENCE_S)
        if error is not None:
            raise error
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(PATIENCE_S)
        self.upstream.stop()
        assert not self._thread.is_alive()

    async def _main(self) -> None:
        try:
            self.loop = asyncio.get_running_loop()
            self._stopping = asyncio.Event()
            self.audit = MemoryAudit(self.loop)
            deadlines = Deadlines(self.loop, step_s=0.02)
            self.pipeline = self.pipeline_type(self._policy)
            self.pool = UpstreamPool(self._policy, deadlines, self.loop, self.resolve)
            self.gateway = Gateway(
                self.pipeline,
                self.audit,
                self.pool,
                limits=self._limits,
                forward=self._policy,
                deadlines=deadlines,
                **{"scheme": "http", **self._kwargs},
            )
            listener = socket.create_server(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
            server = await listen(self.gateway, listener, self._tls, self.loop, proxy_protocol=self.proxy_protocol)
        except Exception as error:
            self._ready.put(error)
            raise
        self._ready.put(None)
        await self._stopping.wait()
        server.close()
        await self.gateway.drain(0.05)
        await self.pool.close()
        deadlines.close()

    def connect(self) -> Client:
        return Client(self.port)

    def ask(self, raw: bytes, *, bytewise: bool = False) -> Answer | None:
        """The answer to one request on a connection of its own."""
        with self.connect() as client:
            client.send(raw, bytewise=bytewise)
            return client.answer(to_head=raw.startswith(b"HEAD"))

    def drain(self, within_s: float = 5.0) -> None:
        asyncio.run_coroutine_threadsafe(self.gateway.drain(within_s), self.loop).result(PATIENCE_S)


def request(
    method: str = "GET", target: str = "/items", *fields: str, body: bytes = b"", host: str = "api.test"
) -> bytes:
    """One request as bytes; Content-Length is added when there is a body."""
    lines = [f"{method} {target} HTTP/1.1", *([f"Host: {host}"] if host else []), *fields]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


@contextlib.contextmanager
def running(**kwargs: Any) -> Iterator[Lab]:
    with Lab(**kwargs) as lab:
        yield lab
