"""Behind a balancer that passes TCP on: its header first, then TLS or HTTP."""

import contextlib
import socket
import ssl
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from tests.gateway.lab import PATIENCE_S, Client, Lab, request
from tests.gateway.test_tls import write

from doorward.controls.limits import LimitsPolicy
from doorward.controls.transport import TransportPolicy
from doorward.controls.transport.proxy_header import SIGNATURE
from doorward.gateway import listener
from doorward.gateway.tls import server_context

LINE = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n"
BINARY = SIGNATURE + b"\x21\x11\x00\x0c" + bytes([192, 0, 2, 7, 198, 51, 100, 1]) + struct.pack(">HH", 56324, 443)
LOCAL = SIGNATURE + b"\x20\x00\x00\x00"


class ProxyLab(Lab):
    """A gateway that wants a PROXY header in front of each connection."""

    proxy_protocol = True


@contextlib.contextmanager
def proxied(
    *networks: str, context: ssl.SSLContext | None = None, limits: LimitsPolicy | None = None
) -> Iterator[ProxyLab]:
    listed = TransportPolicy(trusted_proxies=networks or ("127.0.0.0/8",)).proxies()
    with ProxyLab(proxies=listed, context=context, limits=limits) as lab:
        yield lab


@pytest.mark.parametrize("header", [LINE, BINARY], ids=["v1", "v2"])
@pytest.mark.parametrize("bytewise", [False, True])
def test_the_announced_client_is_the_one_recorded(header: bytes, bytewise: bool) -> None:
    with proxied() as lab:
        answer = lab.ask(header + request(), bytewise=bytewise)
        assert answer is not None
        assert answer.status == 200
        outcome = lab.audit.wait_for_outcomes(1)[0]
        assert (outcome.address, outcome.port) == ("192.0.2.7", 56324)
        assert "transport.via:127.0.0.1" in outcome.findings
        assert b"x-forwarded-for: 192.0.2.7\r\n" in lab.upstream.seen[0].head.lower()


def test_a_balancers_own_check_counts_as_its_own() -> None:
    with proxied() as lab:
        lab.ask(LOCAL + request())
        assert lab.audit.wait_for_outcomes(1)[0].address == "127.0.0.1"


def test_tls_begins_behind_the_header(tmp_path: Path) -> None:
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    files = write(authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA), tmp_path)
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(trusting)
    with proxied(context=server_context(*files)) as lab:
        raw = socket.create_connection(("127.0.0.1", lab.port), timeout=PATIENCE_S)
        raw.sendall(BINARY)
        with trusting.wrap_socket(raw, server_hostname="127.0.0.1") as secure:
            secure.sendall(request())
            assert secure.recv(65536).startswith(b"HTTP/1.1 200")
        assert lab.audit.wait_for_outcomes(1)[0].address == "192.0.2.7"


@pytest.mark.parametrize(
    "start",
    [
        request(),
        b"PROXY TCP4 192.0.2.7\r\n" + request(),
        b"PROXY " + b"x" * 200,
        SIGNATURE + b"\x21\x11\xff\xff" + request(),
        b"\x16\x03\x01" + bytes(100),
    ],
)
def test_without_a_sound_header_nothing_is_read(start: bytes) -> None:
    with proxied() as lab, lab.connect() as client:
        client.send(start)
        assert closed(client)
        lab.wait_until(lambda: lab.gateway.turned_away_count == 1)
        assert not lab.upstream.seen
        answer = lab.ask(LINE + request())
        assert answer is not None
        assert answer.status == 200


def test_a_header_from_a_peer_that_is_not_listed_is_not_read() -> None:
    with proxied("10.0.0.0/8") as lab, lab.connect() as client:
        client.send(LINE + request())
        assert closed(client)
        assert not lab.audit.records


def closed(client: Client) -> bool:
    try:
        return client.answer() is None
    except ConnectionError:
        return True


def test_it_needs_to_know_whose_headers_to_read() -> None:
    with pytest.raises(ValueError, match="needs trusted_proxies"):
        TransportPolicy(proxy_protocol=True)


def test_an_announced_proxy_that_is_listed_speaks_for_its_clients_too() -> None:
    with proxied("127.0.0.0/8", "192.0.2.0/24") as lab:
        lab.ask(LINE + request("GET", "/items", "X-Forwarded-For: 198.51.100.9"))
        outcome = lab.audit.wait_for_outcomes(1)[0]
        assert outcome.address == "198.51.100.9"
        assert "transport.via:192.0.2.7 127.0.0.1" in outcome.findings


def test_an_announced_client_is_not_believed_about_itself() -> None:
    taking = TransportPolicy(trusted_proxies=("127.0.0.0/8",), client_scheme=True).proxies()
    with ProxyLab(proxies=taking) as lab:
        lab.ask(LINE + request("GET", "/items", "X-Forwarded-For: 198.51.100.9", "X-Forwarded-Proto: https"))
        assert lab.audit.wait_for_outcomes(1)[0].address == "192.0.2.7"
        assert b"x-forwarded-proto: http\r\n" in lab.upstream.seen[0].head.lower()


@pytest.mark.parametrize("start", [b"", LINE[:20], BINARY[:20], SIGNATURE])
def test_a_header_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, start: bytes) -> None:
    monkeypatch.setattr(listener, "HANDSHAKE_S", 0.2)
    with proxied() as lab, lab.connect() as client:
        client.send(start)
        assert closed(client)
        lab.wait_until(lambda: lab.gateway.load.connections == 0)
        assert lab.gateway.turned_away_count == 1
        assert not lab.audit.records


def test_clients_behind_a_balancer_are_counted_each_for_itself() -> None:
    with proxied(limits=LimitsPolicy(connections_per_address=1)) as lab, contextlib.ExitStack() as held:
        others = [LINE.replace(b"192.0.2.7", b"192.0.2.%d" % number) for number in (7, 8, 9)]
        for header in others:
            client = held.enter_context(lab.connect())
            client.send(header + request())
            answer = client.answer()
            assert answer is not None
            assert answer.status == 200
        client = held.enter_context(lab.connect())
        client.send(others[0] + request())
        answer = client.answer()
        assert answer is not None
        assert answer.status == 503
