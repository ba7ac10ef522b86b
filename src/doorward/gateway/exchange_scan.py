"""The files of one exchange while the virus scanner has them."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from doorward.controls.validate.antivirus import total_bytes
from doorward.exchange import Exchange

if TYPE_CHECKING:
    from doorward.gateway.gateway import Gateway
    from doorward.pipeline import ScanPlan


class ExchangeScan:
    """Begins with it: the one step that waits in a task, since it takes longer than all the others together.

    The files count as held until it is over.
    """

    __slots__ = ("_bytes", "_done", "_load", "_stop")

    def __init__(
        self, gateway: "Gateway", scan: "ScanPlan", exchange: Exchange, done: Callable[[Exception | None], None]
    ) -> None:
        """`done` is called with the verdict, unless it was dropped before."""
        uploads, exchange.uploads = exchange.uploads, ()
        self._load, self._done = gateway.load, done
        self._bytes = total_bytes(uploads)
        self._load.hold(self._bytes)
        self._stop = gateway.scanner.begin(scan.policy, uploads, self._ended)

    def drop(self) -> None:
        """Nobody waits for the verdict any more."""
        self._stop()
        self._release()

    def _ended(self, verdict: Exception | None) -> None:
        self._release()
        self._done(verdict)

    def _release(self) -> None:
        held, self._bytes = self._bytes, 0
        if held:
            self._load.release(held)
