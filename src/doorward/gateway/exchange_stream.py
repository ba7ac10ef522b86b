"""A streamed answer on its way to the client: through its filter, counted, and not before its record."""

from typing import TYPE_CHECKING

from doorward.exchange import Response

if TYPE_CHECKING:
    from doorward.gateway.exchange_run import ExchangeRun


class AnswerStream:
    """What comes before `begin` waits here. Whatever it raises afterwards breaks the answer off."""

    __slots__ = ("_filter", "_first", "_has_ended", "_run", "_waiting", "has_begun")

    def __init__(self, run: "ExchangeRun", early: list[bytes]) -> None:
        """`early` came while the answer was held. Errors: Denied: what is wrong so early can still be refused."""
        self._run = run
        self._filter = run.exchange.body_filter
        self._first = b""
        """Filtered already."""
        self._waiting = early
        self._has_ended = False
        self.has_begun = False
        if self._filter is not None and early:
            self._first = self._filter.feed(b"".join(early))
            self._waiting = []

    def begin(self, response: Response) -> None:
        """The record is durable: the head may leave, and what waited behind it."""
        run = self._run
        self.has_begun = True
        run.client.begin_answer(run.exchange, response)
        self._send(self._first)
        waiting, self._waiting = self._waiting, []
        for piece in waiting:
            self.take(piece)
        if self._has_ended:
            self._finish()

    def take(self, data: bytes) -> None:
        """Send some of the body, or keep it until the head has left."""
        if not self.has_begun:
            self._waiting.append(data)
        elif self._filter is not None:
            self._send(self._filter.feed(data))
        else:
            self._send(data)

    def end(self) -> None:
        """The body is complete."""
        self._has_ended = True
        if self.has_begun:
            self._finish()

    def _finish(self) -> None:
        run = self._run
        if self._filter is not None:
            self._send(self._filter.end())
        if not run.is_abandoned:
            run.end_stream(complete=True)
            run.client.end_answer()

    def _send(self, data: bytes) -> None:
        run = self._run
        # A client that can take no more may go in the middle of it.
        if data and not run.is_abandoned:
            run.exchange.bytes_out += len(data)
            run.client.answer_data(data)
