"""Frames both ways: each read by its rules, messages bounded and inspected, and written anew for the other side."""

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

import structlog
from wsproto.frame_protocol import CloseReason, FrameProtocol, Opcode, ParseFailed

from doorward.controls.transport import WebSocketPolicy
from doorward.denial import Denied
from doorward.exchange import Check, Exchange, Pending

if TYPE_CHECKING:
    from doorward.gateway.deadlines import Deadlines

JudgeText = Callable[[Exchange, str], None]
"""Raises Denied for a text that is meant to do harm."""
CLOSE_S: Final = 1.0
"""Time the other side has to answer a close, in seconds."""
_LOOK_S: Final = 0.5
_RECHECK_S: Final = 1.0
"""Time between two looks at whether the caller may still be here, in seconds."""
_CODES: Final = range(1000, 1016)
_log: Final = structlog.get_logger()
_RESERVED: Final = frozenset({1004, 1005, 1006, 1015})


class Side(Protocol):
    """One end of a WebSocket, as the relay sees it."""

    def write(self, data: bytes) -> None:
        """Send frames."""

    def hold(self, *, pauses: bool) -> None:
        """Stop, or go on, reading."""

    def close(self) -> None:
        """Close, once what was written is sent."""


class Relay:
    """One open WebSocket. `ended(complete, why)` is called once."""

    def __init__(
        self,
        exchange: Exchange,
        client: Side,
        upstream: Side,
        *,
        policy: WebSocketPolicy,
        deadlines: "Deadlines",
        judge: JudgeText | None,
        recheck: Check | None,
        ended: Callable[[bool, str], None],
    ) -> None:
        self._exchange, self._client, self._upstream = exchange, client, upstream
        self._policy, self._deadlines, self._judge, self._recheck = policy, deadlines, judge, recheck
        self._ended = ended
        self._from_client = FrameProtocol(client=False, extensions=[])
        self._from_upstream = FrameProtocol(client=True, extensions=[])
        self._parts: dict[bool, list[str | bytes]] = {True: [], False: []}
        self._sizes = {True: 0, False: 0}
        now = deadlines.now()
        self._tokens, self._tokens_at = 2 * policy.messages_per_s, now
        self._heard_at, self._pinged = now, False
        self._ends_at = now + policy.longest_s
        self._recheck_at = now + _RECHECK_S
        self._is_over = False
        self._cut_at = float("inf")
        self.deadline = now + _LOOK_S
        deadlines.add(self)

    # -- what comes -------------------------------------------------------------------------------------------------

    def client_data(self, data: bytes) -> None:
        """Bytes of the client."""
        self._heard_at, self._pinged = self._deadlines.now(), False
        self._exchange.bytes_in += len(data)
        self._read(self._from_client, data, by_client=True)

    def upstream_data(self, data: bytes) -> None:
        """Bytes of the upstream."""
        self._exchange.bytes_out += len(data)
        self._read(self._from_upstream, data, by_client=False)

    def client_lost(self) -> None:
        """The client is gone."""
        self._over(complete=False, why="the client is gone")
        self._stop()

    def upstream_lost(self) -> None:
        """The upstream is gone without a close."""
        if not self._is_over:
            self._close(1011, "upstream gone", why="the upstream is gone", complete=False)

    def client_pressure(self, *, pauses: bool) -> None:
        """The client takes no more for now, or again."""
        self._upstream.hold(pauses=pauses)

    def upstream_pressure(self, *, pauses: bool) -> None:
        """The upstream takes no more for now, or again."""
        self._client.hold(pauses=pauses)

    def drain(self) -> None:
        """The gateway stops, most often to be started again: the client may come back at once (1012)."""
        self._close(1012, "service restart", why="drained", complete=True)

    def expire(self) -> None:
        """Look after time: the credential's, the longest, silence."""
        now = self._deadlines.now()
        self.deadline = now + _LOOK_S
        if self._is_over:
            if now >= self._cut_at:
                self._stop()
            return
        caller = self._exchange.caller
        if caller is not None and time.time() >= caller.expires_at:
            self._close(1008, "credential expired", why="authenticate.token_time", complete=False)
        elif now >= self._ends_at:
            self._close(1001, "open too long", why="longest_s", complete=True)
        elif now - self._heard_at >= self._policy.idle_s:
            self._close(1001, "idle", why="idle_s", complete=False)
        elif not self._pinged and now - self._heard_at >= self._policy.idle_s / 2:
            self._pinged = True
            self._client.write(bytes(self._from_client.ping()))
        elif now >= self._recheck_at:
            self._recheck_at = now + _RECHECK_S
            self._look_again()

    # -- reading ------------------------------------------------------------------------------------------------------

    def _read(self, protocol: FrameProtocol, data: bytes, *, by_client: bool) -> None:
        if self._is_over:
            return
        try:
            protocol.receive_bytes(data)
            for frame in protocol.received_frames():
                self._take(frame.opcode, frame.payload, by_client=by_client, ends=frame.message_finished)
                if self._is_over:
                    return
        except ParseFailed as error:
            side = "client" if by_client else "upstream"
            self._close(error.code, "malformed frame", why=f"{side}: {error}"[:200], complete=False)
        except Denied as denied:
            self._close(1008, denied.code, why=f"{denied.code}: {denied.detail}"[:200], complete=False)
        except Exception as error:  # noqa: BLE001 - containment: this one ends, the worker lives on
            _log.error("fault", request=self._exchange.id, error=type(error).__name__, exc_info=error)
            self._close(1011, "internal error", why=f"fault: {type(error).__name__}", complete=False)

    def _take(self, opcode: Opcode, payload: object, *, by_client: bool, ends: bool) -> None:
        if opcode is Opcode.CLOSE:
            code, reason = payload if isinstance(payload, tuple) else (1005, "")
            told = CloseReason.NO_STATUS_RCVD if code not in _CODES and not 3000 <= code < 5000 else code
            self._close(int(told), str(reason or ""), why="closed", complete=True)
            return
        if by_client and ends:
            self._count_message()
        if opcode is Opcode.PING and isinstance(payload, (bytes, bytearray)):
            self._pong(bytes(payload), by_client=by_client)
        elif opcode in {Opcode.TEXT, Opcode.BINARY, Opcode.CONTINUATION} and isinstance(
            payload, (str, bytes, bytearray)
        ):
            self._collect(payload if isinstance(payload, str) else bytes(payload), by_client=by_client, ends=ends)

    def _collect(self, piece: str | bytes, *, by_client: bool, ends: bool) -> None:
        parts = self._parts[by_client]
        parts.append(piece)
        # a character is at least a byte, and at most four
        self._sizes[by_client] += len(piece)
        if self._sizes[by_client] > self._policy.message_bytes:
            self._close(
                1009, "message too large", why=f"message above {self._policy.message_bytes} bytes", complete=False
            )
            return
        if not ends:
            return
        self._parts[by_client], self._sizes[by_client] = [], 0
        texts = [part for part in parts if isinstance(part, str)]
        message: str | bytes = "".join(texts) if texts else b"".join(part for part in parts if isinstance(part, bytes))
        if isinstance(message, str) and by_client and self._judge is not None:
            self._judge(self._exchange, message)
        other, side = (self._from_upstream, self._upstream) if by_client else (self._from_client, self._client)
        side.write(bytes(other.send_data(message, fin=True)))

    def _pong(self, payload: bytes, *, by_client: bool) -> None:
        if by_client:
            self._client.write(bytes(self._from_client.pong(payload)))
        else:
            self._upstream.write(bytes(self._from_upstream.pong(payload)))

    def _count_message(self) -> None:
        now, rate = self._deadlines.now(), self._policy.messages_per_s
        self._tokens = min(2 * rate, self._tokens + (now - self._tokens_at) * rate)
        self._tokens_at = now
        if self._tokens < 1:
            raise Denied("limits.rate", f"more than {rate:g} messages a second")
        self._tokens -= 1

    def _look_again(self) -> None:
        if self._recheck is None:
            return
        known = self._exchange
        self._judge_again(
            Exchange(id=known.id, now=time.time(), ticks=known.ticks, source=known.source, request=known.request)
        )

    def _judge_again(self, again: Exchange) -> None:
        if self._recheck is None or self._is_over:
            return
        try:
            self._recheck(again)
        except Pending as pending:
            pending.ask(partial(self._judge_again, again))
        except Denied as denied:
            self._close(1008, denied.code, why=denied.code, complete=False)
        except Exception as error:  # noqa: BLE001 - containment: what cannot be looked at is ended
            _log.error("fault", request=self._exchange.id, error=type(error).__name__, exc_info=error)
            self._close(1011, "internal error", why=f"fault: {type(error).__name__}", complete=False)

    # -- the end ------------------------------------------------------------------------------------------------------

    def _close(self, code: int, reason: str, *, why: str, complete: bool) -> None:
        if self._is_over:
            return
        told = None if code in _RESERVED or code == CloseReason.NO_STATUS_RCVD else code
        self._client.write(bytes(self._from_client.close(told, reason[:100] if told else None)))
        self._upstream.write(bytes(self._from_upstream.close(told, reason[:100] if told else None)))
        self._over(complete=complete, why=why)
        self._cut_at = self._deadlines.now() + CLOSE_S
        self._upstream.close()
        self._client.close()

    def _over(self, *, complete: bool, why: str) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._ended(complete, why)

    def _stop(self) -> None:
        self._deadlines.discard(self)
        self._upstream.close()
