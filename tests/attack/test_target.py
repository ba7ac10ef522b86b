"""`doorward attack --target`: what a policy masks and a description says of its fields is tried where it is deployed."""

import http.server
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.loopback import serving
from tests.warming import warm

from doorward.attack.gateway_process import GatewayProcess
from doorward.cli.init import make_state

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

_PATIENCE_S = 120.0
_SQL = {"type": "string", "x-doorward": {"contains": "sql"}}
_NOTE = {"type": "object", "additionalProperties": False, "properties": {"note": {"type": "string"}, "query": _SQL}}
_CONTENT = {"content": {"application/json": {"schema": _NOTE}}}
_API = {
    "openapi": "3.1.0",
    "info": {"title": "notes", "version": "1"},
    "security": [{"bearer": []}],
    "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
    "paths": {"/notes": {"post": {"requestBody": _CONTENT, "responses": {"200": {"description": "", **_CONTENT}}}}},
}
_TRIED = ["minimise.personal_iban", "minimise.personal_email", "inspect.sql_second_statement", "inspect.code_object"]


class Echo(http.server.BaseHTTPRequestHandler):
    """Gives back what it is sent."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def guarding(site: Path, **settings: Any) -> Iterator[str]:
    """The URL of a gateway before an echo, with these settings."""
    make_state(site / ".doorward")
    warm(site / ".doorward")
    (site / "openapi.yaml").write_text(json.dumps(_API))
    with serving(Echo) as port:
        policy = {
            "api": "openapi.yaml",
            "upstream": f"http://127.0.0.1:{port}",
            "listen": "127.0.0.1:0",
            "issuer": {"listen": "127.0.0.1:0"},
            "tls": {"certificate": ".doorward/tls/server.pem", "key": ".doorward/tls/server.key"},
            "roles": {"writer": ["POST /notes"]},
            "minimise": {"mask": ["iban"]},
            **settings,
        }
        (site / "doorward.yaml").write_text(json.dumps(policy))
        with GatewayProcess(site / "doorward.yaml") as gateway:
            yield gateway.url


def verdicts(site: Path, url: str) -> tuple[int, dict[str, str]]:
    """The exit status, and of each attack whether it is `held`, `open` or `absent`."""
    words = [word for each in _TRIED for word in ("--only", each)]
    command = [sys.executable, "-m", "doorward", "attack", "--target", url, "--json", *words]
    done = subprocess.run(command, cwd=site, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    assert done.stdout, done.stderr
    found = {}
    for each in json.loads(done.stdout)["attacks"]:
        held = each["stopped"] and each["twin_passed"]
        found[each["id"]] = "absent" if not each["applicable"] else "held" if held else "open"
    return done.returncode, found


def test_what_a_policy_masks_and_a_field_holds_is_attacked_where_it_is_deployed(tmp_path: Path) -> None:
    with guarding(tmp_path) as url:
        assert verdicts(tmp_path, url) == (0, dict(zip(_TRIED, ("held", "absent", "held", "absent"), strict=True)))


def test_a_control_that_is_off_where_it_is_deployed_is_found(tmp_path: Path) -> None:
    with guarding(tmp_path, modes={"minimise": "off", "inspect": "off"}) as url:
        assert verdicts(tmp_path, url) == (1, dict(zip(_TRIED, ("open", "absent", "open", "absent"), strict=True)))
