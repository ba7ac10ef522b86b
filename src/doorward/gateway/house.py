"""What the connections of one listener share, whoever answers their requests: limits, load, deadlines.

An API's house is a `Gateway`, the identity provider's an `AsgiHouse`. One who asks is read, bounded and turned away in
both alike.
"""

import asyncio
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from ssl import SSLObject
from typing import TYPE_CHECKING, Final, Literal, Protocol

from doorward.controls.limits import LimitsPolicy, Load, Pressure
from doorward.controls.transport import TrustedProxies
from doorward.controls.transport.proxy_header import Announced
from doorward.denial import Denied
from doorward.exchange import Exchange, Request, Response, Source
from doorward.gateway.deadlines import Deadlines, Timed
from doorward.gateway.proxied_certificate import ProxiedCertificates
from doorward.gateway.source import counted_as, peer

if TYPE_CHECKING:
    from doorward.gateway.websocket.relay import Relay, Side

_ID_BATCH: Final = 256


class Run(Protocol):
    """One exchange under way, as its client sees it: a request read, and an answer awaited."""

    exchange: Exchange

    @property
    def is_answering(self) -> bool:
        """The answer is on its way: it is too late to refuse."""

    def refuse_unread(self, denied: Denied) -> None:
        """Refuse what could not be read as a request: it counts for its address as every other."""

    def admit(self) -> None:
        """Begin."""

    def body_data(self, data: bytes, *, is_last: bool) -> None:
        """Take some of the request's body."""

    def refuse(self, denied: Denied) -> None:
        """Answer with a denial."""

    def fail(self, error: Exception) -> None:
        """Answer with 500: we broke."""

    def client_gone(self) -> None:
        """Nobody waits for the answer any more."""

    def client_pressure(self, *, pauses: bool) -> None:
        """The client reads slower than it is answered, or has caught up."""


class Client(Protocol):
    """What a run needs of the client: an HTTP/1.1 connection, or a stream of an HTTP/2 one."""

    keeps_alive: bool
    """The connection may serve another request after this one; setting it to false is final."""

    @property
    def is_slow(self) -> bool:
        """The client has answer bytes left to read, more than should pile up."""

    def wants_body(self, run: Run) -> None:
        """Begin reading the body: it comes by `run.body_data`."""

    def hold_body(self, *, pauses: bool) -> None:
        """Stop, or go on, reading a streamed body."""

    def answer(self, exchange: Exchange, response: Response) -> None:
        """Send a whole answer. The run has ended: the next request's turn."""

    def begin_answer(self, exchange: Exchange, response: Response) -> None:
        """Send the head of an answer whose body follows by `answer_data`, until `end_answer` or `abort`."""

    def answer_data(self, data: bytes) -> None:
        """Send some of the body."""

    def end_answer(self) -> None:
        """The body is complete, and the run has ended: the next request's turn."""

    def abort(self) -> None:
        """Break off, so that a cut answer cannot be taken for a whole one."""


class TakesOver(Client, Protocol):
    """A client's connection that can be taken over."""

    @property
    def secure(self) -> SSLObject | None:
        """Its TLS; None: it is plain."""

    @property
    def frames(self) -> "Side":
        """Where bytes go that are no answer."""

    def hand_over(self, relay: "Relay") -> bytes:
        """Give all that comes to the relay from now on; what came already."""


class Connection(Timed, Protocol):
    """A client connection, as the house sees it."""

    def drain(self) -> None:
        """Close when idle; else after the answer under way."""

    def abort(self) -> None:
        """Break off."""


class House(ABC):
    """Shared by every client connection. Its `limits` and `proxies` may be replaced while it serves."""

    def __init__(
        self,
        *,
        limits: LimitsPolicy,
        deadlines: Deadlines,
        scheme: Literal["http", "https"],
        proxies: TrustedProxies | None,
        certificates: ProxiedCertificates | None,
        pressure: Pressure,
        load: Load | None = None,
    ) -> None:
        """`load`: counted together with another house."""
        self.pressure = pressure
        self.load = load or Load(limits, pressure)
        self.limits = limits
        self.deadlines = deadlines
        self.proxies = proxies
        """Whose word about a client's address is taken; None: nobody's."""
        self.certificates = certificates
        """Reads what listed proxies tell of their clients' certificates; None: nobody is believed."""
        self.scheme: Literal["http", "https"] = scheme
        self.is_draining = False
        self.connections: dict[Connection, str] = {}
        """Those that are open, each with the address it is counted under."""
        self.turned_away_count = 0
        """Connections refused because too many were open."""
        self._ids = _request_ids()
        self._empty = asyncio.Event()
        self._empty.set()

    @abstractmethod
    def begin(self, client: TakesOver, exchange: Exchange, *, is_handshake: bool) -> Run:
        """The run of a request. `is_handshake`: it asks for a WebSocket."""

    def source_of(self, transport: asyncio.Transport, announced: Announced | None) -> Source:
        """Where a connection comes from, once its handshake is done. Errors: client_certificate.Unacceptable."""
        return peer(transport, announced, self.proxies)

    def new_exchange(self, request: Request, source: Source) -> Exchange:
        """The exchange of a request that begins now. Its id: 32 hexadecimal digits nobody can guess."""
        return Exchange(id=next(self._ids), now=time.time(), ticks=time.monotonic(), source=source, request=request)

    def opened(self, connection: Connection, source: Source) -> None:
        """A client connection stands: it is counted, and its deadlines watched, until `closed`.

        Errors: Denied, when there are too many; then it is turned away.
        """
        counted = counted_as(source, self.proxies)
        try:
            self.load.connect(counted)
        except Denied:
            self.turned_away_count += 1
            raise
        self.connections[connection] = counted
        self.deadlines.add(connection)
        self._empty.clear()

    def closed(self, connection: Connection) -> None:
        """A client connection is gone."""
        self.load.disconnect(self.connections.pop(connection))
        self.deadlines.discard(connection)
        if not self.connections:
            self._empty.set()

    async def drain(self, within_s: float) -> None:
        """Let every exchange under way finish, take no new ones, and break off what is left after `within_s`."""
        self.is_draining = True
        for connection in list(self.connections):
            connection.drain()
        try:
            await asyncio.wait_for(self._empty.wait(), within_s)
        except TimeoutError:
            for connection in list(self.connections):
                connection.abort()


def _request_ids() -> Iterator[str]:
    """Random ids, drawn from the kernel in batches: one system call for 256 requests."""
    while True:
        digits = os.urandom(16 * _ID_BATCH).hex()
        for start in range(0, len(digits), 32):
            yield digits[start : start + 32]
