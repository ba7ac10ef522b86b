"""Connections that have not finished their handshake: they count, they end, and they are told of together."""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from tests.gateway.certificates import Authority
from tests.gateway.lab import PATIENCE_S, Lab, request, running
from tests.gateway.tls_client import answered, connected, trusting

from doorward.controls.limits import LimitsPolicy
from doorward.controls.transport import TransportPolicy
from doorward.gateway import listener
from doorward.gateway.failed_handshakes import FailedHandshakes
from doorward.gateway.server_tls import ServerTls
from doorward.policy.tls import TlsSettings

HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
"""How a ClientHello of 512 bytes begins."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pressure"))


@pytest.fixture(scope="module")
def tls(authority: Authority) -> ServerTls:
    file = authority.issue("127.0.0.1").file
    return ServerTls(TlsSettings(certificate=file, key=file))


@contextlib.contextmanager
def silent(lab: Lab, count: int, start: bytes = b"") -> Iterator[list[socket.socket]]:
    """So many connections that say no more than `start`."""
    with contextlib.ExitStack() as opened:
        made = []
        for _ in range(count):
            made.append(opened.enter_context(socket.create_connection(("127.0.0.1", lab.port), PATIENCE_S)))
            made[-1].sendall(start)
        yield made


def is_turned_away(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as one:
        try:
            return one.recv(1) == b""
        except ConnectionError:
            return True


@pytest.mark.parametrize("start", [b"", HELLO], ids=["silent", "half a hello"])
@pytest.mark.parametrize(
    "limits",
    [LimitsPolicy(connections_per_address=4), LimitsPolicy(connections=4, connections_per_address=4)],
    ids=["an address", "all"],
)
def test_d1_handshakes_in_progress_count_as_connections(
    authority: Authority, tls: ServerTls, limits: LimitsPolicy, start: bytes
) -> None:
    with running(tls=tls, limits=limits) as lab:
        with silent(lab, 4, start):
            lab.wait_until(lambda: lab.gateway.load.connections == 4)
            assert is_turned_away(lab.port)
            lab.wait_until(lambda: lab.gateway.turned_away_count == 1)
        lab.wait_until(lambda: lab.gateway.load.connections == 0)
        assert answered(lab.port, trusting(authority)).endswith(b'{"ok":true}')


def test_a_connection_counts_once_through_its_handshake_and_after(authority: Authority, tls: ServerTls) -> None:
    with running(tls=tls, limits=LimitsPolicy(connections_per_address=2)) as lab:
        with connected(lab.port, trusting(authority)) as one, connected(lab.port, trusting(authority)) as two:
            for secure in (one, two):
                secure.sendall(request())
                assert secure.recv(65536).startswith(b"HTTP/1.1 200")
            assert lab.gateway.load.connections == 2
            assert is_turned_away(lab.port)
        lab.wait_until(lambda: lab.gateway.load.connections == 0)


def test_handshakes_through_a_listed_proxy_count_in_all_only(authority: Authority, tls: ServerTls) -> None:
    listed = TransportPolicy(trusted_proxies=("127.0.0.0/8",)).proxies()
    with running(tls=tls, proxies=listed, limits=LimitsPolicy(connections=8, connections_per_address=1)) as lab:
        with silent(lab, 4):
            lab.wait_until(lambda: lab.gateway.load.connections == 4)
            assert answered(lab.port, trusting(authority)).endswith(b'{"ok":true}')
        lab.wait_until(lambda: lab.gateway.load.connections == 0)


@pytest.mark.parametrize("start", [b"", HELLO], ids=["silent", "half a hello"])
def test_d3_a_handshake_that_does_not_end_is_ended(
    monkeypatch: pytest.MonkeyPatch, tls: ServerTls, start: bytes
) -> None:
    monkeypatch.setattr(listener, "HANDSHAKE_S", 0.2)
    with running(tls=tls) as lab, silent(lab, 3, start) as held:
        for one in held:
            with contextlib.suppress(ConnectionError):
                assert one.recv(1) == b""
        lab.wait_until(lambda: lab.gateway.load.connections == 0)
        assert lab.gateway.turned_away_count == 3


def test_a_client_that_leaves_by_itself_is_counted_and_not_told_of(tls: ServerTls, authority: Authority) -> None:
    with structlog.testing.capture_logs() as lines, running(tls=tls) as lab:
        for start in (b"", HELLO):
            with silent(lab, 1, start):
                lab.wait_until(lambda: lab.gateway.load.connections == 1)
            lab.wait_until(lambda: lab.gateway.load.connections == 0)
        assert answered(lab.port, trusting(authority)).endswith(b'{"ok":true}')
        assert lab.gateway.turned_away_count == 0
    assert not lines


def test_a_client_that_is_refused_is_told_why(authority: Authority, tls: ServerTls) -> None:
    weak = trusting(authority, tls_1_2=True)
    weak.set_ciphers("ECDHE+AES+SHA:@SECLEVEL=0")
    with running(tls=tls) as lab, pytest.raises(ssl.SSLError, match=r"(?i)alert.handshake.failure"):
        answer_of(lab.port, weak)


def answer_of(port: int, context: ssl.SSLContext) -> None:
    with connected(port, context):
        pass


class Clock:
    """Stands in for a loop: says what was to be called later, and calls it when told to."""

    def __init__(self) -> None:
        self.waiting: list[Any] = []

    def call_later(self, _delay_s: float, called: Any) -> "Clock":
        self.waiting.append(called)
        return self

    def cancel(self) -> None:
        self.waiting.clear()

    def pass_time(self) -> None:
        waiting, self.waiting = self.waiting, []
        for called in waiting:
            called()


def test_a_flood_of_failures_is_told_in_few_lines() -> None:
    clock: Any = Clock()
    with structlog.testing.capture_logs() as lines:
        failed = FailedHandshakes(clock)
        for _ in range(1_000):
            failed.note("192.0.2.7", "no shared cipher")
        assert len(lines) == 1
        clock.pass_time()
        assert lines[1]["reasons"] == {"no shared cipher": 999}
        clock.pass_time()
        clock.pass_time()
        assert len(lines) == 2
        failed.note("192.0.2.7", "http request")
        failed.note("192.0.2.7", "http request")
        assert lines[2]["reason"] == "http request"
        failed.close()
        assert lines[3]["reasons"] == {"http request": 1}
        assert failed.counts == {"no shared cipher": 1_000, "http request": 2}


def test_reasons_are_bounded() -> None:
    failed = FailedHandshakes(Clock())  # type: ignore[arg-type]
    for number in range(1_000):
        failed.note("192.0.2.7", f"reason {number}")
    assert len(failed.counts) <= 33


def test_the_gateway_serves_on_when_descriptors_run_out(
    monkeypatch: pytest.MonkeyPatch, authority: Authority, tls: ServerTls, tmp_path: Path
) -> None:
    with running(tls=tls) as lab:
        real = socket.socket.accept
        refusals = iter([True, True])

        def accept(self: socket.socket) -> Any:
            if next(refusals, False):
                raise OSError(24, "Too many open files")
            return real(self)

        monkeypatch.setattr(socket.socket, "accept", accept)
        assert answered(lab.port, trusting(authority)).endswith(b'{"ok":true}')
        assert next(refusals, None) is None
