"""All three listeners of a real control process under attack at once: it lives, in bounded memory, and serves others."""

import contextlib
import json
import socket
import ssl
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
import pytest
from tests.gateway.lab import Answer, Client, request
from tests.loopback import free_port
from tests.processes.test_signing_in import DESCRIPTION, must
from tests.waiting import until
from tests.warming import warm

from doorward.attack.gateway_process import GatewayProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
PER_ADDRESS = 200
FORM = "Content-Type: application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Door:
    """One listener, a request that it answers, and the head of one whose body it reads."""

    port: int
    trust: ssl.SSLContext | None
    harmless: bytes
    reads: bytes

    def connect(self, address: str = "127.0.0.1") -> Client:
        client = Client(self.port, address)
        if self.trust is not None:
            client.socket = self.trust.wrap_socket(client.socket, server_hostname="127.0.0.1")
        return client

    def ask(self, raw: bytes, address: str = "127.0.0.1") -> Answer:
        with self.connect(address) as client:
            client.send(raw)
            answer = client.answer()
            assert answer is not None
            return answer

    def serves(self, address: str) -> bool:
        return self.ask(self.harmless, address).status in {200, 401}


def doors(ca: Path, ports: dict[str, int]) -> dict[str, Door]:
    trust = ssl.create_default_context(cafile=ca)
    host = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
    token = {
        name: request("POST", "/oauth/token", FORM, "Content-Length: 50", host=host[name])
        for name in ("issuer", "mtls")
    }
    session = ("Content-Type: application/json", "Content-Length: 50")
    return {
        "issuer": Door(ports["issuer"], trust, request("GET", "/oauth/jwks", host=host["issuer"]), token["issuer"]),
        "mtls": Door(ports["mtls"], trust, request("POST", "/oauth/token", FORM, host=host["mtls"]), token["mtls"]),
        "admin": Door(
            ports["admin"],
            None,
            request("GET", "/admin/v1/openapi.json", host=host["admin"]),
            request("POST", "/admin/v1/session", *session, host=host["admin"]),
        ),
    }


def _is_let_in(door: Door) -> bool:
    with contextlib.suppress(OSError):
        return door.serves("127.0.0.9")
    return False


def test_no_listener_of_the_provider_is_held_by_who_is_slow_or_many(tmp_path: Path) -> None:
    (tmp_path / "openapi.json").write_text(json.dumps(DESCRIPTION))
    must(tmp_path, "init", "--openapi", "openapi.json", "--upstream", "http://127.0.0.1:1")
    warm(tmp_path / ".doorward")
    ports = {name: free_port() for name in ("issuer", "mtls", "admin")}
    policy = tmp_path / "doorward.yaml"
    text = policy.read_text().replace("listen: 127.0.0.1:8443", "listen: 127.0.0.1:0")
    own = f"listen: '127.0.0.1:{ports['issuer']}', url: 'https://127.0.0.1:{ports['issuer']}'"
    policy.write_text(
        f"{text}\nissuer: {{{own}, mtls_listen: '127.0.0.1:{ports['mtls']}'}}\n"
        f"admin: {{listen: '127.0.0.1:{ports['admin']}'}}\n"
        f"limits: {{head_s: 1.0, body_s: 1.0, connections_per_address: {PER_ADDRESS}}}\n"
    )
    with GatewayProcess(policy) as gateway, contextlib.ExitStack() as held:
        found = doors(gateway.ca_file, ports)
        control = psutil.Process(gateway.control_pid)
        for door in found.values():
            assert door.serves("127.0.0.1")
        before = control.memory_info().rss
        for door in found.values():
            for raw, code in ((b"GET /oauth/jwks HTTP/1.1\r\nX-", "slow_header"), (door.reads + b"a", "slow_body")):
                with door.connect() as client:
                    client.send(raw)
                    answer = client.answer()
                    assert answer is not None
                    assert (answer.status, answer.code) == (408, f"limits.{code}")
            smuggled = door.ask(door.reads.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"))
            assert smuggled.code == "transport.cl_te"
        for door in found.values():
            for _ in range(2 * PER_ADDRESS):
                one = socket.create_connection(("127.0.0.1", door.port), timeout=60, source_address=("127.0.0.9", 0))
                held.enter_context(one)
                with contextlib.suppress(ConnectionError):
                    # over TLS the beginning of a handshake that never ends; else of a head
                    one.sendall(
                        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" if door.trust else b"GET / HTTP/1.1\r\n"
                    )
            assert door.serves("127.0.0.1")
        assert control.memory_info().rss - before < 192 * 1024 * 1024
        held.close()
        for door in found.values():
            until(partial(_is_let_in, door), "the address is not let in again")
        assert gateway.control_pid == control.pid
        assert control.is_running()
        told = [line for line in gateway.log.splitlines() if '"turned away"' in line]
        assert 1 <= len(told) <= 40
