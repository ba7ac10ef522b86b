"""Doorward, from bare (a proxy that records) to everything it has, a rung at a time."""

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bench.testbed import ROOT, Command, Site, free_port
from doorward.jose import load_private_keys, sign_jwt

COMPILED = ROOT / ".compiled"
ALL = ("transport", "limits", "authenticate", "authorize", "validate", "inspect", "minimise")
_TEXT = {"type": "string", "maxLength": 200}
_ITEM: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["sku", "quantity", "price"],
    "properties": {
        "sku": {"type": "string", "maxLength": 20},
        "quantity": {"type": "integer", "minimum": 1, "maximum": 1000},
        "price": {"type": "number", "minimum": 0},
    },
}
_STATUS = {"type": "string", "enum": ["open", "paid", "sent"]}
_NEW_ORDER: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["customer", "items"],
    "properties": {
        "customer": {"type": "string", "maxLength": 40},
        "status": _STATUS,
        "priority": {"type": "integer", "minimum": 1, "maximum": 5},
        "note": _TEXT,
        "items": {"type": "array", "maxItems": 10_000, "items": _ITEM},
        "address": {
            "type": "object",
            "additionalProperties": False,
            "properties": dict.fromkeys(("street", "city", "zip", "country"), _TEXT),
        },
        "tags": {"type": "array", "maxItems": 10, "items": _TEXT},
        "contact": {"type": "string", "format": "email"},
    },
}
_ORDER: dict[str, Any] = {
    "type": "object",
    "required": ["id", "status"],
    "properties": {
        "id": {"type": "string"},
        "customer": {"type": "string"},
        "status": _STATUS,
        "total": {"type": "number"},
        "items": {"type": "array", "items": _ITEM},
    },
}


def compiled(make: Callable[[str, Site], Command]) -> Callable[[str, Site], Command]:
    """The same with the hot modules compiled (`make compiled`). Errors: RuntimeError when they are not."""

    def command(program: str, site: Site) -> Command:
        if not COMPILED.is_dir():
            raise RuntimeError("not compiled; hint: make compiled")
        return replace(make(program, site), environment={"PYTHONPATH": str(COMPILED)})

    return command


def with_controls(*switched_on: str, workers: int = 1) -> Callable[[str, Site], Command]:
    """Only these controls; a request is forwarded, and recorded durably, whatever is switched on."""
    return lambda program, site: _command(program, site, frozenset(switched_on), workers)


def _command(program: str, site: Site, switched_on: frozenset[str], workers: int) -> Command:
    home = site.directory / "home"
    api = site.write("openapi.json", json.dumps(_description()))
    upstream = f"http://127.0.0.1:{site.upstream_port}"
    arguments = [program, "init", "--openapi", api, "--upstream", upstream, "--directory", str(home)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise RuntimeError(f"doorward init: {done.stderr[-500:]}")
    issuer = f"https://127.0.0.1:{free_port()}"
    policy: dict[str, Any] = {
        "api": api,
        "upstream": upstream,
        "listen": f"127.0.0.1:{site.port}",
        "issuer": {"listen": issuer.removeprefix("https://"), "url": issuer},
        "workers": workers,
        "roles": {"clerk": ["GET *", "POST /orders"]},
        "validate": {"json_members": 100_000},
        "limits": {
            "per_address": "99999999/second",
            "per_caller": "99999999/second",
            "quota": {"clerk": "999999999/day"},
        },
    }
    if site.tls:
        tls = home / ".doorward" / "tls"
        policy["tls"] = {"certificate": str(tls / "server.pem"), "key": str(tls / "server.key")}
    else:
        policy["insecure_plain_http"] = True
    policy["modes"] = dict.fromkeys(sorted(set(ALL) - switched_on), "off")
    (home / "doorward.yaml").write_text(json.dumps(policy), encoding="utf-8")  # JSON is YAML too
    key = load_private_keys(home / ".doorward" / "keys" / "issuer.json")[0]
    now = int(time.time())
    claims = {
        "iss": issuer,
        "aud": "urn:doorward:api",
        "sub": "bench",
        "client_id": "bench",
        "roles": ["clerk"],
        "iat": now,
        "exp": now + 3600,
        "jti": "bench-1",
    }
    token = sign_jwt(key, claims, "at+jwt")
    return Command(
        [program, "run", "--policy", str(home / "doorward.yaml")],
        headers=(f"Authorization: Bearer {token}",) if "authenticate" in switched_on else (),
        refuses_without_token="authenticate" in switched_on,
        blocks="?status=open&limit=abc" if "validate" in switched_on else "",
    )


def _description() -> dict[str, Any]:
    answer = {"200": {"description": "an order", "content": {"application/json": {"schema": _ORDER}}}}
    query = [
        {"name": "status", "in": "query", "schema": _STATUS},
        {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100}},
    ]
    body = {"required": True, "content": {"application/json": {"schema": _NEW_ORDER}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Orders", "version": "1"},
        "paths": {
            "/orders": {
                "get": {"operationId": "listOrders", "parameters": query, "responses": answer},
                "post": {"operationId": "createOrder", "requestBody": body, "responses": answer},
            }
        },
        "security": [{"bearer": []}],
        "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}},
    }
