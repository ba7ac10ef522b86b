"""Clients over HTTP/1.1: requests in, answers out, connections kept or closed."""

import time

import pytest
from tests.gateway.lab import Lab, StubPipeline, request

from doorward.controls.limits import LimitsPolicy
from doorward.exchange import Exchange, Response


def test_a_request_reaches_the_upstream_and_its_answer_the_client(lab: Lab) -> None:
    answer = lab.ask(request())
    assert answer is not None
    assert (answer.status, answer.body) == (200, b'{"ok":true}')
    assert [seen.line for seen in lab.upstream.seen] == [b"GET /items HTTP/1.1"]
    outcome = lab.audit.wait_for_outcomes(1)[0]
    assert (outcome.status, outcome.bytes_out) == (200, 11)
    assert answer.headers[b"x-request-id"] == outcome.request_id.hex().encode()


def test_a_body_arrives_whole_whatever_its_framing(lab: Lab) -> None:
    chunked = (
        request("POST", "/items", "Transfer-Encoding: chunked") + b"3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n"
    )
    for raw in (request("POST", "/items", body=b"abcde"), chunked):
        for bytewise in (False, True):
            answer = lab.ask(raw, bytewise=bytewise)
            assert answer is not None
            assert answer.status == 200
    assert [seen.body for seen in lab.upstream.seen] == [b"abcde"] * 4
    assert all(b"transfer-encoding" not in seen.names for seen in lab.upstream.seen)
    assert len(lab.audit.intents()) == 4


def test_a_body_is_complete_when_its_last_byte_came(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    times: list[tuple[float, float]] = []

    def note(exchange: Exchange, _plan: object) -> None:
        times.append((exchange.now, exchange.complete_at))

    monkeypatch.setattr(lab.pipeline, "admit_body", note)
    assert lab.ask(request()) is not None
    with lab.connect() as client:
        client.send(request("POST", "/items", "Content-Length: 5"))
        lab.wait_until(lambda: any(getattr(one, "_run", None) is not None for one in lab.gateway.connections))
        # `time` itself: compiled modules do not look the name up again.
        monkeypatch.setattr(time, "time", lambda: 9e9)
        client.send(b"abcde")
        assert client.answer() is not None
    (now, complete_at), with_body = times
    assert complete_at == now
    assert with_body[0] < with_body[1] == 9e9


def test_s26_pipelined_requests_are_answered_in_order(lab: Lab) -> None:
    lab.upstream.answers[b"/a%20b"] = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecond"
    with lab.connect() as client:
        client.send(request() + b"\r\n" + request(target="/a%20b") + request("POST", body=b"x"))
        bodies = [answer.body for _ in range(3) if (answer := client.answer())]
    assert bodies == [b'{"ok":true}', b"second", b'{"ok":true}']


def test_thousands_of_pipelined_requests_need_no_deep_stack(lab: Lab) -> None:
    with lab.connect() as client:
        client.send(request("GET", "/nowhere") * 2000)
        answers = [client.answer() for _ in range(2000)]
    assert {answer.status for answer in answers if answer} == {404}


def test_a_connection_serves_one_exchange_after_the_other(lab: Lab) -> None:
    with lab.connect() as client:
        for _ in range(3):
            client.send(request())
            assert client.answer() is not None
        client.send(request("GET", "/items", "Connection: close"))
        last = client.answer()
        assert last is not None
        assert last.headers[b"connection"] == b"close"
        assert client.is_closed()
    assert len({seen.connection for seen in lab.upstream.seen}) == 1


def test_an_http_1_0_client_is_answered_and_closed(lab: Lab) -> None:
    with lab.connect() as client:
        client.send(b"GET /items HTTP/1.0\r\nHost: api.test\r\n\r\n")
        answer = client.answer()
        assert answer is not None
        assert answer.status == 200
        assert client.is_closed()


def test_head_answers_have_no_body(lab: Lab) -> None:
    lab.upstream.answers[b"/items"] = b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n"
    with lab.connect() as client:
        client.send(request("HEAD"))
        first = client.answer(to_head=True)
        client.send(request("HEAD", "/nowhere"))
        second = client.answer(to_head=True)
        client.send(request("HEAD", "/nowhere", "Connection: close"))
        third = client.answer(to_head=True)
        assert client.is_closed()
    assert [answer.status for answer in (first, second, third) if answer] == [200, 404, 404]


def test_a_204_has_neither_body_nor_length(lab: Lab) -> None:
    lab.upstream.answers[b"/items"] = b"HTTP/1.1 204 No Content\r\n\r\n"
    answer = lab.ask(request("DELETE"))
    assert answer is not None
    assert answer.status == 204
    assert b"content-length" not in answer.headers


def test_a_client_that_asks_first_is_told_to_send_its_body(lab: Lab) -> None:
    with lab.connect() as client:
        client.send(request("POST", "/items", "Expect: 100-continue", "Content-Length: 3"))
        interim = client.answer()
        assert interim is not None
        assert interim.status == 100
        client.send(b"abc")
        final = client.answer()
    assert final is not None
    assert final.status == 200
    assert b"expect" not in lab.upstream.seen[0].names


def test_s3_an_early_refusal_with_an_unread_body_ends_the_connection(lab: Lab) -> None:
    with lab.connect() as client:
        client.send(request("POST", "/nowhere", "Content-Length: 50") + request("GET", "/items"))
        answer = client.answer()
        assert answer is not None
        assert (answer.status, answer.headers[b"connection"]) == (404, b"close")
        assert client.is_closed()
    assert not lab.upstream.seen


def test_a_refusal_after_the_body_was_read_keeps_the_connection(lab: Lab) -> None:
    with lab.connect() as client:
        client.send(request("POST", body=b"forbidden") + request())
        first, second = client.answer(), client.answer()
    assert first is not None
    assert second is not None
    assert (first.status, first.code, second.status) == (403, "inspect.sql", 200)
    assert [outcome.code for outcome in lab.audit.wait_for_outcomes(2)] == ["inspect.sql", ""]


def test_a_fault_is_answered_recorded_and_gives_nothing_away(lab: Lab) -> None:
    with lab.connect() as client:
        client.send(request(target="/boom"))
        answer = client.answer()
        assert answer is not None
        assert answer.status == 500
        assert b"boom" not in answer.body
        assert client.is_closed()
    assert "RuntimeError" in lab.audit.wait_for_outcomes(1)[0].detail
    after = lab.ask(request())
    assert after is not None
    assert after.status == 200


def test_an_answer_does_not_leave_without_its_record(lab: Lab) -> None:
    lab.audit.fails = lambda record: True
    answer = lab.ask(request())
    assert answer is not None
    assert (answer.status, answer.code) == (503, "audit.unavailable")
    lab.audit.fails = lambda record: False
    after = lab.ask(request())
    assert after is not None
    assert after.status == 200


class _Sealing(StubPipeline):
    def seal_answer(self, exchange: Exchange, response: Response) -> None:
        response.headers.append((b"x-sealed", b"1"))
        response.body = b"sealed"


class _SealingLab(Lab):
    pipeline_type = _Sealing


@pytest.mark.parametrize("path", ["/items", "/stream"])
def test_what_is_said_instead_of_an_answer_without_a_record_is_sealed_too(path: str) -> None:
    with _SealingLab() as lab:
        lab.audit.fails = lambda record: True
        answer = lab.ask(request("GET", path))
        assert answer is not None
        assert (answer.status, answer.body) == (503, b"sealed")


def test_a_change_does_not_reach_the_upstream_without_its_intent(lab: Lab) -> None:
    lab.audit.fails = lambda record: record.kind == 1
    answer = lab.ask(request("POST", body=b"x"))
    assert answer is not None
    assert (answer.status, answer.code) == (503, "audit.unavailable")
    assert not lab.upstream.seen


def test_options_asterisk_is_about_the_server(lab: Lab) -> None:
    answer = lab.ask(request("OPTIONS", "*"))
    assert answer is not None
    assert answer.status == 204
    assert b"GET" in answer.headers[b"allow"]
    assert not lab.upstream.seen


def test_a_half_closed_client_still_gets_its_answer(lab: Lab) -> None:
    with lab.connect() as client:
        client.send(request())
        client.socket.shutdown(1)
        answer = client.answer()
        assert answer is not None
        assert answer.status == 200
        assert client.is_closed()


def test_s17_a_body_that_never_ends_forwards_nothing(lab: Lab) -> None:
    with lab.connect() as client:
        client.send(request("POST", "/items", "Content-Length: 10") + b"abc")
        client.socket.shutdown(1)
        answer = client.answer()
        assert answer is not None
        assert answer.code == "transport.cl_invalid"
    assert not lab.upstream.seen


def test_draining_finishes_what_is_under_way_and_closes_what_is_idle(lab: Lab) -> None:
    with lab.connect() as idle, lab.connect() as busy:
        idle.send(request())
        assert idle.answer() is not None
        busy.send(request("POST", "/items", "Content-Length: 3"))
        lab.wait_until(lambda: len(lab.gateway.connections) == 2)
        busy.send(b"abc")
        answer = busy.answer()
        lab.drain()
        assert answer is not None
        assert answer.status == 200
        assert idle.is_closed()
        assert busy.is_closed()


def test_more_connections_than_allowed_are_turned_away() -> None:
    with Lab(limits=LimitsPolicy(connections_per_address=1)) as lab, lab.connect() as first:
        first.send(request())
        assert first.answer() is not None
        with lab.connect() as second:
            turned_away = second.answer()
            assert turned_away is not None
            assert (turned_away.status, turned_away.headers[b"retry-after"]) == (503, b"1")
            assert second.is_closed()
        first.send(request())
        assert first.answer() is not None
    assert lab.gateway.turned_away_count == 1
