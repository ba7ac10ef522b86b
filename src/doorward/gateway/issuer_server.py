"""uvicorn for the identity provider, in the control process: its listener, and the one that asks for certificates."""

import contextlib
import ssl
from collections.abc import Callable, Iterator
from socket import socket
from typing import Any, Final
from urllib.parse import urlsplit

import uvicorn
from starlette.types import ASGIApp

from doorward.policy.issuer import IssuerSettings

HEAD_BYTES: Final = 32_768
"""Largest request line and fields, in bytes: a form has 8 KiB at most, cookies 4 KiB each."""


class IssuerServer(uvicorn.Server):
    """uvicorn that tells when it accepts, and without signal handlers of its own: ours also end the tasks beside it."""

    started_serving: Callable[[], None]

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """As uvicorn has it."""
        await super().startup(sockets)
        self.started_serving()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing is captured."""
        yield


def issuer_server(app: ASGIApp, context: ssl.SSLContext | None, *, protocol: Any = "h11") -> IssuerServer:
    """A server for the application, over TLS with that context; None: plain HTTP.

    `protocol` is one over h11: what uvicorn has over httptools takes a request head of any size into memory.
    """
    config = uvicorn.Config(
        app,
        http=protocol,
        h11_max_incomplete_event_size=HEAD_BYTES,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        timeout_graceful_shutdown=3,
        ssl_context_factory=None if context is None else lambda _config, _default: context,
    )
    server = IssuerServer(config)
    server.started_serving = lambda: None
    return server


def mtls_address(issuer: IssuerSettings) -> str:
    """Where clients reach the listener that asks for certificates, without a slash at its end; empty: there is none.

    >>> mtls_address(IssuerSettings(url="https://login.example.com/door", mtls_listen="0.0.0.0:8445"))
    'https://login.example.com:8445/door'
    """
    if issuer.mtls_listen is None:
        return ""
    if issuer.mtls_url is not None:
        return issuer.mtls_url.rstrip("/")
    parts = urlsplit(issuer.url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{issuer.mtls_listen.rpartition(':')[2]}{parts.path}".rstrip("/")
