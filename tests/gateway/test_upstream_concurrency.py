"""How many requests a target is given follows from how its latency answers to load."""

import heapq
import random
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.gateway.lab import OK, PATIENCE_S, request, running

from doorward.gateway.upstream_concurrency import AdaptiveLimit

BASE_S = 0.01


def drive(limit: AdaptiveLimit, capacity: int, *, seconds: float, start: float = 0.0, base_s: float = BASE_S) -> float:
    """A target that works on `capacity` requests at once and queues the others, always offered more than it gets.

    Returns the mean limit over the last half of the time.
    """
    now, chance = start, random.Random(1)
    free = [start] * capacity
    under_way: list[tuple[float, float]] = []
    limits: list[int] = []
    while now < start + seconds:
        while len(under_way) < limit.now:
            begins = max(heapq.heappop(free), now)
            ends = begins + base_s * chance.uniform(0.8, 1.2)
            heapq.heappush(free, ends)
            heapq.heappush(under_way, (ends, now))
        now, sent = heapq.heappop(under_way)
        limit.answered(now - sent, len(under_way) + 1, now)
        if now > start + seconds / 2:
            limits.append(limit.now)
    return sum(limits) / len(limits)


@pytest.mark.parametrize("capacity", [8, 40, 150])
def test_the_limit_settles_where_the_target_is_busy_and_its_queue_short(capacity: int) -> None:
    """Above the capacity, so that nothing idles, and below what would queue much longer than `tolerance` allows."""
    mean = drive(AdaptiveLimit(least=4, most=1000, tolerance=1.5), capacity, seconds=20.0)
    assert capacity <= mean <= 3 * capacity


def test_a_target_that_becomes_slower_is_given_less_and_its_new_pace_is_learnt() -> None:
    limit = AdaptiveLimit(least=4, most=1000, tolerance=1.5)
    before = drive(limit, 60, seconds=10.0)
    after = drive(limit, 15, start=10.0, seconds=10.0)
    assert after < before / 2
    again = drive(limit, 15, start=20.0, seconds=80.0, base_s=4 * BASE_S)
    assert again >= 15


def test_an_idle_target_proves_nothing() -> None:
    limit = AdaptiveLimit(least=4, most=1000, tolerance=2.0)
    for step in range(10_000):
        limit.answered(0.001, 1, step * 0.01)
    assert limit.now <= 40


def test_failures_shrink_it_to_the_least_and_no_further() -> None:
    limit = AdaptiveLimit(least=4, most=1000, tolerance=2.0)
    for _ in range(100):
        limit.failed()
    assert limit.now == 4


def test_a_probe_of_a_slow_target_ends_with_one_answer() -> None:
    limit = AdaptiveLimit(least=1, most=100, tolerance=2.0)
    for _ in range(10):
        limit.answered(0.1, 20, 0.0)
    for _ in range(10):
        limit.answered(0.1, 20, 0.3)
    assert limit.is_probing
    assert limit.now == 1
    limit.answered(1.5, 1, 0.5)
    assert limit.is_probing, "that one was asked before"
    limit.answered(2.0, 1, 2.4)
    assert not limit.is_probing
    assert limit.now > 1


@given(
    st.lists(st.tuples(st.floats(0, 100), st.integers(1, 500), st.floats(0, 60), st.booleans()), max_size=200),
    st.integers(1, 50),
    st.integers(1, 200),
)
def test_it_never_leaves_its_bounds(answers: list[tuple[float, int, float, bool]], least: int, more: int) -> None:
    limit, now = AdaptiveLimit(least=least, most=least + more, tolerance=1.0), 0.0
    for latency, busy, later, fails in answers:
        now += later
        if fails:
            limit.failed()
        else:
            limit.answered(latency, busy, now)
        assert least <= limit.now <= least + more


def test_beyond_the_limit_requests_wait_and_a_full_queue_turns_them_away() -> None:
    forward = {"adaptive": {"least": 1}, "connections": 2, "waiting": 1, "waiting_s": PATIENCE_S}
    go_on = threading.Event()

    def waits(connection: object) -> None:
        go_on.wait(PATIENCE_S)
        connection.sendall(OK)  # type: ignore[attr-defined]

    with running(forward=forward) as lab, lab.connect() as one, lab.connect() as two:
        limit = lab.pool.targets[0].limit
        assert limit is not None
        limit.now = 1
        lab.upstream.answers[b"/items"] = waits
        one.send(request())
        lab.upstream.arrived.get(timeout=PATIENCE_S)
        two.send(request())
        lab.wait_until(lambda: len(lab.pool._waiting) == 1)
        answer = lab.ask(request())
        assert answer is not None
        assert (answer.status, answer.code) == (503, "forward.upstream_busy")
        assert len(lab.upstream.seen) == 1
        go_on.set()
        for client in (one, two):
            held = client.answer()
            assert held is not None
            assert held.status == 200


def test_without_it_nothing_is_measured() -> None:
    with running() as lab:
        assert lab.pool.targets[0].limit is None
