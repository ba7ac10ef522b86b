"""The issuer's keys change under a running gateway: nobody notices, unless the old ones are in wrong hands (ID-32)."""

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


def test_keys_change_under_a_running_gateway(upstream: str, tmp_path: Path) -> None:
    (tmp_path / "openapi.json").write_text(json.dumps(DESCRIPTION))
    must(tmp_path, "init", "--openapi", "openapi.json", "--upstream", upstream)
    warm(tmp_path / ".doorward")
    issuer = f"https://127.0.0.1:{free_port()}"
    policy = tmp_path / "doorward.yaml"
    text = policy.read_text().replace("listen: 127.0.0.1:8443", "listen: 127.0.0.1:0")
    policy.write_text(f"{text}\nissuer: {{listen: '{issuer.removeprefix('https://')}', url: '{issuer}'}}\n")
    secret = must(tmp_path, "client", "add", "batch", "--role", "reader")
    authority = ssl.create_default_context(cafile=tmp_path / ".doorward" / "tls" / "ca.pem")
    with GatewayProcess(policy) as gateway, httpx.Client(verify=authority, timeout=PATIENCE_S) as browser:

        def token() -> str:
            form = {"grant_type": "client_credentials"}
            return str(browser.post(f"{issuer}/oauth/token", data=form, auth=("batch", secret)).json()["access_token"])

        def status(bearer: str) -> int:
            return browser.get(f"{gateway.url}/things", headers={"authorization": f"Bearer {bearer}"}).status_code

        def published() -> set[str]:
            return {key["kid"] for key in browser.get(f"{issuer}/oauth/jwks").json()["keys"]}

        first = token()
        assert status(first) == 200
        before = published()
        rotated = json.loads(must(tmp_path, "key", "rotate-issuer", "--json"))
        assert [each["signs_now"] for each in rotated] == [True, False]
        until(lambda: published() == {each["id"] for each in rotated}, "the new keys are not published")
        assert before < published()
        assert status(first) == 200
        second = token()
        assert status(second) == 200
        replaced = json.loads(must(tmp_path, "key", "rotate-issuer", "--compromised", "--json"))
        until(lambda: published() == {each["id"] for each in replaced}, "the compromised key is still published")
        until(lambda: (status(first), status(second)) == (401, 401), "tokens outlive their compromised key")
        third = token()
        until(lambda: status(third) == 200, "a token of the new key is not taken")
