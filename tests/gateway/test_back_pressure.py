"""Somebody reads slowly or an attempt fails: memory stays bounded, and nobody else waits for it."""

import contextlib
import socket
import threading

import pytest
from tests.gateway.lab import OK, PATIENCE_S, Lab, RecordingUpstream, request, running

from doorward.gateway.http1 import ClientConnection

SOME_BYTES = 20_000
SOME = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % SOME_BYTES + b"y" * SOME_BYTES
NEARLY_TOO_MUCH = 40_000
"""Unread bytes after which one more small answer stays below, and the first piece of a large one goes above, 64 KiB."""
MUCH = 32_000_000


def _only_connection(lab: Lab) -> ClientConnection:
    (connection,) = lab.gateway.connections
    assert isinstance(connection, ClientConnection)
    return connection


def _unsent(connection: ClientConnection) -> int:
    assert connection._flow._transport is not None
    return connection._flow._transport.get_write_buffer_size()


def test_an_answer_that_begins_behind_unread_ones_keeps_the_upstream_waiting(lab: Lab) -> None:
    def pours(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % MUCH + b"x" * MUCH)

    lab.upstream.answers[b"/a%20b"] = SOME
    lab.upstream.answers[b"/stream"] = pours
    with lab.connect() as client:
        lab.wait_until(lambda: bool(lab.gateway.connections))
        connection = _only_connection(lab)
        count = 0
        while _unsent(connection) < NEARLY_TOO_MUCH:
            client.send(request(target="/a%20b"))
            count += 1
            lab.audit.wait_for_outcomes(count)
            lab.wait_until(lambda: connection._run is None)
        client.send(request(target="/stream"))
        lab.wait_until(lambda: connection.is_slow)
        lab.wait_until(lambda: [one._is_paused for one in lab.pool.targets[0].connections] == [True])
        bodies = [answer.body for answer in (client.answer() for _ in range(count + 1)) if answer is not None]
    assert [len(body) for body in bodies] == [SOME_BYTES] * count + [MUCH]


def test_a_failed_opening_gives_its_place_to_who_waits() -> None:
    with socket.create_server(("127.0.0.1", 0)) as never_tls:
        never_tls.settimeout(PATIENCE_S)
        upstream = f"https://127.0.0.1:{never_tls.getsockname()[1]}"
        with (
            running(forward={"upstream": upstream, "connections": 1}) as lab,
            lab.connect() as one,
            lab.connect() as two,
        ):
            one.send(request())
            opening, _ = never_tls.accept()
            two.send(request())
            lab.wait_until(lambda: len(lab.pool._waiting) == 1)
            opening.close()
            next_opening, _ = never_tls.accept()
            next_opening.close()
            for client in (one, two):
                answer = client.answer()
                assert answer is not None
                assert answer.status == 502


def test_a_client_slowed_down_in_its_upload_is_heard_again_after_the_answer(lab: Lab) -> None:
    may_answer = threading.Event()

    def answers_late(connection: socket.socket) -> None:
        may_answer.wait(PATIENCE_S)
        connection.sendall(OK)

    lab.upstream.answers[b"/upload"] = answers_late
    with lab.connect() as client:
        client.send(request("POST", "/upload", body=b"all of it"))
        lab.upstream.arrived.get(timeout=PATIENCE_S)
        connection = _only_connection(lab)
        # The upstream takes no more for now, and answers without ever having caught up.
        lab.loop.call_soon_threadsafe(lambda: connection.hold_body(pauses=True))
        may_answer.set()
        for _ in range(2):
            answer = client.answer()
            assert answer is not None
            assert answer.status == 200
            client.send(request())


def test_a_connection_with_a_request_not_all_sent_takes_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    is_over = threading.Event()

    def reads_only_the_head(_: RecordingUpstream, connection: socket.socket, __: int) -> None:
        with connection, contextlib.suppress(ConnectionError):
            connection.recv(1)
            connection.sendall(OK)
            is_over.wait(PATIENCE_S)

    monkeypatch.setattr(RecordingUpstream, "_serve", reads_only_the_head)
    with running() as lab:
        lab.pipeline.set_body_bytes("POST", b"/items", MUCH)
        answer = lab.ask(request("POST", body=b"z" * 16_000_000))
        idle = list(lab.pool.targets[0].idle)
        is_over.set()
    assert answer is not None
    assert answer.status == 200
    assert not idle
