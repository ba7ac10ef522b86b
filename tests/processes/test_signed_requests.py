"""Signed requests through `doorward run` with several workers: once is once, and revoked is revoked."""

import base64
import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from tests.warming import warm

from doorward.attack.case import Ask, Signing
from doorward.attack.gateway_process import GatewayProcess
from doorward.attack.lab.upstream import LabUpstream
from doorward.attack.signing import RequestSigner, WebhookSigner
from doorward.attack.wire import Answer, Connection, Target, request_bytes
from doorward.cli.init import make_state
from doorward.identity.signature_keys import Grant, add_public_key, add_shared_secret, revoke_signature_key
from doorward.sealing import KEY_NAME, sealer_for
from doorward.signatures import private_key_from_pem, shared_secret
from doorward.signatures.keys import generate_ed25519
from doorward.store import open_store

SCHEMA = {"type": "object", "properties": {"id": {"type": "integer"}, "title": {"type": "string"}}}
NOTE = {"description": "a note", "content": {"application/json": {"schema": SCHEMA}}}
API: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "notes", "version": "1"},
    "components": {
        "securitySchemes": {
            "signed": {"type": "http", "scheme": "signature", "x-doorward": {"signature": "rfc9421"}},
            "hook": {"type": "apiKey", "in": "header", "name": "X-Signature", "x-doorward": {"signature": "hmac"}},
        }
    },
    "paths": {
        "/notes": {"get": {"security": [{"signed": []}], "responses": {"200": NOTE}}},
        "/hook": {
            "post": {
                "security": [{"hook": []}],
                "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
                "responses": {"200": NOTE},
            }
        },
    },
}


class Site:
    """A gateway with two workers, and a partner that signs."""

    def __init__(self, directory: Path, upstream: LabUpstream) -> None:
        self.state = directory / ".doorward"
        make_state(self.state)
        warm(self.state)
        (directory / "openapi.yaml").write_text(json.dumps(API))
        self.file = directory / "doorward.yaml"
        self.policy: dict[str, Any] = {
            "api": "openapi.yaml",
            "upstream": f"http://127.0.0.1:{upstream.port}",
            "listen": "127.0.0.1:0",
            "tls": {"certificate": ".doorward/tls/server.pem", "key": ".doorward/tls/server.key"},
            "issuer": {"listen": "127.0.0.1:0"},
            "workers": 2,
            "roles": {"reader": ["GET /notes"], "hooks": ["POST /hook"]},
            "limits": {
                "per_address": None,
                "rules": [
                    {"name": "slow", "by": ["caller"], "roles": ["hooks"], "rate": "5/second", "throttle_s": 30.0}
                ],
            },
            "authenticate": {
                "message_signature": {"clock_skew_s": 0},
                "hmac_signatures": [{"scheme": "hook", "clock_skew_s": 0}],
            },
        }
        self.file.write_text(json.dumps(self.policy))
        private, public = generate_ed25519()
        self.store = open_store(f"sqlite:///{self.state / 'store.db'}")
        grant = Grant(roles=["reader"], lifetime_s=3600)
        record = add_public_key(self.store, "partner", public, grant, now=time.time())
        self.signer = RequestSigner(key_id=record.id, key=private_key_from_pem(private))
        # Before the start, so that every worker knows both keys from the beginning.
        hooks = Grant(roles=["hooks"], lifetime_s=3600)
        sealer = sealer_for(self.state / "keys")
        hook, secret = add_shared_secret(self.store, sealer, "hook", hooks, now=time.time(), purpose="hmac")
        self.hook = WebhookSigner(key_id=hook.id, secret=secret)
        self.process = GatewayProcess(self.file)

    @property
    def target(self) -> Target:
        return self.process.target

    def raw(self, signer: RequestSigner | None = None) -> bytes:
        ask = (signer or self.signer).signed(Ask(target="/notes"), Signing())
        assert ask.finish is not None
        signed = ask.finish(ask, self.target.authority)
        return request_bytes("GET", "/notes", signed.headers, b"", authority=self.target.authority)

    def send(self, raw: bytes) -> Answer:
        with Connection(self.target) as connection:
            connection.send(raw)
            return connection.receive()

    def until(self, status: int) -> Answer:
        """The first answer of that status to new requests; the test's own time limit ends it."""
        while True:
            answer = self.send(self.raw())
            if answer.status == status:
                return answer


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with LabUpstream() as upstream:
        site = Site(tmp_path_factory.mktemp("site"), upstream)
        with contextlib.closing(site.store), site.process:
            site.until(200)
            yield site


def test_a_signed_request_passes_once_whichever_worker_it_meets(site: Site) -> None:
    for _ in range(10):
        raw = site.raw()
        answers = [site.send(raw) for _ in range(4)]
        assert [answer.status for answer in answers] == [200, 401, 401, 401]
        assert {answer.denial for answer in answers[1:]} == {"authenticate.signature_replayed"}


def test_a_webhook_passes_once_at_whichever_worker_and_is_held_back_like_others(site: Site) -> None:
    fields = (("Content-Type", "application/json"),)

    def raw() -> bytes:
        ask = site.hook.signed(Ask(method="POST", target="/hook", body=b"{}", headers=fields), Signing())
        assert ask.finish is not None
        signed = ask.finish(ask, site.target.authority)
        return request_bytes("POST", "/hook", signed.headers, b"{}", authority=site.target.authority)

    for _ in range(10):
        kept = raw()
        answers = [site.send(kept) for _ in range(3)]
        assert [answer.status for answer in answers] == [200, 401, 401]
        assert {answer.denial for answer in answers[1:]} == {"authenticate.signature_replayed"}


def test_a_signature_holds_over_http_2_too(site: Site) -> None:
    ask = site.signer.signed(Ask(target="/notes"), Signing())
    assert ask.finish is not None
    signed = ask.finish(ask, site.target.authority)
    assert site.target.tls is not None
    with httpx.Client(http2=True, http1=False, verify=site.target.tls) as client:
        answers = [client.get(f"{site.process.url}/notes", headers=dict(signed.headers)) for _ in range(2)]
    assert [(answer.http_version, answer.status_code) for answer in answers] == [("HTTP/2", 200), ("HTTP/2", 401)]


def test_a_secret_made_while_it_runs_is_used_and_stands_in_no_file_but_sealed(site: Site) -> None:
    sealer = sealer_for(site.state / "keys")
    grant = Grant(roles=["reader"], lifetime_s=3600)
    record, secret = add_shared_secret(site.store, sealer, "second", grant, now=time.time(), purpose="rfc9421")
    signer = RequestSigner(key_id=record.id, key=shared_secret(secret)[0])
    while site.send(site.raw(signer)).status != 200:
        pass
    for name in ("snapshot.json", "store.db", "store.db-wal"):
        path = site.state / name
        assert not path.exists() or not _holds(path.read_bytes(), secret)
    assert (site.state / "keys" / KEY_NAME).stat().st_mode & 0o777 == 0o600


def _holds(data: bytes, secret: bytes) -> bool:
    spellings = (secret, secret.hex().encode(), base64.b64encode(secret), base64.urlsafe_b64encode(secret))
    return any(each in data for each in spellings)


def test_without_the_control_process_signed_requests_are_refused_and_afterwards_none_passes_twice(site: Site) -> None:
    kept = site.raw()
    assert site.send(kept).status == 200
    (control,) = _running(site, "control_process")
    os.kill(control.pid, signal.SIGSTOP)
    try:
        assert site.until(503).denial == "authenticate.unavailable"
    finally:
        os.kill(control.pid, signal.SIGKILL)
    site.until(200)
    for _ in range(4):
        assert site.send(kept).status in {401, 503}


def test_a_revoked_key_is_void_at_every_worker(site: Site) -> None:
    private, public = generate_ed25519()
    record = add_public_key(site.store, "third", public, Grant(roles=["reader"], lifetime_s=3600), now=time.time())
    signer = RequestSigner(key_id=record.id, key=private_key_from_pem(private))
    while site.send(site.raw(signer)).status != 200:
        pass
    revoke_signature_key(site.store, record.id, now=time.time())
    refused = 0
    while refused < 20:
        refused = refused + 1 if site.send(site.raw(signer)).denial == "authenticate.signature_invalid" else 0


@pytest.fixture
def fewer_workers(site: Site) -> None:
    """The policy read again, after somebody wrote another number of workers into it."""
    before = site.process.log.count("policy reloaded")
    site.file.write_text(json.dumps({**site.policy, "workers": 1}))
    os.kill(site.process._process.pid, signal.SIGHUP)
    while site.process.log.count("policy reloaded") == before:
        pass


@pytest.mark.usefixtures("fewer_workers")
def test_after_a_reload_with_another_number_of_workers_a_new_worker_still_asks_what_its_sibling_saw(site: Site) -> None:
    sibling, victim = (each.pid for each in _running(site, "worker"))
    os.kill(victim, signal.SIGKILL)
    while psutil.pid_exists(victim) or len(_running(site, "worker")) < 2:
        pass
    (new,) = (each.pid for each in _running(site, "worker") if each.pid != sibling)
    # it may not have reached the control process yet, or that one may be younger than the request
    kept = site.raw()
    while (answer := _asked(site, kept, new)).denial == "authenticate.unavailable":
        kept = site.raw()
    assert answer.status == 200
    assert _asked(site, kept, sibling).denial == "authenticate.signature_replayed"


@pytest.mark.usefixtures("fewer_workers")
def test_after_a_reload_with_another_number_of_workers_a_new_control_process_still_remembers_for_all(
    site: Site,
) -> None:
    (control,) = _running(site, "control_process")
    control.kill()
    assert site.until(503).denial == "authenticate.unavailable"
    for worker in [each.pid for each in _running(site, "worker")]:
        while _asked(site, site.raw(), worker).status != 200:
            pass


def _asked(site: Site, raw: bytes, worker: int) -> Answer:
    """The answer of the worker with that process id: connections are made until it got hold of one."""
    while True:
        with Connection(site.target) as connection:
            ours = connection._socket.getsockname()[1]
            theirs = psutil.Process(worker).net_connections("tcp")
            if any(each.status == psutil.CONN_ESTABLISHED and each.raddr.port == ours for each in theirs):
                connection.send(raw)
                return connection.receive()


def _running(site: Site, module: str) -> list[psutil.Process]:
    children = psutil.Process(site.process._process.pid).children(recursive=True)
    return [child for child in children if f"doorward.gateway.{module}" in _command(child)]


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:  # it ended while we looked
        return []
