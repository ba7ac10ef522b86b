"""One request that an ASGI application answers: between the callbacks of its connection and a task of its own.

Never more than `PENDING_BYTES` of a body wait for the application, and nothing of it is read before it asks. A client
that has gone, ran out of time or was refused is a disconnect to the application, whose work is not cut off in the
middle: what it does in threads could not be.
"""

import asyncio
import re
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import structlog
from starlette.requests import ClientDisconnect

from doorward.denial import Denied
from doorward.exchange import Exchange, Header, Response
from doorward.gateway.exchange_body import require_within
from doorward.problem import denial_response, fault_response

if TYPE_CHECKING:
    from doorward.gateway.asgi_house import AsgiHouse, More
    from doorward.gateway.house import Client

PENDING_BYTES: Final = 64 * 1024
"""Bytes of a body that wait for the application; then reading stops."""
_PRINTABLE: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*+")
_ASGI: Final = {"version": "3.0", "spec_version": "2.3"}
_log: Final = structlog.get_logger()


class AsgiRun:
    """The state of one request under way; see `house.Run`."""

    __slots__ = (
        "_arrived",
        "_asked_body",
        "_body_bytes",
        "_body_ended",
        "_client",
        "_head",
        "_held_bytes",
        "_house",
        "_is_held",
        "_is_over",
        "_more",
        "_pieces",
        "_streams",
        "_writable",
        "exchange",
    )

    def __init__(self, house: "AsgiHouse", client: "Client", exchange: Exchange, more: "More") -> None:
        self._house, self._client, self._more = house, client, more
        self.exchange = exchange
        self._arrived, self._writable = asyncio.Event(), asyncio.Event()
        self._asked_body = False
        self._body_bytes = 0
        self._body_ended = not exchange.request.has_body
        self._pieces: list[bytes] = []
        self._held_bytes = 0
        self._is_held = False
        self._head: tuple[int, list[Header]] | None = None
        self._streams = False
        self._is_over = False

    # -- from the client (house.Run) ------------------------------------------------------------------------------

    @property
    def is_answering(self) -> bool:
        """The answer has begun, or is given."""
        return self._streams or self._is_over

    def refuse_unread(self, denied: Denied) -> None:
        """Refuse: failures are counted where they cost something, by the endpoints."""
        self.refuse(denied)

    def admit(self) -> None:
        """Ask the application, where the request is one that can be read in one way only."""
        try:
            self._house.check(self.exchange)
        except Denied as denied:
            self.refuse(denied)
            return
        task = asyncio.get_running_loop().create_task(self._serve())
        self._house.tasks.add(task)
        task.add_done_callback(self._house.tasks.discard)

    def body_data(self, data: bytes, *, is_last: bool) -> None:
        """Keep some of the body until the application takes it."""
        if self._is_over:
            return
        self._body_bytes += len(data)
        try:
            require_within(self._house.limits.body_bytes, self._body_bytes)
            self._house.load.hold(len(data))
        except Denied as denied:
            self.refuse(denied)
            return
        self._held_bytes += len(data)
        self._pieces.append(data)
        self._body_ended = is_last
        if self._held_bytes > PENDING_BYTES and not is_last:
            self._is_held = True
            self._client.hold_body(pauses=True)
        self._arrived.set()

    def refuse(self, denied: Denied) -> None:
        """Answer with a denial, where nothing else is being answered."""
        if self.is_answering:
            return
        self._house.refused(self.exchange, denied)
        if denied.denial.closes:
            self._client.keeps_alive = False
        self._answer(denial_response(self.exchange, denied))

    def fail(self, error: Exception) -> None:
        """Answer with 500, or break off what has begun."""
        _log.error("fault", request=self.exchange.id, error=type(error).__name__, exc_info=error)
        if self._is_over:
            return
        self._client.keeps_alive = False
        if self._streams:
            self._end()
            self._client.abort()
        else:
            self._answer(fault_response(self.exchange))

    def client_gone(self) -> None:
        """Nobody waits for the answer any more."""
        self._end()

    def client_pressure(self, *, pauses: bool) -> None:
        """The application waits, or goes on."""
        if not pauses:
            self._writable.set()

    # -- the application ------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        try:
            await self._house.app(self._scope(), self._receive, self._send)
        except ClientDisconnect:
            # only to a client that has gone or was refused
            return
        except Exception as error:  # noqa: BLE001 - containment: one request fails, closed; the process lives on
            self.fail(error)
            return
        if not self._is_over:
            self.fail(RuntimeError("the application gave no whole answer"))

    def _scope(self) -> dict[str, Any]:
        request, source = self.exchange.request, self.exchange.source
        return {
            "type": "http",
            "asgi": _ASGI,
            "http_version": request.http_version,
            "server": None,
            "client": (source.address, source.port),
            "scheme": request.scheme,
            "method": request.method,
            "root_path": "",
            "path": unquote(request.path.decode("ascii")),
            "raw_path": request.path,
            "query_string": request.query,
            "headers": request.headers.items,
            "state": {},
            **self._more(),
        }

    async def _receive(self) -> dict[str, Any]:
        if not self._asked_body:
            self._asked_body = True
            if self._body_ended:
                return {"type": "http.request", "body": b"", "more_body": False}
            self._client.wants_body(self)
        while not self._pieces and not self._is_over:
            self._arrived.clear()
            await self._arrived.wait()
        if self._is_over:
            return {"type": "http.disconnect"}
        body = b"".join(self._pieces)
        self._let_go()
        if self._is_held:
            self._is_held = False
            self._client.hold_body(pauses=False)
        return {"type": "http.request", "body": body, "more_body": not self._body_ended}

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        while self._client.is_slow and not self._is_over:
            self._writable.clear()
            await self._writable.wait()
        if self._is_over:
            # as in uvicorn: an application may go on telling somebody who has gone
            return
        if message["type"] == "http.response.start":
            self._head = message["status"], _checked(list(message.get("headers", ())))
            return
        if self._head is None:
            raise RuntimeError("an answer's body came before its head")
        data, is_last = bytes(message.get("body", b"")), not message.get("more_body", False)
        if is_last and not self._streams:
            self._answer(Response(*self._head, data))
        elif self.exchange.request.method != "HEAD":
            self._stream(Response(*self._head), data, is_last=is_last)

    def _stream(self, response: Response, data: bytes, *, is_last: bool) -> None:
        if not self._streams:
            self._streams = True
            self._client.begin_answer(self.exchange, response)
        self._client.answer_data(data)
        if is_last:
            self._end()
            self._client.end_answer()

    # -- the end --------------------------------------------------------------------------------------------------

    def _answer(self, response: Response) -> None:
        self._end()
        self._client.answer(self.exchange, response)

    def _end(self) -> None:
        self._is_over = True
        self._let_go()
        self._arrived.set()
        self._writable.set()

    def _let_go(self) -> None:
        self._pieces.clear()
        self._house.load.release(self._held_bytes)
        self._held_bytes = 0


def _checked(headers: list[Header]) -> list[Header]:
    """The fields. Errors: ValueError for one that would end its line: what somebody sent may stand in it."""
    if _PRINTABLE.fullmatch(b"".join(name + value for name, value in headers)) is None:
        raise ValueError("a control character in a field of an answer")
    return headers
