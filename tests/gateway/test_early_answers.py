"""An upstream that answers before it has the whole upload: nothing is lost, nothing waits for ever."""

import contextlib
import socket

import pytest
from tests.gateway.lab import OK, RecordingUpstream, request, running

from doorward.controls.limits import LimitsPolicy

ASKED = b"POST /upload HTTP/1.1\r\nHost: api.test\r\nContent-Length: 20\r\n\r\n0123456789"
BEGUN = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n5\r\nbegin\r\n"


def _until(connection: socket.socket, end: bytes, so_far: bytes = b"") -> bytes:
    while not so_far.endswith(end) and (data := connection.recv(65536)):
        so_far += data
    return so_far


def test_the_rest_of_an_upload_goes_on_while_its_answer_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    got: list[bytes] = []

    def answers_early(_: RecordingUpstream, connection: socket.socket, __: int) -> None:
        with connection:
            _until(connection, b"0123456789")
            connection.sendall(BEGUN)
            got.append(_until(connection, b"abcdefghij"))
            connection.sendall(b"3\r\nend\r\n0\r\n\r\n")

    monkeypatch.setattr(RecordingUpstream, "_serve", answers_early)
    with running() as lab:
        lab.pipeline.set_reads_body("POST", b"/upload", reads=False)
        with socket.create_connection(("127.0.0.1", lab.port), timeout=10) as client:
            client.sendall(ASKED)
            assert _until(client, b"begin\r\n").startswith(b"HTTP/1.1 200")
            client.sendall(b"abcdefghij")
            assert _until(client, b"0\r\n\r\n").endswith(b"end\r\n0\r\n\r\n")
    assert got == [b"abcdefghij"]


def test_an_upload_that_is_never_finished_ends_although_its_answer_has_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    def answers_early(_: RecordingUpstream, connection: socket.socket, __: int) -> None:
        with connection:
            _until(connection, b"0123456789")
            connection.sendall(BEGUN)
            with contextlib.suppress(ConnectionError):
                _until(connection, b"never")

    monkeypatch.setattr(RecordingUpstream, "_serve", answers_early)
    with running(limits=LimitsPolicy(body_s=0.5), forward={"response_s": 0.5}) as lab:
        lab.pipeline.set_reads_body("POST", b"/upload", reads=False)
        with socket.create_connection(("127.0.0.1", lab.port), timeout=10) as client:
            client.sendall(ASKED)
            assert _until(client, b"begin\r\n").startswith(b"HTTP/1.1 200")
            lab.wait_until(lambda: not lab.gateway.connections)


def test_s4_a_connection_whose_answer_came_before_the_whole_request_is_not_used_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else the rest of the body would be the start of the next request there."""
    begun: list[bytes] = []

    def answers_early(_: RecordingUpstream, connection: socket.socket, __: int) -> None:
        with connection, contextlib.suppress(ConnectionError):
            begun.append(connection.recv(65536))
            connection.sendall(OK)
            _until(connection, b"never")

    monkeypatch.setattr(RecordingUpstream, "_serve", answers_early)
    with running() as lab:
        for _ in range(3):
            with lab.connect() as client:
                client.send(request("POST", "/upload", "Content-Length: 4000"))
                client.send(request("DELETE"))
                client.answer()
        assert lab.ask(request()) is not None
    assert [one.partition(b" ")[0] for one in begun] == [b"POST"] * 3 + [b"GET"]
