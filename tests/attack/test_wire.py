"""The client must send what it is given and read whatever comes back."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from doorward.attack.wire import NO_ANSWER, Answer, Connection, Target, request_bytes


@contextmanager
def server(*answers: bytes) -> Iterator[tuple[Target, list[bytes]]]:
    """A server that says this, one piece a connection, and then hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))
    heard: list[bytes] = []

    def serve() -> None:
        for answer in answers:
            connection, _ = listener.accept()
            with connection:
                heard.append(connection.recv(65536))
                connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield Target(host="127.0.0.1", port=listener.getsockname()[1]), heard
    finally:
        thread.join(5)
        listener.close()


def asked(answer: bytes, *, method: str = "GET") -> Answer:
    with server(answer) as (target, _), Connection(target) as connection:
        connection.send(b"x")
        return connection.receive(method=method)


@pytest.mark.parametrize(
    ("raw", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, b"hi"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n1;x=y\r\n!\r\n0\r\n\r\n", 200, b"hi!"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, b"until the end"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\ncut", 200, b"cut"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", 200, b""),
        (b"garbage\r\n\r\n", 599, b""),
        (b"HTTP/1.1 200 OK\r\nContent-Le", 0, b""),
        (b"", 0, b""),
    ],
)
def test_an_answer_is_read_whatever_it_is(raw: bytes, status: int, body: bytes) -> None:
    answer = asked(raw)
    assert (answer.status, answer.body) == (status, body)


def test_an_answer_to_head_has_no_body() -> None:
    assert asked(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", method="HEAD").body == b""


def test_two_answers_on_one_connection_are_told_apart() -> None:
    one = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"
    with server(one + b"a" + one + b"b") as (target, _), Connection(target) as connection:
        connection.send(b"x")
        assert [connection.receive().body, connection.receive().body] == [b"a", b"b"]
        assert connection.receive() == NO_ANSWER


def test_bytes_are_sent_as_they_are() -> None:
    with server(b"") as (target, heard), Connection(target) as connection:
        connection.send(b"GET /\x00 HTTP/9.9\nHost : x\r\r\n")
        connection.receive()
    assert heard == [b"GET /\x00 HTTP/9.9\nHost : x\r\r\n"]


def test_a_request_gets_host_and_length_unless_it_brings_its_own() -> None:
    assert request_bytes("POST", "/a", (), b"{}", authority="h:1") == (
        b"POST /a HTTP/1.1\r\nHost: h:1\r\nContent-Length: 2\r\n\r\n{}"
    )
    own = (("host", "other"), ("content-length", "9"))
    assert request_bytes("POST", "/a", own, b"{}", authority="h:1") == (
        b"POST /a HTTP/1.1\r\nhost: other\r\ncontent-length: 9\r\n\r\n{}"
    )


def test_a_denial_needs_its_own_status() -> None:
    headers = (("content-type", "application/problem+json"),)
    body = b'{"type": "urn:doorward:denial:authorize.owner"}'
    assert Answer(status=404, headers=headers, body=body).denial == "authorize.owner"
    assert Answer(status=200, headers=headers, body=body).denial is None
    assert Answer(status=404, headers=headers, body=b'{"type": "urn:doorward:denial:no.such"}').denial is None
    assert Answer(status=404, headers=headers, body=b"[]").denial is None
