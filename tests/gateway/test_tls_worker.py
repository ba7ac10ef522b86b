"""A real worker over TLS: it follows its certificates and settings while it serves, and drains."""

import signal
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.gateway.certificates import FOR_CLIENTS, Authority
from tests.gateway.lab import PATIENCE_S, RecordingUpstream, request
from tests.gateway.test_worker import Running, started
from tests.gateway.tls_client import answered, connected, trusting


@pytest.fixture
def upstream() -> Iterator[RecordingUpstream]:
    upstream = RecordingUpstream()
    yield upstream
    upstream.stop()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def worker(tmp_path: Path, upstream: RecordingUpstream, authority: Authority) -> Iterator[Running]:
    certificate = authority.issue("127.0.0.1", file="server.pem").file
    revoked = authority.revocations()
    tls = {
        "certificate": str(certificate),
        "key": str(certificate),
        "client_ca": str(authority.file),
        "client_crl": str(revoked),
    }
    with started(tmp_path, upstream, tls=tls) as running:
        yield running


def serial(port: int, context: ssl.SSLContext) -> object:
    with connected(port, context) as secure:
        certificate = secure.getpeercert()
        assert certificate is not None
        return certificate["serialNumber"]


def test_a_worker_follows_its_certificates(worker: Running, authority: Authority) -> None:
    context = trusting(authority)
    assert answered(worker.port, context, host="127.0.0.1").endswith(b'{"ok":true}')
    before = serial(worker.port, context)
    authority.issue("127.0.0.1", file="server.pem")
    # Every one of these is a whole handshake; the test's own time limit ends it.
    while serial(worker.port, context) == before:
        continue


def test_a_worker_follows_its_revocation_list(worker: Running, authority: Authority) -> None:
    shown = authority.issue("a.test", purposes=FOR_CLIENTS)
    context = trusting(authority, show=shown.file)
    assert answered(worker.port, context, host="127.0.0.1").endswith(b'{"ok":true}')
    authority.revocations(shown)
    while b"certificate_revoked" not in answered(worker.port, context, host="127.0.0.1"):
        continue
    assert answered(worker.port, trusting(authority), host="127.0.0.1").endswith(b'{"ok":true}')


def test_a_worker_follows_the_policys_tls(worker: Running, authority: Authority) -> None:
    old = trusting(authority, tls_1_2=True)
    assert answered(worker.port, old, host="127.0.0.1").endswith(b'{"ok":true}')
    worker.publish(2, tls={**worker.policy["tls"], "profile": "modern"})
    while answered(worker.port, old, host="127.0.0.1"):
        continue
    assert answered(worker.port, trusting(authority), host="127.0.0.1").endswith(b'{"ok":true}')


def test_a_worker_ends_while_clients_are_in_their_handshake(worker: Running, authority: Authority) -> None:
    silent = socket.create_connection(("127.0.0.1", worker.port), PATIENCE_S)
    with silent, connected(worker.port, trusting(authority)) as idle:
        idle.sendall(request(host="127.0.0.1"))
        assert idle.recv(65536).startswith(b"HTTP/1.1 200")
        worker.process.send_signal(signal.SIGTERM)
        assert worker.process.wait(PATIENCE_S) == 0
