"""An upstream that is down, slow, lying or gone in the middle, and clients that vanish."""

import socket
import threading
from collections.abc import Callable

import pytest
from tests.gateway.lab import OK, PATIENCE_S, Lab, request

from doorward.controls.forward import ForwardPolicy
from doorward.denial import Denied
from doorward.gateway.response_head import read_response_head


def says(answer: bytes) -> Callable[[socket.socket], None]:
    """Answer these bytes, then close."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(answer)
        raise ConnectionResetError

    return behave


def silent(connection: socket.socket) -> None:
    connection.recv(1)
    raise ConnectionResetError


LIES = {
    "S25-cl-te": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    "S25-two-lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab",
    "S25-length-list": b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nab",
    "S25-length-sign": b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nab",
    "S25-coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nab",
    "S25-coding-1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    "S25-1xx-flood": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 20 + OK,
    "S25-unasked-101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    "S25-bytes-after": OK + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "S25-bare-lf": b"HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nab",
    "S25-bare-cr": b"HTTP/1.1 200 OK\r\nLocation: /a\rSet-Cookie: b\r\nContent-Length: 0\r\n\r\n",
    "S25-fold": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "S25-huge-head": b"HTTP/1.1 200 OK\r\nX: " + b"a" * (1 << 20) + b"\r\nContent-Length: 0\r\n\r\n",
    "S25-204-body": b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nab",
    "S25-chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\nab\r\n0\r\n\r\n",
    "garbage": b"\x00\x01\x02\r\n\r\n",
    "0.9": b"hello",
    "short-length": b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nab",
    "short-chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    "cut-head": b"HTTP/1.1 200 OK\r\nContent-",
}


@pytest.mark.parametrize("lie", LIES)
def test_a_response_that_cannot_be_trusted_is_a_502_and_its_connection_discarded(lab: Lab, lie: str) -> None:
    lab.upstream.answers[b"/a%20b"] = says(LIES[lie])
    with lab.connect() as client:
        client.send(request(target="/a%20b"))
        answer = client.answer()
        assert answer is not None
        assert (answer.status, answer.code) == (502, "forward.upstream_framing")
        client.send(request())
        after = client.answer()
        assert after is not None
        assert after.body == b'{"ok":true}'
    assert lab.upstream.seen[-1].connection != lab.upstream.seen[0].connection
    assert [outcome.code for outcome in lab.audit.wait_for_outcomes(2)] == ["forward.upstream_framing", ""]


def test_a_body_answering_head_never_becomes_the_next_answer(lab: Lab) -> None:
    with lab.connect() as client:
        client.send(request("HEAD"))
        answer = client.answer(to_head=True)
        assert answer is not None
        assert answer.status == 502
        client.send(request())
        after = client.answer()
        assert after is not None
        assert after.body == b'{"ok":true}'


@pytest.mark.parametrize("cut", range(0, len(OK), 7))
def test_an_answer_cut_anywhere_is_never_a_short_answer(lab: Lab, cut: int) -> None:
    lab.upstream.answers[b"/items"] = says(OK[:cut])
    answer = lab.ask(request("POST", body=b"x"))
    assert answer is not None
    assert answer.status == 502


def test_s25_a_response_ended_by_the_connections_close_is_whole(lab: Lab) -> None:
    lab.upstream.answers[b"/items"] = says(b"HTTP/1.1 200 OK\r\n\r\nall of it")
    answer = lab.ask(request())
    assert answer is not None
    assert (answer.status, answer.body) == (200, b"all of it")


def test_s25_interim_responses_are_passed_over(lab: Lab) -> None:
    lab.upstream.answers[b"/items"] = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + OK
    answer = lab.ask(request())
    assert answer is not None
    assert answer.body == b'{"ok":true}'


def test_a_dead_upstream_is_a_502() -> None:
    with Lab() as lab:
        lab.upstream.stop()
        answer = lab.ask(request())
        assert answer is not None
        assert (answer.status, answer.code) == (502, "forward.upstream_unreachable")
        assert len(lab.audit.outcomes()) == 1


def test_a_slow_upstream_is_a_504() -> None:
    with Lab(forward={"response_s": 0.1}) as lab:
        lab.upstream.answers[b"/items"] = silent
        answer = lab.ask(request())
        assert answer is not None
        assert (answer.status, answer.code) == (504, "forward.upstream_timeout")
        assert lab.upstream.gone.get(timeout=PATIENCE_S) == 0


def test_a_kept_connection_that_had_just_closed_costs_an_idempotent_request_nothing(lab: Lab) -> None:
    lab.upstream.answers[b"/a%20b"] = silent
    answers = iter([OK])

    def once_then_gone(connection: socket.socket) -> None:
        answer = next(answers, None)
        if answer is None:
            raise ConnectionResetError
        connection.sendall(answer)

    lab.upstream.answers[b"/items"] = once_then_gone
    with lab.connect() as client:
        client.send(request())
        assert client.answer() is not None
        lab.upstream.answers[b"/items"] = drops_the_first_connection(once_then_gone)
        client.send(request())
        again = client.answer()
        assert again is not None
        assert again.body == b'{"ok":true}'


def drops_the_first_connection(_: object) -> Callable[[socket.socket], None]:
    calls = iter([False])

    def behave(connection: socket.socket) -> None:
        if next(calls, True):
            connection.sendall(OK)
        else:
            raise ConnectionResetError

    return behave


def test_a_change_is_never_sent_twice(lab: Lab) -> None:
    with lab.connect() as client:
        client.send(request())
        assert client.answer() is not None
        lab.upstream.answers[b"/items"] = drops_the_first_connection(None)
        client.send(request("POST", body=b"x"))
        answer = client.answer()
        assert answer is not None
        assert (answer.status, answer.code) == (502, "forward.upstream_unreachable")
    assert [seen.line[:4] for seen in lab.upstream.seen].count(b"POST") == 1


def test_bytes_on_an_idle_connection_end_it(lab: Lab) -> None:
    def answers_twice_later(connection: socket.socket) -> None:
        connection.sendall(OK)
        sent.set()
        go_on.wait(PATIENCE_S)
        connection.sendall(OK)

    sent, go_on = threading.Event(), threading.Event()
    lab.upstream.answers[b"/a%20b"] = answers_twice_later
    assert lab.ask(request(target="/a%20b")) is not None
    sent.wait(PATIENCE_S)
    go_on.set()
    lab.upstream.gone.get(timeout=PATIENCE_S)
    answer = lab.ask(request())
    assert answer is not None
    assert answer.body == b'{"ok":true}'
    assert lab.upstream.seen[-1].connection == 1


def test_a_full_pool_turns_away_what_it_cannot_queue() -> None:
    with Lab(forward={"connections": 1, "waiting": 0}) as lab, lab.connect() as first:
        go_on = threading.Event()

        def waits(connection: socket.socket) -> None:
            go_on.wait(PATIENCE_S)
            connection.sendall(OK)

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


def test_a_queued_request_gets_its_turn() -> None:
    with Lab(forward={"connections": 1, "waiting": 1}) as lab, lab.connect() as first, lab.connect() as second:
        go_on = threading.Event()

        def waits(connection: socket.socket) -> None:
            go_on.wait(PATIENCE_S)
            connection.sendall(OK)

        lab.upstream.answers[b"/items"] = waits
        first.send(request())
        lab.upstream.arrived.get(timeout=PATIENCE_S)
        second.send(request(target="/a%20b"))
        lab.wait_until(lambda: len(lab.pool._waiting) == 1)
        go_on.set()
        for client in (first, second):
            answer = client.answer()
            assert answer is not None
            assert answer.status == 200
    assert {seen.connection for seen in lab.upstream.seen} == {0}


def test_a_client_that_vanishes_cancels_the_upstream_and_is_recorded(lab: Lab) -> None:
    lab.upstream.answers[b"/items"] = silent
    with lab.connect() as client:
        client.send(request())
        lab.upstream.arrived.get(timeout=PATIENCE_S)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert lab.upstream.gone.get(timeout=PATIENCE_S) == 0
    outcome = lab.audit.wait_for_outcomes(1)[0]
    assert "transport.client_gone" in outcome.findings


def test_a_client_that_vanishes_in_its_body_is_recorded(lab: Lab) -> None:
    with lab.connect() as client:
        client.send(request("POST", "/items", "Content-Length: 10") + b"abc")
        lab.wait_until(lambda: lab.gateway.load.buffered_bytes == 3)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    outcome = lab.audit.wait_for_outcomes(1)[0]
    assert "transport.client_gone" in outcome.findings
    assert not lab.upstream.seen
    lab.wait_until(lambda: lab.gateway.load.buffered_bytes == 0)


@pytest.mark.parametrize(
    ("head", "to_head", "length"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", False, 5),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", True, 0),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", False, 0),
        (b"HTTP/1.1 200\r\n\r\n", False, None),
    ],
)
def test_the_length_of_a_response_follows_from_its_head_and_the_method(
    head: bytes, to_head: bool, length: int | None
) -> None:
    assert read_response_head(head, to_head_request=to_head).length == length


def test_hop_by_hop_fields_of_a_response_are_dropped_named_ones_too() -> None:
    head = read_response_head(
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: x\r\nX-Hop: 1\r\nX-End:  2 \r\n\r\n",
        to_head_request=False,
    )
    assert head.headers == [(b"x-end", b"2")]


def test_an_unusable_status_line_is_refused() -> None:
    with pytest.raises(Denied):
        read_response_head(b"HTTP/1.1 2000 OK\r\n\r\n", to_head_request=False)


def test_the_default_upstream_settings_are_bounded() -> None:
    policy = ForwardPolicy()
    assert policy.connections * policy.response_bytes <= 1 << 30
