"""A public certificate through `doorward run`, from Pebble, the test server of Let's Encrypt.

Pebble checks signatures and nonces (it refuses some good ones on purpose), asks the gateway's plain port for the proof,
and signs. Connections that stand when the certificate changes are not touched.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from tests.gateway.certificates import Authority
from tests.loopback import free_port
from tests.warming import warm

from doorward.attack.gateway_process import GatewayProcess
from doorward.attack.lab.upstream import LabUpstream
from doorward.cli.init import make_state

NAME, OTHER = "api.example.test", "shop.example.test"
HAS_PEBBLE = shutil.which("pebble") is not None and shutil.which("pebble-challtestsrv") is not None
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not HAS_PEBBLE, reason="pebble is not installed")]
NOTE = {"description": "a note", "content": {"application/json": {"schema": {"type": "object"}}}}
API: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "notes", "version": "1"},
    "paths": {"/health": {"get": {"responses": {"200": NOTE}}}},
}


@contextlib.contextmanager
def program(*words: str, **environment: str) -> Iterator[None]:
    """A program of the test's own, ended with it."""
    with subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, **environment},
    ) as process:  # fmt: skip
        try:
            yield
        finally:
            process.terminate()
            process.wait(20)


class Pebble:
    """The ACME server, the name server it asks, and who vouches for both."""

    def __init__(self, directory: Path, proof_port: int) -> None:
        self.authority = Authority(directory, "pebble's own")
        self.port, self.management, self.dns = free_port(), free_port(), free_port()
        shown = self.authority.issue("127.0.0.1", "localhost", file="pebble.pem").file
        config = {
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": f"127.0.0.1:{self.management}",
            "certificate": str(shown),
            "privateKey": str(shown),
            "httpPort": proof_port,
            "tlsPort": 1,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": False,
        }
        self.config = directory / "pebble.json"
        self.config.write_text(json.dumps({"pebble": config}))

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        names = (
            *(
                "pebble-challtestsrv",
                "-defaultIPv4",
                "127.0.0.1",
                "-defaultIPv6",
                "",
                "-dns01",
                f"127.0.0.1:{self.dns}",
            ),
            *("-http01", "", "-https01", "", "-tlsalpn01", "", "-management", f"127.0.0.1:{free_port()}"),
        )
        server = ("pebble", "-config", str(self.config), "-dnsserver", f"127.0.0.1:{self.dns}")
        with program(*names), program(*server, PEBBLE_VA_NOSLEEP="1", PEBBLE_WFE_NONCEREJECT="30"):
            yield

    @property
    def root(self) -> str:
        """The certificate of the authority that signs, new at every start."""
        found = httpx.get(f"https://127.0.0.1:{self.management}/roots/0", verify=self.trusting)
        return found.raise_for_status().text

    @property
    def trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.authority.file))


class Site:
    def __init__(self, directory: Path, upstream: LabUpstream, pebble: Pebble, proof_port: int) -> None:
        self.state, self.pebble, self.file = directory / ".doorward", pebble, directory / "doorward.yaml"
        make_state(self.state)
        (directory / "openapi.yaml").write_text(json.dumps(API))
        self.acme: dict[str, Any] = {
            "directory": f"https://127.0.0.1:{pebble.port}/dir",
            "names": [NAME],
            "agree_to_terms": True,
            "contact": "ops@example.test",
            "ca_file": str(pebble.authority.file),
            "insecure_networks": ["127.0.0.0/8"],
        }
        self.policy: dict[str, Any] = {
            "api": "openapi.yaml",
            "upstream": f"http://127.0.0.1:{upstream.port}",
            "listen": "127.0.0.1:0",
            "plain_redirect": f"127.0.0.1:{proof_port}",
            "issuer": {"listen": "127.0.0.1:0"},
            "workers": 2,
            "public": ["GET /health"],
            "limits": {"per_address": None, "idle_s": 600.0},
        }
        self.write()
        warm(self.state)
        self.process = GatewayProcess(self.file)

    def write(self) -> None:
        own = {"certificate": ".doorward/tls/server.pem", "key": ".doorward/tls/server.key"}
        self.file.write_text(json.dumps({**self.policy, "tls": {**own, "acme": self.acme}}))

    @contextlib.contextmanager
    def connected(self, name: str = NAME) -> Iterator[ssl.SSLSocket]:
        """A connection whose certificate is not checked, only looked at."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        port = self.process.target.port
        with (
            socket.create_connection(("127.0.0.1", port), 10) as raw,
            context.wrap_socket(raw, server_hostname=name) as secure,
        ):
            yield secure

    def shown(self) -> x509.Certificate | None:
        """The certificate of one handshake; None for one that a busy machine did not finish in time."""
        with contextlib.suppress(OSError), self.connected() as secure:
            der = secure.getpeercert(binary_form=True)
            assert der is not None
            return x509.load_der_x509_certificate(der)
        return None

    def until_named(self, *names: str) -> x509.Certificate:
        """The certificate once it has these names; the test's own time limit ends it. There is one all the while."""
        while True:
            found = self.shown()
            if found is None:
                continue
            called = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            if called.get_values_for_type(x509.DNSName) == list(names):
                return found

    def until_trusted(self, trusting: ssl.SSLContext) -> bytes:
        """An answer over a connection that trusts only this; the other worker takes the certificate up a moment later."""
        while True:
            with (
                contextlib.suppress(ssl.SSLCertVerificationError),
                socket.create_connection(("127.0.0.1", self.process.target.port), 10) as raw,
                trusting.wrap_socket(raw, server_hostname=NAME) as secure,
            ):
                return ask(secure)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    proof_port = free_port()
    pebble = Pebble(tmp_path, proof_port)
    with LabUpstream() as upstream, pebble.running():
        site = Site(tmp_path, upstream, pebble, proof_port)
        with site.process:
            yield site


def ask(secure: ssl.SSLSocket) -> bytes:
    secure.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    return secure.recv(65536)


@pytest.mark.timeout(120)
def test_a_certificate_is_proved_taken_up_and_renewed_while_connections_stand(site: Site) -> None:
    with site.connected() as standing:
        assert ask(standing).startswith(b"HTTP/1.1 200")
        first = site.until_named(NAME)
        assert ask(standing).startswith(b"HTTP/1.1 200")
    assert site.until_trusted(ssl.create_default_context(cadata=site.pebble.root)).startswith(b"HTTP/1.1 200")
    # Other names are another certificate: asked for at once, and by the same account.
    accounts = list((site.state / "keys").glob("acme-*.sealed"))
    assert len(accounts) == 1
    site.acme["names"] = [NAME, OTHER]
    site.write()
    ready = json.loads((site.file.parent / "ready.json").read_text())
    os.kill(ready["pid"], signal.SIGHUP)
    second = site.until_named(NAME, OTHER)
    assert second.serial_number != first.serial_number
    assert list((site.state / "keys").glob("acme-*.sealed")) == accounts


@pytest.mark.timeout(120)
def test_only_questions_of_the_form_of_acme_are_answered_at_the_plain_port(site: Site) -> None:
    base = f"http://127.0.0.1:{site.process.target.plain_port}/.well-known/acme-challenge/"
    token = "aaaaaaaaaaaaaaaaaaaaaaaa"
    answer = httpx.get(base + token)
    assert answer.status_code == 200
    assert answer.text.startswith(token + ".")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    for other in ("", "short", "a" * 129, "<script>alert(1)</script>", f"{token}/x", f"{token}%0a", f"..%2f{token}"):
        assert httpx.get(base + other).status_code != 200
    assert httpx.post(base + token).status_code == 400
    assert httpx.get(base + token, headers={"Authorization": "Bearer x"}).status_code == 200
