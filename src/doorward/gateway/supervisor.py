"""The supervisor: starts one control process and the workers, replaces what dies or hangs, drains, hands on a reload.

It holds the listening sockets, so a connection made while a worker restarts waits in the kernel's queue instead of
being refused. It serves nothing itself and never forks after threads: children are new programs with explicit
argument lists.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from doorward.gateway.liveness import BEAT_S, READY, WEDGED_S

START_S: Final = 30.0
"""Time the workers wait for the first snapshot, in seconds."""
SILENT_START_S: Final = 120.0
"""Time a child may take until it serves, in seconds: the first start compiles, on a busy machine slowly."""
DRAIN_S: Final = 30.0
"""Time the workers have to finish what they are doing after SIGTERM, in seconds; then SIGKILL."""
STOP_S: Final = 5.0
"""Time the control process has to stop after SIGTERM, in seconds."""
RESTART_S: Final = 0.05
BACK_OFF_S: Final = 10.0
"""Longest pause before a child that keeps dying before it serves is started again, in seconds."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to start. Commands are argument lists to which the supervisor adds `--workers COUNT --status-fd FD`."""

    control: tuple[str, ...]
    worker: tuple[str, ...]
    """Of every worker; the supervisor adds `--slot N`."""
    worker_count: int
    control_sockets: tuple[socket.socket, ...]
    worker_sockets: tuple[socket.socket, ...]
    drain_s: float = DRAIN_S
    wedged_s: float = WEDGED_S


class Supervisor:
    """Runs a `Plan` until SIGTERM or SIGINT. `serving` is called once, when every child serves for the first time."""

    def __init__(self, plan: Plan, serving: Callable[[list[int]], None]) -> None:
        self._plan = plan
        self._serving = serving
        self._stopping = asyncio.Event()
        # How many there are they learn from us, who started them: a policy read later may say another number.
        count = ("--workers", str(plan.worker_count))
        self._control = _Child("control", (*plan.control, *count), plan.control_sockets)
        self._workers = [
            _Child(f"worker-{slot}", (*plan.worker, *count, "--slot", str(slot)), plan.worker_sockets)
            for slot in range(plan.worker_count)
        ]

    async def run(self) -> None:
        """Start everything, keep it running, and return once everything has stopped."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self.reload)
        watchdog = asyncio.create_task(self._watch())
        starting = asyncio.create_task(self._start())
        await self._stopping.wait()
        for task in (starting, watchdog):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        for worker in self._workers:
            worker.stop()
        for listener in self._plan.worker_sockets:
            # From now on a new connection is refused; kept open, it would wait for workers that never come.
            listener.close()
        await _all_gone(self._workers, self._plan.drain_s)
        self._control.stop()
        await _all_gone([self._control], STOP_S)
        _log.info("stopped")

    async def _start(self) -> None:
        self._control.start()
        # The first snapshot comes from the control process. Should it not come, the workers start from the last good
        # one: whoever cannot reach his control plane after a crash still has a guarded API.
        try:
            await asyncio.wait_for(self._control.ready.wait(), START_S)
        except TimeoutError:
            _log.error("the control process does not come up, workers start from the last good snapshot")
        for worker in self._workers:
            worker.start()
        for worker in self._workers:
            await worker.ready.wait()
        self._serving([worker.pid for worker in self._workers])

    def stop(self) -> None:
        """Drain and end; a second time: end at once."""
        if self._stopping.is_set():
            _log.warning("asked twice to stop: not waiting for requests under way")
            for child in (*self._workers, self._control):
                child.send(signal.SIGKILL)
        else:
            _log.info("asked to stop")
        self._stopping.set()

    def reload(self) -> None:
        """Have the control process read the policy again."""
        _log.info("reload asked for")
        self._control.send(signal.SIGHUP)

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        last = loop.time()
        while True:
            await asyncio.sleep(BEAT_S)
            now = loop.time()
            # When we ourselves did not run (a suspended machine, no CPU), the children's silence says nothing.
            if now - last < 4 * BEAT_S:
                for child in (*self._workers, self._control):
                    child.kill_when_silent(now, self._plan.wedged_s)
            else:
                for child in (*self._workers, self._control):
                    child.forgive(now)
            last = now


@dataclass(slots=True, eq=False)
class _Child:
    """One process that is started again whenever it ends, until `stop`."""

    name: str
    command: tuple[str, ...]
    sockets: tuple[socket.socket, ...]
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    _process: "subprocess.Popen[bytes] | None" = None
    _status: int = -1
    _heard: float = 0.0
    _failed_starts: int = 0
    _stopping: bool = False
    _restart: asyncio.TimerHandle | None = None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._restart = None
        self._status, theirs = os.pipe()
        os.set_blocking(self._status, False)
        try:
            self._process = subprocess.Popen(
                [*self.command, "--status-fd", str(theirs)],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs, *(listener.fileno() for listener in self.sockets)),
                # Ctrl-C is for us alone: the children are drained, not interrupted.
                process_group=0,
            )
        except OSError as error:
            os.close(self._status)
            _log.error("cannot be started", child=self.name, reason=error.strerror)
            self._start_again(loop)
            return
        finally:
            os.close(theirs)
        self.ready.clear()
        self.gone.clear()
        self._heard = loop.time()
        loop.add_reader(self._status, self._read_status)
        _log.info("started", child=self.name, pid=self.pid)

    def send(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def stop(self) -> None:
        """Ask it to finish; it is not started again."""
        self._stopping = True
        if self._restart is not None:
            self._restart.cancel()
        if self._process is None:
            self.gone.set()
        self.send(signal.SIGTERM)

    def kill_when_silent(self, now: float, wedged_s: float) -> None:
        limit_s = wedged_s if self.ready.is_set() else SILENT_START_S
        if self._process is not None and now - self._heard > limit_s:
            _log.error("silent for too long, killed", child=self.name, pid=self.pid, silent_s=round(limit_s, 1))
            self.forgive(now)
            self.send(signal.SIGKILL)

    def forgive(self, now: float) -> None:
        self._heard = now

    def _read_status(self) -> None:
        loop = asyncio.get_running_loop()
        said = os.read(self._status, 4096)
        if not said:
            self._ended(loop)
            return
        self._heard = loop.time()
        if READY in said:
            self._failed_starts = 0
            self.ready.set()
            _log.info("serves", child=self.name, pid=self.pid)

    def _ended(self, loop: asyncio.AbstractEventLoop) -> None:
        """The pipe has no writer any more: the process is dead, or has closed the pipe and can be trusted no more."""
        loop.remove_reader(self._status)
        os.close(self._status)
        process, self._process = self._process, None
        if process is None:
            return
        try:
            code = process.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        self.gone.set()
        if self._stopping:
            _log.info("ended", child=self.name, pid=process.pid, **_how(code))
            return
        _log.error("died, is started again", child=self.name, pid=process.pid, **_how(code))
        self._start_again(loop)

    def _start_again(self, loop: asyncio.AbstractEventLoop) -> None:
        # Died before it served: its start is broken, and trying faster does not mend it. One that dies while it serves
        # comes back at once: whoever found a request that kills must not get a pause for each.
        if not self.ready.is_set():
            self._failed_starts += 1
        self.ready.clear()
        self._restart = loop.call_later(back_off_s(self._failed_starts), self.start)


def back_off_s(failed_starts: int) -> float:
    """Seconds until a child is started again that failed to start so many times in a row.

    >>> [back_off_s(failed) for failed in (0, 1, 2, 20)]
    [0.05, 0.1, 0.2, 10.0]
    """
    return float(min(RESTART_S * 2 ** min(failed_starts, 10), BACK_OFF_S))


async def _all_gone(children: list[_Child], within_s: float) -> None:
    """Wait until every child has ended, by itself or, after `within_s`, by force."""
    try:
        async with asyncio.timeout(within_s):
            for child in children:
                await child.gone.wait()
    except TimeoutError:
        for child in children:
            if not child.gone.is_set():
                _log.error("did not stop in time, killed", child=child.name, pid=child.pid)
                child.send(signal.SIGKILL)
        for child in children:
            await child.gone.wait()


def _how(code: int) -> dict[str, int | str]:
    return {"signal": signal.Signals(-code).name} if code < 0 else {"status": code}


def open_listener(host: str, port: int) -> socket.socket:
    """A listening socket for the children to inherit. Errors: OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener


def python_module(module: str, *arguments: str) -> tuple[str, ...]:
    """The command line that runs one of our modules; `-P` keeps the working directory off the import path."""
    return (sys.executable, "-P", "-m", module, *arguments)


def worker_command(snapshot: Path, listener: socket.socket, plain: socket.socket | None) -> tuple[str, ...]:
    """The command line of a worker, but for what the supervisor adds."""
    command = python_module(
        "doorward.gateway.worker", "--snapshot", str(snapshot), "--listen-fd", str(listener.fileno())
    )
    return command if plain is None else (*command, "--plain-fd", str(plain.fileno()))
