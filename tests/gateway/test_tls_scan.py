"""What a scanner that people trust says about a running gateway (testssl.sh, Debian package of that name)."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from tests.gateway.lab import RecordingUpstream
from tests.warming import make_warm_state

from doorward.attack.gateway_process import GatewayProcess

# Below what anybody would have to act on. `WARN` is the scanner's word for what it could not find out.
HARMLESS: Final = {"OK", "INFO"}
EXCEPTIONS: Final = {
    "engine_problem": "about the OpenSSL that the scanner was given, which has no GOST",
    "cert_revocation": "the development authority names no place for revocation lists",
}
DESCRIPTION: Final = """
openapi: 3.1.0
info: {title: Scanned, version: "1"}
paths:
  /:
    get:
      operationId: root
      security: []
      responses:
        "200":
          description: fine
          content: {application/json: {schema: {type: object, properties: {ok: {type: boolean}}}}}
"""


@pytest.fixture
def upstream() -> Iterator[RecordingUpstream]:
    running = RecordingUpstream()
    yield running
    running.stop()


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.skipif(shutil.which("testssl") is None, reason="testssl.sh is not installed (tests/install.sh)")
@pytest.mark.parametrize("profile", ["intermediate", "modern"])
def test_testssl_finds_nothing_above_informational(tmp_path: Path, upstream: RecordingUpstream, profile: str) -> None:
    state = tmp_path / ".doorward"
    make_warm_state(state)
    (tmp_path / "openapi.yaml").write_text(DESCRIPTION)
    tls = {"certificate": str(state / "tls/server.pem"), "key": str(state / "tls/server.key"), "profile": profile}
    policy = {
        "api": "openapi.yaml",
        "upstream": f"http://127.0.0.1:{upstream.port}",
        "public": ["GET /"],
        "listen": "127.0.0.1:0",
        "issuer": {"listen": "127.0.0.1:0"},
        "tls": tls,
    }
    (tmp_path / "doorward.yaml").write_text(json.dumps(policy))
    found = tmp_path / "found.json"
    with GatewayProcess(tmp_path / "doorward.yaml") as gateway:
        scan = subprocess.run(
            [
                "testssl",
                *("--quiet", "--color", "0", "--warnings", "off", "--sneaky"),
                # Nothing leaves the machine: no names are looked up, and it is not told to phone out.
                *("--nodns", "none", "--ip", "127.0.0.1", "--openssl", shutil.which("openssl") or "openssl"),
                *("--add-ca", str(state / "tls/ca.pem"), "--jsonfile", str(found)),
                f"https://127.0.0.1:{gateway.target.port}/",
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd=tmp_path,
            timeout=380,
            check=False,
        )
    findings = json.loads(found.read_text())
    assert len(findings) > 50, scan.stderr
    known = {finding["id"]: finding for finding in findings}
    assert known["TLS1_3"]["severity"] == "OK"
    assert known["secure_client_renego"]["severity"] == "OK"
    bad = [finding for finding in findings if finding["severity"] not in HARMLESS and finding["id"] not in EXCEPTIONS]
    assert not bad
