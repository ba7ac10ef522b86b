"""Bodies that pass through: uploads nobody reads, answers too large to hold."""

import socket
import threading
from dataclasses import replace

from tests.gateway.lab import PATIENCE_S, Lab, request

from doorward.modes import WholeRelease

BIG = b"x" * 500_000
BIG_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 500000\r\n\r\n" + BIG


def test_a_large_answer_streams_after_its_record_and_its_end_is_recorded(lab: Lab) -> None:
    lab.upstream.answers[b"/stream"] = BIG_ANSWER
    answer = lab.ask(request(target="/stream"))
    assert answer is not None
    assert answer.body == BIG
    closed = lab.audit.wait_for_closed()
    assert closed.complete
    assert closed.bytes_out == len(BIG)
    assert len(lab.audit.outcomes()) == 1


def test_a_streamed_answer_does_not_begin_without_its_record(lab: Lab) -> None:
    lab.upstream.answers[b"/stream"] = BIG_ANSWER
    lab.audit.fails = lambda record: True
    answer = lab.ask(request(target="/stream"))
    assert answer is not None
    assert (answer.status, answer.code) == (503, "audit.unavailable")


def test_a_streamed_answer_cut_by_the_upstream_is_broken_off_not_shortened(lab: Lab) -> None:
    def cut(connection: socket.socket) -> None:
        connection.sendall(BIG_ANSWER[:300_000])
        raise ConnectionResetError

    lab.upstream.answers[b"/stream"] = cut
    with lab.connect() as client:
        client.send(request(target="/stream"))
        try:
            client.answer()
        except EOFError:
            pass
        else:
            raise AssertionError("a cut answer looked whole")
    assert not lab.audit.wait_for_closed().complete


def test_a_stream_without_an_end_is_refused_once_it_is_more_than_is_held(lab: Lab) -> None:
    """Of an operation whose answers leave whole or not at all: long before it is what others may answer."""
    ended = threading.Event()

    def pours(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        try:
            while True:
                connection.sendall(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
        except OSError:
            ended.set()
            raise

    key = "GET", b"/stream"
    whole = WholeRelease(lab.pipeline.plans[key].release)
    lab.pipeline.plans[key] = replace(lab.pipeline.plans[key], release=whole, answer_bytes=10_000)
    lab.upstream.answers[b"/stream"] = pours
    answer = lab.ask(request(target="/stream"))
    assert answer is not None
    assert (answer.status, answer.code) == (502, "forward.upstream_framing")
    assert ended.wait(PATIENCE_S), "the upstream was let go of"


def test_a_client_that_does_not_read_slows_the_upstream_down(lab: Lab) -> None:
    done = threading.Event()

    def pours(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 32000000\r\n\r\n")
        for _ in range(64):
            connection.sendall(BIG)
        done.set()

    lab.upstream.answers[b"/stream"] = pours
    with lab.connect() as client:
        client.send(request(target="/stream"))
        lab.wait_until(lambda: any(getattr(connection, "is_slow", False) for connection in lab.gateway.connections))
        assert not done.is_set()
        answer = client.answer()
    assert answer is not None
    assert len(answer.body) == 32_000_000


def test_an_http_1_0_client_gets_a_streamed_answer_until_close(lab: Lab) -> None:
    lab.upstream.answers[b"/stream"] = BIG_ANSWER
    with lab.connect() as client:
        client.send(b"GET /stream HTTP/1.0\r\nHost: api.test\r\n\r\n")
        data = b""
        while piece := client.socket.recv(65536):
            data += piece
    assert data.partition(b"\r\n\r\n")[2] == BIG
    assert b"transfer-encoding" not in data[:500].lower()


def test_an_upload_streams_to_the_upstream_in_either_framing(lab: Lab) -> None:
    known = lab.ask(request("POST", "/upload", body=b"y" * 60_000))
    chunked = lab.ask(request("POST", "/upload", "Transfer-Encoding: chunked") + b"3;x\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    for answer in (known, chunked):
        assert answer is not None
        assert answer.status == 200
    first, second = lab.upstream.seen
    assert first.body == b"y" * 60_000
    assert second.body.endswith(b"0\r\n\r\n")
    assert b"abc" in second.body
    assert b";x" not in second.body
    assert len(lab.audit.intents()) == 2


def test_an_upload_beyond_its_limit_aborts_the_upstream(lab: Lab) -> None:
    lab.pipeline.set_body_bytes("POST", b"/upload", 10)
    with lab.connect() as client:
        client.send(request("POST", "/upload", "Transfer-Encoding: chunked") + b"5\r\nabcde\r\n")
        client.send(b"7\r\nabcdefg\r\n")
        answer = client.answer()
        assert answer is not None
        assert (answer.status, answer.code) == (413, "limits.body_size")
        assert client.is_closed()
    lab.upstream.gone.get(timeout=PATIENCE_S)
    assert not lab.upstream.seen
