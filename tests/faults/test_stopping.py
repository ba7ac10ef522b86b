from __future__ import annotations

import signal
import socket
import threading
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from tests.faults.conftest import PATIENCE_S, Running, Start
else:
    PATIENCE_S = 30.0


def children(running: Running) -> list[psutil.Process]:
    return [psutil.Process(running.pid_of(child)) for child in ("control", "worker-0")]


def test_a_request_under_way_is_finished_and_a_new_one_is_refused(start: Start) -> None:
    with start() as running:
        running.upstream.hold()
        answers: list[int] = []
        asking = threading.Thread(target=lambda: answers.append(running.ask()[0]))
        asking.start()
        assert running.upstream.asked.wait(PATIENCE_S)
        running.signal(signal.SIGTERM)
        # The listening socket is gone as soon as the workers were told; until then a connection may still be made.
        while can_connect(running):
            continue
        running.upstream.release()
        asking.join()
        assert answers == [200]
        assert running.stop() == 0


def can_connect(running: Running) -> bool:
    host, _, port = running.ready["gateway"].removeprefix("https://").rpartition(":")
    try:
        # No handshake: whoever is accepted while the workers stop is cut off in the middle of one.
        socket.create_connection((host, int(port)), timeout=PATIENCE_S).close()
    except OSError:
        return False
    return True


def test_it_stops_with_status_0_and_leaves_no_process_and_no_ready_file(start: Start) -> None:
    with start() as running:
        processes = children(running)
        assert running.stop() == 0
        assert not any(process.is_running() for process in processes)
        assert not (running.directory / "ready.json").exists()


def test_a_second_signal_does_not_wait_for_requests_under_way(start: Start) -> None:
    with start() as running:
        running.upstream.hold()
        asking = threading.Thread(target=ask_in_vain, args=(running,))
        asking.start()
        assert running.upstream.asked.wait(PATIENCE_S)
        before = running.position
        running.signal(signal.SIGTERM)
        running.wait_for(lambda event: event["event"] == "asked to stop", after=before)
        running.signal(signal.SIGTERM)
        assert running.stop() == 0
        asking.join()
        running.upstream.release()


def ask_in_vain(running: Running) -> None:
    with pytest.raises(OSError):
        running.ask()


def test_nothing_outlives_a_killed_supervisor(start: Start) -> None:
    with start() as running:
        processes = children(running)
        running.signal(signal.SIGKILL)
        _, alive = psutil.wait_procs(processes, timeout=PATIENCE_S)
        assert not alive
