"""Connections of `doorward.outbound` that are kept for the next request, to a bounded number and for a bounded time.

An answer must be to its own question: a connection on which anything came beyond an answer, or with no question under
way, is closed, so that nothing left over can be taken for the answer to the next one (response queue poisoning; HTTP
libraries keep such bytes and read them as the next answer).
"""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

import h11
import httpx

KEPT_MOST: Final = 8
"""Most connections that are kept with no question under way."""
IDLE_S: Final = 15.0
"""How long one is kept so, in seconds: less than most servers do."""
LIFE_S: Final = 300.0
"""How long one is used at all, in seconds: then the certificate over there is looked at anew."""
_HEAD_BYTES: Final = 16 * 1024
_INTERIM_MOST: Final = 8

Place: TypeAlias = tuple[str, int, str]
"""Judged address, port, and the name that its certificate must have."""


class KeptConnections(httpx.AsyncBaseTransport):
    """HTTP/1.1 over TLS; belongs to one event loop. Where a request goes was judged by who sends it."""

    def __init__(self, tls: ssl.SSLContext, *, answer_bytes: int, clock: Callable[[], float]) -> None:
        """Of an answer no more than `answer_bytes` and one byte are read. `clock` is monotonic, in seconds."""
        self._tls, self._answer_bytes, self._clock = tls, answer_bytes, clock
        self._idle: list[_Connection] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer. Errors: httpx.HTTPError, OSError.

        A server may close a connection just as it is used again. Such a question was never answered, and is asked once
        more over a new one; so it must be one that may be asked twice.
        """
        content = await request.aread()
        url = request.url
        place = (url.host, url.port or 443, str(request.extensions["sni_hostname"]))
        connection = self._taken(place)
        if connection is not None:
            try:
                return await self._asked(connection, request, content)
            except httpx.RemoteProtocolError:
                if connection.has_heard:
                    raise
        return await self._asked(await self._opened(place), request, content)

    async def aclose(self) -> None:
        """Nothing: a client of `httpx` closes its transport at its end, and this one outlives many. See `close`."""

    def close(self) -> None:
        """Keep none any longer."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    async def _asked(self, connection: "_Connection", request: httpx.Request, content: bytes) -> httpx.Response:
        try:
            answer = await connection.ask(
                h11.Request(method=request.method, target=request.url.raw_path, headers=request.headers.raw), content
            )
        finally:
            self._keep(connection)
        return httpx.Response(answer.status, headers=answer.headers, stream=httpx.ByteStream(bytes(answer.body)))

    async def _opened(self, place: Place) -> "_Connection":
        address, port, name = place
        _, made = await asyncio.get_running_loop().create_connection(
            lambda: _Connection(place, answer_bytes=self._answer_bytes, opened_at=self._clock()),
            address,
            port,
            ssl=self._tls,
            server_hostname=name,
        )
        return made

    def _taken(self, place: Place) -> "_Connection | None":
        """One that is good for another question, the last used first."""
        self._sweep()
        for connection in reversed(self._idle):
            if connection.place == place:
                self._idle.remove(connection)
                return connection
        return None

    def _sweep(self) -> None:
        """Close those that are good for no question more."""
        now = self._clock()
        for connection in [*self._idle]:
            until = min(connection.idle_since + IDLE_S, connection.opened_at + LIFE_S)
            if not connection.is_clean or now >= until:
                self._drop(connection)

    def _keep(self, connection: "_Connection") -> None:
        if not connection.is_clean:
            connection.close()
            return
        connection.idle_since = self._clock()
        self._idle.append(connection)
        # nobody may come again: then this is what closes it
        asyncio.get_running_loop().call_later(IDLE_S + 1, self._sweep)
        if len(self._idle) > KEPT_MOST:
            self._drop(self._idle[0])

    def _drop(self, connection: "_Connection") -> None:
        self._idle.remove(connection)
        connection.close()


@dataclass(slots=True)
class _Answer:
    """What was read of an answer."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytearray


class _Connection(asyncio.Protocol):
    """One question at a time."""

    def __init__(self, place: Place, *, answer_bytes: int, opened_at: float) -> None:
        self.place, self.opened_at, self._most = place, opened_at, answer_bytes
        self.idle_since = opened_at
        self.has_heard = False
        """Something of an answer to the last question came."""
        self._transport: asyncio.Transport | None = None
        self._state = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_BYTES)
        self._interim_left = _INTERIM_MOST
        self._answer: _Answer | None = None
        self._done: asyncio.Future[_Answer] | None = None

    @property
    def is_clean(self) -> bool:
        """Whether the next thing that comes can only be the answer to the next question."""
        is_open = self._transport is not None and not self._transport.is_closing()
        return is_open and self._done is None and self._state.states == {h11.CLIENT: h11.IDLE, h11.SERVER: h11.IDLE}

    async def ask(self, head: h11.Request, content: bytes) -> _Answer:
        """The answer. Errors: httpx.RemoteProtocolError for one that is none."""
        self.has_heard = False
        if self._transport is None or not self.is_clean:
            raise httpx.RemoteProtocolError("the connection is gone")
        self._done, self._answer = asyncio.get_running_loop().create_future(), None
        self._interim_left = _INTERIM_MOST
        parts = [self._state.send(event) for event in (head, h11.Data(content), h11.EndOfMessage())]
        self._transport.write(b"".join(part for part in parts if part))
        try:
            answer = await self._done
        finally:
            self._done = None
        if self._state.our_state is h11.DONE and self._state.their_state is h11.DONE:
            if self._state.trailing_data[0]:
                self.close()
            else:
                self._state.start_next_cycle()
        return answer

    def close(self) -> None:
        """Let go of it at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As asyncio calls it."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """As asyncio calls it."""
        if self._done is None or self._done.done():
            self.close()  # an answer to nothing that was asked
            return
        self.has_heard = True
        try:
            self._state.receive_data(data)
            self._read()
        except h11.RemoteProtocolError as error:
            self._fail(str(error))

    def eof_received(self) -> None:
        """As asyncio calls it: for an answer without a length this is its end."""
        if self._done is None or self._done.done():
            return
        try:
            self._state.receive_data(b"")
            self._read()
        except h11.RemoteProtocolError as error:
            self._fail(str(error))

    def connection_lost(self, error: Exception | None) -> None:
        """As asyncio calls it."""
        self._fail(f"the connection ended: {error or 'closed by the server'}")

    def _read(self) -> None:
        while True:
            event = self._state.next_event()
            match event:
                case h11.InformationalResponse():
                    self._interim_left -= 1
                    if self._interim_left < 0 or event.status_code == 101:
                        self._fail("too many interim answers, or one that nobody asked for")
                        return
                case h11.Response():
                    self._answer = _Answer(event.status_code, [*event.headers], bytearray())
                case h11.Data() if self._answer is not None:
                    self._answer.body += event.data
                    if len(self._answer.body) > self._most:
                        del self._answer.body[self._most + 1 :]
                        self._end(self._answer)
                        return
                case h11.EndOfMessage() if self._answer is not None:
                    self._end(self._answer)
                    return
                case _:
                    return

    def _end(self, answer: _Answer) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result(answer)

    def _fail(self, reason: str) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(httpx.RemoteProtocolError(reason))
        self.close()
