"""One API behind both mounts, on loopback: the gateway before it, and the middleware around it."""

import asyncio
import queue
import socket
import threading
import time
from collections.abc import AsyncIterator
from typing import Any, Final, Self

import orjson
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from tests.gateway.fake_clamd import FakeClamd
from tests.gateway.lab import PATIENCE_S, Answer, Client, MemoryAudit

from doorward.controls import inspect
from doorward.controls.authenticate import Credentials, credentials_data
from doorward.controls.forward import IdentitySigner
from doorward.controls.limits import Counters
from doorward.gateway.deadlines import Deadlines
from doorward.gateway.gateway import Gateway
from doorward.gateway.listener import listen
from doorward.gateway.upstream import UpstreamPool
from doorward.jose import generate_key, sign_jwt
from doorward.middleware import DoorwardMiddleware
from doorward.pipeline import Pipeline, compile_pipeline
from doorward.policy.document import Policy
from doorward.policy.openapi import description_from_document

ISSUER: Final = "https://issuer.example"
KEY: Final = generate_key("ES256")
OTHER_KEY: Final = generate_key("ES256")

_ORDER: Final = {
    "type": "object",
    "required": ["id"],
    "properties": {"id": {"type": "string"}, "note": {"type": "string"}},
}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"200": {"description": "ok", "content": {"application/json": {"schema": schema}}}}


def _get(schema: dict[str, Any] = _ORDER, **more: Any) -> dict[str, Any]:
    return {"get": {"responses": _json(schema), **more}}


_NEW_ORDER: Final = {
    "type": "object",
    "additionalProperties": False,
    "required": ["note"],
    "properties": {"note": {"type": "string", "maxLength": 200}, "count": {"type": "integer", "maximum": 9}},
}
_DOCUMENT: Final = {"type": "object", "properties": {"file": {"type": "string", "format": "binary", "maxLength": 2000}}}
_ANY: Final = {"type": "object", "additionalProperties": True}
DOCUMENT: Final[dict[str, Any]] = {
    "openapi": "3.1.0",
    "info": {"title": "orders", "version": "1"},
    "paths": {
        "/orders": {
            **_get(parameters=[{"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100}}]),
            "post": {
                "requestBody": {"required": True, "content": {"application/json": {"schema": _NEW_ORDER}}},
                "responses": _json(_ORDER),
            },
        },
        "/accounts/{account_id}": {
            "parameters": [{"name": "account_id", "in": "path", "required": True, "schema": {"type": "string"}}],
            **_get(),
        },
        "/uploads": {
            "post": {
                "requestBody": {"required": True, "content": {"application/octet-stream": {}}},
                "responses": _json(_ANY),
            }
        },
        "/documents": {
            "post": {
                "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _DOCUMENT}}},
                "responses": _json(_ANY),
            }
        },
        "/file": {"get": {"responses": {"200": {"description": "ok", "content": {"text/plain": {}}}}}},
        "/health": _get(),
        "/page": _get(),
        "/many": {
            "parameters": [
                {"name": name, "in": "query", "schema": {"type": "string"}} for name in ("count", "as", "fault")
            ],
            "get": {
                "responses": {
                    "200": {
                        "description": "ok",
                        "content": {
                            "application/json": {"schema": {"type": "array", "items": _ORDER}},
                            "application/x-ndjson": {"schema": _ORDER},
                            "text/csv": {},
                        },
                    }
                }
            },
        },
        "/crash": _get(),
        "/once": _get(),
        "/seen": _get(_ANY),
    },
    "security": [{"bearer": []}],
    "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
}
POLICY: Final[dict[str, Any]] = {
    "api": "openapi.yaml",
    "insecure_plain_http": True,
    "issuer": {"url": ISSUER},
    "authenticate": {"resource": "https://api.test"},
    "roles": {"reader": ["GET *"], "clerk": ["*"], "metered": ["GET *"]},
    "owners": {"/accounts/{account_id}": "caller.account_id"},
    "public": ["GET /health"],
    "audit": {"coalesce": False},  # the tests refuse more than three times a second
    "limits": {
        "body_bytes": 4096,
        "quota": {"metered": "1/month"},
        "rules": [
            {"name": "tenants", "by": ["header:x-tenant"], "rate": "20/second burst 1", "throttle_s": 5.0},
            {"name": "one", "by": ["header:x-one"], "concurrency": 1},
        ],
    },
    "operations": {"GET /once": {"limits": {"per_caller": "1/day"}}},
}


def token(subject: str = "alice", *roles: str, key: Any = KEY, **changed: Any) -> str:
    """A bearer token as a header line."""
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": "urn:doorward:api",
        "sub": subject,
        "client_id": "tests",
        "roles": roles or ["reader"],
        "account_id": "a-1",
        "iat": now,
        "exp": now + 600,
        "jti": "1",
    }
    return f"Authorization: Bearer {sign_jwt(key, claims | changed, 'at+jwt')}"


class FixedServing:
    """A policy in force that never changes."""

    def __init__(self, upstream_port: int, scanner: str = "/nobody/clamd.ctl") -> None:
        looked_into = {"archives": {}, "antivirus": {"address": scanner}}
        operations = {**POLICY["operations"], "POST /documents": {"validate": looked_into}}
        upstream = f"http://127.0.0.1:{upstream_port}"
        written = orjson.dumps({**POLICY, "upstream": upstream, "operations": operations})
        self.policy = Policy.model_validate_json(written)
        self.pipeline: Pipeline = compile_pipeline(
            self.policy,
            description_from_document(DOCUMENT),
            version="v1",
            credentials=Credentials.from_data(credentials_data(issuers={ISSUER: [KEY.public.jwk()]})),
            signer=IdentitySigner(generate_key("ES256"), self.policy.forward),
            counters=Counters(),
            record_key=bytes(32),
        )

    def refresh(self) -> bool:
        return False

    def ask_issuers(self, loop: asyncio.AbstractEventLoop | None) -> None:
        pass


class AsgiAudit(MemoryAudit):
    """Remembers records; made when the middleware asks for it."""

    is_closed = False

    def close(self) -> None:
        self.is_closed = True


class Mounts:
    """The gateway and the middleware over the same API, and what each recorded."""

    def __enter__(self) -> Self:
        inspect.warm()  # as a worker does before it serves
        self.clamd = FakeClamd().__enter__()
        self._ready: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=uvloop.run, args=(self._main(),), daemon=True)
        self._thread.start()
        error = self._ready.get(timeout=PATIENCE_S)
        if error is not None:
            raise error
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(PATIENCE_S)
        self.clamd.__exit__()
        assert not self._thread.is_alive()

    def ask(self, mount: str, raw: bytes) -> Answer:
        """The answer of one mount to the same bytes."""
        with Client(self.ports[mount]) as client:
            client.send(raw)
            answer = client.answer(to_head=raw.startswith(b"HEAD"))
        assert answer is not None
        return answer

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        try:
            sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
            api_port, asgi_port, gateway_port = (one.getsockname()[1] for one in sockets)
            self.ports = {"gateway": gateway_port, "asgi": asgi_port}
            self.audits = {"gateway": AsgiAudit(self._loop), "asgi": AsgiAudit(self._loop)}
            serving = FixedServing(api_port, self.clamd.address)
            guarded = DoorwardMiddleware(
                make_api(), serving=FixedServing(api_port, self.clamd.address), open_audit=lambda _: self.audits["asgi"]
            )
            servers = [_Server(make_api()), _Server(guarded)]
            tasks = [
                asyncio.create_task(server.serve(sockets=[listener]))
                for server, listener in zip(servers, sockets, strict=False)
            ]
            deadlines = Deadlines(self._loop)
            forward = serving.policy.forward
            pool = UpstreamPool(forward, deadlines, self._loop)
            gateway = Gateway(
                serving.pipeline,
                self.audits["gateway"],
                pool,
                limits=serving.policy.limits,
                forward=forward,
                deadlines=deadlines,
                scheme="http",
            )
            front = await listen(gateway, sockets[2], None, self._loop)
            for server in servers:
                await server.is_serving.wait()
        except Exception as error:
            self._ready.put(error)
            raise
        self._ready.put(None)
        await self._stopping.wait()
        front.close()
        await gateway.drain(0.05)
        await pool.close()
        deadlines.close()
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*tasks)


class _Server(uvicorn.Server):
    """Says when it serves."""

    def __init__(self, app: Any) -> None:
        super().__init__(
            uvicorn.Config(
                app, http="httptools", ws="none", lifespan="on", log_config=None, access_log=False, proxy_headers=False
            )
        )
        self.is_serving = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_serving.set()


def make_api() -> Starlette:
    """The API: honest in most places, careless in some."""
    return Starlette(
        routes=[
            Route("/orders", _orders, methods=["GET", "POST"]),
            Route("/accounts/{account_id}", _order),
            Route("/uploads", _uploads, methods=["POST"]),
            Route("/documents", _uploads, methods=["POST"]),
            Route("/file", _file),
            Route("/health", _order),
            Route("/page", _page),
            Route("/many", _many),
            Route("/crash", _crash),
            Route("/once", _order),
            Route("/seen", _seen),
        ]
    )


async def _order(request: Request) -> Response:
    return JSONResponse({"id": "o-1", "password": "undeclared"}, headers={"x-powered-by": "careless"})


async def _orders(request: Request) -> Response:
    body = await request.body()
    return JSONResponse({"id": f"{request.method} {request.url.query}", "note": body.decode()})


async def _uploads(request: Request) -> Response:
    return JSONResponse({"bytes": len(await request.body())})


async def _file(request: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(3):
            yield b"piece %d\n" % number

    return StreamingResponse(pieces(), media_type="text/plain")


async def _page(request: Request) -> Response:
    return HTMLResponse("<h1>It works!</h1>")


async def _many(request: Request) -> Response:
    """`count` orders with a member too many, as `json`, `lines` or `csv`, in pieces; `fault` breaks the last one."""
    count, written = int(request.query_params["count"]), request.query_params.get("as", "json")
    order = b'{"id":"o-%d","note":"paid with 4111 1111 1111 1111","password":"undeclared"}'
    rows = [order % number for number in range(count)]
    media_type = {"json": "application/json", "lines": "application/x-ndjson", "csv": "text/csv"}[written]
    if written == "csv":
        rows = [b"o-%d,paid with 4111 1111 1111 1111" % number for number in range(count)]
    if "fault" in request.query_params:
        rows[-1] = b'{"id":}'
    whole = b"[" + b",".join(rows) + b"]" if written == "json" else b"".join(row + b"\n" for row in rows)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(whole), 50_000):
            yield whole[start : start + 50_000]

    return StreamingResponse(pieces(), media_type=media_type)


async def _crash(request: Request) -> Response:
    raise RuntimeError("secret of the stack")


async def _seen(request: Request) -> Response:
    return JSONResponse(
        {
            "path": request.scope["raw_path"].decode(),
            "query": request.url.query,
            "fields": [[name.decode(), value.decode()] for name, value in request.headers.raw],
        }
    )
