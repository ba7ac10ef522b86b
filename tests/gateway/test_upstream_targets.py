"""Several targets serve one upstream: the load is spread, what fails is left alone, what comes back is used again."""

import collections
import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from tests.gateway.lab import OK, PATIENCE_S, Lab, RecordingUpstream, request, running

BUSY = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\n{}"


@contextlib.contextmanager
def targets(count: int) -> Iterator[list[RecordingUpstream]]:
    made = [RecordingUpstream() for _ in range(count)]
    try:
        yield made
    finally:
        for one in made:
            one.stop()


def addresses(made: list[RecordingUpstream]) -> tuple[str, ...]:
    return tuple(f"127.0.0.1:{one.port}" for one in made)


def statuses(lab: Lab, count: int, raw: bytes | None = None) -> collections.Counter[int]:
    found: collections.Counter[int] = collections.Counter()
    with lab.connect() as client:
        for _ in range(count):
            client.send(raw or request())
            answer = client.answer()
            assert answer is not None
            found[answer.status] += 1
            if answer.headers.get(b"connection") == b"close":
                return found
    return found


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def test_requests_are_spread_over_the_targets() -> None:
    with targets(3) as made, running(forward={"targets": addresses(made)}) as lab:
        assert statuses(lab, 120) == {200: 120}
        assert all(one.seen for one in made)
        assert not lab.upstream.seen, "the URL's own address is not among the targets"


def test_a_slow_target_gets_less() -> None:
    def slowly(connection: socket.socket) -> None:
        time.sleep(0.02)
        connection.sendall(OK)

    with targets(2) as made:
        made[0].answers[b"/items"] = slowly
        with running(forward={"targets": addresses(made)}) as lab:
            assert statuses(lab, 60) == {200: 60}
            assert len(made[0].seen) < 10 < len(made[1].seen)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_dead_target_costs_nobody_anything(method: str) -> None:
    """Nothing was sent to it, so even a request that must not be sent twice goes to another."""
    with targets(1) as made:
        dead = f"127.0.0.1:{closed_port()}"
        with running(forward={"targets": (dead, *addresses(made)), "breaker_failures": 3}) as lab:
            assert statuses(lab, 50, request(method)) == {200: 50}
            assert [one.breaker.is_closed for one in lab.pool.targets] == [False, True]


def test_a_target_that_answers_503_is_left_alone_while_another_serves() -> None:
    with targets(2) as made:
        made[0].answers[b"/items"] = BUSY
        forward = {"targets": addresses(made), "breaker_failures": 2, "breaker_s": 60.0}
        with running(forward=forward) as lab:
            statuses(lab, 100)
            assert 1 <= len(made[0].seen) <= 2
            assert len(made[0].seen) + len(made[1].seen) == 100


def test_a_target_that_comes_back_is_used_again() -> None:
    with targets(2) as made:
        made[0].answers[b"/items"] = BUSY
        forward = {"targets": addresses(made), "breaker_failures": 1, "breaker_s": 0.05}
        with running(forward=forward) as lab:
            statuses(lab, 20)
            del made[0].answers[b"/items"]
            seen = len(made[0].seen)
            end = time.monotonic() + PATIENCE_S
            while len(made[0].seen) < seen + 5:
                assert time.monotonic() < end, "it was never used again"
                statuses(lab, 10)
            lab.wait_until(lambda: all(one.breaker.is_closed for one in lab.pool.targets))


def test_the_only_target_is_left_alone_too_and_said_to_be() -> None:
    forward = {"targets": (f"127.0.0.1:{closed_port()}",), "breaker_failures": 2, "breaker_s": 60.0}
    with running(forward=forward) as lab:
        answers = [answer for answer in (lab.ask(request()) for _ in range(4)) if answer is not None]
        codes = [(answer.status, answer.code) for answer in answers]
        assert codes == [(502, "forward.upstream_unreachable")] * 2 + [(503, "forward.upstream_busy")] * 2
        assert answers[-1].headers[b"retry-after"] in {b"1", b"2", b"3"}


def test_the_only_target_is_not_left_alone_for_answers_it_gave() -> None:
    with running(forward={"breaker_failures": 1}) as lab:
        lab.upstream.answers[b"/items"] = BUSY
        assert statuses(lab, 5) == {503: 5}
        assert len(lab.upstream.seen) == 5


def test_health_checks_take_a_target_out_and_bring_it_back() -> None:
    health = {"path": "/healthz", "interval_s": 0.1, "timeout_s": 5.0, "unhealthy_after": 2, "healthy_after": 2}
    with targets(2) as made:
        made[0].answers[b"/healthz"] = BUSY
        with running(forward={"targets": addresses(made), "health": health}) as lab:
            lab.wait_until(lambda: [one.is_healthy for one in lab.pool.targets] == [False, True])
            asked = sum(one.line.startswith(b"GET /items") for one in made[0].seen)
            assert statuses(lab, 20) == {200: 20}
            assert sum(one.line.startswith(b"GET /items") for one in made[0].seen) == asked
            del made[0].answers[b"/healthz"]
            lab.wait_until(lambda: all(one.is_healthy for one in lab.pool.targets))
            check = next(one for one in made[1].seen if b"/healthz" in one.line)
            assert b"user-agent: doorward-health" in check.head


def test_a_question_that_nobody_answers_does_not_outlive_the_gateway() -> None:
    asked, ended = threading.Event(), threading.Event()

    def says_nothing(connection: socket.socket) -> None:
        asked.set()
        with contextlib.suppress(ConnectionError):
            connection.recv(1)
        ended.set()

    with targets(2) as made:
        for one in made:
            one.answers[b"/healthz"] = says_nothing
        health = {"path": "/healthz", "interval_s": 0.1, "timeout_s": 30.0}
        with running(forward={"targets": addresses(made), "health": health}):
            assert asked.wait(PATIENCE_S)
        assert ended.wait(PATIENCE_S)


def test_with_all_checks_failing_requests_still_go() -> None:
    health = {"path": "/healthz", "interval_s": 0.1, "unhealthy_after": 1}
    with targets(2) as made:
        for one in made:
            one.answers[b"/healthz"] = BUSY
        with running(forward={"targets": addresses(made), "health": health}) as lab:
            lab.wait_until(lambda: not any(one.is_healthy for one in lab.pool.targets))
            assert statuses(lab, 10) == {200: 10}


def test_an_old_connection_is_replaced() -> None:
    with running(forward={"connection_s": 1.0}) as lab:
        statuses(lab, 2)
        lab.wait_until(lambda: lab.pool.targets[0].idle != [])
        lab.pool.targets[0].idle[0].opened_at -= 2.0
        statuses(lab, 2)
        assert [one.connection for one in lab.upstream.seen] == [0, 0, 0, 1]
