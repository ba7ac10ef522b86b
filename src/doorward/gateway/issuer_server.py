"""The identity provider's listeners, in the control process: the gateway's connections, an application behind."""

import asyncio
import contextlib
import resource
import ssl
from collections.abc import Callable
from socket import socket
from typing import Final
from urllib.parse import urlsplit

from starlette.types import ASGIApp

from doorward.controls.limits import LimitsPolicy, Load, Pressure
from doorward.controls.transport import TrustedProxies
from doorward.exchange import Source
from doorward.gateway.acceptor import Acceptor
from doorward.gateway.asgi_house import AsgiHouse, More
from doorward.gateway.deadlines import Deadlines
from doorward.gateway.failed_handshakes import FailedHandshakes
from doorward.gateway.http1 import LINGER_S, ClientConnection
from doorward.gateway.tls import HANDSHAKE_S
from doorward.policy.issuer import IssuerSettings

DRAIN_S: Final = 3.0
"""Time that requests under way have to end when the process stops, in seconds."""
SETTLE_S: Final = 1.0
"""Time that handshakes under way have to end then, before; together less than the supervisor waits."""
KEPT_FILES: Final = 256
"""Open files that no connection may take from the rest of the process: store, snapshots, what it fetches and sends."""


class IssuerServer:
    """One listener and the application behind it."""

    def __init__(
        self,
        app: ASGIApp,
        context: ssl.SSLContext | None,
        *,
        limits: LimitsPolicy | None = None,
        load: Load | None = None,
        proxies: TrustedProxies | None = None,
        more: Callable[[ssl.SSLObject | None], More] | None = None,
        step_s: float = 0.25,
    ) -> None:
        """Over TLS with that context; None: plain HTTP. `load`: counted together with another listener's connections.

        `more` is told of each connection, and gives what the scopes of its requests have besides. `step_s` is the time
        between two looks at the connections' deadlines, in seconds.
        """
        self.started_serving: Callable[[], None] = lambda: None
        """Called once it accepts."""
        self._app, self._context, self._proxies = app, context, proxies
        self._limits = limits or LimitsPolicy()
        self._load = load or shared_load(self._limits)
        self._more, self._step_s = more, step_s
        self._stopping = asyncio.Event()
        self._house: AsgiHouse | None = None

    @property
    def turned_away_count(self) -> int:
        """Connections that were closed because there were too many, or that did not end their handshake."""
        return 0 if self._house is None else self._house.turned_away_count

    def follow(self, limits: LimitsPolicy, proxies: TrustedProxies | None) -> None:
        """Nothing; what comes from now on is held to these."""
        self._limits, self._proxies = limits, proxies
        self._load.policy = within_files(limits)
        if self._house is not None:
            self._house.limits, self._house.proxies = limits, proxies

    def stop(self) -> None:
        """Accept no more; `serve` ends once what is under way has ended."""
        self._stopping.set()

    async def serve(self, listener: socket) -> None:
        """Serve until it is stopped."""
        loop = asyncio.get_running_loop()
        listener.setblocking(False)
        deadlines, turned_away = Deadlines(loop, self._step_s), FailedHandshakes(loop)
        house = self._house = AsgiHouse(
            self._app,
            limits=self._limits,
            deadlines=deadlines,
            scheme="http" if self._context is None else "https",
            proxies=self._proxies,
            refused=turned_away,
            load=self._load,
            more=self._more,
        )

        def speaker(_transport: asyncio.Transport, source: Source) -> asyncio.Protocol:
            return ClientConnection(house, source)

        acceptor = Acceptor(
            house,
            listener,
            None if self._context is None else _OneContext(self._context),
            loop,
            speaker,
            proxy_protocol=False,
            within_s=HANDSHAKE_S,
            shutdown_s=LINGER_S,
            failed=turned_away,
        )
        self.started_serving()
        await self._stopping.wait()
        acceptor.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S):
                await acceptor.settled()
        await house.drain(DRAIN_S)
        deadlines.close()


class _OneContext:
    """Every handshake begins, and goes on, with the same context."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context

    def take(self) -> ssl.SSLContext:
        return self._context

    def give_back(self, context: ssl.SSLContext, version: str | None) -> None:
        """Nothing is told apart."""


def shared_load(limits: LimitsPolicy) -> Load:
    """What listeners that are counted together carry."""
    return Load(within_files(limits), Pressure())


def within_files(limits: LimitsPolicy) -> LimitsPolicy:
    """The limits, with no more connections than the process may have open files, but for those it needs itself."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = limits.connections if files == resource.RLIM_INFINITY else max(1, files - KEPT_FILES)
    return limits.model_copy(update={"connections": min(limits.connections, most)})


def allow_files() -> None:
    """Nothing; the process may open as many files as it is allowed to allow itself (mostly 1,024 at first)."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


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
