"""A client's own server, as it is told of ended sessions: real TLS on loopback."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from ipaddress import ip_network
from typing import Any
from urllib.parse import parse_qs

import trustme
from tests.loopback import server_tls

from doorward.outbound import OutboundClient

AUTHORITY = trustme.CA()


class RelyingParty:
    """Answers every form with `status`, and keeps the forms."""

    def __init__(self, status: int = 200) -> None:
        self.status, self.forms, self.port = status, list[dict[str, list[str]]](), 0

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/backchannel"

    @property
    def tokens(self) -> list[str]:
        return [form["logout_token"][0] for form in self.forms]

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["RelyingParty"]:
        listening = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=server_tls(AUTHORITY))
        self.port = listening.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            listening.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(line for line in head.lower().splitlines() if line.startswith("content-length:"))
            body = await reader.readexactly(int(length.split(":")[1]))
            self.forms.append(parse_qs(body.decode(), strict_parsing=True))
            writer.write(f"HTTP/1.1 {self.status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
            await writer.drain()
        writer.close()


def trusting_client(**more: Any) -> OutboundClient:
    """The outbound client of an operator whose clients run on loopback."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    AUTHORITY.configure_trust(tls)
    return OutboundClient(allowed_networks=(ip_network("127.0.0.0/8"),), tls=tls, **more)
