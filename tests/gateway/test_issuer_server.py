"""The provider's own server: what a stranger may make it take into memory."""

import contextlib
import ssl

import pytest
from tests.gateway.provider_lab import ProviderLab

from doorward.controls.limits import LimitsPolicy
from doorward.controls.transport import TransportPolicy
from doorward.denial import Denied
from doorward.gateway.issuer_server import KEPT_FILES, allow_files, shared_load, within_files

_LINE = b"POST /items HTTP/1.1\r\nhost: issuer.example\r\n"


@pytest.mark.parametrize(
    "piece", [b"x" * 65_536, b"a: " + b"x" * 1_000 + b"\r\n"], ids=["one endless field", "endless fields"]
)
@pytest.mark.parametrize("tls", [False, True])
def test_an_endless_head_is_cut_off_and_taken_nowhere(piece: bytes, tls: bool) -> None:
    with ProviderLab(tls=tls) as lab, lab.connect() as client, lab.measured() as cost:
        client.send(_LINE + b"a: ")
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while True:
                client.socket.sendall(piece)
        assert not lab.asked
    assert cost.peak_bytes < 4 * 1024 * 1024


def test_a_head_of_a_usual_size_is_read() -> None:
    cookies = b"cookie: " + b"c" * (LimitsPolicy().head_bytes - 200) + b"\r\n"
    with ProviderLab() as lab:
        answer = lab.ask(_LINE + cookies + b"content-length: 0\r\n\r\n")
        assert answer is not None
        assert answer.status == 200


def test_connections_leave_files_for_the_rest_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = LimitsPolicy(connections=5_000)
    for files, connections in ((1_024, 1_024 - KEPT_FILES), (100, 1), (65_536, 5_000), (-1, 5_000)):
        monkeypatch.setattr("resource.getrlimit", lambda _, files=files: (files, files))
        assert within_files(limits).connections == connections


def test_a_subscriber_of_ipv6_is_one_address() -> None:
    load = shared_load(LimitsPolicy(connections_per_address=1))
    load.connect("2001:db8:0:1::1")
    load.connect("2001:db8:0:2::1")
    with pytest.raises(Denied):
        load.connect("2001:db8:0:1:ffff::2")


def test_the_process_may_open_as_many_files_as_it_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr("resource.getrlimit", lambda _: (1_024, 4_096))
    monkeypatch.setattr("resource.setrlimit", lambda _, limits: asked.append(limits))
    allow_files()
    assert asked == [(4_096, 4_096)]


def test_a_reload_holds_what_comes_next_to_the_new_bounds() -> None:
    with ProviderLab() as lab, lab.connect() as before:
        before.send(_LINE + b"content-length: 0\r\n\r\n")
        assert before.answer() is not None
        limits = LimitsPolicy(connections_per_address=1, head_bytes=1024)
        proxies = TransportPolicy(trusted_proxies=("127.0.0.2/32",)).proxies()
        lab.loop.call_soon_threadsafe(lab.server.follow, limits, proxies)
        lab.wait_until(lambda: lab.load.policy.connections_per_address == 1)
        with lab.connect() as beyond:
            assert beyond.is_closed()
        before.send(_LINE + b"x: " + b"y" * 2_000 + b"\r\ncontent-length: 0\r\n\r\n")
        answer = before.answer()
        assert answer is not None
        assert answer.code == "limits.header_size", "connections that stand are held to them too"
        with lab.connect("127.0.0.2") as proxy:
            proxy.send(_LINE + b"x-forwarded-for: 203.0.113.9\r\ncontent-length: 0\r\n\r\n")
            assert proxy.answer() is not None
        assert lab.asked[-1].client == "203.0.113.9"
