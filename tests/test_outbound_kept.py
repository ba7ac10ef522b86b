"""Connections kept for the next question, to servers on loopback that keep their part of it, or do not."""

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import trustme

from doorward.outbound import OutboundClient, OutboundRefused
from doorward.outbound_kept import IDLE_S, KEPT_MOST, LIFE_S, KeptConnections

AUTHORITY = trustme.CA()
JSON = "application/json"
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


def said(body: bytes, *fields: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-type: {JSON}", f"content-length: {len(body)}", *fields, "", ""]
    return "\r\n".join(lines).encode() + body


class Server:
    """Answers each question with its own `token`, in one write; `behind` follows in the same write."""

    def __init__(self) -> None:
        self.connections = 0
        self.asked: list[str] = []
        self.heard = asyncio.Semaphore(0)
        """Released by each question."""
        self.behind = b""
        self.hangs_up_after = 0
        """Questions of a connection after which it is closed; 0: never."""
        self.swallows: frozenset[int] = frozenset()
        """Which questions of a connection are read and not answered: it is closed instead."""
        self.answer: Callable[[str], bytes] = lambda token: said(token.encode())
        self.held: asyncio.Event | None = None
        self.open: dict[asyncio.Task[None] | None, asyncio.StreamWriter] = {}
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open[asyncio.current_task()] = writer
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            for number in range(1, 1000):
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                token = (await reader.readexactly(length)).decode().partition("token=")[2]
                self.asked.append(token)
                self.heard.release()
                if self.held is not None:
                    await self.held.wait()
                if number in self.swallows:
                    break
                writer.write(self.answer(token) + self.behind)
                await writer.drain()
                if number == self.hangs_up_after:
                    break
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()

    async def ended(self) -> None:
        """All connections so far are closed, by whichever side."""
        await asyncio.gather(*[task for task in self.open if task is not None])


class Asker:
    """A client with a clock that is set, and the server's name leading where a test says."""

    def __init__(self, port: int) -> None:
        self.now = 0.0
        self.addresses = ["127.0.0.1"]
        self.port = port
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        AUTHORITY.configure_trust(tls)
        self.kept = KeptConnections(tls, answer_bytes=1000, clock=lambda: self.now)
        self.client = OutboundClient(
            allowed_networks=LOOPBACK, document_bytes=1000, total_s=5, kept=self.kept, resolve=self._resolve
        )

    async def _resolve(self, _host: str, _port: int) -> list[str]:
        return self.addresses

    async def ask(self, token: str, name: str = "keys.example") -> str:
        url = f"https://{name}:{self.port}/introspect"
        return (await self.client.ask_form(url, {"token": token}, {}, answer=JSON)).decode()


@contextlib.asynccontextmanager
async def asking() -> AsyncIterator[tuple[Server, Asker]]:
    server = Server()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("keys.example", "more.example").configure_cert(tls)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    asker = Asker(listening.sockets[0].getsockname()[1])
    try:
        yield server, asker
    finally:
        asker.kept.close()
        listening.close()
        await server.ended()


def trial(run: Callable[[Server, Asker], Awaitable[None]]) -> None:
    async def within() -> None:
        async with asking() as (server, asker):
            await run(server, asker)

    asyncio.run(within())


def test_questions_one_after_another_go_over_one_connection() -> None:
    async def run(server: Server, asker: Asker) -> None:
        assert [await asker.ask(token) for token in ("a", "b", "c")] == ["a", "b", "c"]
        assert server.connections == 1

    trial(run)


def test_no_more_are_kept_than_the_bound() -> None:
    async def run(server: Server, asker: Asker) -> None:
        server.held = asyncio.Event()
        tokens = [f"t{number}" for number in range(KEPT_MOST + 5)]
        asked = [asyncio.create_task(asker.ask(token)) for token in tokens]
        for _ in tokens:
            await server.heard.acquire()
        server.held.set()
        assert await asyncio.gather(*asked) == tokens
        assert len(asker.kept._idle) == KEPT_MOST
        assert server.connections == len(tokens)

    trial(run)


@pytest.mark.parametrize(("passed_s", "connections"), [(IDLE_S - 0.1, 1), (IDLE_S, 2)])
def test_one_that_was_idle_for_long_is_not_used_again(passed_s: float, connections: int) -> None:
    async def run(server: Server, asker: Asker) -> None:
        await asker.ask("a")
        asker.now += passed_s
        assert await asker.ask("b") == "b"
        assert server.connections == connections

    trial(run)


def test_one_that_is_always_busy_ends_with_its_life_too() -> None:
    async def run(server: Server, asker: Asker) -> None:
        while asker.now < LIFE_S:
            assert server.connections <= 1
            await asker.ask("a")
            asker.now += IDLE_S / 2
        await asker.ask("b")
        assert server.connections == 2

    trial(run)


def test_a_server_that_closes_after_each_answer_is_asked_anew_each_time() -> None:
    async def run(server: Server, asker: Asker) -> None:
        server.hangs_up_after = 1
        assert [await asker.ask(token) for token in ("a", "b")] == ["a", "b"]
        assert server.connections == 2

    trial(run)


def test_a_question_that_a_closing_connection_swallowed_is_asked_once_more_and_not_twice() -> None:
    async def run(server: Server, asker: Asker) -> None:
        await asker.ask("a")
        server.swallows = frozenset({2})
        assert await asker.ask("b") == "b"
        assert server.asked == ["a", "b", "b"]
        server.swallows = frozenset({1, 2})
        with pytest.raises(OutboundRefused):
            await asker.ask("c")
        assert server.asked.count("c") == 2

    trial(run)


def test_a_question_that_began_to_be_answered_is_not_asked_again() -> None:
    async def run(server: Server, asker: Asker) -> None:
        await asker.ask("a")
        server.answer, server.hangs_up_after = lambda _: b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab", 2
        with pytest.raises(OutboundRefused):
            await asker.ask("b")
        assert server.asked == ["a", "b"]

    trial(run)


def test_what_comes_behind_an_answer_is_not_taken_for_the_next_ones() -> None:
    async def run(server: Server, asker: Asker) -> None:
        server.behind = said(b"active")
        assert await asker.ask("a") == "a"
        assert await asker.ask("b") == "b"
        assert server.connections == 2

    trial(run)


def test_nor_is_what_comes_while_nobody_asks() -> None:
    async def run(server: Server, asker: Asker) -> None:
        await asker.ask("a")
        (writer,) = server.open.values()
        writer.write(said(b"active"))
        await writer.drain()
        await server.ended()  # we have closed it
        assert await asker.ask("b") == "b"
        assert server.connections == 2

    trial(run)


def test_a_name_that_leads_inside_now_is_asked_nothing_over_a_kept_connection_either() -> None:
    async def run(server: Server, asker: Asker) -> None:
        await asker.ask("a")
        asker.addresses = ["10.0.0.1"]
        with pytest.raises(OutboundRefused, match="not public"):
            await asker.ask("b")
        assert server.asked == ["a"]

    trial(run)


def test_a_connection_to_one_name_is_not_used_for_another_at_the_same_address() -> None:
    async def run(server: Server, asker: Asker) -> None:
        await asker.ask("a")
        await asker.ask("b", "more.example")
        assert server.connections == 2
        with pytest.raises(OutboundRefused, match="certificate"):
            await asker.ask("c", "third.example")
        assert server.asked == ["a", "b"]

    trial(run)


@pytest.mark.parametrize(
    "answer",
    [
        said(b"x", "transfer-encoding: chunked"),
        said(b"", "content-length: 1"),
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 9 + said(b"x"),
        b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 20_000 + b"\r\n\r\n",
        said(b"y" * 1001),
        b"nonsense\r\n\r\n",
    ],
    ids=["two framings", "two lengths", "another protocol", "interim flood", "long head", "long body", "no HTTP"],
)
def test_what_is_no_answer_is_refused_and_its_connection_closed(answer: bytes) -> None:
    async def run(server: Server, asker: Asker) -> None:
        await asker.ask("a")
        server.answer = lambda _: answer
        with pytest.raises(OutboundRefused):
            await asker.ask("b")
        await server.ended()
        assert asker.kept._idle == []

    trial(run)


def test_an_answer_that_ends_with_its_connection_counts_and_the_connection_is_gone() -> None:
    async def run(server: Server, asker: Asker) -> None:
        server.answer, server.hangs_up_after = (
            lambda token: f"HTTP/1.1 200 OK\r\ncontent-type: {JSON}\r\n\r\n{token}".encode(),
            1,
        )
        assert await asker.ask("a") == "a"
        assert await asker.ask("b") == "b"
        assert server.connections == 2

    trial(run)


def test_whoever_gives_up_waiting_leaves_no_connection_behind() -> None:
    async def run(server: Server, asker: Asker) -> None:
        await asker.ask("a")
        server.held = asyncio.Event()
        waiting = asyncio.create_task(asker.ask("b"))
        for _ in ("a", "b"):
            await server.heard.acquire()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        server.held.set()
        await server.ended()
        server.held = None
        assert await asker.ask("c") == "c"
        assert server.connections == 2

    trial(run)
