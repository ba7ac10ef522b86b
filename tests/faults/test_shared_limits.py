"""Limits of a gateway with two workers: one client's requests, spread over both, are counted together."""

from __future__ import annotations

import os
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from tests.waiting import until

from doorward.controls.limits.buckets import SLACK

if TYPE_CHECKING:
    from tests.faults.conftest import Running, Start

TOGETHER = "limits are counted together"
ALONE = "limits: no answer from the control process"


def wait_until_together(running: Running, *, after: int = 0) -> None:
    """Return once the last that both workers said since then is that they count together."""

    def both(_: dict[str, Any]) -> bool:
        said = [event for event in running.events[after:] if event["event"].startswith((TOGETHER, ALONE))]
        last = {event["process"]: event["event"].startswith(TOGETHER) for event in said}
        return last == {"worker-0": True, "worker-1": True}

    running.wait_for(both, after=after)


def statuses(running: Running, count: int) -> Counter[int]:
    """Answers to so many requests, each over a connection of its own: the kernel gives it to either worker."""
    with ThreadPoolExecutor(4) as pool:
        return Counter(status for status, _ in pool.map(lambda _: running.ask(), range(count)))


def test_a_small_limit_is_exact_over_both_workers(start: Start) -> None:
    with start("workers: 2\nlimits: {per_address: null, per_caller: 12/day}\n") as running:
        wait_until_together(running)
        assert statuses(running, 40) == {200: 12, 429: 28}


def test_a_larger_limit_and_a_quota_hold_within_what_was_not_told(start: Start) -> None:
    with start("workers: 2\nlimits: {per_address: null, per_caller: null, quota: {admin: 60/month}}\n") as running:
        wait_until_together(running)
        served = statuses(running, 120)[200]
        assert 60 <= served <= 60 + int(60 * SLACK / 2)


def test_what_is_under_way_is_counted_over_both_workers(start: Start) -> None:
    rules = "{rules: [{name: one, by: [caller], concurrency: 1}], per_address: null, per_caller: null}"
    with start(f"workers: 2\nlimits: {rules}\n") as running:
        wait_until_together(running)
        running.upstream.hold()
        with ThreadPoolExecutor(1) as pool:
            held = pool.submit(running.ask)
            assert running.upstream.asked.wait(10)
            assert statuses(running, 8) == {429: 8}
            running.upstream.release()
            assert held.result()[0] == 200
        for _ in range(6):
            # the client has its answer a moment before the other worker can hear that the place is free again
            until(lambda: running.ask()[0] == 200, "the place is never free again")


def test_cut_off_from_the_counts_each_worker_gives_out_its_share(start: Start) -> None:
    with start("workers: 2\nlimits: {per_address: null, per_caller: 12/day}\n") as running:
        wait_until_together(running)
        control = running.pid_of("control")
        os.kill(control, signal.SIGSTOP)
        try:
            answers = statuses(running, 60)
        finally:
            os.kill(control, signal.SIGCONT)
        assert set(answers) == {200, 429}
        assert answers[200] <= 12
        running.wait_for(lambda event: event["event"].startswith(ALONE))


def test_counts_outlive_the_control_process(start: Start) -> None:
    with start("workers: 2\nlimits: {per_address: null, per_caller: 12/day}\n") as running:
        wait_until_together(running)
        assert statuses(running, 8) == {200: 8}
        before = running.position
        os.kill(running.pid_of("control"), signal.SIGKILL)
        running.wait_until_serves("control", after=before)
        wait_until_together(running, after=before)
        assert statuses(running, 20) == {200: 4, 429: 16}
