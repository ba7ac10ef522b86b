"""Starting, watching and stopping one pinned server; all by process id."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx
import psutil

_TICK_S: Final = 1.0 / os.sysconf("SC_CLK_TCK")


class Server:
    """A server on one core, in a session of its own. Leaving the context ends all of its processes."""

    def __init__(self, arguments: list[str], *, core: int, environment: Mapping[str, str], log: Path) -> None:
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                arguments,
                env=os.environ | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=lambda: os.sched_setaffinity(0, {core}),  # noqa: PLW1509 - we start no threads
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        tree = self.tree()
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)
        for process in tree:
            if process.pid != self._process.pid and process.is_running():
                process.send_signal(signal.SIGKILL)

    def wait_until_open(self, port: int, timeout_s: float = 20.0) -> None:
        """Nothing, once the port answers. Errors: RuntimeError with the end of the log."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            if self._process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        tail = self._log.read_text(errors="replace")[-800:]
        raise RuntimeError(f"not listening: {tail}")

    def wait_until_serving(self, url: str, headers: Mapping[str, str], timeout_s: float = 10.0) -> None:
        """Nothing, once a request is answered with 2xx. Errors: RuntimeError with the last answer."""
        until = time.monotonic() + timeout_s
        answer = ""
        while time.monotonic() < until:
            try:
                response = httpx.get(url, headers=headers, verify=False)
            except httpx.TransportError as error:
                answer = str(error)
            else:
                if response.is_success:
                    return
                answer = f"{response.status_code} {response.text[:300]}"
            time.sleep(0.1)
        raise RuntimeError(f"not serving: {answer}")

    def must_refuse(self, url: str, headers: Mapping[str, str], why: str) -> None:
        """Nothing, when the request is refused: a protection that is not on must not be measured.

        Errors: RuntimeError.
        """
        status = httpx.get(url, headers=headers, verify=False).status_code
        if not 400 <= status < 500:
            raise RuntimeError(f"answers {status} to {why}: it is not what the row says")

    def cpu_s(self) -> float:
        """User and system time of the whole tree so far, in seconds, ended children included."""
        return sum(_cpu_s(process.pid) for process in self.tree())

    def rss_mib(self) -> float:
        """Resident memory of the whole tree, in MiB."""
        return sum(_rss(process) for process in self.tree()) / 2**20

    def tree(self) -> list[psutil.Process]:
        """The server and all its children."""
        try:
            root = psutil.Process(self._process.pid)
            return [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


@contextmanager
def running(
    arguments: list[str], *, core: int, port: int, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """A server that answers on that port, ended when the context is left."""
    with Server(arguments, core=core, environment=environment or {}, log=log) as server:
        server.wait_until_open(port)
        yield server


def _cpu_s(pid: int) -> float:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0
    # after the command, which may hold blanks: utime stime cutime cstime are fields 14 to 17 of proc(5)
    fields = stat.rpartition(")")[2].split()
    return sum(int(fields[number]) for number in (11, 12, 13, 14)) * _TICK_S


def _rss(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
