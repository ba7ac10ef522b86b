"""Certificates of Doorward's own authority through `doorward run` with several workers, shown by curl.

Issued, called with, revoked, refused: on new connections and on those that stand.
"""

import contextlib
import json
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.identity.ca.authorities import request_for
from tests.loopback import free_port
from tests.warming import warm

from doorward.attack.gateway_process import GatewayProcess
from doorward.attack.lab.upstream import LabUpstream
from doorward.attack.wire import Answer, Connection, Target, request_bytes
from doorward.cli.init import make_state
from doorward.identity import ca
from doorward.identity.ca.building import Constraints
from doorward.identity.ca.certificates import Issued
from doorward.identity.sealing import KEY_FILE, load_or_make_secret
from doorward.identity.users import add_user, disable_user
from doorward.store import open_store

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
pytestmark = pytest.mark.timeout(180)
SCHEMA = {"type": "object", "properties": {"id": {"type": "integer"}, "title": {"type": "string"}}}
NOTE = {"description": "a note", "content": {"application/json": {"schema": SCHEMA}}}
API: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "notes", "version": "1"},
    "components": {"securitySchemes": {"certificate": {"type": "mutualTLS"}}},
    "paths": {
        "/notes": {"get": {"security": [{"certificate": []}], "responses": {"200": NOTE}}},
        "/health": {"get": {"responses": {"200": NOTE}}},
    },
}


class Site:
    """A gateway with two workers that asks clients for certificates of its own authority."""

    def __init__(self, directory: Path, upstream: LabUpstream) -> None:
        self.directory, state, self.renewals = directory, directory / ".doorward", free_port()
        make_state(state)
        (directory / "openapi.yaml").write_text(json.dumps(API))
        policy = {
            "api": "openapi.yaml",
            "upstream": f"http://127.0.0.1:{upstream.port}",
            "listen": "127.0.0.1:0",
            "tls": {"certificate": ".doorward/tls/server.pem", "key": ".doorward/tls/server.key", "local_ca": True},
            "issuer": {"listen": "127.0.0.1:0", "mtls_listen": f"127.0.0.1:{self.renewals}"},
            "workers": 2,
            "roles": {"reader": ["GET /notes"], "idle": []},
            "public": ["GET /health"],
            "limits": {"per_address": None},
        }
        (directory / "doorward.yaml").write_text(json.dumps(policy))
        self.store = open_store(f"sqlite:///{state / 'store.db'}")
        self.secret = load_or_make_secret(state / "keys" / KEY_FILE)
        constraints = Constraints(["example.internal"])
        ca.make_authority(self.store, self.secret, constraints, (directory / "root.key").write_bytes, now=time.time())
        warm(state)
        self.process = GatewayProcess(directory / "doorward.yaml")

    def issue(self, name: str, **granted: Any) -> Issued:
        """A certificate that both workers know: each of the connections of a call may end at either."""
        made = ca.issue(self.store, self.secret, name, ca.Granted(**granted), now=time.time())
        file = self.file(made)
        file.touch(mode=0o600)
        file.write_bytes(ca.pem_bundle(made))
        return made

    def file(self, made: Issued) -> Path:
        return self.directory / f"{made.record.serial}.pem"

    def curl(self, *words: str, path: str = "/notes") -> tuple[int, str]:
        """Status and denial code of an answer; status 0 when curl got none."""
        command = ["curl", "--silent", "--cacert", str(self.process.ca_file), "--write-out", "\n%{http_code}"]
        ran = subprocess.run([*command, *words, f"{self.process.url}{path}"], capture_output=True, check=False)
        body, _, status = ran.stdout.decode().rpartition("\n")
        document = json.loads(body) if body else {}
        return int(status), str(document.get("type", "")).removeprefix("urn:doorward:denial:")

    def until(self, made: Issued, outcome: tuple[int, str]) -> None:
        """Returns once ten calls in a row had that outcome; the test's own time limit ends it."""
        in_a_row = 0
        while in_a_row < 10:
            in_a_row = in_a_row + 1 if self.curl("--cert", str(self.file(made))) == outcome else 0

    def target(self, made: Issued) -> Target:
        context = ssl.create_default_context(cafile=str(self.process.ca_file))
        context.load_cert_chain(self.file(made))
        found = self.process.target
        return Target(host=found.host, port=found.port, tls=context)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with LabUpstream() as upstream:
        site = Site(tmp_path_factory.mktemp("site"), upstream)
        with contextlib.closing(site.store), site.process:
            yield site


GOOD = (200, "")


def ask(connection: Connection, target: Target) -> Answer:
    connection.send(request_bytes("GET", "/notes", (), b"", authority=target.authority))
    return connection.receive()


@needs_curl
def test_a_caller_comes_with_its_certificate_until_it_is_revoked(site: Site) -> None:
    made = site.issue("partner", roles=["reader"])
    site.until(made, GOOD)
    target = site.target(made)
    with contextlib.ExitStack() as opened:
        standing = [opened.enter_context(Connection(target)) for _ in range(8)]
        assert {ask(connection, target).status for connection in standing} == {200}
        ca.revoke_certificates(site.store, made.record.serial, now=time.time())
        site.until(made, (401, "authenticate.certificate_revoked"))
        # The connections stood all the while.
        assert {ask(connection, target).denial for connection in standing} == {"authenticate.certificate_revoked"}
    other = site.issue("partner", roles=["reader"])
    site.until(other, GOOD)


@needs_curl
def test_without_a_certificate_or_with_a_strangers_nobody_gets_in(site: Site) -> None:
    assert site.curl() == (401, "authenticate.certificate_missing")
    assert site.curl(path="/health")[0] == 200
    stranger = Site.__new__(Site)
    stranger.directory = site.directory / "elsewhere"
    stranger.directory.mkdir()
    stranger.store = open_store(f"sqlite:///{stranger.directory / 'store.db'}")
    stranger.secret = load_or_make_secret(stranger.directory / KEY_FILE)
    with contextlib.closing(stranger.store):
        ca.make_authority(stranger.store, stranger.secret, Constraints(), lambda _key: None, now=time.time())
        forged = stranger.issue("partner", roles=["reader"])
    assert site.curl("--cert", str(stranger.file(forged)))[0] == 0


@needs_curl
def test_a_servers_certificate_opens_nothing(site: Site) -> None:
    server = site.issue("api", kind="server", names=("api.example.internal",))
    assert site.curl("--cert", str(site.file(server)))[0] == 0


@needs_curl
def test_a_users_certificate_has_the_users_roles_and_ends_with_the_user(site: Site) -> None:
    add_user(site.store, "alice", now=time.time(), roles=["reader"])
    made = site.issue("alice")
    site.until(made, GOOD)
    disable_user(site.store, "alice", now=time.time())
    site.until(made, (401, "authenticate.certificate_revoked"))


@needs_curl
def test_what_the_caller_may_do_is_another_question(site: Site) -> None:
    made = site.issue("idle-partner", roles=["idle"])
    site.until(made, (403, "authorize.role"))


@needs_curl
def test_a_renewed_certificate_calls_beside_the_old_one(site: Site) -> None:
    old = site.issue("renewing", roles=["reader"])
    new = ca.renew(site.store, site.secret, old.record.serial, now=time.time())
    site.file(new).touch(mode=0o600)
    site.file(new).write_bytes(ca.pem_bundle(new))
    for made in (old, new):
        site.until(made, GOOD)
    ca.revoke_certificates(site.store, old.record.serial, now=time.time())
    for made in (old, new):
        site.until(made, (401, "authenticate.certificate_revoked"))


@needs_curl
def test_a_certificate_is_renewed_over_the_network_by_whoever_holds_it(site: Site) -> None:
    old = site.issue("renewing-itself", roles=["reader"])
    site.until(old, GOOD)
    key = ec.generate_private_key(ec.SECP256R1())
    request, answer, shown = (site.directory / name for name in ("new.csr", "answer.pem", "new.pem"))
    request.write_bytes(request_for(key=key))

    def renewed(*words: str) -> str:
        command = ["curl", "--silent", "--cacert", str(site.process.ca_file), "--output", str(answer)]
        sent = ("--data-binary", f"@{request}", "--write-out", "%{http_code}")
        url = f"https://127.0.0.1:{site.renewals}/ca/renew"
        return subprocess.run([*command, *sent, *words, url], capture_output=True, check=False).stdout.decode()

    assert renewed() == "403"
    while renewed("--cert", str(site.file(old))) != "200":
        continue  # until the listener knows of it; the test's own time limit ends it
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    shown.write_bytes(private + answer.read_bytes())
    while site.curl("--cert", str(shown)) != GOOD:
        continue
    request.write_bytes(request_for())
    assert renewed("--cert", str(site.file(old))) == "400"
    ca.revoke_certificates(site.store, "renewing-itself", now=time.time())
    while renewed("--cert", str(shown)) != "403":
        continue
