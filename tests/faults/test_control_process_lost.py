from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from tests.waiting import until

from doorward.gateway.control.following import WATCH_S
from doorward.gateway.worker import POLL_S
from doorward.identity.api_keys import revoke_api_key
from doorward.store import open_store

if TYPE_CHECKING:
    from tests.faults.conftest import Load, Running, Start

REVOKED_WITHIN_S = 1.0


def test_workers_serve_on_and_restart_while_the_control_process_is_down(start: Start, load: type[Load]) -> None:
    with start() as running, load(running, clients=1, keeps_connection=False) as clients:
        # Stopped, not killed: killed it would be back before the worker is.
        control = running.pid_of("control")
        os.kill(control, signal.SIGSTOP)
        before = running.position
        os.kill(running.pid_of("worker-0"), signal.SIGKILL)
        running.wait_until_serves("worker-0", after=before)
        clients.wait_for_answers(4)
        assert running.pid_of("control") == control
        os.kill(control, signal.SIGCONT)
        assert {status for status, _ in clients.answered} == {200}


def test_a_killed_control_process_comes_back_and_publishes_again(start: Start) -> None:
    with start() as running:
        before = running.position
        os.kill(running.pid_of("control"), signal.SIGKILL)
        running.wait_until_serves("control", after=before)
        key = running.add_key("bob")
        until_answered(running, key, 200)


def test_a_control_process_that_comes_back_to_a_bad_policy_goes_on_with_the_one_in_force(start: Start) -> None:
    with start() as running:
        running.policy.write_text("nonsense: true\n")
        before = running.position
        os.kill(running.pid_of("control"), signal.SIGKILL)
        running.wait_until_serves("control", after=before)
        running.wait_for(lambda event: event["event"].startswith("policy refused"), after=before)
        key = running.add_key("bob")
        until_answered(running, key, 200)
        assert running.ask()[0] == 200


def test_a_revoked_key_is_refused_by_every_worker_while_others_are_served(start: Start, load: type[Load]) -> None:
    with start("workers: 2\n") as running, load(running, clients=2, keeps_connection=False) as others:
        for number in range(3):
            key = running.add_key(f"victim-{number}")
            until_answered(running, key, 200)
            store = open_store(f"sqlite:///{running.state / 'store.db'}")
            revoke_api_key(store, f"victim-{number}", now=time.time())
            store.close()
            until_answered(running, key, 401)
    assert {status for status, _ in others.answered} == {200}
    assert others.failed == []


def test_what_is_revoked_is_looked_for_often_enough_to_be_void_within_a_second() -> None:
    """How long a busy machine takes on top is no claim of ours, and no test's."""
    assert WATCH_S + POLL_S <= REVOKED_WITHIN_S / 2


def until_answered(running: Running, key: str, status: int) -> None:
    """Nothing, once it was the answer that often in a row, on fresh connections: so that both workers were met."""
    in_a_row = 0

    def met() -> bool:
        nonlocal in_a_row
        in_a_row = in_a_row + 1 if running.ask(key)[0] == status else 0
        return in_a_row == 20

    until(met, f"the answer to that key never is {status} at every worker")


def test_health_stands_on_the_issuers_listener_and_not_on_the_guarded_one(start: Start) -> None:
    with start() as running:
        for path in ("/livez", "/readyz"):
            assert status_of(running, "issuer", path) == 200
            assert status_of(running, "gateway", path) == 404


def status_of(running: Running, listener: str, path: str) -> int:
    connection = running.connect(listener)
    connection.request("GET", path)
    status = connection.getresponse().status
    connection.close()
    return status
