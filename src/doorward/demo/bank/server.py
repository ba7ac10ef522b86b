"""The bank as a server on loopback: in a thread for tests, or as a process (`python -m doorward.demo.bank`)."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from doorward.demo.bank.app import bank


def listener(port: int = 0) -> socket.socket:
    """A listening socket on loopback; the bank never listens anywhere else."""
    return socket.create_server(("127.0.0.1", port), backlog=128)


def server(directory: Path) -> uvicorn.Server:
    """A server for the bank in `directory`; silent, and as talkative in its headers as many are."""
    return uvicorn.Server(
        uvicorn.Config(
            bank(directory),
            log_level="critical",
            lifespan="off",
            ws="none",
            headers=[("X-Powered-By", "BankCore/4.2.1")],
        )
    )


@contextlib.contextmanager
def bank_in_thread(directory: Path) -> Iterator[int]:
    """The port of a bank that serves until the block is left."""
    sock = listener()
    running = server(directory)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    try:
        yield sock.getsockname()[1]
    finally:
        running.should_exit = True
        thread.join(10)
        sock.close()
