"""A gateway with several workers, callers of every kind, and an upstream that remembers what it was sent."""

import http.server
import json
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from tests.warming import warm

from doorward.attack.gateway_process import GatewayProcess
from doorward.attack.wire import Answer, Connection, request_bytes
from doorward.cli.init import make_state
from doorward.policy.loading import load_policy
from doorward.policy.store import store_place
from doorward.store import open_store

WORKERS = 2
BODY = {"type": "object", "properties": {"id": {"type": "integer"}}}
API: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "things", "version": "1"},
    "components": {
        "securitySchemes": {
            "token": {"type": "http", "scheme": "bearer"},
            "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
        }
    },
    "paths": {
        "/things": {
            "get": {
                "security": [{"token": []}, {"key": []}],
                "responses": {"200": {"description": "all", "content": {"application/json": {"schema": BODY}}}},
            }
        }
    },
}


class RecordingUpstream:
    """Answers `{"id": 1}` to everything."""

    def __init__(self) -> None:
        self.requests: list[dict[str, str]] = []
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                owner.requests.append({name.lower(): value for name, value in self.headers.items()})
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", "8")
                self.end_headers()
                self.wfile.write(b'{"id":1}')

            def log_message(self, *_: Any) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 128

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self.port = self._server.server_address[1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class CallersSite:
    """The gateway; `with` starts and ends it."""

    def __init__(self, directory: Path, upstream: RecordingUpstream, **changes: Any) -> None:
        self.state = directory / ".doorward"
        make_state(self.state)
        (directory / "openapi.yaml").write_text(json.dumps(API))
        self.file = directory / "doorward.yaml"
        self.policy: dict[str, Any] = {
            "api": "openapi.yaml",
            "upstream": f"http://127.0.0.1:{upstream.port}",
            "listen": "127.0.0.1:0",
            "tls": {"certificate": ".doorward/tls/server.pem", "key": ".doorward/tls/server.key"},
            "issuer": {"listen": "127.0.0.1:0"},
            "workers": WORKERS,
            "roles": {"reader": ["GET /things"]},
            "limits": {"per_address": None, "per_caller": None},
            **changes,
        }
        self.file.write_text(json.dumps(self.policy))
        policy = load_policy(self.file)
        self.store = open_store(*store_place(policy.store, policy.state))
        warm(self.state)
        self.process = GatewayProcess(self.file)

    def __enter__(self) -> Self:
        self.process.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()
        self.store.close()

    def send(self, *headers: tuple[str, str], connection: Connection | None = None) -> Answer:
        """The answer to one request, on a connection of its own unless one is given."""
        raw = request_bytes("GET", "/things", headers, b"", authority=self.process.target.authority)
        if connection is not None:
            connection.send(raw)
            return connection.receive()
        with Connection(self.process.target) as fresh:
            fresh.send(raw)
            return fresh.receive()

    def until(self, status: int, *headers: tuple[str, str], in_a_row: int = 1) -> None:
        """Nothing, once that many new connections in a row got that status; the test's own time limit ends it."""
        count = 0
        while count < in_a_row:
            count = count + 1 if self.send(*headers).status == status else 0


class Load:
    """Callers who never stop, each on a connection of its own; what the last answer to each was, and when."""

    def __init__(self, site: CallersSite, *headers: tuple[str, str], callers: int = 4 * WORKERS) -> None:
        self._site, self._headers = site, headers
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(callers)]
        self.passed_at = [0.0] * callers
        """When each got its last 200: monotonic clock."""
        self.refused = [0] * callers
        """How many refusals each got since its last 200."""
        self.codes: set[str] = set()
        self.trouble: list[str] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        while not all(self.passed_at):
            time.sleep(0.005)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def until_all_are_refused(self, times: int = 20) -> float:
        """When the last of them was let through, by the monotonic clock; once all were refused that often in a row."""
        while not self.trouble and min(self.refused) < times:
            time.sleep(0.005)
        assert not self.trouble
        return max(self.passed_at)

    def _run(self, number: int) -> None:
        try:
            with Connection(self._site.process.target) as connection:
                while not self._stopping.is_set():
                    answer = self._site.send(*self._headers, connection=connection)
                    if answer.status == 200:
                        self.passed_at[number], self.refused[number] = time.monotonic(), 0
                    else:
                        self.codes.add(answer.denial or str(answer.status))
                        self.refused[number] += 1
        except (OSError, ssl.SSLError, EOFError) as error:
            self.trouble.append(f"{type(error).__name__}: {error}")


def ended_after_s(load: Load, end: Callable[[], object]) -> float:
    """How long after `end` was done the last request got through, in seconds; below 0: none did."""
    end()
    done = time.monotonic()
    return load.until_all_are_refused() - done
