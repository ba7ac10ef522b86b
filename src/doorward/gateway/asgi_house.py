"""The house of an ASGI application, as the identity provider is one: its requests are read as the gateway's are.

So what no gateway takes no provider takes either: two lengths, folded fields, heads and bodies without end. What is
refused before the application sees it is counted, told in the log without flooding it, and stands in no record: nobody
is known yet, and nothing was done.
"""

import asyncio
from collections.abc import Callable, Mapping
from email.utils import formatdate
from ssl import SSLObject
from typing import TYPE_CHECKING, Any, Final, Literal

from doorward.controls.limits import LimitsPolicy, Load, Pressure
from doorward.controls.transport import TransportPolicy, TrustedProxies, compile_check
from doorward.controls.transport.proxy_header import Announced
from doorward.denial import Denied
from doorward.exchange import Exchange, Source
from doorward.gateway.asgi_run import AsgiRun
from doorward.gateway.deadlines import Deadlines
from doorward.gateway.failed_handshakes import FailedHandshakes
from doorward.gateway.house import Connection, House, Run, TakesOver
from doorward.gateway.source import plain_address

if TYPE_CHECKING:
    from starlette.types import ASGIApp

More = Callable[[], Mapping[str, Any]]
"""What the scope of a request has besides, asked at each request of a connection."""
ANY_HOST: Final = compile_check(TransportPolicy())
"""`Host` must be one and well-formed, and may be any: probes and proxies call the provider by addresses, and nothing it
answers is made of it (authentik CVE-2022-46145: whoever writes the Host of a mail's link reads the answer)."""


class AsgiHouse(House):
    """Shared by every connection to one application."""

    def __init__(
        self,
        app: "ASGIApp",
        *,
        limits: LimitsPolicy,
        deadlines: Deadlines,
        scheme: Literal["http", "https"],
        proxies: TrustedProxies | None,
        refused: FailedHandshakes,
        load: Load | None = None,
        more: Callable[[SSLObject | None], More] | None = None,
    ) -> None:
        """`more` is told of each connection, and gives what the scopes of its requests have besides."""
        super().__init__(
            limits=limits,
            deadlines=deadlines,
            scheme=scheme,
            proxies=proxies,
            certificates=None,
            pressure=Pressure(),
            load=load,
        )
        self.app = app
        self.check = ANY_HOST
        self.tasks: set[asyncio.Task[None]] = set()
        """Requests under way; the loop itself holds none of them."""
        self._refused = refused
        self._more = more
        self._more_of: dict[object, More] = {}
        self._date = b""
        self._date_at = -1

    def begin(self, client: TakesOver, exchange: Exchange, *, is_handshake: bool) -> Run:  # noqa: ARG002 - no WebSockets
        """As `House` has it: answered by the application."""
        exchange.answer_headers.append((b"date", self._date_now(int(exchange.now))))
        return AsgiRun(self, client, exchange, self._more_about(client))

    def source_of(self, transport: asyncio.Transport, announced: Announced | None) -> Source:  # noqa: ARG002 - no PROXY
        """As `House` has it. What a certificate is worth here is not for the gateway's rules to say."""
        address = transport.get_extra_info("peername") or ("", 0)
        secure = transport.get_extra_info("ssl_object")
        version = None if secure is None else secure.version()
        return Source(address=plain_address(address[0]), port=address[1], tls_version=version)

    def closed(self, connection: Connection) -> None:
        """As `House` has it."""
        super().closed(connection)
        self._more_of.pop(connection, None)

    def refused(self, exchange: Exchange, denied: Denied) -> None:
        """Count a request that the application was not asked about."""
        self._refused.note(exchange.source.address, denied.code)

    def _more_about(self, client: TakesOver) -> More:
        if self._more is None:
            return dict
        found = self._more_of.get(client)
        if found is None:
            found = self._more_of[client] = self._more(client.secure)
        return found

    def _date_now(self, second: int) -> bytes:
        if second != self._date_at:
            self._date_at, self._date = second, formatdate(second, usegmt=True).encode("ascii")
        return self._date
