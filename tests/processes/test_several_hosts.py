"""Two gateways, as two hosts would be, with one memory between them: once is once at both."""

import contextlib
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from tests.faults.valkey import PASSWORD, valkey
from tests.warming import warm

from doorward.attack.case import Ask, Signing
from doorward.attack.gateway_process import GatewayProcess
from doorward.attack.lab.upstream import LabUpstream
from doorward.attack.signing import RequestSigner
from doorward.attack.wire import Answer, Connection, request_bytes
from doorward.cli.init import make_state
from doorward.identity.signature_keys import Grant, add_public_key
from doorward.signatures import private_key_from_pem
from doorward.signatures.keys import generate_ed25519
from doorward.store import open_store

SCHEMA = {"type": "object", "properties": {"id": {"type": "integer"}, "title": {"type": "string"}}}
API: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "notes", "version": "1"},
    "components": {
        "securitySchemes": {
            "signed": {"type": "http", "scheme": "signature", "x-doorward": {"signature": "rfc9421"}},
        }
    },
    "paths": {
        "/notes": {
            "get": {
                "security": [{"signed": []}],
                "responses": {"200": {"description": "a note", "content": {"application/json": {"schema": SCHEMA}}}},
            }
        }
    },
}
PRIVATE, PUBLIC = generate_ed25519()
SIGNER = RequestSigner(key_id="partner-1", key=private_key_from_pem(PRIVATE))


def site(directory: Path, upstream: LabUpstream, port: int) -> Path:
    """The policy of one host."""
    directory.mkdir()
    make_state(directory / ".doorward")
    warm(directory / ".doorward")
    (directory / "openapi.yaml").write_text(json.dumps(API))
    policy: dict[str, Any] = {
        "api": "openapi.yaml",
        "upstream": f"http://127.0.0.1:{upstream.port}",
        "listen": "127.0.0.1:0",
        "tls": {"certificate": ".doorward/tls/server.pem", "key": ".doorward/tls/server.key"},
        "issuer": {"listen": "127.0.0.1:0"},
        "roles": {"reader": ["GET /notes"]},
        "limits": {
            "per_address": None,
            "per_caller": None,
            "shared": {"url": f"valkey://127.0.0.1:{port}/0", "password": PASSWORD, "hosts": 2},
        },
        "authenticate": {"message_signature": {"clock_skew_s": 0}},
    }
    (directory / "doorward.yaml").write_text(json.dumps(policy))
    with contextlib.closing(open_store(f"sqlite:///{directory / '.doorward' / 'store.db'}")) as store:
        grant = Grant(roles=["reader"], lifetime_s=3600)
        add_public_key(store, "partner", PUBLIC, grant, now=time.time(), key_id="partner-1")
    return directory / "doorward.yaml"


def signed() -> Ask:
    """A request for either host: they have one name, as behind a load balancer."""
    ask = SIGNER.signed(Ask(target="/notes"), Signing())
    assert ask.finish is not None
    return ask.finish(ask, "127.0.0.1")


def sent(gateway: GatewayProcess, ask: Ask) -> Answer:
    with contextlib.closing(Connection(gateway.target)) as connection:
        connection.send(request_bytes(ask.method, ask.target, ask.headers, b"", authority="127.0.0.1"))
        return connection.receive(method=ask.method)


def test_a_request_that_one_host_has_answered_is_refused_by_the_other(tmp_path: Path) -> None:
    (tmp_path / "valkey").mkdir()
    with valkey(tmp_path / "valkey") as server, LabUpstream() as upstream, contextlib.ExitStack() as open_:
        first, second = (GatewayProcess(site(tmp_path / name, upstream, server.port)) for name in ("a", "b"))
        for process in (first, second):
            open_.callback(process.stop)  # both have started; the wait for the first may fail
        for process in (first, second):
            open_.enter_context(process)
        for gateway in (first, second):
            # The memory has just begun: what is as old as it is refused, for some seconds.
            while (answer := sent(gateway, signed())).status == 503:
                assert answer.denial == "authenticate.unavailable"
        once = signed()
        assert sent(first, once).status == 200
        assert [sent(gateway, once).denial for gateway in (second, first)] == ["authenticate.signature_replayed"] * 2
        server.stop()
        assert [sent(gateway, signed()).denial for gateway in (first, second)] == ["authenticate.unavailable"] * 2


@pytest.mark.parametrize("change", [{"hosts": 3}, {"prefix": "another"}, {"url": "valkey://127.0.0.1:2/0"}])
def test_hosts_do_not_part_over_where_they_remember_while_they_run(tmp_path: Path, change: dict[str, Any]) -> None:
    with LabUpstream() as upstream:
        file = site(tmp_path / "a", upstream, 1)
        with GatewayProcess(file) as gateway:
            policy = json.loads(file.read_text())
            policy["limits"]["shared"] |= change
            file.write_text(json.dumps(policy))
            os.kill(gateway._process.pid, signal.SIGHUP)
            while "restart all hosts" not in gateway.log:
                assert "policy reloaded" not in gateway.log
