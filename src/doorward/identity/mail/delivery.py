"""Sends what waits in the outbox: the only importer of aiosmtplib. No request ever waits for it."""

import asyncio
import ssl
import time
from collections.abc import Callable
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Final
from urllib.parse import urlsplit

import aiosmtplib
import structlog

from doorward.identity.delivering import deliver_each, keep_delivering
from doorward.identity.mail import outbox
from doorward.identity.mail.outbox import Mail
from doorward.identity.mail.writing import Letter, Writer
from doorward.policy.mail import MailPolicy
from doorward.store import Store

PARALLEL: Final = 4
"""Mails sent at once."""
TIMEOUT_S: Final = 20.0
"""Longest wait for any answer of the server, in seconds."""

_log = structlog.get_logger()


class Delivery:
    """Sends the mail of one store."""

    __slots__ = ("_clock", "_issuer", "_policy", "_store", "_writer")

    def __init__(
        self,
        store: Store,
        writer: Writer,
        *,
        issuer: str,
        policy: Callable[[], MailPolicy | None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._writer, self._issuer, self._policy, self._clock = store, writer, issuer, policy, clock

    async def run(self) -> None:
        """Send until cancelled."""
        await keep_delivering(self.deliver, "mail")

    async def deliver(self) -> int:
        """How many mails were due: each was tried once. None are while the policy names no server."""
        policy = self._policy()
        if policy is None:
            return 0
        due = await asyncio.to_thread(outbox.take_due, self._store, now=self._clock())
        return await deliver_each(due, lambda mail: self._deliver(mail, policy), parallel=PARALLEL, what="mail")

    async def _deliver(self, mail: Mail, policy: MailPolicy) -> None:
        letter = await asyncio.to_thread(self._writer.write, mail, now=self._clock())
        if letter is not None:
            try:
                await self._send(letter, policy)
            except (aiosmtplib.SMTPException, OSError, ValueError) as error:
                # never the letter or the recipient: both could open a door or name a person
                _log.warning("a mail was not taken", kind=mail.kind, reason=type(error).__name__)
                await asyncio.to_thread(outbox.failed, self._store, mail, now=self._clock())
                return
        await asyncio.to_thread(outbox.done, self._store, mail, now=self._clock())

    async def _send(self, letter: Letter, policy: MailPolicy) -> None:
        host = urlsplit(self._issuer).hostname or "localhost"
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = policy.sender, letter.to, letter.subject
        message["Date"], message["Message-ID"] = formatdate(self._clock()), make_msgid(domain=host)
        # no machine answers it (RFC 3834)
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(letter.text)
        await aiosmtplib.send(
            message,
            # as it is, never what a parser makes of the header
            recipients=[letter.to],
            hostname=policy.host,
            port=policy.port,
            username=policy.username,
            password=None if policy.password is None else policy.password.get_secret_value(),
            use_tls=policy.tls == "implicit",
            start_tls=policy.tls == "starttls",
            tls_context=await asyncio.to_thread(ssl.create_default_context, cafile=policy.ca_file),
            local_hostname=host,
            timeout=TIMEOUT_S,
        )
