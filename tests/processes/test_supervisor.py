import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil

from doorward.gateway.supervisor import Plan, Supervisor, open_listener

# A child that serves at once: it answers every connection with its process id, and ends on SIGTERM.
CHILD = """
import asyncio, os, signal, socket, sys
from doorward.gateway.liveness import Heartbeat

async def main(arguments):
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    if "--stubborn" in arguments:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        loop.add_signal_handler(signal.SIGTERM, done.set)
    if "--hup" in arguments:
        loop.add_signal_handler(signal.SIGHUP, lambda: open(arguments[arguments.index("--hup") + 1], "w").close())
    async def answer(reader, writer):
        writer.write(str(os.getpid()).encode())
        writer.close()
    if "--listen-fd" in arguments:
        listener = socket.socket(fileno=int(arguments[arguments.index("--listen-fd") + 1]))
        await asyncio.start_server(answer, sock=listener)
    heart = Heartbeat(int(arguments[arguments.index("--status-fd") + 1]), loop, done.set)
    if "--broken" in arguments:
        sys.exit(3)
    heart.ready()
    await done.wait()

asyncio.run(main(sys.argv[1:]))
"""


def child(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-c", CHILD, *arguments)


class Running:
    """A supervisor under test, in this process, with children of its own."""

    def __init__(self, plan: Plan) -> None:
        self.served: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        self.supervisor = Supervisor(plan, self.served.set_result)
        self.task = asyncio.create_task(self.supervisor.run())

    async def restarted(self, slot: int) -> int:
        worker = self.supervisor._workers[slot]
        await worker.gone.wait()
        await worker.ready.wait()
        return worker.pid

    async def stop(self) -> None:
        self.supervisor.stop()
        await self.task


@asynccontextmanager
async def running(
    *,
    worker: tuple[str, ...],
    count: int = 1,
    control: tuple[str, ...] | None = None,
    sockets: tuple[socket.socket, ...] = (),
    drain_s: float = 10,
    wedged_s: float = 10,
) -> AsyncIterator[Running]:
    run = Running(
        Plan(
            control=control or child(),
            worker=worker,
            worker_count=count,
            control_sockets=(),
            worker_sockets=sockets,
            drain_s=drain_s,
            wedged_s=wedged_s,
        )
    )
    try:
        yield run
    finally:
        if not run.task.done():
            await run.stop()


def test_every_worker_serves_and_stops_with_the_supervisor() -> None:
    async def scenario() -> None:
        async with running(worker=child(), count=2) as run:
            pids = await run.served
            assert len(set(pids)) == 2
            await run.stop()
            assert not any(psutil.pid_exists(pid) for pid in pids)

    asyncio.run(scenario())


def test_a_killed_worker_comes_back_and_its_sibling_is_left_alone() -> None:
    async def scenario() -> None:
        async with running(worker=child(), count=2) as run:
            first, second = await run.served
            os.kill(first, signal.SIGKILL)
            assert await run.restarted(0) != first
            assert run.supervisor._workers[1].pid == second

    asyncio.run(scenario())


def test_a_wedged_worker_is_killed_and_replaced() -> None:
    async def scenario() -> None:
        async with running(worker=child(), wedged_s=1) as run:
            (pid,) = await run.served
            os.kill(pid, signal.SIGSTOP)
            assert await run.restarted(0) != pid
            assert not psutil.pid_exists(pid)

    asyncio.run(scenario())


def test_a_lost_control_process_comes_back_and_the_workers_go_on() -> None:
    async def scenario() -> None:
        async with running(worker=child()) as run:
            (worker,) = await run.served
            control = run.supervisor._control
            before = control.pid
            os.kill(before, signal.SIGKILL)
            await control.gone.wait()
            await control.ready.wait()
            assert control.pid != before
            assert run.supervisor._workers[0].pid == worker

    asyncio.run(scenario())


def test_a_worker_that_does_not_drain_is_killed() -> None:
    async def scenario() -> None:
        async with running(worker=child("--stubborn"), drain_s=0.2) as run:
            (pid,) = await run.served
            await run.stop()
            assert not psutil.pid_exists(pid)

    asyncio.run(scenario())


def test_a_child_that_cannot_start_is_tried_again_ever_more_slowly() -> None:
    async def scenario() -> None:
        async with running(worker=child("--broken")) as run:
            worker = run.supervisor._workers[0]
            while worker._failed_starts < 3:
                await worker.gone.wait()
                worker.gone.clear()
            assert not run.served.done()

    asyncio.run(scenario())


def test_a_reload_reaches_the_control_process(tmp_path: Path) -> None:
    async def scenario() -> None:
        seen = tmp_path / "hup"
        os.mkfifo(seen)
        async with running(worker=child(), control=child("--hup", str(seen))) as run:
            await run.served
            run.supervisor.reload()
            # Opening a FIFO for reading returns once somebody opens it for writing.
            await asyncio.to_thread(lambda: seen.open("rb").close())

    asyncio.run(scenario())


def test_a_connection_made_while_no_worker_runs_waits_for_the_next_one() -> None:
    async def scenario() -> None:
        listener = open_listener("127.0.0.1", 0)
        worker = child("--listen-fd", str(listener.fileno()))
        async with running(worker=worker, sockets=(listener,)) as run:
            (pid,) = await run.served
            os.kill(pid, signal.SIGKILL)
            await run.supervisor._workers[0].gone.wait()
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            answered_by = int(await reader.read())
            writer.close()
            await writer.wait_closed()
            assert answered_by == run.supervisor._workers[0].pid != pid
        listener.close()

    asyncio.run(scenario())


def test_children_end_when_the_supervisor_is_gone() -> None:
    theirs, ours = os.pipe()
    process = psutil.Popen([*child(), "--status-fd", str(ours)], pass_fds=(ours,))
    os.close(ours)
    assert os.read(theirs, 1) == b"r"
    os.close(theirs)
    assert process.wait(timeout=20) == 0
