"""From nothing to a person's token at the gateway, by commands and a browser's requests alone; signing out ends it."""

import http.server
import json
import queue
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import trustme
from tests.identity.lab import CALLBACK, CHALLENGE, PASSWORD, VERIFIER
from tests.loopback import JsonAnswer, free_port, server_tls, serving
from tests.waiting import until
from tests.warming import warm

from doorward.attack.gateway_process import GatewayProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

PATIENCE_S = 30.0
DESCRIPTION = {
    "openapi": "3.1.0",
    "info": {"title": "Things", "version": "1"},
    "paths": {
        "/things": {
            "get": {
                "security": [{"bearer": []}],
                "responses": {
                    "200": {"description": "", "content": {"application/json": {"schema": {"type": "object"}}}}
                },
            }
        }
    },
    "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
}


class Told(http.server.BaseHTTPRequestHandler):
    """A client's own server, told of ended sessions."""

    forms: "queue.Queue[dict[str, list[str]]]" = queue.Queue()

    def do_POST(self) -> None:
        self.forms.put(parse_qs(self.rfile.read(int(self.headers["content-length"])).decode()))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "clients.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "clients.pem"))
    with serving(Told, server_tls(authority)) as port:
        yield f"https://127.0.0.1:{port}/told"


@pytest.fixture
def upstream() -> Iterator[str]:
    with serving(JsonAnswer) as port:
        yield f"http://127.0.0.1:{port}"


def must(directory: Path, *words: str) -> str:
    command = [sys.executable, "-m", "doorward", *words]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout.strip()


def fields(page: httpx.Response, action: str) -> dict[str, str]:
    form = re.search(rf'action="{action}">(.*?)</form>', page.text, re.DOTALL)
    assert form is not None, page.text
    return dict(re.findall(r'<input type="hidden" name="(csrf|tx|ticket)" value="([^"]*)">', form[1]))


def test_a_person_gets_a_token_the_gateway_takes_until_they_sign_out(upstream: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "openapi.json").write_text(json.dumps(DESCRIPTION))
    must(tmp_path, "init", "--openapi", "openapi.json", "--upstream", upstream)
    warm(tmp_path / ".doorward")
    issuer = f"https://127.0.0.1:{free_port()}"
    policy = tmp_path / "doorward.yaml"
    text = policy.read_text().replace("listen: 127.0.0.1:8443", "listen: 127.0.0.1:0")
    issuing = f"listen: '{issuer.removeprefix('https://')}', url: '{issuer}', insecure_client_networks: [127.0.0.0/8]"
    policy.write_text(f"{text}\nissuer: {{{issuing}}}\n")
    must(tmp_path, "user", "add", "alice", "--role", "reader")
    about = ["--public", "--trusted", "--redirect", CALLBACK, "--scope", "offline_access"]
    must(tmp_path, "client", "add", "app", *about, "--backchannel-logout", told)
    link = must(tmp_path, "user", "reset", "alice")
    assert link.startswith(f"{issuer}/auth/reset?ticket=")
    authority = ssl.create_default_context(cafile=tmp_path / ".doorward" / "tls" / "ca.pem")
    with GatewayProcess(policy) as gateway, httpx.Client(verify=authority, timeout=PATIENCE_S) as http_client:
        browser = {"origin": issuer}
        page = http_client.get(link)
        form = {**fields(page, "/auth/reset"), "password": PASSWORD}
        assert "Password set" in http_client.post(f"{issuer}/auth/reset", data=form, headers=browser).text
        asked = {
            "client_id": "app",
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": "openid offline_access",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        page = http_client.get(f"{issuer}/oauth/authorize", params=asked, follow_redirects=True)
        form = {**fields(page, "/auth/login"), "name": "alice", "password": PASSWORD}
        answer = http_client.post(f"{issuer}/auth/login", data=form, headers=browser)
        answer = http_client.get(f"{issuer}{answer.headers['location']}")
        code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
        redeemed = {
            "grant_type": "authorization_code",
            "client_id": "app",
            "code": code,
            "code_verifier": VERIFIER,
            "redirect_uri": CALLBACK,
        }
        tokens = http_client.post(f"{issuer}/oauth/token", data=redeemed).json()
        bearer = {"authorization": f"Bearer {tokens['access_token']}"}
        assert http_client.get(f"{gateway.url}/things", headers=bearer).status_code == 200
        assert http_client.get(f"{gateway.url}/things").status_code == 401
        id_token = {"authorization": f"Bearer {tokens['id_token']}"}
        assert http_client.get(f"{gateway.url}/things", headers=id_token).status_code == 401
        page = http_client.get(f"{issuer}/account")
        http_client.post(f"{issuer}/auth/logout", data=fields(page, "/auth/logout"), headers=browser)
        until(
            lambda: http_client.get(f"{gateway.url}/things", headers=bearer).status_code != 200,
            "the token outlives the session it was issued in",
        )
        assert Told.forms.get(timeout=PATIENCE_S)["logout_token"][0].count(".") == 2
