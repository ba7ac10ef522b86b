"""One WebSocket from its handshake to its end: admitted and recorded as every exchange, then relayed."""

import ssl
from typing import TYPE_CHECKING

from doorward.controls.transport import accept_value, check_handshake
from doorward.denial import Denied
from doorward.exchange import Exchange, Response
from doorward.gateway.exchange_run import ExchangeRun
from doorward.gateway.house import TakesOver
from doorward.gateway.websocket.relay import Relay
from doorward.gateway.websocket.upstream import UpstreamSocket

if TYPE_CHECKING:
    from doorward.gateway.gateway import Gateway


class WebSocketRun(ExchangeRun):
    """The run of a handshake, and of what follows it."""

    def __init__(self, gateway: "Gateway", client: TakesOver, exchange: Exchange) -> None:
        super().__init__(gateway, client, exchange)
        self._socket_client = client
        self._offered: tuple[bytes, ...] = ()
        self._socket: UpstreamSocket | None = None
        self._subprotocol = b""
        self._relay: Relay | None = None

    def proceed(self) -> None:
        """Check the handshake, then make our own with the upstream. Errors: Denied, Pending."""
        plan = self.plan
        if plan.websocket is None:
            raise Denied("transport.upgrade", f"{plan.operation.id} has no WebSocket")
        self._offered = check_handshake(self.exchange.request, plan.websocket.policy)
        self.pipeline.admit_body(self.exchange, plan)
        self.begin_upstream()
        self.pool.run(self._open())

    async def _open(self) -> None:
        with self:
            head = _without_handshake(self.plan.request_head(self.exchange))
            made = UpstreamSocket(head, self._offered, self._opened, self._upstream_failed)
            try:
                await self.pool.tunnel(lambda: made)
            except Denied as denied:
                self._upstream_failed(denied)
            except ssl.SSLError as error:
                self._upstream_failed(Denied("forward.upstream_tls", f"TLS with the upstream: {error.reason or error}"))
            except (OSError, TimeoutError, ValueError) as error:
                detail = str(error) or "no connection in time"
                self._upstream_failed(Denied("forward.upstream_unreachable", detail))

    def _upstream_failed(self, denied: Denied) -> None:
        self.note_upstream_time()
        self.refuse(denied)

    def _opened(self, made: UpstreamSocket, subprotocol: bytes) -> None:
        if self.is_abandoned:
            made.close()
            return
        self._socket, self._subprotocol = made, subprotocol
        with self:
            self.note_upstream_time()
            self.answer(Response(101, []))

    def send(self, response: Response) -> None:
        """Send a refusal; or the end of the handshake, and then frames."""
        socket = self._socket
        terms = self.plan.websocket if response.status == 101 else None
        if socket is None or terms is None:
            if socket is not None:
                socket.close()
            # What the client has sent behind its handshake may be frames: it is not read as a request.
            self.client.keeps_alive = False
            super().send(response)
            return
        exchange, client = self.exchange, self._socket_client
        key = exchange.request.headers.get(b"sec-websocket-key") or b""
        lines = [
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ",
            accept_value(key),
            b"\r\nsec-websocket-protocol: " + self._subprotocol if self._subprotocol else b"",
            b"\r\nx-request-id: ",
            exchange.id.encode("ascii"),
            b"\r\n\r\n",
        ]
        client.frames.write(b"".join(lines))
        self._relay = relay = Relay(
            exchange,
            client.frames,
            socket,
            policy=terms.policy,
            deadlines=self.gateway.deadlines,
            judge=terms.judge,
            recheck=terms.recheck,
            ended=self._ended,
        )
        self.begin_stream()
        waiting = client.hand_over(relay)
        socket.read_for(relay)
        if waiting:
            relay.client_data(waiting)

    def _ended(self, complete: bool, why: str) -> None:
        self.end_stream(complete=complete, detail=why)

    def client_pressure(self, *, pauses: bool) -> None:
        """Slow the upstream down, or let it go on."""
        if self._relay is not None:
            self._relay.client_pressure(pauses=pauses)

    def client_gone(self) -> None:
        """The client is gone: before the handshake's end, or in the middle of its frames."""
        if self._relay is not None:
            self._relay.client_lost()
            return
        if self._socket is not None:
            self._socket.close()
        super().client_gone()


def _without_handshake(head: bytes) -> bytes:
    """The request head without the client's own handshake fields: the upstream gets ours."""
    lines = head[:-4].split(b"\r\n")
    return b"\r\n".join([line for line in lines if not line.startswith(b"sec-websocket-")]) + b"\r\n\r\n"
