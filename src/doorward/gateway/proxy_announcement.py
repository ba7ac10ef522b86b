"""Reading the PROXY header from a socket: exactly its bytes, so that the handshake behind it is untouched."""

import asyncio
import socket

from doorward.controls.transport.proxy_header import (
    FIXED_BYTES,
    LINE_BYTES,
    SIGNATURE,
    Announced,
    Malformed,
    parse_binary,
    parse_line,
    payload_bytes,
)


async def read_announcement(connection: socket.socket, loop: asyncio.AbstractEventLoop) -> Announced | None:
    """Whom the header announces; None for a balancer's own check. Errors: Malformed, EOFError, OSError."""
    start = await _exactly(connection, FIXED_BYTES, loop)
    if start.startswith(SIGNATURE):
        return parse_binary(start, await _exactly(connection, payload_bytes(start), loop))
    if not start.startswith(b"PROXY "):
        raise Malformed("no PROXY header")
    line = start
    # Byte by byte, so that nothing behind the line is taken; the shortest line is as long as what was read.
    while not line.endswith(b"\r\n"):
        if len(line) >= LINE_BYTES:
            raise Malformed("a PROXY line without an end")
        line += await _exactly(connection, 1, loop)
    return parse_line(line)


async def _exactly(connection: socket.socket, count: int, loop: asyncio.AbstractEventLoop) -> bytes:
    data = b""
    while len(data) < count:
        piece = await loop.sock_recv(connection, count - len(data))
        if not piece:
            raise EOFError("closed before its PROXY header was complete")
        data += piece
    return data
