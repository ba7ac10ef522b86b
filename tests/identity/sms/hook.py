"""The operator's program that sends text messages: real TLS on loopback, every signature judged as we judge others'."""

import asyncio
import base64
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tests.identity.lab import SECRET, Lab
from tests.identity.relying_party import AUTHORITY, trusting_client
from tests.loopback import server_tls

from doorward.exchange import Headers
from doorward.identity.sms.delivery import SmsDelivery
from doorward.outbound import OutboundClient
from doorward.policy.sms import SmsPolicy
from doorward.signatures.webhook import mac_fits, mac_key, received_mac

KEY = b"a secret of thirty-two bytes....."


class Hook:
    """Answers with `status`, and keeps what came with a right signature."""

    def __init__(self, directory: Path) -> None:
        self.status, self.port = 200, 0
        self.messages: list[dict[str, str]] = []
        self.ids: list[str] = []
        self.forged = 0
        self.secret_file = directory / "sms.secret"
        self.secret_file.write_bytes(b"whsec_" + base64.b64encode(KEY) + b"\n")
        self.secret_file.chmod(0o600)

    def policy(self, **more: Any) -> SmsPolicy:
        return SmsPolicy(hook=f"https://127.0.0.1:{self.port or 9}/sms", secret_file=self.secret_file, **more)

    def deliver(self, lab: Lab, client: OutboundClient | None = None) -> int:
        """How many messages were due, each tried once."""

        async def once() -> int:
            async with self._serving():
                delivery = SmsDelivery(
                    lab.store,
                    SECRET,
                    issuer=lab.issuer,
                    policy=self.policy,
                    client=lambda _: client or trusting_client(),
                    clock=lambda: lab.now,
                )
                return await delivery.deliver()

        return asyncio.run(once())

    def code(self, lab: Lab) -> str:
        """The code in the message that is due."""
        assert self.deliver(lab) == 1
        return self.messages[-1]["text"][:8]

    @contextlib.asynccontextmanager
    async def _serving(self) -> AsyncIterator[None]:
        listening = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=server_tls(AUTHORITY))
        self.port = listening.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            listening.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            head = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
            pairs = [line.partition(b":")[::2] for line in head[1:] if line]
            fields = Headers([(name.strip().lower(), value.strip()) for name, value in pairs])
            body = await reader.readexactly(int(fields.get(b"content-length") or b"0"))
            received = received_mac("standard-webhooks", fields, method="POST", authority="", target=b"/sms", body=body)
            if received is None or mac_fits(received, mac_key(KEY, "hmac-sha256")) is None:
                self.forged += 1
            else:
                self.messages.append(json.loads(body))
                self.ids.append((fields.get(b"webhook-id") or b"").decode())
            writer.write(f"HTTP/1.1 {self.status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
            await writer.drain()
        writer.close()
