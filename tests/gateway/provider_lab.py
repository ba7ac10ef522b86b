"""The provider's listener in a thread of its own on loopback, before an application that remembers what it was asked."""

import asyncio
import queue
import socket
import ssl
import threading
from dataclasses import dataclass
from typing import Any, Final, Self

import trustme
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from tests.gateway.lab import PATIENCE_S, Answer, Client, Looks
from tests.loopback import server_tls

from doorward.controls.limits import LimitsPolicy
from doorward.gateway.issuer_server import IssuerServer, shared_load
from doorward.identity.unserved import explains_itself

LARGE: Final = 16 * 1024 * 1024


@dataclass
class Asked:
    """One request as the application read it."""

    method: str
    target: str
    body: bytes
    headers: list[tuple[bytes, bytes]]
    client: str


class ProviderLab(Looks):
    """The listener under test; `tls`: over TLS."""

    def __init__(self, *, tls: bool = False, limits: LimitsPolicy | None = None, **kwargs: Any) -> None:
        self.asked: list[Asked] = []
        self.told_gone = threading.Event()
        """An application's request was told that its client has gone."""
        self.authority = trustme.CA(key_type=trustme.KeyType.ECDSA) if tls else None
        self._limits = limits or LimitsPolicy()
        self._kwargs = kwargs
        self._ready: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=uvloop.run, args=(self._main(),), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        error = self._ready.get(timeout=PATIENCE_S)
        if error is not None:
            raise error
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.server.stop)
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    async def _main(self) -> None:
        try:
            self.loop = asyncio.get_running_loop()
            self.load = shared_load(self._limits)
            context = None if self.authority is None else server_tls(self.authority)
            self.server = IssuerServer(
                self._app(), context, limits=self._limits, load=self.load, **{"step_s": 0.02, **self._kwargs}
            )
            listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
            self.port = listener.getsockname()[1]
            self.server.started_serving = lambda: self._ready.put(None)
        except Exception as error:
            self._ready.put(error)
            raise
        await self.server.serve(listener)

    def connect(self, address: str = "127.0.0.1") -> Client:
        client = Client(self.port, address)
        if self.authority is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self.authority.configure_trust(context)
            client.socket = context.wrap_socket(client.socket, server_hostname="127.0.0.1")
        return client

    def ask(self, raw: bytes) -> Answer | None:
        """The answer to one request on a connection of its own."""
        with self.connect() as client:
            client.send(raw)
            return client.answer(to_head=raw.startswith(b"HEAD"))

    def _app(self) -> Starlette:
        async def items(request: Request) -> Response:
            try:
                body = await request.body()
            except Exception:
                self.told_gone.set()
                raise
            target = request.scope["raw_path"].decode() + ("?" + request.url.query if request.url.query else "")
            host = request.client.host if request.client else ""
            self.asked.append(Asked(request.method, target, body, list(request.headers.raw), host))
            return JSONResponse({"ok": True})

        async def unread(_request: Request) -> Response:
            return JSONResponse({"ok": True})

        async def large(_request: Request) -> Response:
            return Response(bytes(LARGE))

        async def stream(_request: Request) -> Response:
            return StreamingResponse(piece for piece in (b"one ", b"", b"two"))

        async def split(_request: Request) -> Response:
            return Response(headers={"location": "/a\r\nset-cookie: a=b"})

        async def boom(_request: Request) -> Response:
            raise RuntimeError("boom of the inside")

        methods = ["GET", "POST", "DELETE"]
        routes = [Route(f"/{each.__name__}", each, methods=methods) for each in (items, unread, large, stream, split)]
        return explains_itself(Starlette(routes=[*routes, Route("/boom", boom, methods=methods)]), "")
