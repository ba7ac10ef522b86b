"""Group T: TLS towards clients.

T6 and T7 (clients' certificates, good and bad in every way) stand in `tests/gateway/test_tls_clients.py`, T9 (the
upstream's certificate) in `tests/gateway/test_tls.py`.
"""

import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from tests.gateway.certificates import FOR_CLIENTS, Authority
from tests.gateway.h2_client import H2Client, fields
from tests.gateway.hello import (
    SSL_3,
    TLS_1_0,
    TLS_1_1,
    TLS_1_2,
    Handshake,
    alert_in,
    client_hello,
)
from tests.gateway.lab import PATIENCE_S, Lab, request, running
from tests.gateway.test_tls_names import NamesLab
from tests.gateway.tls_client import answered, connected, everything, trusting

from doorward.gateway.server_tls import ServerTls, overlook_undecodable_names
from doorward.policy.tls import CertificateSettings, TlsSettings

PROTOCOL_VERSION, HANDSHAKE_FAILURE, UNRECOGNIZED_NAME = 70, 40, 112


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def settings(authority: Authority) -> TlsSettings:
    default, shop = (authority.issue(*names).file for names in (("127.0.0.1", "api.test"), ("shop.test",)))
    more = (CertificateSettings(certificate=shop, key=shop),)
    return TlsSettings(certificate=default, key=default, certificates=more)


@pytest.fixture
def lab(settings: TlsSettings) -> Iterator[Lab]:
    with NamesLab(tls=ServerTls(settings), scheme="https") as lab:
        yield lab


def said(lab: Lab, raw: bytes) -> bytes:
    """Everything the gateway says to these bytes until it closes."""
    with socket.create_connection(("127.0.0.1", lab.port), timeout=PATIENCE_S) as one:
        one.sendall(raw)
        return everything(one)


def assert_serves_on(lab: Lab, authority: Authority) -> None:
    """Nothing of the attack reached the upstream or the trail, nothing is held, and a neighbour is served."""
    assert not lab.upstream.seen
    assert not lab.audit.records
    lab.wait_until(lambda: lab.gateway.load.connections == 0)
    assert answered(lab.port, trusting(authority)).endswith(b'{"ok":true}')


OLD = {
    "T1-SSLv3": (client_hello(SSL_3, suites=(0xC009, 0x002F)), PROTOCOL_VERSION),
    "T1-TLS1.0": (client_hello(TLS_1_0, suites=(0xC009, 0xC013, 0x002F)), PROTOCOL_VERSION),
    "T1-TLS1.1": (client_hello(TLS_1_1, suites=(0xC009, 0xC013, 0x002F)), PROTOCOL_VERSION),
    "T1-NULL": (client_hello(suites=(0xC006, 0xC010, 0x003B)), HANDSHAKE_FAILURE),
    "T1-anonymous": (client_hello(suites=(0xC018, 0x00A6)), HANDSHAKE_FAILURE),
    "T1-EXPORT": (client_hello(suites=(0x0003, 0x0008, 0x0014)), HANDSHAKE_FAILURE),
    "T1-RC4": (client_hello(suites=(0xC007, 0xC011, 0x0005)), HANDSHAKE_FAILURE),
    "T1-3DES": (client_hello(suites=(0xC008, 0xC012, 0x000A)), HANDSHAKE_FAILURE),
    "T1-CBC": (client_hello(suites=(0xC009, 0xC013, 0xC023, 0xC027)), HANDSHAKE_FAILURE),
    "T1-RSA-key-exchange": (client_hello(suites=(0x009C, 0x009D, 0x003C)), HANDSHAKE_FAILURE),
    "T1-SHA-1-signatures": (client_hello(signatures=(0x0201, 0x0203)), HANDSHAKE_FAILURE),
    "T1-weak-groups": (client_hello(groups=(0x0015, 0x0013, 0x0001)), HANDSHAKE_FAILURE),
}


@pytest.mark.parametrize("row", OLD)
def test_what_is_old_or_weak_gets_an_alert(lab: Lab, authority: Authority, row: str) -> None:
    hello, alert = OLD[row]
    assert alert_in(said(lab, hello)) == alert
    assert_serves_on(lab, authority)


def test_its_twin_gets_a_handshake(lab: Lab) -> None:
    with socket.create_connection(("127.0.0.1", lab.port), timeout=PATIENCE_S) as one:
        one.sendall(client_hello(TLS_1_2))
        assert one.recv(1) == b"\x16"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl program asks for renegotiation")
def test_t1_a_client_cannot_renegotiate(lab: Lab, authority: Authority) -> None:
    # On a line of its own, R asks for it.
    command = ("openssl", "s_client", "-tls1_2", "-connect", f"127.0.0.1:{lab.port}")
    asked = subprocess.run(command, input=b"R\n", capture_output=True, timeout=PATIENCE_S, check=False)
    assert b"RENEGOTIATING" in asked.stdout + asked.stderr
    assert b"no renegotiation" in asked.stdout + asked.stderr
    assert_serves_on(lab, authority)


@pytest.mark.parametrize("raw", [request(), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\0" * 64, b"PROXY UNKNOWN\r\n"])
def test_t2_plain_text_on_the_tls_port_gets_nothing(lab: Lab, authority: Authority, raw: bytes) -> None:
    assert b"HTTP" not in said(lab, raw)
    assert_serves_on(lab, authority)


def test_t2_tls_on_a_plain_port_is_no_request() -> None:
    with running() as lab:
        assert b"transport.start_line" in said(lab, client_hello())
        assert [outcome.code for outcome in lab.audit.wait_for_outcomes(1)] == ["transport.start_line"]
        assert not lab.upstream.seen


NAMES = {
    "T3-NUL": b"api.test\0.evil.test",
    "T3-256": b"a" * 256,
    "T3-60000": b"a" * 60_000,
}


@pytest.mark.parametrize("row", NAMES)
def test_t3_a_server_name_that_is_none_gets_no_handshake(lab: Lab, authority: Authority, row: str) -> None:
    answer = said(lab, client_hello(name=NAMES[row]))
    assert answer[:1] != b"\x16"
    assert_serves_on(lab, authority)


@pytest.mark.parametrize("name", [b"unknown.test", b"127.0.0.1", b"xn--\xff"])
def test_t3_an_unknown_name_is_refused_where_the_policy_says_so(
    monkeypatch: pytest.MonkeyPatch, authority: Authority, settings: TlsSettings, name: bytes
) -> None:
    strict = settings.model_copy(update={"unknown_names": "refuse"})
    told: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    overlook_undecodable_names()
    with NamesLab(tls=ServerTls(strict)) as lab:
        assert alert_in(said(lab, client_hello(name=name))) == UNRECOGNIZED_NAME
        assert_serves_on(lab, authority)
    assert not told


@pytest.mark.parametrize("name", [None, b"", b"API.test"])
def test_t3_its_twin_gets_a_handshake(settings: TlsSettings, name: bytes | None) -> None:
    strict = settings.model_copy(update={"unknown_names": "refuse"})
    with (
        NamesLab(tls=ServerTls(strict)) as lab,
        socket.create_connection(("127.0.0.1", lab.port), timeout=PATIENCE_S) as one,
    ):
        one.sendall(client_hello(name=name))
        assert one.recv(1) == b"\x16"


def test_what_else_cannot_be_raised_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    overlook_undecodable_names()

    class Broken:
        def __del__(self) -> None:
            raise UnicodeDecodeError("ascii", b"\xff", 0, 1, "not in a name")

    broken = Broken()
    del broken
    assert len(told) == 1


def test_t3_the_host_of_another_certificate_is_misdirected(lab: Lab, authority: Authority) -> None:
    assert b" 421 " in answered(lab.port, trusting(authority), "api.test", "shop.test")
    assert b" 200 " in answered(lab.port, trusting(authority), "shop.test", "shop.test")
    assert [one.code for one in lab.audit.wait_for_outcomes(2)] == ["transport.tls_sni", ""]
    assert len(lab.upstream.seen) == 1


@pytest.mark.parametrize("size", [1, 2, 7, 1 << 14])
@pytest.mark.parametrize("shows", [False, True], ids=["without", "with"])
def test_t4_a_hello_in_small_records_is_judged_as_a_whole_one(
    authority: Authority, settings: TlsSettings, size: int, shows: bool
) -> None:
    mutual = settings.model_copy(update={"client_ca": authority.file, "client_certificate": "require"})
    shown = authority.issue("a.test", purposes=FOR_CLIENTS).file if shows else None
    with NamesLab(tls=ServerTls(mutual)) as lab:
        client = Handshake(lab.port, trusting(authority, show=shown))
        try:
            client.run(first_records_of=size)
            answer = client.ask(request("GET", "/items", "Connection: close"))
        except OSError:
            answer = b""
        finally:
            client.close()
        assert answer.endswith(b'{"ok":true}') is shows
        assert len(lab.upstream.seen) == shows


def test_t5_a_session_of_one_host_is_not_resumed_at_another(lab: Lab, authority: Authority) -> None:
    for tls_1_2 in (True, False):
        context = trusting(authority, tls_1_2=tls_1_2)
        with connected(lab.port, context, "api.test") as secure:
            secure.sendall(request("GET", "/items", "Connection: close"))
            everything(secure)
            session = secure.session
            secure.unwrap()
        with connected(lab.port, context, "shop.test", session) as secure:
            assert not secure.session_reused
            assert ("DNS", "shop.test") in (secure.getpeercert() or {})["subjectAltName"]


def test_t5_http_2_requests_are_not_coalesced_across_certificates(lab: Lab, authority: Authority) -> None:
    trust: Any = authority
    with H2Client(lab.port, trust) as client:
        own, other = client.ask(fields()), client.ask(fields(authority="shop.test"))
        assert client.answer(own).status == 200
        assert (client.answer(other).status, client.answer(other).code) == (421, "transport.tls_sni")
        # The connection is good for its own host still.
        assert client.answer(client.ask(fields())).status == 200
    assert len(lab.upstream.seen) == 2


@pytest.mark.parametrize("tls_1_2", [False, True], ids=["1.3", "1.2"])
def test_t8_there_is_no_ticket_and_so_no_early_data(lab: Lab, authority: Authority, tls_1_2: bool) -> None:
    with connected(lab.port, trusting(authority, tls_1_2=tls_1_2)) as secure:
        secure.sendall(request("GET", "/items", "Connection: close"))
        everything(secure)
        assert secure.session is None or not secure.session.has_ticket


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl program offers early data")
def test_t8_early_data_is_not_taken(lab: Lab, authority: Authority, tmp_path: Any) -> None:
    early = tmp_path / "early"
    early.write_bytes(request())
    command = ("openssl", "s_client", "-tls1_3", "-early_data", str(early), "-connect", f"127.0.0.1:{lab.port}")
    asked = subprocess.run(command, input=b"", capture_output=True, timeout=PATIENCE_S, check=False)
    assert b"Early data was not sent" in asked.stdout or b"Early data was rejected" in asked.stdout
    assert_serves_on(lab, authority)


def test_t8_http_1_after_agreeing_on_http_2_is_closed(lab: Lab, authority: Authority) -> None:
    context = trusting(authority)
    context.set_alpn_protocols(["h2"])
    with connected(lab.port, context) as secure:
        secure.sendall(request())
        assert b"HTTP/1.1" not in everything(secure)
    assert not lab.upstream.seen
    assert answered(lab.port, trusting(authority)).endswith(b'{"ok":true}')


def test_t8_http_2_after_agreeing_on_http_1_is_refused(lab: Lab, authority: Authority) -> None:
    context = trusting(authority)
    context.set_alpn_protocols(["http/1.1"])
    with connected(lab.port, context) as secure:
        secure.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert b" 400 " in everything(secure).partition(b"\r\n")[0]
    assert not lab.upstream.seen


def test_a_handshake_with_another_name_in_the_certificate_is_the_clients_to_refuse(
    lab: Lab, authority: Authority
) -> None:
    with pytest.raises(ssl.SSLCertVerificationError), connected(lab.port, trusting(authority), "other.test"):
        pass
    assert_serves_on(lab, authority)
