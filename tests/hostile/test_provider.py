"""The provider's listener against what the gateway's must stand: rows S, H, P and D before an application that looks on.

The oracles are the gateway's but for the record, which there is none of: the application saw nothing of it, the next
request and a neighbour's are answered, the cost is bounded, and the log (`conftest.clean_logs`) holds nothing of it.
"""

import contextlib
import socket
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs
from tests.gateway.lab import PATIENCE_S, Answer, Client, request
from tests.gateway.provider_lab import LARGE, ProviderLab
from tests.hostile import test_framing, test_headers, test_paths
from tests.hostile.judge import CUTS, Cut, pieces

from doorward.controls.limits import LimitsPolicy
from doorward.controls.transport import TransportPolicy

OK = b'{"ok":true}'
APPLICATION = frozenset(
    {"transport.unexpected_body", "transport.upgrade", "transport.host_unknown", "validate.path_unknown"}
)
"""What depends on the operation or the host that is asked for: for the application to say."""
ROWS = {
    row: (raw, code)
    for row, (raw, code) in {
        **test_framing.ROWS,
        **test_headers.ROWS,
        **{row: (request("GET", path), code) for row, (path, code) in test_paths.ROWS.items()},
    }.items()
    if code not in APPLICATION
}
TWINS = {
    **{row: raw for row, (raw, _) in test_framing.TWINS.items()},
    **{row: raw for row, raw in test_headers.TWINS.items() if row != "H2-absolute"},
}


@pytest.fixture(scope="module")
def lab() -> Iterator[ProviderLab]:
    with ProviderLab() as lab:
        yield lab


@pytest.fixture(scope="module")
def tls_lab() -> Iterator[ProviderLab]:
    with ProviderLab(tls=True) as lab:
        yield lab


def assert_serves(client: Client) -> None:
    client.send(request())
    answer = client.answer()
    assert answer is not None
    assert (answer.status, answer.body) == (200, OK)


def assert_refused(lab: ProviderLab, raw: bytes, code: str, cut: Cut) -> Answer:
    lab.asked.clear()
    writes = pieces(raw, cut)
    first = max(1, len(writes) // 2)
    with lab.connect() as client, lab.connect() as neighbour:
        for piece in writes[:first]:
            client.send(piece)
        assert_serves(neighbour)
        for piece in writes[first:]:
            client.send(piece)
        answer = client.answer()
        assert answer is not None, "closed without an answer"
        assert answer.code == code, f"{answer.status} {answer.body!r}"
        assert answer.headers[b"content-type"] == b"application/problem+json"
        harmless = 1
        if answer.headers.get(b"connection") == b"close":
            assert client.is_closed()
        else:
            assert_serves(client)
            harmless += 1
        assert_serves(neighbour)
    assert len(lab.asked) == harmless + 1
    assert {asked.target for asked in lab.asked} == {"/items"}
    lab.wait_until(lambda: lab.load.buffered_bytes == 0)
    return answer


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("row", ROWS)
def test_what_the_gateway_refuses_the_provider_refuses(lab: ProviderLab, row: str, cut: Cut) -> None:
    attack, code = ROWS[row]
    assert_refused(lab, attack, code, cut)


@pytest.mark.parametrize("row", ["S1-CL.TE", "S10-folded", "S14-'+5'", "H1-twice", "H9-size", "P1-/items/.."])
def test_nor_does_it_take_them_over_tls(tls_lab: ProviderLab, row: str) -> None:
    attack, code = ROWS[row]
    assert_refused(tls_lab, attack, code, "whole")


@pytest.mark.parametrize("row", ROWS)
def test_a_refusal_costs_no_more_than_a_harmless_request(lab: ProviderLab, row: str) -> None:
    attack, _ = ROWS[row]
    lines = []
    for raw in (request("POST", "/unread", body=b"x" * max(1, len(attack) - 80)), attack):
        lab.ask(raw)
        with lab.measured() as cost:
            lab.ask(raw)
        lines.append(cost.lines)
        assert cost.peak_bytes <= 10 * len(raw) + 256 * 1024
    assert lines[1] <= 10 * lines[0]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("row", TWINS)
def test_its_twin_passes(lab: ProviderLab, row: str, cut: Cut) -> None:
    lab.asked.clear()
    message = TWINS[row]
    with lab.connect() as client:
        for piece in pieces(message, cut):
            client.send(piece)
        answer = client.answer(to_head=message.startswith(b"HEAD"))
        assert answer is not None
        assert (answer.status, answer.body) == (200, OK), answer
        assert b"date" in answer.headers
    assert len(lab.asked) == 1
    if row in test_framing.TWINS:
        assert lab.asked[0].body == test_framing.TWINS[row][1][1]


def test_h3_nothing_that_is_answered_is_made_of_the_host(lab: ProviderLab) -> None:
    """Nor is a path led to the same one without its slash, which is where a framework would make an address of it."""
    for host in ("127.0.0.1", "evil.test", "[::1]:1"):
        for target, status in (("/items", 200), ("/items/", 404), ("/nowhere", 404)):
            answer = lab.ask(request("GET", target, host=host))
            assert answer is not None
            assert answer.status == status
            assert b"evil" not in answer.body + b"".join(answer.headers.values())


@pytest.mark.parametrize("row", [row for row, (_, code) in test_framing.ROWS.items() if code == "transport.upgrade"])
def test_s22_an_offer_to_change_protocol_is_passed_over(lab: ProviderLab, row: str) -> None:
    answer = lab.ask(test_framing.ROWS[row][0])
    assert answer is not None
    assert (answer.status, answer.body) == (200, OK)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("target", ["/nowhere", "/unread", "/boom"])
def test_s3_a_body_that_nobody_reads_is_never_the_next_request(lab: ProviderLab, target: str, cut: Cut) -> None:
    lab.asked.clear()
    with lab.connect() as client:
        for piece in pieces(request("POST", target, body=request("DELETE")), cut):
            client.send(piece)
        answer = client.answer()
        assert answer is not None
        assert answer.headers[b"connection"] == b"close"
        assert client.is_closed()
    assert not lab.asked


@pytest.mark.parametrize("row", test_framing.CUT_SHORT)
def test_a_body_that_ends_too_soon_is_not_taken_for_a_whole_one(row: str) -> None:
    with ProviderLab() as lab:
        with lab.connect() as client:
            client.send(test_framing.CUT_SHORT[row])
            client.socket.shutdown(socket.SHUT_WR)
            answer = client.answer()
            assert answer is not None
            assert answer.code in {"transport.cl_invalid", "transport.chunk_data"}
        assert lab.told_gone.wait(PATIENCE_S)
        assert not lab.asked
        lab.wait_until(lambda: not lab.load.connections and not lab.load.buffered_bytes)


def test_s4_a_client_that_waits_is_told_to_go_on_once_the_body_is_asked_for(lab: ProviderLab) -> None:
    head = request("POST", "/items", "Expect: 100-continue", "Content-Length: 3")
    with lab.connect() as client:
        client.send(head)
        interim = client.answer()
        assert interim is not None
        assert interim.status == 100
        client.send(b"abc")
        answer = client.answer()
        assert answer is not None
        assert answer.status == 200
    answer = lab.ask(head.replace(b"/items", b"/nowhere"))
    assert answer is not None
    assert answer.status == 404, "a body that nobody reads is not asked for"


def test_s26_pipelined_requests_are_answered_in_order_one_after_the_other(lab: ProviderLab) -> None:
    lab.asked.clear()
    count = 500
    with lab.connect() as client:
        client.send(b"".join(request("POST", f"/items?{n}", body=b"%d" % n) for n in range(count)))
        for _ in range(count):
            answer = client.answer()
            assert answer is not None
            assert answer.status == 200
    assert [asked.body for asked in lab.asked] == [b"%d" % n for n in range(count)]


def test_d2_pipelined_bytes_are_bounded_while_one_request_is_under_way() -> None:
    """A client that sends on and on without reading is read no further than its answers leave."""
    with ProviderLab(limits=LimitsPolicy(write_s=0.5)) as lab, lab.connect() as client, lab.connect() as other:
        client.socket.settimeout(0.5)
        sent = 0
        with contextlib.suppress(OSError):
            while sent < 256 * 1024 * 1024:
                sent += client.socket.send(request("GET", "/large") * 1000)
        assert sent < 64 * 1024 * 1024
        assert_serves(other)
        lab.wait_until(lambda: lab.load.connections == 1)


# -- D: slowness and numbers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", [False, True])
def test_d1_a_head_that_does_not_end_is_answered_408(tls: bool) -> None:
    with ProviderLab(tls=tls, limits=LimitsPolicy(head_s=0.2)) as lab, lab.connect() as client:
        client.send(b"GET /items HTTP/1.1\r\nX-Slow: ")
        client.socket.settimeout(0.01)
        said = b""
        while not said:
            client.send(b"a")
            with contextlib.suppress(TimeoutError):
                said = client.socket.recv(65536)
        assert b"limits.slow_header" in said
        assert not lab.asked


@pytest.mark.parametrize("tls", [False, True])
def test_d2_a_body_that_does_not_end_is_answered_408_and_its_reader_let_go(tls: bool) -> None:
    with ProviderLab(tls=tls, limits=LimitsPolicy(body_s=0.2)) as lab, lab.connect() as client:
        client.send(request("POST", "/items", "Content-Length: 10") + b"abc")
        answer = client.answer()
        assert answer is not None
        assert (answer.status, answer.code) == (408, "limits.slow_body")
        assert lab.told_gone.wait(PATIENCE_S)
        assert client.is_closed()
        assert not lab.asked


@pytest.mark.parametrize("tls", [False, True])
def test_d2_a_client_that_never_reads_is_broken_off(tls: bool) -> None:
    with ProviderLab(tls=tls, limits=LimitsPolicy(write_s=0.2)) as lab, lab.connect() as client:
        client.send(request("GET", "/large"))
        with lab.connect() as other:
            assert_serves(other)
        lab.wait_until(lambda: not lab.load.connections and not lab.load.buffered_bytes)
        received = 0
        with contextlib.suppress(ConnectionError):
            while piece := client.socket.recv(1 << 20):
                received += len(piece)
        assert received < LARGE


@pytest.mark.parametrize("tls", [False, True])
def test_d3_silent_connections_are_closed_without_an_answer(tls: bool) -> None:
    limits = LimitsPolicy(head_s=0.1, idle_s=0.1)
    with ProviderLab(tls=tls, limits=limits) as lab, lab.connect() as silent, lab.connect() as idle:
        assert_serves(idle)
        assert silent.is_closed()
        assert idle.is_closed()


def test_d3_a_handshake_that_is_never_ended_is_counted_and_cut_off() -> None:
    """Each holds a place as a connection that stands does; its time is the gateway's, of five seconds."""
    limits = LimitsPolicy(connections_per_address=3)
    with ProviderLab(tls=True, limits=limits) as lab, contextlib.ExitStack() as held:
        half = [held.enter_context(socket.create_connection(("127.0.0.1", lab.port), timeout=20)) for _ in range(3)]
        for one in half:
            one.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        lab.wait_until(lambda: lab.load.connections == 3)
        with socket.create_connection(("127.0.0.1", lab.port), timeout=PATIENCE_S) as fourth:
            assert fourth.recv(1) == b"", "one too many"
        with lab.connect("127.0.0.2") as other:
            assert_serves(other)
        for one in half:
            with contextlib.suppress(ConnectionError):
                assert one.recv(1) == b""
        lab.wait_until(lambda: not lab.load.connections)
        with lab.connect() as served:
            assert_serves(served)


def test_d3_ten_thousand_connections_of_one_address_leave_room_for_another_and_one_line_in_the_log() -> None:
    limits = LimitsPolicy(connections_per_address=500)
    with capture_logs() as said, ProviderLab(limits=limits) as lab, contextlib.ExitStack() as held:
        for _ in range(10_000):
            held.enter_context(socket.create_connection(("127.0.0.1", lab.port), timeout=PATIENCE_S))
        lab.wait_until(lambda: lab.server.turned_away_count == 9_500)
        with lab.connect("127.0.0.2") as other:
            assert_serves(other)
        assert lab.load.connections <= 501
    told = [event for event in said if event["event"] == "turned away"]
    assert len(told) <= 3
    assert sum(event.get("reasons", {event.get("reason"): 1})["too many connections"] for event in told) == 9_500


def test_d3_connections_of_a_listed_proxy_are_those_of_no_address() -> None:
    """All that come through a proxy have its address: it is bounded by the bound on all alone."""
    proxies = TransportPolicy(trusted_proxies=("127.0.0.1/32",)).proxies()
    limits = LimitsPolicy(connections=40, connections_per_address=2)
    with ProviderLab(limits=limits, proxies=proxies) as lab, contextlib.ExitStack() as held:
        for number in range(40):
            client = held.enter_context(lab.connect())
            client.send(request("GET", "/items", f"X-Forwarded-For: 2001:db8::{number + 1:x}"))
            assert client.answer() is not None
        assert {asked.client for asked in lab.asked} == {f"2001:db8::{number + 1:x}" for number in range(40)}
        with lab.connect() as beyond:
            assert beyond.is_closed()


def test_d10_bodies_together_stay_within_the_memory_budget_and_no_body_waits_whole() -> None:
    with ProviderLab(limits=LimitsPolicy(buffered_bytes=100_000)) as lab, contextlib.ExitStack() as held:
        for _ in range(8):
            client = held.enter_context(lab.connect())
            client.send(request("POST", "/items", "Content-Length: 60000") + b"a" * 50_000)
        assert lab.load.buffered_bytes <= 100_000
        with lab.connect() as other:
            assert_serves(other)


def test_b11_a_body_beyond_the_limit_is_refused(lab: ProviderLab) -> None:
    most = LimitsPolicy().body_bytes
    body = b"a" * (most + 1)
    answer = lab.ask(request("POST", "/items", body=body))
    assert answer is not None
    assert (answer.status, answer.code) == (413, "limits.body_size")
    answer = lab.ask(request("POST", "/items", body=body[:-1]))
    assert answer is not None
    assert answer.status == 200


# -- the application ------------------------------------------------------------------------------------------------


def test_a_streamed_answer_comes_whole_and_a_head_of_it_has_no_body(lab: ProviderLab) -> None:
    answer = lab.ask(request("GET", "/stream"))
    assert answer is not None
    assert (answer.status, answer.body) == (200, b"one two")
    with lab.connect() as client:
        client.send(request("HEAD", "/stream"))
        answer = client.answer(to_head=True)
        assert answer is not None
        assert answer.status == 405 or answer.body == b""


def test_what_breaks_is_a_fault_that_gives_nothing_away(lab: ProviderLab) -> None:
    answer = lab.ask(request("GET", "/boom"))
    assert answer is not None
    assert (answer.status, answer.headers[b"content-type"]) == (500, b"application/problem+json")
    assert b"inside" not in answer.body


def test_no_field_of_an_answer_ends_its_line(lab: ProviderLab) -> None:
    """Somebody's `state` in a Location, decoded once too often, would otherwise be fields of our answer."""
    answer = lab.ask(request("GET", "/split"))
    assert answer is not None
    assert answer.status == 500
    assert b"set-cookie" not in answer.headers


def test_what_is_not_served_is_told_to_programs_and_people_in_their_way(lab: ProviderLab) -> None:
    for method, target, code, status in (
        ("GET", "/nowhere", "validate.path_unknown", 404),
        ("PUT", "/items", "validate.method", 405),
    ):
        answer = lab.ask(request(method, target))
        assert answer is not None
        assert (answer.status, answer.code) == (status, code)
        assert answer.headers[b"content-type"] == b"application/problem+json"
        page = lab.ask(request(method, target, "Accept: text/html,application/xhtml+xml"))
        assert page is not None
        assert (page.status, page.headers[b"content-type"]) == (status, b"text/html; charset=utf-8")
        assert b"default-src 'none'" in page.headers[b"content-security-policy"]
        assert (b"allow" in answer.headers) is (b"allow" in page.headers) is (status == 405)


def test_it_ends_though_somebody_holds_on_to_it() -> None:
    with contextlib.ExitStack() as held:
        with ProviderLab() as lab:
            for raw in (b"", b"GET /items", request("POST", "/items", "Content-Length: 5"), request("GET", "/large")):
                client = held.enter_context(lab.connect())
                client.send(raw)
            lab.wait_until(lambda: lab.load.connections == 4)
        assert not lab._thread.is_alive()
