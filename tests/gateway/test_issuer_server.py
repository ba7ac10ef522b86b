"""The provider's own server: what a stranger may make it take into memory."""

import asyncio
import contextlib
import socket

import pytest
from starlette.applications import Starlette

from doorward.gateway.issuer_server import HEAD_BYTES, issuer_server


async def _answer_to(*pieces: bytes) -> tuple[bytes, int]:
    """What the server answers, and how many bytes it took before it was done."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server, ready = issuer_server(Starlette(), None), asyncio.Event()
        server.started_serving = ready.set
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await ready.wait()
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        taken, answer = 0, b""
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                taken += len(piece)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            answer = await reader.readuntil(b"\r\n")
        writer.close()
        server.should_exit = True
        await serving
    return answer, taken


_LINE = b"POST /oauth/token HTTP/1.1\r\nhost: issuer.example\r\n"


@pytest.mark.parametrize(
    "piece", [b"x" * 65_536, b"a: " + b"x" * 1_000 + b"\r\n"], ids=["one endless field", "endless fields"]
)
def test_an_endless_head_is_cut_off(piece: bytes) -> None:
    """Uvicorn over httptools takes all of it: 200 MB in one head made the process 200 MB larger."""
    most = 64 * 1024 * 1024
    answer, taken = asyncio.run(_answer_to(_LINE, b"a: ", *[piece] * (most // len(piece))))
    assert answer in {b"", b"HTTP/1.1 400 Bad Request\r\n"}
    assert taken < most


def test_a_head_of_a_usual_size_is_read() -> None:
    cookies = b"cookie: " + b"c" * (HEAD_BYTES // 2) + b"\r\n"
    answer, _ = asyncio.run(_answer_to(_LINE, cookies, b"content-length: 0\r\n\r\n"))
    assert answer == b"HTTP/1.1 404 Not Found\r\n"
