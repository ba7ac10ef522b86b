"""Requests wait for a connection briefly, in order, and are not forgotten when the policy is replaced."""

import socket
import threading
from typing import Any

import pytest
from tests.gateway.lab import OK, PATIENCE_S, request, running

from doorward.controls.limits import Priority
from doorward.denial import Denied
from doorward.gateway.upstream import UpstreamPool
from doorward.gateway.upstream_queue import Waiting, busy


class Waiter:
    """Somebody in the queue, as far as the queue is concerned."""

    def __init__(self, priority: Priority = "normal") -> None:
        self.denied: Denied | None = None
        self.priority = priority

    def upstream_failed(self, denied: Denied) -> None:
        self.denied = denied


def queued(queue: Waiting, now: float, priority: Priority = "normal") -> tuple[Any, float]:
    waiter: Any = Waiter(priority)
    return waiter, queue.add(waiter, now)


def test_who_waits_too_long_is_turned_away_and_the_others_wait_on() -> None:
    queue = Waiting(10, 1.0)
    first, deadline = queued(queue, 100.0)
    second, _ = queued(queue, 100.5)
    assert deadline == 101.0
    queue.expire(100.9)
    assert first.denied is None
    queue.expire(101.0)
    assert first.denied is not None
    assert first.denied.code == "forward.upstream_busy"
    assert second.denied is None
    assert queue.take()[1] is second


def test_while_the_queue_stands_new_ones_wait_a_tenth_as_long_and_after_it_was_empty_as_long_as_ever() -> None:
    queue = Waiting(10, 1.0)
    for moment in (100.0, 100.5, 101.0):
        assert queued(queue, moment)[1] == moment + 1.0
    late, deadline = queued(queue, 101.25)
    assert deadline == 101.25 + 0.1
    queue.expire(101.4)
    assert late.denied is not None
    assert len(queue) == 2
    while queue:
        queue.take()
    assert queued(queue, 200.0)[1] == 201.0


def test_a_full_queue_takes_nobody() -> None:
    queue = Waiting(1, 1.0)
    first, _ = queued(queue, 100.0)
    with pytest.raises(Denied):
        queued(queue, 100.0)
    queue.remove(first)
    queued(queue, 100.0)


def test_the_more_important_go_first_and_the_least_not_never() -> None:
    queue = Waiting(100, 1.0)
    for priority in ("low", "normal", "high") * 8:
        queued(queue, 100.0, priority)
    order = [queue.take()[1].priority for _ in range(24)]
    assert order[:7] == ["high"] * 7
    assert order[7] == "low"
    assert order.index("normal") < len(order) - order[::-1].index("high") + 1
    assert order.count("low") == 8


def test_in_a_full_queue_the_least_important_and_newest_makes_room() -> None:
    queue = Waiting(3, 1.0)
    older, _ = queued(queue, 100.0, "low")
    newer, _ = queued(queue, 100.0, "low")
    queued(queue, 100.0, "normal")
    queued(queue, 100.0, "high")
    assert (older.denied, newer.denied is not None) == (None, True)
    with pytest.raises(Denied):
        queued(queue, 100.0, "low")


def test_clients_are_told_to_come_back_at_different_times() -> None:
    assert {busy("").headers[0] for _ in range(200)} == {(b"retry-after", b"%d" % wait) for wait in (1, 2, 3)}


def test_a_request_that_waits_too_long_is_a_503() -> None:
    go_on = threading.Event()

    def waits(connection: socket.socket) -> None:
        go_on.wait(PATIENCE_S)
        connection.sendall(OK)

    with running(forward={"connections": 1, "waiting_s": 0.05}) as lab, lab.connect() as first:
        lab.upstream.answers[b"/items"] = waits
        first.send(request())
        lab.upstream.arrived.get(timeout=PATIENCE_S)
        answer = lab.ask(request())
        assert answer is not None
        assert (answer.status, answer.code) == (503, "forward.upstream_busy")
        go_on.set()
        held = first.answer()
        assert held is not None
        assert held.status == 200


@pytest.mark.parametrize("gets_its_turn", [True, False])
def test_35_who_waits_while_the_policy_is_replaced_is_answered_all_the_same(*, gets_its_turn: bool) -> None:
    go_on = threading.Event()

    def waits(connection: socket.socket) -> None:
        go_on.wait(PATIENCE_S)
        connection.sendall(OK)

    forward = {"connections": 1, "waiting_s": PATIENCE_S if gets_its_turn else 0.05}
    with running(forward=forward) as lab, lab.connect() as first, lab.connect() as second:
        lab.upstream.answers[b"/items"] = waits
        first.send(request())
        lab.upstream.arrived.get(timeout=PATIENCE_S)
        second.send(request())
        retired = lab.pool
        lab.wait_until(lambda: len(retired._waiting) == 1)

        def replace() -> None:
            lab.pool = lab.gateway.upstream = UpstreamPool(lab._policy, retired.deadlines, lab.loop)
            retired.retire()

        lab.loop.call_soon_threadsafe(replace)
        lab.wait_until(lambda: lab.pool is not retired)
        if gets_its_turn:
            go_on.set()
        answer = second.answer()
        assert answer is not None
        assert answer.status == (200 if gets_its_turn else 503)
        go_on.set()
        assert first.answer() is not None
        lab.wait_until(lambda: not retired.targets[0].connections and retired not in retired.deadlines._members)
