"""One real worker process: serves from its snapshot, follows the next one, survives a bad one, drains."""

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.gateway.lab import PATIENCE_S, Answer, Client, RecordingUpstream, request
from tests.warming import warm

from doorward.controls.authenticate import credentials_data
from doorward.gateway.supervisor import worker_command
from doorward.jose import generate_key, save_private_keys
from doorward.policy.snapshot import Snapshot

API: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "items", "version": "1"},
    "paths": {
        "/items": {
            "get": {
                "responses": {
                    "200": {
                        "description": "all items",
                        "content": {
                            "application/json": {
                                "schema": {"type": "object", "properties": {"ok": {"type": "boolean"}}}
                            }
                        },
                    }
                }
            }
        }
    },
}


@dataclass
class Running:
    process: "subprocess.Popen[bytes]"
    port: int
    snapshot: Path
    policy: dict[str, Any]

    def ask(self, raw: bytes) -> Answer:
        client = Client(self.port)
        with client:
            client.send(raw)
            answer = client.answer()
        assert answer is not None
        return answer

    def publish(self, number: int, **changes: Any) -> None:
        self.policy.update(changes)
        Snapshot(
            number=number,
            policy_file=str(self.snapshot.parent.parent / "doorward.yaml"),
            policy=self.policy,
            description=API,
            credentials=credentials_data(issuers={}),
        ).write(self.snapshot)

    def ask_until(self, raw: bytes, status: int) -> Answer:
        while True:  # the test's own time limit ends it
            answer = self.ask(raw)
            if answer.status == status:
                return answer


@pytest.fixture
def upstream() -> Iterator[RecordingUpstream]:
    upstream = RecordingUpstream()
    yield upstream
    upstream.stop()


@pytest.fixture
def worker(tmp_path: Path, upstream: RecordingUpstream) -> Iterator[Running]:
    with started(tmp_path, upstream, insecure_plain_http=True) as running:
        yield running


@contextlib.contextmanager
def started(tmp_path: Path, upstream: RecordingUpstream, **settings: Any) -> Iterator[Running]:
    """A worker with these settings, that serves."""
    state = tmp_path / ".doorward"
    (state / "keys").mkdir(parents=True)
    warm(state)
    save_private_keys(state / "keys" / "upstream.json", [generate_key("ES256")])
    (state / "keys" / "record.key").write_bytes(bytes(32))
    (state / "keys" / "snapshot.key").write_bytes(bytes(32))
    (tmp_path / "openapi.yaml").write_text(yaml.safe_dump(API))
    policy = {
        "api": "openapi.yaml",
        "upstream": f"http://127.0.0.1:{upstream.port}",
        "public": ["GET /items"],
        "limits": {"per_address": None},
        **settings,
    }
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = Running(None, listener.getsockname()[1], state / "snapshot.json", policy)  # type: ignore[arg-type]
        running.publish(1)
        ours, theirs = os.pipe()
        added = ("--workers", "1", "--slot", "0", "--status-fd", str(theirs))
        command = (*worker_command(running.snapshot, listener, None), *added)
        running.process = subprocess.Popen(command, pass_fds=(listener.fileno(), theirs))
        os.close(theirs)
    with os.fdopen(ours, "rb", buffering=0) as status:
        try:
            assert status.read(1) == b"r"
            yield running
        finally:
            running.process.kill()
            running.process.wait(PATIENCE_S)


def test_a_worker_serves_follows_its_snapshot_and_drains(worker: Running, upstream: RecordingUpstream) -> None:
    served = worker.ask(request(host="127.0.0.1"))
    assert (served.status, served.body) == (200, b'{"ok":true}')
    assert worker.ask(request(target="/nowhere", host="127.0.0.1")).code == "validate.path_unknown"

    worker.publish(2, public=[])
    assert worker.ask_until(request(host="127.0.0.1"), 401).code == "authenticate.missing"

    worker.snapshot.write_bytes(b"{}")
    worker.publish(3, public=["GET /items"])
    worker.ask_until(request(host="127.0.0.1"), 200)
    worker.snapshot.write_bytes(b"{}")
    for _ in range(3):
        assert worker.ask(request(host="127.0.0.1")).status == 200

    with another_upstream() as other:
        worker.publish(4, upstream=f"http://127.0.0.1:{other.port}")
        before = len(upstream.seen)
        while not other.seen:
            worker.ask(request(host="127.0.0.1"))
        assert len(upstream.seen) >= before

    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(PATIENCE_S) == 0
    assert list((worker.snapshot.parent / "audit").iterdir())


@contextlib.contextmanager
def another_upstream() -> Iterator[RecordingUpstream]:
    other = RecordingUpstream()
    try:
        yield other
    finally:
        other.stop()


def test_a_worker_without_a_good_snapshot_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "snapshot.key").write_bytes(bytes(32))
    (tmp_path / "snapshot.json").write_bytes(b"{}")
    ours, theirs = os.pipe()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        added = ("--workers", "1", "--slot", "0", "--status-fd", str(theirs))
        command = (*worker_command(tmp_path / "snapshot.json", listener, None), *added)
        process = subprocess.run(command, pass_fds=(listener.fileno(), theirs), capture_output=True, check=False)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == 2
    assert b"SnapshotRefused" in process.stderr
