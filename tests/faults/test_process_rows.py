"""Fault rows 14, 16 and 35 of `docs/faults.md`: no descriptors left, a worker that gets no processor, workers that roll."""

from __future__ import annotations

import os
import resource
import signal
import socket
import time
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from tests.faults.conftest import Load, Running, Start

SPARE = 12
"""Descriptors a worker may open beyond those it has."""
WATCHED_S = 1.0


def livez(running: Running) -> int:
    connection = running.connect("issuer")
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().status
    finally:
        connection.close()


def test_14_without_descriptors_it_neither_spins_nor_dies_and_serves_again_when_there_are_some(start: Start) -> None:
    with start() as running:
        assert running.ask()[0] == 200
        worker = psutil.Process(running.pid_of("worker-0"))
        _, most = resource.prlimit(worker.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, (worker.num_fds() + SPARE, most))
        host, _, port = running.ready["gateway"].removeprefix("https://").rpartition(":")
        held = [socket.create_connection((host, int(port)), timeout=10) for _ in range(4 * SPARE)]
        before = sum(worker.cpu_times()[:2])
        time.sleep(WATCHED_S)
        assert sum(worker.cpu_times()[:2]) - before < WATCHED_S * 0.7, "it spins"
        for one in held:
            one.close()
        assert running.ask()[0] == 200
        assert running.pid_of("worker-0") == worker.pid


def test_15_a_worker_short_of_memory_takes_no_more_and_says_so(start: Start) -> None:
    # less than any worker has: the ladder is at its top at once
    with start("limits: {per_address: null, per_caller: null, memory_bytes: 67108864}\n") as running:
        running.wait_for(lambda event: event["event"] == "pressure" and event["of_level"] == 3)
        with pytest.raises(OSError, match=r"EOF|reset|closed"):
            running.ask()
        assert livez(running) == 200


def test_16_health_is_answered_by_a_process_that_serves_no_requests(start: Start) -> None:
    with start() as running:
        os.kill(running.pid_of("worker-0"), signal.SIGSTOP)
        try:
            assert livez(running) == 200
        finally:
            os.kill(running.pid_of("worker-0"), signal.SIGCONT)


def test_35_workers_that_roll_under_load_fail_no_request(start: Start, load: type[Load]) -> None:
    with start("workers: 2\n") as running, load(running, clients=3, keeps_connection=False) as clients:
        for _ in range(2):
            for worker in ("worker-0", "worker-1"):
                before = running.position
                os.kill(running.pid_of(worker), signal.SIGTERM)
                running.wait_until_serves(worker, after=before)
                clients.wait_for_answers(10)
            running.reload()
        clients.wait_for_answers(10)
    assert clients.failed == []
    assert {status for status, _ in clients.answered} == {200}
