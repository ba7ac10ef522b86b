"""Group D: clients that take their time. The limits are short here; nothing is slept for."""

import contextlib
import socket
import ssl
from functools import partial
from typing import Final

import pytest
import trustme
from tests.gateway.lab import OK, PATIENCE_S, Lab, StubPipeline, request
from tests.loopback import server_tls

from doorward.controls.audit import AuditPolicy
from doorward.controls.audit.records import Coalesced
from doorward.controls.limits import LimitsPolicy

AUTHORITY: Final = trustme.CA(key_type=trustme.KeyType.ECDSA)


def test_d1_a_head_that_does_not_end_is_answered_408() -> None:
    with Lab(limits=LimitsPolicy(head_s=0.1)) as lab, lab.connect() as client:
        client.send(b"GET /items HTTP/1.1\r\nHost: api.test\r\nX-")
        answer = client.answer()
        assert answer is not None
        assert (answer.status, answer.code) == (408, "limits.slow_header")
        assert client.is_closed()
        assert [outcome.code for outcome in lab.audit.wait_for_outcomes(1)] == ["limits.slow_header"]


def test_d1_the_time_is_total_and_drops_do_not_extend_it() -> None:
    with Lab(limits=LimitsPolicy(head_s=0.2)) as lab, lab.connect() as client:
        client.send(b"GET /items HTTP/1.1\r\nX-Slow: ")
        client.socket.settimeout(0.01)
        said = b""
        while not said:
            client.send(b"a")
            try:
                said = client.socket.recv(65536)
            except TimeoutError:
                continue
        assert b"limits.slow_header" in said
        assert not lab.upstream.seen


def test_d2_a_body_that_does_not_end_is_answered_408() -> None:
    with Lab(limits=LimitsPolicy(body_s=0.1)) as lab, lab.connect() as client:
        client.send(request("POST", "/items", "Content-Length: 10") + b"abc")
        answer = client.answer()
        assert answer is not None
        assert (answer.status, answer.code) == (408, "limits.slow_body")
        assert client.is_closed()
        assert not lab.upstream.seen


def test_d3_a_silent_connection_is_closed_without_an_answer() -> None:
    with Lab(limits=LimitsPolicy(head_s=0.1)) as lab, lab.connect() as client:
        assert client.is_closed()
        assert not lab.audit.records


def test_d3_ten_thousand_connections_from_one_address_leave_room_for_another() -> None:
    with Lab(limits=LimitsPolicy(connections_per_address=500)) as lab, contextlib.ExitStack() as held:
        for _ in range(10_000):
            held.enter_context(socket.create_connection(("127.0.0.1", lab.port), timeout=PATIENCE_S))
        lab.wait_until(lambda: lab.gateway.turned_away_count == 9_500)
        lab.wait_until(lambda: lab.gateway.load.connections == 500)
        other = held.enter_context(
            socket.create_connection(("127.0.0.1", lab.port), timeout=PATIENCE_S, source_address=("127.0.0.2", 0))
        )
        other.sendall(request())
        assert other.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert len(lab.upstream.seen) == 1


def test_an_idle_connection_is_closed_after_its_time() -> None:
    with Lab(limits=LimitsPolicy(idle_s=0.1)) as lab, lab.connect() as client:
        client.send(request())
        assert client.answer() is not None
        assert client.is_closed()
        assert len(lab.audit.outcomes()) == 1


def test_b11_a_body_beyond_the_limit_is_refused_announced_or_not(lab: Lab) -> None:
    announced = lab.ask(request("POST", "/items", "Content-Length: 100000"))
    chunked = lab.ask(
        request("POST", "/items", "Transfer-Encoding: chunked") + b"ffff\r\n" + b"a" * 65535 + b"\r\n9\r\n123456789\r\n"
    )
    for answer in (announced, chunked):
        assert answer is not None
        assert (answer.status, answer.code) == (413, "limits.body_size")
    assert not lab.upstream.seen


def test_d10_all_bodies_together_stay_within_the_memory_budget() -> None:
    with Lab(limits=LimitsPolicy(buffered_bytes=65536)) as lab, lab.connect() as holder:
        holder.send(request("POST", "/items", "Content-Length: 60000") + b"a" * 50000)
        lab.wait_until(lambda: lab.gateway.load.buffered_bytes == 50000)
        answer = lab.ask(request("POST", "/items", body=b"b" * 20000))
        assert answer is not None
        assert (answer.status, answer.code) == (503, "limits.overload")
        assert answer.headers[b"retry-after"] in {b"1", b"2", b"3"}
        holder.send(b"a" * 10000)
        held = holder.answer()
        assert held is not None
        assert held.status == 200
        assert lab.gateway.load.buffered_bytes == 0


def _holds_more_than(lab: Lab, count: int) -> bool:
    return lab.gateway.load.buffered_bytes > count


def _serves_nobody(lab: Lab) -> bool:
    return not lab.gateway.connections


def test_d2_answers_left_lying_count_and_the_slow_client_is_broken_off_where_there_is_no_room() -> None:
    large = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 8000000\r\n\r\n" + b"x" * 8_000_000
    for budget, is_kept in ((64 << 20, True), (1 << 20, False)):
        with Lab(limits=LimitsPolicy(buffered_bytes=budget)) as lab, lab.connect() as client:
            lab.upstream.answers[b"/items"] = large
            client.send(request())
            if is_kept:
                lab.wait_until(partial(_holds_more_than, lab, 1 << 20))
                answer = client.answer()
                assert answer is not None
                assert len(answer.body) == 8_000_000
            else:
                lab.wait_until(partial(_serves_nobody, lab))
            assert not _holds_more_than(lab, 0)


class CoalescingPipeline(StubPipeline):
    audit_policy = AuditPolicy()


class CoalescingLab(Lab):
    pipeline_type = CoalescingPipeline


def test_d2_requests_that_come_while_answers_are_left_lying_are_read_no_further_than_a_little() -> None:
    """The buffer for them grew as long as the client sent: a quarter of a gigabyte in half a second."""
    large = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 8000000\r\n\r\n" + b"x" * 8_000_000
    with Lab() as lab, lab.connect() as client:
        lab.upstream.answers[b"/items"] = large
        client.send(request())
        lab.wait_until(partial(_holds_more_than, lab, 1 << 20))
        client.socket.settimeout(0.2)
        sent, flood = 0, request() * 1_000
        with contextlib.suppress(TimeoutError):
            while sent < 256 << 20:
                sent += client.socket.send(flood)
        assert sent < 32 << 20, "beyond what kernel and buffer hold"
        client.socket.settimeout(PATIENCE_S)
        lab.upstream.answers[b"/items"] = OK
        for _ in range(20):
            answer = client.answer()
            assert answer is not None
            assert answer.status == 200


@pytest.mark.parametrize("tls", [False, True])
def test_d2_a_client_that_takes_nothing_of_its_answer_is_broken_off(tls: bool) -> None:
    """Over TLS what one write left unsent was unknown to us: it lay there for an idle connection's time."""
    context = server_tls(AUTHORITY) if tls else None
    large = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 8000000\r\n\r\n" + b"x" * 8_000_000
    limits, scheme = LimitsPolicy(write_s=0.3, idle_s=3_600), "https" if tls else "http"
    with Lab(limits=limits, context=context, scheme=scheme) as lab, lab.connect() as client:
        lab.upstream.answers[b"/items"] = large
        if tls:
            trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            AUTHORITY.configure_trust(trust)
            client.socket = trust.wrap_socket(client.socket, server_hostname="127.0.0.1")
        client.send(request())
        lab.wait_until(partial(_holds_more_than, lab, 1 << 20))
        lab.wait_until(partial(_serves_nobody, lab))
        assert lab.gateway.load.buffered_bytes == 0


def test_d11_a_flood_of_refusals_becomes_few_records_with_the_exact_number() -> None:
    with CoalescingLab() as lab:
        for _ in range(300):
            answer = lab.ask(request("GET", "/nowhere"))
            assert answer is not None
            assert answer.status == 404
        lab.wait_until(partial(_accounts_for, lab, 300))
        assert len(lab.audit.records) < 100
        harmless = lab.ask(request())
        assert harmless is not None
        assert harmless.status == 200


def _accounts_for(lab: Lab, count: int) -> bool:
    told = sum(entry.count for entry in lab.audit.entries() if isinstance(entry, Coalesced))
    return told + len(lab.audit.outcomes()) == count
