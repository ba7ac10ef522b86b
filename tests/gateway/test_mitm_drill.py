"""A man in the middle, drilled: what he does, who notices, and what the trail says. `docs/tls.md` has the table."""

import socket
import ssl
import threading
from collections.abc import Iterator

import pytest
from tests.gateway.certificates import FOR_CLIENTS, Authority
from tests.gateway.hello import alert_in
from tests.gateway.lab import PATIENCE_S, Lab, request, running
from tests.gateway.middle import Middle, with_first_record_altered, with_last_byte_altered
from tests.gateway.tls_client import answered, connected, everything, trusting

from doorward.controls.transport import TransportPolicy
from doorward.gateway.listener import redirect_to_https
from doorward.gateway.server_tls import ServerTls
from doorward.policy.tls import TlsSettings

BOTH_VERSIONS = pytest.mark.parametrize("tls_1_2", [False, True], ids=["1.3", "1.2"])
TRANSFER = request("POST", "/items", "Connection: close", body=b"a transfer of 10")
BOTH_OFFERED = b"\x00\x2b\x00\x05\x04\x03\x04\x03\x03"
"""The extension `supported_versions` of a client that offers TLS 1.3 and 1.2."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("middle"))


@pytest.fixture(scope="module")
def settings(authority: Authority) -> TlsSettings:
    file = authority.issue("127.0.0.1").file
    return TlsSettings(certificate=file, key=file)


@pytest.fixture
def lab(settings: TlsSettings) -> Iterator[Lab]:
    with Lab(tls=ServerTls(settings), scheme="https") as lab:
        yield lab


def altered_at(position: int, data: bytes) -> bytes:
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


def assert_never_asked(lab: Lab) -> None:
    """Once the connection is gone: no request was read, so nothing was forwarded and there is nothing to record."""
    lab.wait_until(lambda: lab.gateway.load.connections == 0)
    assert not lab.upstream.seen
    assert not lab.audit.records


@BOTH_VERSIONS
def test_who_passes_everything_on_learns_nothing(lab: Lab, authority: Authority, tls_1_2: bool) -> None:
    with Middle(lab.port) as middle:
        assert answered(middle.port, trusting(authority, tls_1_2=tls_1_2)).endswith(b'{"ok":true}')
        assert b"HTTP" not in middle.seen
        assert b"items" not in middle.seen


# -- (a) alters a byte ------------------------------------------------------------------------------------------------


@BOTH_VERSIONS
@pytest.mark.parametrize("direction", ["to_gateway", "to_client"])
def test_an_altered_handshake_is_noticed_by_both(lab: Lab, authority: Authority, tls_1_2: bool, direction: str) -> None:
    """One bit of the client's or the server's random number: well formed, but not what the other side signs for."""
    first = iter([True])

    def change(data: bytes) -> bytes:
        return altered_at(20, data) if next(first, False) else data

    with Middle(lab.port) as middle:
        setattr(middle, direction, change)
        with pytest.raises(ssl.SSLError):
            handshake(middle.port, trusting(authority, tls_1_2=tls_1_2))
        lab.wait_until(lambda: lab.gateway.turned_away_count == 1)
    assert_never_asked(lab)


def handshake(port: int, context: ssl.SSLContext) -> None:
    with connected(port, context):
        pass


@BOTH_VERSIONS
def test_an_altered_request_is_noticed_by_the_gateway(lab: Lab, authority: Authority, tls_1_2: bool) -> None:
    with Middle(lab.port) as middle, connected(middle.port, trusting(authority, tls_1_2=tls_1_2)) as secure:
        middle.to_gateway = with_last_byte_altered
        secure.sendall(TRANSFER)
        assert everything(secure) == b""
    assert_never_asked(lab)


@BOTH_VERSIONS
def test_an_altered_answer_is_noticed_by_the_client(lab: Lab, authority: Authority, tls_1_2: bool) -> None:
    with Middle(lab.port) as middle, connected(middle.port, trusting(authority, tls_1_2=tls_1_2)) as secure:
        middle.to_client = with_first_record_altered
        secure.sendall(TRANSFER)
        with pytest.raises(ssl.SSLError, match=r"(?i)mac"):
            secure.recv(65536)
    # The exchange took place, and the record says so: to the gateway all was well.
    assert [outcome.status for outcome in lab.audit.wait_for_outcomes(1)] == [200]
    assert len(lab.upstream.seen) == 1


# -- (b) strips TLS ---------------------------------------------------------------------------------------------------


def test_a_request_in_the_clear_at_the_tls_port_is_noticed_by_the_gateway(lab: Lab) -> None:
    with Middle(lab.port) as middle, socket.create_connection(("127.0.0.1", middle.port), PATIENCE_S) as plain:
        plain.sendall(TRANSFER)
        assert everything(plain) == b""
        lab.wait_until(lambda: lab.gateway.turned_away_count == 1)
    assert_never_asked(lab)


def test_an_answer_in_the_clear_is_noticed_by_the_client(lab: Lab, authority: Authority) -> None:
    with Middle(lab.port) as middle:
        middle.to_client = lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        with pytest.raises(ssl.SSLError, match=r"(?i)wrong.version|record.layer"):
            handshake(middle.port, trusting(authority))
    assert_never_asked(lab)


def test_a_transfer_sent_to_the_plain_port_is_refused_and_recorded() -> None:
    with running(local_answer=redirect_to_https(TransportPolicy(hosts=("api.test",)), 8443)) as lab:
        answer = lab.ask(TRANSFER)
        assert answer is not None
        assert (answer.status, answer.code) == (400, "transport.tls_plaintext")
        assert [outcome.code for outcome in lab.audit.wait_for_outcomes(1)] == ["transport.tls_plaintext"]
        assert not lab.upstream.seen


# -- (c) replays ------------------------------------------------------------------------------------------------------


@BOTH_VERSIONS
def test_a_replayed_connection_is_noticed_by_the_gateway(lab: Lab, authority: Authority, tls_1_2: bool) -> None:
    with Middle(lab.port) as middle:
        with connected(middle.port, trusting(authority, tls_1_2=tls_1_2)) as secure:
            secure.sendall(TRANSFER)
            assert everything(secure).endswith(b'{"ok":true}')
        recorded = middle.seen
    lab.audit.wait_for_outcomes(1)
    with socket.create_connection(("127.0.0.1", lab.port), PATIENCE_S) as replay:
        replay.sendall(recorded)
        everything(replay)
    lab.wait_until(lambda: lab.gateway.turned_away_count == 1)
    assert len(lab.audit.outcomes()) == 1
    assert len(lab.upstream.seen) == 1


@BOTH_VERSIONS
def test_a_record_sent_twice_is_noticed_by_the_gateway(lab: Lab, authority: Authority, tls_1_2: bool) -> None:
    twice = request("POST", "/items", body=b"a transfer of 10")
    with Middle(lab.port) as middle, connected(middle.port, trusting(authority, tls_1_2=tls_1_2)) as secure:
        # One exchange first, so that what is sent twice is a request's record and nothing of the handshake's.
        secure.sendall(request())
        assert secure.recv(65536).endswith(b'{"ok":true}')
        middle.to_gateway = lambda data: data + data
        secure.sendall(twice)
        everything(secure)
    lab.wait_until(lambda: lab.gateway.load.connections == 0)
    assert [seen.line for seen in lab.upstream.seen].count(b"POST /items HTTP/1.1") <= 1


# -- (d) presents another certificate ---------------------------------------------------------------------------------


class Impostor:
    """Ends the client's TLS with a certificate of his own, and opens one to the gateway for himself."""

    def __init__(self, gateway_port: int, shown: ssl.SSLContext, trusts: ssl.SSLContext) -> None:
        self._gateway_port, self._shown, self._trusts = gateway_port, shown, trusts
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.heard = b""
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def join(self) -> None:
        self._thread.join(PATIENCE_S)
        self._listener.close()
        assert not self._thread.is_alive()

    def _run(self) -> None:
        try:
            raw, _ = self._listener.accept()
            raw.settimeout(PATIENCE_S)
            with raw, self._shown.wrap_socket(raw, server_side=True) as client:
                self.heard = client.recv(65536)
                with connected(self._gateway_port, self._trusts) as gateway:
                    gateway.sendall(self.heard)
                    client.sendall(everything(gateway))
        except OSError as error:
            self.error = error


def shows(authority: Authority, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue(*names).file)
    return context


@pytest.mark.parametrize("kind", ["another authority", "another name"])
def test_another_certificate_is_noticed_by_the_client(lab: Lab, authority: Authority, kind: str) -> None:
    his = shows(authority.beside(kind), "127.0.0.1") if kind == "another authority" else shows(authority, "evil.test")
    impostor = Impostor(lab.port, his, trusting(authority))
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(impostor.port, trusting(authority))
    impostor.join()
    assert not impostor.heard
    assert_never_asked(lab)


def test_where_clients_show_certificates_the_gateway_notices_too(authority: Authority, settings: TlsSettings) -> None:
    """Even a client that checks nothing is not impersonated: the impostor cannot show its certificate."""
    mutual = settings.model_copy(update={"client_ca": authority.file, "client_certificate": "require"})
    careless = trusting(authority, show=authority.issue("a.test", purposes=FOR_CLIENTS).file)
    careless.check_hostname = False
    careless.verify_mode = ssl.CERT_NONE
    with running(tls=ServerTls(mutual)) as lab:
        impostor = Impostor(lab.port, shows(authority.beside("evil"), "127.0.0.1"), trusting(authority))
        with connected(impostor.port, careless) as secure:
            secure.sendall(TRANSFER)
            assert everything(secure) == b""
        impostor.join()
        assert impostor.heard == TRANSFER
        lab.wait_until(lambda: lab.gateway.turned_away_count == 1)
        assert_never_asked(lab)


# -- (e) downgrades ---------------------------------------------------------------------------------------------------


def test_a_downgrade_to_tls_1_2_is_noticed_by_the_client(lab: Lab, authority: Authority) -> None:
    """The gateway marks its random number when it is asked for less than it has (RFC 8446 section 4.1.3)."""
    offered: list[bool] = []

    def change(data: bytes) -> bytes:
        offered.append(BOTH_OFFERED in data)
        return data.replace(BOTH_OFFERED, BOTH_OFFERED[:-4] + b"\x03\x03\x03\x03")

    with Middle(lab.port, to_gateway=change) as middle:
        with pytest.raises(ssl.SSLError, match=r"(?i)inappropriate.fallback|illegal.parameter|downgrade"):
            handshake(middle.port, trusting(authority))
        lab.wait_until(lambda: lab.gateway.turned_away_count == 1)
    assert offered[0]
    assert_never_asked(lab)


def test_a_downgrade_below_what_the_policy_allows_is_refused_by_the_gateway(
    authority: Authority, settings: TlsSettings
) -> None:
    answers: list[bytes] = []

    def heard(data: bytes) -> bytes:
        answers.append(data)
        return data

    with running(tls=ServerTls(settings.model_copy(update={"profile": "modern"}))) as lab:
        with Middle(lab.port, to_client=heard) as middle:
            middle.to_gateway = lambda data: data.replace(BOTH_OFFERED, BOTH_OFFERED[:-4] + b"\x03\x03\x03\x03")
            with pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"):
                handshake(middle.port, trusting(authority))
        assert alert_in(answers[0]) == ssl.ALERT_DESCRIPTION_PROTOCOL_VERSION
        assert_never_asked(lab)


@BOTH_VERSIONS
def test_a_changed_offer_of_protocols_is_noticed_by_both(lab: Lab, authority: Authority, tls_1_2: bool) -> None:
    """HTTP/2 is taken out of the client's offer: both sides see one connection, but not the same handshake."""
    context = trusting(authority, tls_1_2=tls_1_2)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with Middle(lab.port, to_gateway=lambda data: data.replace(b"\x02h2\x08http", b"\x02xx\x08http")) as middle:
        with pytest.raises(ssl.SSLError):
            handshake(middle.port, context)
        lab.wait_until(lambda: lab.gateway.turned_away_count == 1)
    assert_never_asked(lab)
