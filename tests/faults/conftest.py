"""A real `doorward run` over a tiny upstream, for tests that break its processes."""

import asyncio
import contextlib
import http.client
import json
import os
import queue
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Self, TypeAlias

import pytest
from tests.warming import warm

from doorward.cli.init import init
from doorward.identity.api_keys import add_api_key
from doorward.store import open_store

PATIENCE_S = 90.0
"""Longest wait for anything that must happen."""

DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Items", "version": "1"},
    "security": [{"key": []}, {"token": []}],
    "components": {
        "securitySchemes": {
            "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            "token": {"type": "http", "scheme": "bearer"},
        }
    },
    "paths": {
        "/items/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}],
            "get": {"responses": {"200": {"$ref": "#/components/responses/item"}}},
            "put": {
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/item"}}},
                },
                "responses": {"200": {"$ref": "#/components/responses/item"}},
            },
        }
    },
}
DOCUMENT["components"]["schemas"] = {  # type: ignore[index]
    "item": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}
}
DOCUMENT["components"]["responses"] = {  # type: ignore[index]
    "item": {
        "description": "an item",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/item"}}},
    }
}


class Upstream:
    """Answers every request with `{"id": 1}`, on a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._answer, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]
        self._handlers: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._open = asyncio.Event()
        self._open.set()
        self.asked = threading.Event()
        """A request has come while answers are held back."""

    def hold(self) -> None:
        """Answer nothing until `release`."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def release(self) -> None:
        self._loop.call_soon_threadsafe(self._open.set)

    def _call(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._handlers[task] = writer
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                if b"content-length: " in head:
                    await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
                if not self._open.is_set():
                    self.asked.set()
                    await self._open.wait()
                writer.write(b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{"id": 1}')
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        del self._handlers[task]

    def close(self) -> None:
        async def end() -> None:
            self._server.close()
            self._open.set()
            for writer in self._handlers.values():
                writer.transport.abort()
            await asyncio.gather(*self._handlers)

        self._call(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Running:
    """One `doorward run`, with what is needed to ask it something and to break it."""

    def __init__(self, directory: Path, upstream: Upstream, environment: dict[str, str]) -> None:
        self.upstream = upstream
        self.directory, self.state = directory, directory / ".doorward"
        self.policy = directory / "doorward.yaml"
        self.key = self.add_key("alice")
        self.events: list[dict[str, Any]] = []
        self._new_event = threading.Condition()
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "doorward",
                "run",
                "--policy",
                str(self.policy),
                "--ready-file",
                str(self._ready_file),
            ],
            stderr=subprocess.PIPE,
            env={**os.environ, "DOORWARD_LOG_FORMAT": "json", **environment},
        )
        self._reader = threading.Thread(target=self._read_log)
        self._reader.start()
        try:
            self.wait_for(lambda event: event["event"].startswith("doorward guards"))
        except BaseException:  # a time limit and an interruption, too
            self.stop()
            raise
        self.ready = json.loads(self._ready_file.read_bytes())
        self.tls = ssl.create_default_context(cafile=str(self.state / "tls" / "ca.pem"))

    @property
    def _ready_file(self) -> Path:
        return self.directory / "ready.json"

    def _read_log(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            try:
                event = json.loads(line)
            except ValueError:
                event = {"event": line.decode().rstrip()}
            with self._new_event:
                self.events.append(event)
                self._new_event.notify_all()
        self._process.stderr.close()

    def wait_for(self, wanted: Callable[[dict[str, Any]], bool], *, after: int = 0) -> int:
        """The position behind the first log event from `after` on that is `wanted`."""
        deadline = time.monotonic() + PATIENCE_S
        position = after
        with self._new_event:
            while True:
                while position < len(self.events):
                    position += 1
                    if wanted(self.events[position - 1]):
                        return position
                left = deadline - time.monotonic()
                alive = self._process.poll() is None
                assert left > 0, self.events[-20:]
                assert alive, self.events[-20:]
                self._new_event.wait(min(left, 0.5))

    @property
    def position(self) -> int:
        return len(self.events)

    def pid_of(self, child: str) -> int:
        found = [event["pid"] for event in self.events if (event["event"], event.get("child")) == ("started", child)]
        return int(found[-1])

    def wait_until_serves(self, child: str, *, after: int) -> int:
        return self.wait_for(lambda event: event["event"] == "serves" and event["child"] == child, after=after)

    def add_key(self, name: str) -> str:
        store = open_store(f"sqlite:///{self.state / 'store.db'}")
        _, key = add_api_key(store, name, now=time.time(), roles=("admin",))
        store.close()
        return key

    def reload(self) -> None:
        self.signal(signal.SIGHUP)

    def connect(self, to: str = "gateway") -> http.client.HTTPSConnection:
        host, _, port = self.ready[to].removeprefix("https://").rpartition(":")
        return http.client.HTTPSConnection(host, int(port), context=self.tls, timeout=PATIENCE_S)

    @staticmethod
    def parsed(body: bytes) -> dict[str, Any]:
        return dict(json.loads(body))

    def ask(self, key: str | None = None, *, token: str = "") -> tuple[int, dict[str, Any]]:
        connection = self.connect()
        headers = {"authorization": f"Bearer {token}"} if token else {"x-api-key": key or self.key}
        try:
            connection.request("GET", "/items/1", headers=headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def stop(self) -> int:
        if self._process.poll() is None:
            self._process.terminate()
        try:
            status = self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._reader.join()
        return status


class Load:
    """Clients that keep asking until they are stopped, and remember every answer and every failure."""

    def __init__(self, running: Running, *, clients: int = 2, keeps_connection: bool = True) -> None:
        self.answered: list[tuple[int, str]] = []
        """Status and request id of every answer that came whole."""
        self.failed: list[str] = []
        """Requests that were begun and got no whole answer."""
        self._running, self._keeps = running, keeps_connection
        self._stop = threading.Event()
        self._counts: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._ask_on, args=(number,)) for number in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        self.wait_for_answers(len(self._threads))
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for_answers(self, count: int) -> None:
        """Wait until so many more answers have come."""
        for _ in range(count):
            self._counts.get(timeout=PATIENCE_S)

    def _ask_on(self, number: int) -> None:
        connection = self._running.connect()
        asked = number
        while not self._stop.is_set():
            asked += 1
            try:
                if asked % 2:
                    connection.request("GET", "/items/1", headers={"x-api-key": self._running.key})
                else:
                    connection.request(
                        "PUT",
                        "/items/1",
                        body=b'{"id": 1}',
                        headers={"x-api-key": self._running.key, "content-type": "application/json"},
                    )
                answer = connection.getresponse()
                answer.read()
                self.answered.append((answer.status, str(answer.headers["x-request-id"])))
                self._counts.put(None)
                if not self._keeps or answer.will_close:
                    connection.close()
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(f"{type(error).__name__}: {error}")
                connection.close()
        connection.close()


Start: TypeAlias = Callable[..., AbstractContextManager[Running]]


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Start:
    """Starts a gateway over a tiny upstream; `policy` is added to what `doorward init` writes."""

    @contextlib.contextmanager
    def starting(policy: str = "", **environment: str) -> Iterator[Running]:
        upstream = Upstream()
        directory = tmp_path_factory.mktemp("gateway")
        try:
            api = directory / "openapi.json"
            api.write_text(json.dumps(DOCUMENT))
            init(openapi=api, upstream=f"http://127.0.0.1:{upstream.port}", directory=directory)
            warm(directory / ".doorward")
            file = directory / "doorward.yaml"
            limits = "" if "limits:" in policy else "limits: {per_address: null, per_caller: null}\n"
            own = "listen: 127.0.0.1:0\nissuer: {listen: 127.0.0.1:0}\n" + limits + policy
            keys = tuple(line.partition(":")[0] + ":" for line in own.splitlines())
            kept = [line for line in file.read_text().splitlines() if not line.startswith(keys)]
            file.write_text("\n".join([*kept, own]))
            running = Running(directory, upstream, environment)
            try:
                yield running
            finally:
                running.stop()
        finally:
            upstream.close()

    return starting


@pytest.fixture
def load() -> type[Load]:
    """Clients that keep asking."""
    return Load
