"""The program that `doorward run` becomes once everything is checked and opened.

A program of its own because what judges a policy takes three times the memory of what watches over processes, and
would be held for as long as the gateway runs.
"""

import argparse
import asyncio
import json
import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from doorward import logs
from doorward.gateway.supervisor import Plan, Supervisor, python_module


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What to start, on which inherited descriptors, and what to say once it serves."""

    control: Sequence[str]
    worker: Sequence[str]
    worker_count: int
    control_fds: Sequence[int]
    worker_fds: Sequence[int]
    lock_fd: int
    """Held for as long as the gateway runs: nobody else uses its state."""
    title: str
    """Of the API."""
    gateway: str
    """Addresses, as clients write them."""
    issuer: str
    admin: str | None
    plain: str | None
    ready_file: str | None

    def become(self) -> None:
        """Replace this process by the supervisor. Returns never. Errors: OSError."""
        for descriptor in (*self.control_fds, *self.worker_fds, self.lock_fd):
            os.set_inheritable(descriptor, True)
        command = python_module("doorward.gateway.supervise", "--orders", json.dumps(asdict(self)))
        os.execv(sys.executable, command)  # noqa: S606 - our own interpreter, our own module

    def serving(self, pids: list[int]) -> None:
        """Say that everything serves."""
        if self.ready_file is not None:
            ready = {
                "gateway": self.gateway,
                "issuer": self.issuer,
                "admin": self.admin,
                "plain": self.plain,
                "pid": os.getpid(),
                "workers": pids,
            }
            file = Path(self.ready_file)
            temporary = file.with_name(f".{file.name}.new")
            temporary.write_text(json.dumps(ready), encoding="utf-8")
            temporary.replace(file)
        count = f"{len(pids)} worker" if len(pids) == 1 else f"{len(pids)} workers"
        sys.stderr.write(f"doorward guards {self.title} at {self.gateway} ({count})\n")
        sys.stderr.flush()


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(prog="doorward-supervisor")
    parser.add_argument("--orders", required=True)
    orders = Orders(**json.loads(parser.parse_args().orders))
    logs.configure("supervisor")
    # Not for the children: each gets what it needs by name.
    for descriptor in (*orders.control_fds, *orders.worker_fds, orders.lock_fd):
        os.set_inheritable(descriptor, False)
    plan = Plan(
        control=tuple(orders.control),
        worker=tuple(orders.worker),
        worker_count=orders.worker_count,
        control_sockets=tuple(socket.socket(fileno=descriptor) for descriptor in orders.control_fds),
        worker_sockets=tuple(socket.socket(fileno=descriptor) for descriptor in orders.worker_fds),
    )
    try:
        asyncio.run(Supervisor(plan, orders.serving).run())
    finally:
        if orders.ready_file is not None:
            Path(orders.ready_file).unlink(missing_ok=True)


if __name__ == "__main__":
    main()
