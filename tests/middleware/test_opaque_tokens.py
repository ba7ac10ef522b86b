"""Opaque tokens inside an application: the middleware asks their issuer, also one that a later policy names."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import structlog
import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from tests.gateway.lab import MemoryAudit
from tests.processes.test_hostile_issuers import says
from tests.test_introspection_client import AUTHORITY, JSON, Desk, desk
from tests.test_serving import Published

from doorward.middleware import DoorwardMiddleware
from doorward.serving import Serving

ACTIVE = json.dumps({"active": True, "sub": "carol", "aud": "orders", "scope": "", "roles": ["reader"]}).encode()
NOTES = {
    "/notes": {
        "get": {
            "responses": {"200": {"description": "ok", "content": {"application/json": {"schema": {"type": "object"}}}}}
        }
    }
}


class _Audit(MemoryAudit):
    def close(self) -> None:
        return


class Installation(Published):
    """A gateway's files, whose policy names an issuer that has to be asked."""

    def __init__(self, directory: Path, site: Desk) -> None:
        self.directory, self.site = directory, site
        AUTHORITY.cert_pem.write_to_path(str(directory / "issuer-ca.pem"))
        (directory / "secret").write_text("s3cret")
        super().__init__(directory)

    def name(self, issuer: str, number: int) -> None:
        """Publish a policy with that issuer."""
        written = yaml.safe_load(self.policy.read_text())
        written["insecure_issuer_networks"] = ["127.0.0.0/8", "::1/128"]
        written["issuers"] = [
            {
                "issuer": issuer,
                "audience": "orders",
                "introspection": {
                    "endpoint": self.site.url,
                    "client_id": "application",
                    "secret_file": "secret",
                    "ca_file": "issuer-ca.pem",
                    "cache_s": 0,
                },
            }
        ]
        self.policy.write_text(yaml.safe_dump(written))
        self.publish(number, paths=NOTES)


async def _notes(_request: Request) -> Response:
    return JSONResponse({})


class Caller:
    """The guarded application and somebody who calls it with an opaque token."""

    def __init__(self, serving: Serving) -> None:
        self.guard = DoorwardMiddleware(Starlette(routes=[Route("/notes", _notes)]), serving=serving, open_audit=_Audit)

    async def call(self) -> tuple[int, str]:
        """Status, and the code of a refusal."""
        transport = httpx.ASGITransport(app=self.guard)
        async with httpx.AsyncClient(transport=transport, base_url="https://api.example") as client:
            answer = await client.get("/notes", headers={"authorization": "Bearer op_token"})
        said: dict[str, Any] = answer.json()
        return answer.status_code, said.get("type", "").rpartition(":")[2]


def _trial(tmp_path: Path, run: Callable[[Installation, Desk], Awaitable[None]]) -> None:
    async def within() -> None:
        async with desk(says(ACTIVE, JSON)) as site:
            await run(Installation(tmp_path, site), site)

    asyncio.run(within())


def test_the_issuer_of_an_opaque_token_is_asked_and_believed(tmp_path: Path) -> None:
    async def run(installed: Installation, site: Desk) -> None:
        installed.name("https://opaque.example", 2)
        caller = Caller(Serving(installed.snapshot))
        assert await caller.call() == (200, "")
        assert site.form()["token"] == "op_token"
        site.serve = says(b'{"active": false}', JSON)
        assert await caller.call() == (401, "authenticate.token_inactive")
        site.serve = says(b"", status="500 no")
        assert await caller.call() == (503, "authenticate.unavailable")

    _trial(tmp_path, run)


def test_so_is_the_one_of_a_policy_that_came_into_force_later(tmp_path: Path) -> None:
    async def run(installed: Installation, site: Desk) -> None:
        installed.name("https://before.example", 2)
        serving = Serving(installed.snapshot)
        caller = Caller(serving)
        await caller.call()
        asked = len(site.asked)
        installed.name("https://later.example", 3)
        assert serving.refresh()
        assert await caller.call() == (200, "")
        assert len(site.asked) == asked + 1

    _trial(tmp_path, run)


def test_after_the_end_nobody_is_asked(tmp_path: Path) -> None:
    async def run(installed: Installation, _site: Desk) -> None:
        installed.name("https://opaque.example", 2)
        serving = Serving(installed.snapshot)
        caller = Caller(serving)
        await caller.call()
        assert serving.credentials.introspector is not None
        caller.guard.close()
        assert serving.credentials.introspector is None

    _trial(tmp_path, run)


def test_a_secret_that_is_not_there_costs_those_tokens_alone_and_the_log_says_so(tmp_path: Path) -> None:
    async def run(installed: Installation, site: Desk) -> None:
        installed.name("https://opaque.example", 2)
        serving = Serving(installed.snapshot)
        (tmp_path / "secret").unlink()
        with structlog.testing.capture_logs() as lines:
            assert await Caller(serving).call() == (503, "authenticate.unavailable")
        assert site.asked == []
        assert "issuers are not asked about tokens" in [line["event"] for line in lines]

    _trial(tmp_path, run)
