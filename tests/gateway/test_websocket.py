"""A WebSocket from its handshake to its end."""

import asyncio
import time

import aiohttp
import pytest
from tests.gateway.lab import PATIENCE_S, Answer, Lab, request
from tests.gateway.websocket_lab import CLOSE, PING, PONG, TEXT, RawSocket, frame, handshake, websocket_lab

from doorward.controls.transport import accept_value


def test_messages_pass_both_ways_and_leave_two_records() -> None:
    async def talk(port: int) -> None:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"http://127.0.0.1:{port}/items", headers={"Host": "api.test"}) as link,
        ):
            await link.send_str("grüße")
            assert await link.receive_str(timeout=PATIENCE_S) == "grüße"
            await link.send_bytes(bytes(range(256)))
            assert await link.receive_bytes(timeout=PATIENCE_S) == bytes(range(256))
            await link.close(code=1000)

    with websocket_lab() as (lab, peer):
        asyncio.run(talk(lab.port))
        outcome = lab.audit.wait_for_outcomes(1)[0]
        closed = lab.audit.wait_for_closed()
        assert (outcome.status, outcome.caller) == (101, "local|alice")
        assert (closed.request_id, closed.complete) == (outcome.request_id, True)
        assert closed.bytes_in > 256
        assert peer.closed.get(timeout=PATIENCE_S) == 1000


def test_the_upstream_gets_our_handshake_and_not_the_clients() -> None:
    with websocket_lab(subprotocols=("chat",)) as (lab, peer):
        fields = ("Sec-WebSocket-Protocol: evil, chat", "Sec-WebSocket-Extensions: permessage-deflate", "X-Custom: 1")
        with RawSocket(lab.port, *fields) as link:
            assert b"sec-websocket-protocol: chat" in link.head
            assert b"extensions" not in link.head.lower()
        head = peer.heads.get(timeout=PATIENCE_S)
        assert head["sec-websocket-key"] != "dGhlIHNhbXBsZSBub25jZQ=="
        assert head["sec-websocket-protocol"] == "chat"
        assert "sec-websocket-extensions" not in head
        assert head["x-custom"] == "1"
        assert head["x-request-id"]


def test_bytes_sent_before_the_101_wait_for_it() -> None:
    with websocket_lab() as (lab, peer), RawSocket(lab.port, early=frame(TEXT, b"early")) as link:
        assert link.frame() == (TEXT, b"early")
        assert peer.messages.get(timeout=PATIENCE_S) == "early"


def test_a_message_in_pieces_arrives_whole() -> None:
    with websocket_lab() as (lab, peer), RawSocket(lab.port) as link:
        for byte in frame(TEXT, "grü".encode()[:3], fin=False) + frame(PING, b"p") + frame(0, "grü".encode()[3:]):
            link.send(bytes([byte]))
        assert link.frame() == (PONG, b"p")
        assert link.frame() == (TEXT, "grü".encode())
        assert peer.messages.get(timeout=PATIENCE_S) == "grü"


def test_the_upstreams_close_reaches_the_client() -> None:
    with websocket_lab() as (lab, _), RawSocket(lab.port) as link:
        link.send(frame(TEXT, b"bye"))
        assert link.closed_with() == 4001
        assert lab.audit.wait_for_closed().complete


def test_an_upstream_that_vanishes_closes_with_1011() -> None:
    with websocket_lab() as (lab, _), RawSocket(lab.port) as link:
        link.send(frame(TEXT, b"vanish"))
        assert link.closed_with() == 1011
        assert not lab.audit.wait_for_closed().complete


def test_a_client_that_vanishes_closes_the_upstream() -> None:
    with websocket_lab() as (lab, peer):
        with RawSocket(lab.port) as link:
            link.send(frame(TEXT, b"a"))
            link.frame()
        assert not lab.audit.wait_for_closed().complete
        peer.closed.get(timeout=PATIENCE_S)


def test_a_credential_that_expires_closes_it() -> None:
    with websocket_lab() as (lab, _):
        lab.sockets.expires_at = time.time() + 0.3
        with RawSocket(lab.port) as link:
            assert link.closed_with() == 1008
        assert lab.audit.wait_for_closed().detail == "authenticate.token_time"


def test_a_credential_whose_issuer_must_be_asked_is_judged_by_the_answer() -> None:
    with websocket_lab() as (lab, _), RawSocket(lab.port) as link:
        lab.sockets.asks_first = True
        lab.sockets.is_revoked = True
        assert link.closed_with() == 1008
        assert lab.audit.wait_for_closed().detail == "authenticate.token_revoked"


def test_a_credential_that_is_revoked_closes_it() -> None:
    with websocket_lab() as (lab, _), RawSocket(lab.port) as link:
        lab.sockets.is_revoked = True
        assert link.closed_with() == 1008
        assert lab.audit.wait_for_closed().detail == "authenticate.token_revoked"


def test_silence_is_asked_about_and_then_ended() -> None:
    with websocket_lab(idle_s=1.0) as (lab, _), RawSocket(lab.port) as link:
        assert link.frame() == (PING, b"")
        assert link.closed_with() == 1001


def test_one_that_answers_pings_stays() -> None:
    with websocket_lab(idle_s=3.0) as (lab, _), RawSocket(lab.port) as link:
        for _ in range(2):
            assert link.frame() == (PING, b"")
            link.send(frame(PONG))
        link.send(frame(TEXT, b"here"))
        assert link.frame() == (TEXT, b"here")


def test_35_draining_closes_with_1012() -> None:
    with websocket_lab() as (lab, _), RawSocket(lab.port) as link:
        lab.drain()
        assert link.closed_with() == 1012


def test_what_is_no_websocket_operation_refuses_the_handshake(lab: Lab) -> None:
    answer = lab.ask(handshake())
    assert answer is not None
    assert (answer.status, answer.code) == (400, "transport.upgrade")
    assert not lab.upstream.seen


def refused(port_raw: tuple[Lab, bytes]) -> Answer:
    lab, raw = port_raw
    answer = lab.ask(raw)
    assert answer is not None
    return answer


@pytest.mark.parametrize(
    "raw",
    [
        handshake("Sec-WebSocket-Version: 8"),
        handshake("Sec-WebSocket-Version:-"),
        handshake("Sec-WebSocket-Key:-"),
        handshake("Sec-WebSocket-Key: short"),
        handshake("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR=="),
        handshake("Upgrade: websocket, h2c"),
        handshake("Connection: keep-alive"),
        handshake("Sec-WebSocket-Protocol: a b"),
        handshake(version="HTTP/1.0"),
        handshake("Content-Length: 3") + b"abc",
    ],
)
def test_a_malformed_handshake_is_refused_and_reaches_nobody(raw: bytes) -> None:
    with websocket_lab() as (lab, peer):
        answer = refused((lab, raw))
        assert answer.status == 400
        assert answer.code in {"transport.upgrade", "transport.unexpected_body"}
        assert peer.heads.empty()
        assert len(lab.audit.wait_for_outcomes(1)) == 1


@pytest.mark.parametrize("origin", ["https://evil.test", "null", "https://app.test.evil.test", "http://app.test"])
def test_a_page_from_elsewhere_may_not_connect(origin: str) -> None:
    with websocket_lab(origins=("https://app.test",)) as (lab, peer):
        answer = refused((lab, handshake(f"Origin: {origin}")))
        assert (answer.status, answer.code) == (403, "authorize.origin")
        assert peer.heads.empty()
        with RawSocket(lab.port, "Origin: https://app.test") as link:
            link.send(frame(CLOSE, b"\x03\xe8"))
            assert link.closed_with() == 1000


UPGRADE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\n\r\n",
        UPGRADE + b"\r\n",
        UPGRADE + b"Sec-WebSocket-Accept: " + accept_value(b"dGhlIHNhbXBsZSBub25jZQ==") + b"\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
    ],
)
def test_s22_an_answer_that_is_no_upgrade_opens_no_tunnel(answer: bytes) -> None:
    """The client believes in a tunnel when it sees 101, a proxy that believes too lets the next request through it."""
    from tests.gateway.websocket_lab import SocketLab

    with SocketLab() as lab:
        lab.upstream.answers[b"/items"] = answer
        smuggled = request("GET", "/a%20b")
        with lab.connect() as client:
            client.send(handshake() + smuggled)
            got = client.answer()
            assert got is not None
            assert (got.status, got.code) == (502, "forward.upstream_framing")
        assert {one.line for one in lab.upstream.seen} == {b"GET /items HTTP/1.1"}
