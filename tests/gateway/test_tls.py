"""The gateway over TLS, and an upstream over TLS."""

import contextlib
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from tests.gateway.lab import PATIENCE_S, Lab, request

from doorward.controls.forward import ForwardPolicy
from doorward.controls.transport import TransportPolicy
from doorward.errors import PolicyError
from doorward.gateway.listener import redirect_to_https
from doorward.gateway.server_tls import ServerTls
from doorward.gateway.tls import server_context, upstream_context
from doorward.policy.tls import TlsSettings


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture(scope="module")
def files(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    directory = tmp_path_factory.mktemp("tls")
    return write(authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA), directory)


def write(certificate: trustme.LeafCert, directory: Path) -> tuple[Path, Path]:
    chain, key = directory / "chain.pem", directory / "key.pem"
    chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    certificate.private_key_pem.write_to_path(str(key))
    return chain, key


@pytest.fixture
def lab(files: tuple[Path, Path]) -> Iterator[Lab]:
    with Lab(context=server_context(*files)) as lab:
        yield lab


@contextlib.contextmanager
def secure(lab: Lab, authority: trustme.CA, **options: object) -> Iterator[ssl.SSLSocket]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    for name, value in options.items():
        if name == "alpn":
            context.set_alpn_protocols(list(value))  # type: ignore[call-overload]
        else:
            setattr(context, name, value)
    with (
        socket.create_connection(("127.0.0.1", lab.port), timeout=PATIENCE_S) as raw,
        context.wrap_socket(raw, server_hostname="127.0.0.1") as wrapped,
    ):
        yield wrapped


def everything(connection: ssl.SSLSocket) -> bytes:
    data = b""
    with contextlib.suppress(OSError):
        while piece := connection.recv(65536):
            data += piece
    return data


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_with_tls_1_2_or_1_3_is_served(lab: Lab, authority: trustme.CA, version: ssl.TLSVersion) -> None:
    with secure(lab, authority, maximum_version=version, minimum_version=version) as connection:
        connection.sendall(request("GET", "/items", "Connection: close"))
        assert everything(connection).endswith(b'{"ok":true}')
    outcome = lab.audit.wait_for_outcomes(1)[0]
    assert outcome.tls_version == {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}[version]


def test_http_2_is_preferred_and_nothing_else_is_spoken(lab: Lab, authority: trustme.CA) -> None:
    with secure(lab, authority, alpn=("http/1.1", "h2")) as connection:
        assert connection.selected_alpn_protocol() == "h2"
    with secure(lab, authority, alpn=("spdy/3", "h2c")) as connection:
        assert connection.selected_alpn_protocol() is None


def test_t1_what_is_older_gets_no_handshake(files: tuple[Path, Path]) -> None:
    context = server_context(*files)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert context.options & ssl.OP_NO_COMPRESSION
    assert all("GCM" in suite["name"] or "CHACHA20" in suite["name"] for suite in context.get_ciphers())


def test_t5_no_session_is_resumed(lab: Lab, authority: trustme.CA) -> None:
    with secure(lab, authority) as connection:
        connection.sendall(request("GET", "/items", "Connection: close"))
        everything(connection)
        assert connection.session is None or not connection.session.has_ticket


def test_t2_plain_http_on_the_tls_port_gets_nothing(lab: Lab) -> None:
    with lab.connect() as client:
        client.send(request())
        assert b"HTTP" not in everything(client.socket)  # type: ignore[arg-type]
    assert not lab.upstream.seen


def test_a_refused_client_can_read_why(lab: Lab, authority: trustme.CA) -> None:
    with secure(lab, authority) as connection:
        connection.sendall(request("POST", "/nowhere", "Content-Length: 500000") + b"a" * 100_000)
        answer = connection.recv(65536)
        assert b"404" in answer
        assert b"connection: close" in answer


def test_a_renewed_certificate_serves_new_handshakes(authority: trustme.CA, tmp_path: Path) -> None:
    paths = write(authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA), tmp_path)
    settings = TlsSettings(certificate=paths[0], key=paths[1])
    tls = ServerTls(settings)
    with Lab(tls=tls) as lab:
        with secure(lab, authority) as connection:
            before = connection.getpeercert(binary_form=True)
        write(authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA), tmp_path)
        tls.follow(settings)
        with secure(lab, authority) as connection:
            assert connection.getpeercert(binary_form=True) != before
        paths[1].write_text("no key")
        tls.follow(settings)
        with secure(lab, authority) as connection:
            connection.sendall(request("GET", "/items", "Connection: close"))
            assert everything(connection).endswith(b'{"ok":true}')


def test_t9_an_upstream_nobody_vouches_for_is_not_spoken_to(
    authority: trustme.CA, files: tuple[Path, Path], tmp_path: Path
) -> None:
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    with Lab(context=server_context(*files)) as upstream:
        trusting = {"upstream": f"https://127.0.0.1:{upstream.port}", "ca_file": str(ca), "host": "client"}
        with Lab(forward=trusting) as lab:
            answer = lab.ask(request())
            assert answer is not None
            assert answer.status == 200
        with Lab(forward={**trusting, "ca_file": None}) as lab:
            answer = lab.ask(request())
            assert answer is not None
            assert (answer.status, answer.code) == (502, "forward.upstream_tls")
        assert len(upstream.upstream.seen) == 1


def test_an_upstream_that_demands_a_certificate_gets_the_one_in_the_policy(
    authority: trustme.CA, files: tuple[Path, Path], tmp_path: Path
) -> None:
    ca, shown = tmp_path / "ca.pem", tmp_path / "doorward.pem"
    authority.cert_pem.write_to_path(str(ca))
    authority.issue_cert("doorward", key_type=trustme.KeyType.ECDSA).private_key_and_cert_chain_pem.write_to_path(
        str(shown)
    )
    demanding = server_context(*files)
    demanding.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(demanding)
    with Lab(context=demanding) as upstream:
        known = {"upstream": f"https://127.0.0.1:{upstream.port}", "ca_file": str(ca), "host": "client"}
        with Lab(forward={**known, "certificate": str(shown)}) as lab:
            answer = lab.ask(request())
            assert answer is not None
            assert answer.status == 200
        with Lab(forward=known) as lab:
            answer = lab.ask(request())
            assert answer is not None
            assert answer.status == 502
        assert len(upstream.upstream.seen) == 1
    with pytest.raises(PolicyError) as caught:
        upstream_context(ForwardPolicy(certificate=str(tmp_path / "absent")))
    assert caught.value.key == "forward.certificate"


def test_a_file_that_is_no_certificate_is_the_operators_mistake(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.touch()
    with pytest.raises(PolicyError):
        server_context(empty, empty)
    with pytest.raises(PolicyError):
        server_context(tmp_path / "absent", tmp_path / "absent")
    with pytest.raises(PolicyError):
        upstream_context(ForwardPolicy(ca_file=str(tmp_path / "absent")))


@pytest.fixture
def redirecting() -> Iterator[Lab]:
    with Lab(local_answer=redirect_to_https(TransportPolicy(hosts=("api.test",)), 8443)) as lab:
        yield lab


def test_the_plain_port_sends_a_get_to_https(redirecting: Lab) -> None:
    answer = redirecting.ask(request("GET", "/%69tems?a=b", host="API.test:80"))
    assert answer is not None
    assert (answer.status, answer.headers[b"location"]) == (308, b"https://api.test:8443/items?a=b")
    assert [outcome.status for outcome in redirecting.audit.wait_for_outcomes(1)] == [308]


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (request("POST", body=b"x"), "transport.tls_plaintext"),
        (request("GET", "/items", "Authorization: Bearer x"), "transport.tls_plaintext"),
        (request(host="evil.test"), "transport.host_unknown"),
        (request(target="//evil.test"), "transport.path_traversal"),
    ],
)
def test_the_plain_port_refuses_what_it_must_not_repeat(redirecting: Lab, raw: bytes, code: str) -> None:
    answer = redirecting.ask(raw)
    assert answer is not None
    assert answer.code == code
    assert not redirecting.upstream.seen


def handshake_with(port: int, group: str) -> bool:
    """Whether the openssl program gets a handshake when it offers this group for the key exchange alone."""
    command = ("openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-groups", group, "-tls1_3")
    return subprocess.run(command, input=b"", capture_output=True, timeout=PATIENCE_S, check=False).returncode == 0


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl program offers the groups")
@pytest.mark.parametrize("group", ["X25519", "P-256"])
def test_the_groups_that_every_client_has_are_offered(lab: Lab, group: str) -> None:
    assert handshake_with(lab.port, group)


@pytest.mark.skipif(ssl.OPENSSL_VERSION_INFO < (3, 5), reason="OpenSSL has ML-KEM since 3.5")
def test_the_hybrid_group_is_offered_where_openssl_has_it(lab: Lab) -> None:
    assert handshake_with(lab.port, "X25519MLKEM768")
