"""`python -m bench.identity`: what the identity provider's token endpoint costs, and what the control process weighs.

A provider in a process of its own, pinned to one core, over the server that the control process has (in plain HTTP) and
SQLite with synchronous=FULL as in production; clients in this process keep sixteen connections busy, each waiting
for its answer. `at most a second` is what the CPU time of the provider allows on one core; `seen` is what came through,
with the disk and whatever else this machine did.
"""

import argparse
import asyncio
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import orjson
import psutil
import uvloop

from bench.processes import Server
from bench.telling import Say, tell
from bench.testbed import ROOT
from doorward.attack.gateway_process import GatewayProcess
from doorward.cli.init import make_state
from doorward.gateway.issuer_server import IssuerServer
from doorward.identity.app import IdentitySettings, create_app
from doorward.identity.clients import add_client
from doorward.identity.oauth.families import ABSOLUTE_S, first_refresh_token, start_family
from doorward.identity.sealing import KEY_FILE, ServerSecret, load_or_make_secret
from doorward.identity.users import add_user
from doorward.jose import generate_key
from doorward.store import Store, open_store

ISSUER: Final = "https://issuer.example"
CONNECTIONS: Final = 16
WARM: Final = 20
REQUESTS: Final = 120
"""Requests of one connection."""
SCOPES: Final = ("offline_access", "orders:read")
Load = Callable[["Line", int], dict[str, str]]


class Line:
    """One connection, and what its client holds."""

    def __init__(self, secret: str, token: str) -> None:
        self.secret, self.token = secret, token

    async def open(self, port: int) -> None:
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port)

    async def ask(self, path: str, fields: dict[str, str]) -> dict[str, Any]:
        """The answer to a form. Errors: RuntimeError for one that is no success."""
        body = urlencode(fields).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        self._writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answered = await self._reader.readuntil(b"\r\n\r\n")
        length = int(answered.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        text = await self._reader.readexactly(length)
        if b" 200 " not in answered[:16]:
            raise RuntimeError(text.decode())
        return dict(orjson.loads(text))

    def close(self) -> None:
        """Disconnect."""
        self._writer.close()


def credentials(line: Line) -> dict[str, str]:
    """A program fetches a token in its own name."""
    return {"grant_type": "client_credentials", "client_id": "batch", "client_secret": line.secret}


def rotating(line: Line) -> dict[str, str]:
    """A public client's refresh token is spent and replaced."""
    return {"grant_type": "refresh_token", "client_id": "spa", "refresh_token": line.token}


def introspecting(line: Line) -> dict[str, str]:
    """A refresh token is asked about."""
    return {"token": line.token, "client_id": "batch", "client_secret": line.secret}


LOADS: Final = (
    ("client credentials", "/oauth/token", credentials),
    ("refresh, token replaced", "/oauth/token", rotating),
    ("introspection", "/oauth/introspect", introspecting),
)


def fill(store: Store, now: float) -> list[Line]:
    """A line for each connection, with a refresh token of its own."""
    add_user(store, "alice", now=now, roles=["reader"])
    _, secret = add_client(store, "batch", now=now, roles=["reader"], scopes=SCOPES)
    add_client(store, "spa", now=now, is_public=True, scopes=SCOPES, redirect_uris=["https://app.example/callback"])
    lines = []
    for number in range(CONNECTIONS):
        with store.begin() as connection:
            family = start_family(
                connection,
                f"{number:032x}",
                user="alice",
                client="spa",
                session="s",
                scopes=SCOPES,
                auth_time=now,
                amr=["pwd"],
                now=now,
                bound_key=None,
                bound_certificate=None,
                absolute_s=ABSOLUTE_S,
            )
            lines.append(Line(secret, first_refresh_token(connection, family, now=now)))
    return lines


async def _drive(lines: list[Line], path: str, form: Callable[[Line], dict[str, str]], count: int) -> None:
    async def one(line: Line) -> None:
        for _ in range(count):
            given = await line.ask(path, form(line))
            line.token = given.get("refresh_token", line.token)

    await asyncio.gather(*(one(line) for line in lines))


async def _measured(
    server: Server, port: int, lines: list[Line], path: str, form: Callable[[Line], dict[str, str]]
) -> tuple[float, float]:
    """CPU microseconds a request, and requests a second that came through."""
    for line in lines:
        await line.open(port)
    await _drive(lines, path, form, WARM)
    cpu_s, began = server.cpu_s(), time.perf_counter()
    await _drive(lines, path, form, REQUESTS)
    took_s, cpu_s = time.perf_counter() - began, server.cpu_s() - cpu_s
    for line in lines:
        line.close()
    count = REQUESTS * len(lines)
    return cpu_s / count * 1e6, count / took_s


def serve(directory: Path, descriptor: int) -> None:
    """The provider, until it is told to stop."""
    app = create_app(
        open_store(f"sqlite:///{directory / 'store.db'}"),
        [generate_key("ES256")],
        IdentitySettings(issuer=ISSUER),
        secret=ServerSecret(b"s" * 32),
    )
    uvloop.run(IssuerServer(app, None).serve(socket.socket(fileno=descriptor)))


@contextmanager
def provider(directory: Path) -> Iterator[tuple[Server, int]]:
    """A provider over that directory's store, and its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    command = [sys.executable, "-m", "bench.identity", "--serve", str(directory), "--port", str(port)]
    environment = {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    with Server(command, core=0, environment=environment, log=directory / "log") as server:
        server.wait_until_open(port)
        yield server, port


def control_process(directory: Path) -> tuple[float, float]:
    """CPU seconds that a control process has taken when all of its Doorward serves, and the MiB it then holds."""
    make_state(directory / ".doorward")
    secret = directory / ".doorward" / "keys" / KEY_FILE
    load_or_make_secret(secret)
    (directory / "openapi.json").write_bytes(
        orjson.dumps({"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {}})
    )
    policy = directory / "doorward.yaml"
    tls = {"certificate": ".doorward/tls/server.pem", "key": ".doorward/tls/server.key"}
    about = {"api": "openapi.json", "upstream": "http://127.0.0.1:9", "listen": "127.0.0.1:0", "tls": tls}
    policy.write_bytes(orjson.dumps({**about, "issuer": {"listen": "127.0.0.1:0"}}))
    with GatewayProcess(policy):
        own = psutil.Process().children(recursive=True)
        control = next(one for one in own if "doorward.gateway.control_process" in one.cmdline())
        times = control.cpu_times()
        return times.user + times.system, control.memory_info().rss / 2**20


def main() -> int:
    """The program."""
    heads = ("what is asked for", "us CPU a request", "at most a second", "seen a second")
    return tell("identity", __doc__, heads, 1, _rows)


def _rows(say: Say) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name, path, form in LOADS:
        say(name)
        with tempfile.TemporaryDirectory() as text:
            directory = Path(text)
            store = open_store(f"sqlite:///{directory / 'store.db'}")
            lines = fill(store, time.time())
            store.close()
            with provider(directory) as (server, port):
                cpu_us, seen = asyncio.run(_measured(server, port, lines, path, form))
        rows.append((name, f"{cpu_us:,.0f}", f"{1e6 / cpu_us:,.0f}", f"{seen:,.0f}"))
        say("  ".join(rows[-1]))
    say("a control process starts")
    with tempfile.TemporaryDirectory() as text:
        cpu_s, mib = control_process(Path(text))
    rows.append((f"control process: start, {cpu_s:.1f} s of CPU; memory, {mib:.0f} MiB", "", "", ""))
    return rows


def _serving() -> bool:
    options = argparse.ArgumentParser()
    options.add_argument("--serve", type=Path)
    options.add_argument("--port", type=int, default=0)
    chosen, _ = options.parse_known_args()
    if chosen.serve is None:
        return False
    with socket.create_server(("127.0.0.1", chosen.port)) as listener:
        serve(chosen.serve, listener.detach())
    return True


if __name__ == "__main__":
    sys.exit(0 if _serving() else main())
