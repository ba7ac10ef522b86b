from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from doorward.audit.reading import read_trail
from doorward.audit.verify import State, verify_trail
from doorward.controls.audit.records import Kind, Outcome, decode

if TYPE_CHECKING:
    from tests.faults.conftest import Load, Running, Start

KILLS = 100


def recorded_ids(running: Running) -> set[str]:
    """Ids of all exchanges whose outcome, or refusal, stands in the trail."""
    entries = (
        decode(record.kind, record.payload)
        for record in read_trail(running.state / "audit")
        if record.kind in {Kind.OUTCOME, Kind.REFUSED}
    )
    return {entry.request_id.hex() for entry in entries if isinstance(entry, Outcome)}


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_no_answered_request_is_missing_from_the_trail_however_often_the_worker_is_killed(
    start: Start, load: type[Load]
) -> None:
    with start() as running:
        with load(running, clients=2) as clients:
            for _ in range(KILLS):
                before = running.position
                os.kill(running.pid_of("worker-0"), signal.SIGKILL)
                running.wait_until_serves("worker-0", after=before)
                clients.wait_for_answers(4)
        answered = clients.answered
        assert {status for status, _ in answered} == {200}
        assert len(answered) >= 4 * KILLS
        assert running.stop() == 0
        missing = {request_id for _, request_id in answered} - recorded_ids(running)
        assert not missing
        assert verify_trail(running.state / "audit").state is State.INTACT


def test_a_request_made_while_the_worker_restarts_is_answered(start: Start) -> None:
    with start() as running:
        before = running.position
        os.kill(running.pid_of("worker-0"), signal.SIGKILL)
        running.wait_for(lambda event: event["event"] == "died, is started again", after=before)
        assert running.ask() == (200, {"id": 1})


def test_with_two_workers_one_may_die_under_load_and_the_other_serves_on(start: Start, load: type[Load]) -> None:
    with start("workers: 2\n") as running, load(running, clients=4, keeps_connection=False) as clients:
        survivor = running.pid_of("worker-1")
        before = running.position
        os.kill(running.pid_of("worker-0"), signal.SIGKILL)
        running.wait_until_serves("worker-0", after=before)
        clients.wait_for_answers(8)
        assert running.pid_of("worker-1") == survivor
        assert {status for status, _ in clients.answered} == {200}


def test_a_wedged_worker_is_replaced(start: Start) -> None:
    with start() as running:
        before = running.position
        os.kill(running.pid_of("worker-0"), signal.SIGSTOP)
        running.wait_until_serves("worker-0", after=before)
        assert running.ask()[0] == 200
