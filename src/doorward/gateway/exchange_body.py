"""The body of a request that is read whole before anything else happens to it."""

import time
from typing import TYPE_CHECKING

from doorward.controls.limits import Load
from doorward.denial import Denied
from doorward.exchange import Exchange

if TYPE_CHECKING:
    from doorward.pipeline import Plan


class HeldBody:
    """Its pieces while they come: bounded, looked at by controls that watch, and counted as held until `release`."""

    __slots__ = ("_exchange", "_feed", "_held_bytes", "_load", "_most_bytes", "_pieces")

    def __init__(self, exchange: Exchange, plan: "Plan", load: Load) -> None:
        """Errors: Denied, for a length that is too much already."""
        announced = exchange.request.headers.get(b"content-length")
        if announced is not None:
            require_within(plan.body_bytes, int(announced))
        self._exchange, self._load = exchange, load
        self._most_bytes = plan.body_bytes
        self._feed = plan.watch(exchange) if plan.watch is not None else None
        self._pieces: list[bytes] = []
        self._held_bytes = 0

    def take(self, data: bytes, *, is_last: bool) -> bool:
        """Whether the body is whole, and stands in the request. Errors: Denied."""
        exchange = self._exchange
        exchange.bytes_in += len(data)
        require_within(self._most_bytes, exchange.bytes_in)
        if self._feed is not None:
            self._feed(data)
        self._load.hold(len(data))
        self._held_bytes += len(data)
        self._pieces.append(data)
        if is_last:
            pieces, self._pieces = self._pieces, []
            exchange.request.body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            exchange.complete_at = time.time()
        return is_last

    def release(self) -> None:
        """The exchange is over: the bytes are held no more."""
        self._load.release(self._held_bytes)
        self._held_bytes = 0


def require_within(most_bytes: int, size: int) -> None:
    """Nothing, where a body of `size` bytes is not too large. Errors: Denied."""
    if size > most_bytes:
        raise Denied("limits.body_size", f"request body above {most_bytes} bytes")
