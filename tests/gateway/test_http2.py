"""HTTP/2 with clients: the same exchange as over HTTP/1.1, many at a time."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from tests.gateway.h2_client import H2Client, fields
from tests.gateway.lab import OK, PATIENCE_S, Lab, request
from tests.gateway.test_tls import secure, write

from doorward.controls.limits import LimitsPolicy
from doorward.gateway.tls import server_context


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture(scope="module")
def files(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write(authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA), tmp_path_factory.mktemp("tls"))


@pytest.fixture
def lab(files: tuple[Path, Path]) -> Iterator[Lab]:
    with Lab(context=server_context(*files), scheme="https") as lab:
        yield lab


@pytest.fixture
def client(lab: Lab, authority: trustme.CA) -> Iterator[H2Client]:
    with H2Client(lab.port, authority) as client:
        yield client


def test_a_request_is_answered_forwarded_and_recorded(lab: Lab, client: H2Client) -> None:
    answer = client.answer(client.ask(fields("GET", "/items?a=b", ("accept", "application/json"))))
    assert (answer.status, bytes(answer.body)) == (200, b'{"ok":true}')
    outcome = lab.audit.wait_for_outcomes(1)[0]
    assert answer.headers[b"x-request-id"].decode() == outcome.request_id.hex()
    assert outcome.tls_version == "TLSv1.3"
    assert lab.upstream.seen[0].line == b"GET /items?a=b HTTP/1.1"


def test_both_versions_reach_the_upstream_as_the_same_bytes(lab: Lab, client: H2Client, authority: trustme.CA) -> None:
    more = [("accept", "*/*"), ("x-custom", "a b"), ("cookie", "a=1; b=2"), ("content-type", "application/json")]
    with secure(lab, authority) as plain:
        plain.sendall(request("POST", "/items", *[f"{name}: {value}" for name, value in more], body=b'{"a":1}'))
        assert plain.recv(65536).startswith(b"HTTP/1.1 200")
    crumbs = [one for one in more if one[0] != "cookie"]
    crumbs[2:2] = [("cookie", "a=1"), ("cookie", "b=2")]
    ordered = [*more[:2], ("cookie", "a=1"), ("cookie", "b=2"), more[3]]
    answer = client.answer(client.ask(fields("POST", "/items", *ordered), b'{"a":1}'))
    assert answer.status == 200
    one, two = lab.upstream.seen
    assert one.body == two.body

    def comparable(head: bytes) -> list[bytes]:
        return sorted(line for line in head.split(b"\r\n") if not line.startswith(b"x-request-id"))

    assert comparable(one.head) == comparable(two.head)


def test_many_streams_each_get_their_own_answer(lab: Lab, client: H2Client) -> None:
    def echo(number: int) -> bytes:
        body = b'{"n":%d}' % number
        return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body

    for number in range(80):
        lab.upstream.answers[b"/items?n=%d" % number] = echo(number)
    streams = {client.ask(fields("GET", f"/items?n={number}")): number for number in range(80)}
    for stream, number in streams.items():
        assert client.answer(stream).body == b'{"n":%d}' % number
    assert len({one.request_id for one in lab.audit.wait_for_outcomes(80)}) == 80


@pytest.mark.parametrize("size", [0, 1, 60_000])
def test_a_body_of_any_size_arrives_whole(lab: Lab, client: H2Client, size: int) -> None:
    body = bytes(index % 251 for index in range(size))
    answer = client.answer(client.ask(fields("POST"), body))
    assert answer.status == 200
    assert lab.upstream.seen[0].body == body


def test_an_upload_streams_and_the_window_follows_the_upstream(lab: Lab, client: H2Client) -> None:
    lab.pipeline.set_body_bytes("POST", b"/upload", 10_000_000)
    body = b"x" * 3_000_000
    answer = client.answer(client.ask(fields("POST", "/upload", ("content-length", "3000000")), body))
    assert answer.status == 200
    assert lab.upstream.seen[0].body == body
    assert client.answer(client.ask(fields("POST", "/upload"), b"abc")).status == 200
    assert lab.upstream.seen[1].body == b"3\r\nabc\r\n0\r\n\r\n"


def test_a_long_answer_streams_and_the_upstream_follows_the_window(lab: Lab, authority: trustme.CA) -> None:
    size = 16_000_000
    sent = threading.Event()

    def stream(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size + b"y" * size)
        sent.set()

    lab.upstream.answers[b"/stream"] = stream
    with H2Client(lab.port, authority) as client:
        client.takes_data = False
        asked = client.ask(fields("GET", "/stream"))
        while len(client.answers[asked].body) < 65_535:
            assert client._more()
        lab.wait_until(lambda: any(one._is_paused for one in lab.pool.targets[0].connections))
        assert not sent.is_set()
        client.takes_data = True
        client.h2.acknowledge_received_data(65_535, asked)
        client._flush()
        answer = client.answer(asked)
        assert len(answer.body) == size
    assert lab.audit.wait_for_closed().complete


def test_a_denial_is_a_problem_on_its_stream_and_the_others_go_on(lab: Lab, client: H2Client) -> None:
    refused = client.ask(fields("GET", "/nowhere"))
    fine = client.ask(fields())
    assert (client.answer(refused).status, client.answer(refused).code) == (404, "validate.path_unknown")
    assert client.answer(fine).status == 200
    assert client.goaway is None


def test_head_and_bodiless_answers_end_with_their_head(lab: Lab, client: H2Client) -> None:
    lab.upstream.answers[b"/items"] = b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n"
    answer = client.answer(client.ask(fields("HEAD")))
    assert (answer.status, bytes(answer.body), answer.ended) == (200, b"", True)
    lab.upstream.answers[b"/items"] = b"HTTP/1.1 204 No Content\r\n\r\n"
    answer = client.answer(client.ask(fields("DELETE")))
    assert (answer.status, b"content-length" in answer.headers) == (204, False)


def test_an_answer_that_breaks_off_resets_the_stream(lab: Lab, client: H2Client) -> None:
    def cut(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n\r\n" + b"z" * 70_000)
        connection.shutdown(socket.SHUT_RDWR)

    lab.upstream.answers[b"/stream"] = cut
    answer = client.answer(client.ask(fields("GET", "/stream")))
    assert answer.reset is not None
    assert not answer.ended
    assert not lab.audit.wait_for_closed().complete
    assert client.answer(client.ask(fields())).status == 200


def test_a_client_that_resets_its_stream_leaves_a_record_and_frees_the_upstream(lab: Lab, client: H2Client) -> None:
    asked, release = threading.Event(), threading.Event()

    def wait(connection: socket.socket) -> None:
        asked.set()
        release.wait(PATIENCE_S)
        connection.sendall(OK)

    lab.upstream.answers[b"/items"] = wait
    stream = client.ask(fields())
    assert asked.wait(PATIENCE_S)
    client.h2.reset_stream(stream)
    client._flush()
    assert "transport.client_gone" in lab.audit.wait_for_outcomes(1)[0].findings
    lab.wait_until(lambda: not lab.pool.targets[0].connections)
    release.set()


def test_draining_lets_streams_finish_and_takes_no_new_ones(lab: Lab, client: H2Client) -> None:
    asked, release = threading.Event(), threading.Event()

    def wait(connection: socket.socket) -> None:
        asked.set()
        release.wait(PATIENCE_S)
        connection.sendall(OK)

    lab.upstream.answers[b"/items"] = wait
    client.ask(fields())
    assert asked.wait(PATIENCE_S)
    draining = threading.Thread(target=lab.drain)
    draining.start()
    assert client.until_goaway() == 0
    release.set()
    assert client.is_closed()
    assert b'{"ok":true}' in client.received
    draining.join()
    assert [one.status for one in lab.audit.outcomes()] == [200]


def test_an_idle_connection_is_told_and_closed(files: tuple[Path, Path], authority: trustme.CA) -> None:
    limits = LimitsPolicy(idle_s=0.2, head_s=0.3)
    with Lab(context=server_context(*files), scheme="https", limits=limits) as lab:
        for asks in (True, False):
            with H2Client(lab.port, authority) as client:
                if asks:
                    assert client.answer(client.ask(fields())).status == 200
                assert client.until_goaway() == 0
                assert client.is_closed()


def test_without_http2_the_handshake_agrees_on_http_1_1(files: tuple[Path, Path], authority: trustme.CA) -> None:
    with (
        Lab(context=server_context(*files, http2=False)) as lab,
        secure(lab, authority, alpn=("h2", "http/1.1")) as one,
    ):
        assert one.selected_alpn_protocol() == "http/1.1"


def test_both_versions_are_offered_and_a_client_of_the_old_one_is_served(lab: Lab, authority: trustme.CA) -> None:
    for offered in (("http/1.1",), ()):
        with secure(lab, authority, alpn=offered) as one:
            one.sendall(request())
            assert one.recv(65536).startswith(b"HTTP/1.1 200")
