"""The admin API of a Doorward that runs: a listener of its own, its changes at the gateway and in the trail."""

import json
import ssl
from pathlib import Path

import httpx
import pytest
from tests.loopback import free_port
from tests.processes.test_signing_in import DESCRIPTION, PATIENCE_S, must, upstream
from tests.waiting import until
from tests.warming import warm

from doorward.attack.gateway_process import GatewayProcess

__all__ = ["upstream"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def test_a_client_made_over_the_api_calls_until_it_is_disabled_and_all_of_it_is_recorded(
    upstream: str, tmp_path: Path
) -> None:
    (tmp_path / "openapi.json").write_text(json.dumps(DESCRIPTION))
    must(tmp_path, "init", "--openapi", "openapi.json", "--upstream", upstream)
    warm(tmp_path / ".doorward")
    issuer, address = f"https://127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    policy = tmp_path / "doorward.yaml"
    text = policy.read_text().replace("listen: 127.0.0.1:8443", "listen: 127.0.0.1:0")
    listens = (
        f"issuer: {{listen: '{issuer.removeprefix('https://')}', url: '{issuer}'}}\nadmin: {{listen: '{address}'}}"
    )
    policy.write_text(f"{text}\n{listens}\n")
    authority = ssl.create_default_context(cafile=tmp_path / ".doorward" / "tls" / "ca.pem")
    with GatewayProcess(policy) as gateway, httpx.Client(verify=authority, timeout=PATIENCE_S) as http:
        base = f"http://{address}/admin/v1"
        ticket = must(tmp_path, "admin", "login")
        token = http.post(f"{base}/session", json={"ticket": ticket}).json()["access_token"]
        session = {"authorization": f"Bearer {token}"}
        made = http.post(f"{base}/clients", json={"name": "batch", "roles": ["reader"]}, headers=session)
        assert made.status_code == 201, made.text
        asked = {"grant_type": "client_credentials"}
        answer = http.post(f"{issuer}/oauth/token", data=asked, auth=("batch", made.json()["secret"]))
        bearer = {"authorization": f"Bearer {answer.json()['access_token']}"}
        assert http.get(f"{gateway.url}/things", headers=bearer).status_code == 200
        # neither the gateway nor the issuer has it
        assert http.get(f"{issuer}/admin/v1/clients", headers=session).status_code == 404
        assert http.get(f"{gateway.url}/admin/v1/clients", headers=session).status_code == 404
        assert http.post(f"{base}/clients/batch/disable", headers=session).status_code == 200
        until(
            lambda: http.get(f"{gateway.url}/things", headers=bearer).status_code != 200,
            "a disabled client still calls",
        )
    shown = must(tmp_path, "audit", "show", "--event", "client.", "--json").splitlines()
    told = [(one["event"], one["subject"], one["actor"].partition(":")[0]) for one in map(json.loads, shown)]
    assert told == [("client.added", "batch", "admin"), ("client.disabled", "batch", "admin")]
    assert must(tmp_path, "audit", "verify").startswith("intact")
