"""Whatever breaks, wherever it does: the client is told, the record says so, nothing is held, the next one is served."""

import contextlib
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
import trustme
from tests.gateway.h2_client import H2Client, fields
from tests.gateway.lab import OK, PATIENCE_S, Lab, StubRelease, request
from tests.gateway.test_http2 import authority, files
from tests.gateway.websocket_lab import PING, PONG, RawSocket, frame, handshake, websocket_lab

from doorward.controls.audit.record import Record
from doorward.controls.audit.records import Closed, Kind
from doorward.controls.limits import LimitsPolicy
from doorward.controls.minimise import LONG_BYTES
from doorward.denial import Denied
from doorward.exchange import Exchange, Pending, Response
from doorward.gateway.tls import server_context

__all__ = ["authority", "files"]
POST: Final = request("POST", "/items", body=b"abc")
LONG: Final = (
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"%x\r\n" % (LONG_BYTES + 1) + b"y" * (LONG_BYTES + 1)
)


def breaks(*_: object, **__: object) -> Any:
    raise RuntimeError("broken")


def denies(*_: object, **__: object) -> Any:
    raise Denied("inspect.sql", "refused here")


class Release(StubRelease):
    """Raises where a test says so."""

    def __init__(self, where: str, raises: Callable[..., Any]) -> None:
        super().__init__()
        setattr(self, where, raises)


def replace_in_plan(lab: Lab, **changes: Any) -> None:
    lab.pipeline.plans["POST", b"/items"] = replace(lab.pipeline.plans["POST", b"/items"], **changes)


def in_pipeline(name: str) -> Callable[[Lab, Callable[..., Any]], None]:
    return lambda lab, raises: setattr(lab.pipeline, name, raises)


def in_plan(name: str) -> Callable[[Lab, Callable[..., Any]], None]:
    return lambda lab, raises: replace_in_plan(lab, **{name: raises})


def in_feed(lab: Lab, raises: Callable[..., Any]) -> None:
    replace_in_plan(lab, watch=lambda _: raises)


def in_release(name: str, answer: bytes = OK) -> Callable[[Lab, Callable[..., Any]], None]:
    def put(lab: Lab, raises: Callable[..., Any]) -> None:
        lab.upstream.answers[b"/items"] = answer
        replace_in_plan(lab, release=Release(name, raises))

    return put


def in_record(kind: Kind) -> Callable[[Lab, Callable[..., Any]], None]:
    """Raise when the first record of the kind is handed over."""

    def put(lab: Lab, raises: Callable[..., Any]) -> None:
        append = lab.audit.append

        def append_or_raise(record: Record, done: Callable[[bool], None]) -> None:
            if record.kind == kind:
                lab.audit.append = append  # type: ignore[method-assign]
                raises()
            append(record, done)

        lab.audit.append = append_or_raise  # type: ignore[method-assign]

    return put


WHERE: Final = {
    "a local answer": lambda lab, raises: setattr(lab.gateway, "local_answer", raises),
    "preflight": in_pipeline("preflight"),
    "the head": in_pipeline("admit_head"),
    "watching": in_plan("watch"),
    "what is watched": in_feed,
    "the body": in_pipeline("admit_body"),
    "the intent": in_record(Kind.INTENT),
    "the head for the upstream": in_plan("request_head"),
    "the answer's head": in_release("reads_body", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
    "the answer's growth": in_release("streams", LONG),
    "the answer": in_release("apply"),
}


@pytest.fixture(params=WHERE)
def where(request: pytest.FixtureRequest) -> Callable[[Lab, Callable[..., Any]], None]:
    put: Callable[[Lab, Callable[..., Any]], None] = WHERE[request.param]
    return put


def test_what_breaks_is_a_fault_of_this_exchange_alone(
    lab: Lab, where: Callable[[Lab, Callable[..., Any]], None]
) -> None:
    where(lab, breaks)
    answer = lab.ask(POST)
    assert answer is not None
    assert answer.status == 500
    assert b"broken" not in answer.body
    (outcome,) = lab.audit.wait_for_outcomes(1)
    assert (outcome.status, outcome.code, outcome.detail) == (500, "", "RuntimeError: broken")
    assert lab.gateway.load.buffered_bytes == 0


def test_what_is_denied_is_refused_wherever_that_happens(
    lab: Lab, where: Callable[[Lab, Callable[..., Any]], None]
) -> None:
    where(lab, denies)
    answer = lab.ask(POST)
    assert answer is not None
    assert answer.code == "inspect.sql"
    (outcome,) = lab.audit.wait_for_outcomes(1)
    assert (outcome.code, outcome.detail) == ("inspect.sql", "refused here")
    assert lab.gateway.load.buffered_bytes == 0


@pytest.mark.parametrize("raises", [breaks, denies], ids=["breaks", "denies"])
def test_an_answer_that_cannot_be_sealed_does_not_leave(lab: Lab, raises: Callable[..., Any]) -> None:
    lab.pipeline.seal_answer = raises  # type: ignore[method-assign]
    for raw in (POST, request("GET", "/nowhere")):
        answer = lab.ask(raw)
        assert answer is not None
        assert answer.status == 500
        assert answer.body.startswith(b'{"type":"urn:doorward:fault"')
    assert [outcome.status for outcome in lab.audit.wait_for_outcomes(2)] == [500, 500]


def test_an_outcome_that_cannot_be_written_down_is_no_answer(lab: Lab) -> None:
    in_record(Kind.OUTCOME)(lab, breaks)
    answer = lab.ask(POST)
    assert answer is not None
    assert (answer.status, answer.code) == (503, "audit.unavailable")


class Filter:
    """A filter of answers, as a test wants it."""

    def __init__(self, *, feed: Callable[[bytes], bytes] = bytes, end: Callable[[], bytes] = bytes) -> None:
        self.feed, self.end = feed, end

    def findings(self) -> list[str]:
        return ["filtered"]


class Filtering(StubRelease):
    """Streams every answer that is long, through a filter."""

    def __init__(self, body_filter: Filter) -> None:
        super().__init__()
        self._filter = body_filter

    def streams(self, exchange: Exchange, response: Response) -> bool:
        return True

    def apply(self, exchange: Exchange) -> None:
        exchange.body_filter = self._filter


def filtered(lab: Lab, body_filter: Filter) -> None:
    lab.pipeline.plans["GET", b"/items"] = replace(lab.pipeline.plans["GET", b"/items"], release=Filtering(body_filter))


@pytest.mark.parametrize(("raises", "said"), [(breaks, "RuntimeError: broken"), (denies, "inspect.sql: refused here")])
@pytest.mark.parametrize("at", ["feed", "end"])
def test_a_begun_answer_that_may_not_go_on_is_cut(lab: Lab, at: str, raises: Callable[..., Any], said: str) -> None:
    def answers(connection: socket.socket) -> None:
        connection.sendall(LONG)
        lab.audit.wait_for_outcomes(1)
        connection.sendall(b"\r\n4\r\nstop\r\n0\r\n\r\n")

    def feed(data: bytes) -> bytes:
        return raises() if b"stop" in data else data

    lab.upstream.answers[b"/items"] = answers
    filtered(lab, Filter(feed=feed) if at == "feed" else Filter(end=raises))
    with lab.connect() as client:
        client.send(request())
        with pytest.raises(EOFError):
            client.answer()
    closed = lab.audit.wait_for_closed()
    assert (closed.complete, closed.detail) == (False, f"{said}, filtered")


def test_an_upload_above_its_bound_cuts_the_answer_that_came_early(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def answers_early(connection: socket.socket, _: int) -> None:
        with connection, contextlib.suppress(ConnectionError):
            until(connection, b"abcde\r\n")
            connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nbegin\r\n")
            until(connection, b"never")

    monkeypatch.setattr(lab.upstream, "_serve", answers_early)
    lab.pipeline.set_body_bytes("POST", b"/upload", 20)
    lab.pipeline.set_reads_body("POST", b"/upload", reads=False)
    with socket.create_connection(("127.0.0.1", lab.port), timeout=PATIENCE_S) as client:
        client.sendall(request("POST", "/upload", "Transfer-Encoding: chunked") + b"5\r\nabcde\r\n")
        until(client, b"begin\r\n")
        client.sendall(b"20\r\n" + b"x" * 32 + b"\r\n")
        with contextlib.suppress(ConnectionError):
            assert until(client, b"0\r\n\r\n") == b""
    closed = lab.audit.wait_for_closed()
    assert not closed.complete
    assert closed.detail == "limits.body_size: request body above 20 bytes"


def until(connection: socket.socket, end: bytes) -> bytes:
    got = b""
    while not got.endswith(end) and (data := connection.recv(65536)):
        got += data
    return got


def test_a_client_that_goes_over_the_last_of_an_answer_leaves_one_record_of_its_end(
    files: tuple[Path, Path], authority: trustme.CA
) -> None:
    limits = LimitsPolicy(buffered_bytes=64 * 1024)
    with Lab(context=server_context(*files), scheme="https", limits=limits) as lab:
        # More than may be held for a client: its stream is reset while the answer ends.
        filtered(lab, Filter(feed=lambda _: b"", end=lambda: b"z" * 100_000))
        lab.upstream.answers[b"/items"] = LONG + b"\r\n0\r\n\r\n"
        with H2Client(lab.port, authority) as client:
            assert client.answer(client.ask(fields())).reset is not None
            lab.upstream.answers[b"/items"] = OK
            assert client.answer(client.ask(fields("POST"))).status == 200
        lab.audit.wait_for_outcomes(2)
        assert [entry.complete for entry in lab.audit.entries() if isinstance(entry, Closed)] == [False]


def test_a_broken_handshake_with_the_upstream_is_a_fault_and_no_silence() -> None:
    with websocket_lab() as (lab, _):
        lab.pipeline.plans["GET", b"/items"] = replace(lab.pipeline.plans["GET", b"/items"], request_head=breaks)
        answer = lab.ask(handshake())
        assert answer is not None
        assert answer.status == 500


def test_a_websocket_waits_for_a_check_that_cannot_say_yet() -> None:
    with websocket_lab() as (lab, _):
        asked: list[Exchange] = []

        def admit_body(exchange: Exchange, plan: Any) -> None:
            if not asked:
                asked.append(exchange)
                raise Pending(lambda known: known())

        lab.pipeline.admit_body = admit_body  # type: ignore[method-assign]
        with RawSocket(lab.port) as link:
            link.send(frame(PING, b"hello"))
            assert link.frame() == (PONG, b"hello")
        assert len(asked) == 1
