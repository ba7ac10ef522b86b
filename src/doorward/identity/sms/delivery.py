"""Posts what waits in the outbox to the operator's hook, signed. No request ever waits for it.

The code is made here, at the moment of sending: none rests in the store. A hook that took a message and was not heard
gets it again under the same `webhook-id`, with a new code: the last one counts.
"""

import asyncio
import base64
import binascii
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import structlog

from doorward.errors import PolicyError
from doorward.identity.delivering import deliver_each, keep_delivering
from doorward.identity.mail import outbox
from doorward.identity.mail.outbox import LIFE_S, Mail
from doorward.identity.sealing import ServerSecret
from doorward.identity.sms.sending import Binding
from doorward.identity.typed_codes import make_code
from doorward.outbound import OutboundClient, OutboundRefused
from doorward.policy.sms import SmsPolicy
from doorward.private_file import read_private
from doorward.signatures.keys import KeyRefused
from doorward.signatures.webhook import MacKey, mac_key, standard_fields
from doorward.store import Store
from doorward.store.single_use import LONGEST_LIFE_S, Purpose, issue, void

_log = structlog.get_logger()


class SmsDelivery:
    """Hands the messages of one store to the hook."""

    __slots__ = ("_client", "_clock", "_issuer", "_policy", "_secret", "_store")

    def __init__(
        self,
        store: Store,
        secret: ServerSecret,
        *,
        issuer: str,
        policy: Callable[[], SmsPolicy | None],
        client: Callable[[SmsPolicy], OutboundClient],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._secret, self._issuer = store, secret, issuer
        self._policy, self._client, self._clock = policy, client, clock

    async def run(self) -> None:
        """Send until cancelled."""
        await keep_delivering(self.deliver, "text messages")

    async def deliver(self) -> int:
        """How many messages were due: each was tried once. None are while the policy names no hook."""
        policy = self._policy()
        if policy is None:
            return 0
        due = await asyncio.to_thread(outbox.take_due, self._store, now=self._clock(), kinds=("sms",))
        return await deliver_each(
            due, lambda mail: self._deliver(mail, policy), parallel=outbox.TAKEN_COUNT, what="text messages"
        )

    async def _deliver(self, mail: Mail, policy: SmsPolicy) -> None:
        now = self._clock()
        if now < mail.created_at + LIFE_S["sms"]:
            try:
                await self._post(mail, policy, now)
            except (OutboundRefused, PolicyError, KeyRefused) as error:
                # never the text or the number: both could open a door or name a person
                _log.warning("a message was not taken", reason=str(error))
                await asyncio.to_thread(outbox.failed, self._store, mail, now=now)
                return
        await asyncio.to_thread(outbox.done, self._store, mail, now=now)

    async def _post(self, mail: Mail, policy: SmsPolicy, now: float) -> None:
        key = await asyncio.to_thread(read_key, policy.secret_file)
        text = await asyncio.to_thread(self._written, mail, now)
        body = msgspec.json.encode({"type": "sms.code", "to": mail.address, "text": text})
        fields = {"content-type": "application/json", **standard_fields(key, mail.id, int(now), body)}
        answer = await self._client(policy).exchange("POST", policy.hook, fields, body)
        if not 200 <= answer.status < 300:
            raise OutboundRefused(f"the hook answered {answer.status}")

    def _written(self, mail: Mail, now: float) -> str:
        code = make_code()
        binding = Binding(user=mail.user, transaction=str(mail.detail["visit"]))
        with self._store.begin() as connection:
            void(connection, Purpose.SMS_CODE, mail.user, now=now)
            issue(
                connection,
                Purpose.SMS_CODE,
                now=now,
                # from when it was asked for, however long the hook was out of reach
                lifetime_s=LONGEST_LIFE_S[Purpose.SMS_CODE] - (now - mail.created_at),
                subject=mail.user,
                payload={"number": mail.address, "send": str(mail.detail["send"])},
                secret=binding.secret(self._secret, code),
            )
        host = urlsplit(self._issuer).hostname or ""
        # the last line binds it to our site where phones fill codes in (WICG: origin-bound one-time codes)
        return f"{code} is your code. Nobody who works here will ever ask you for it.\n\n@{host} #{code}"


def read_key(path: Path) -> MacKey:
    """The key in the file. Errors: PolicyError, KeyRefused."""
    content = read_private(path)
    if content is None:
        raise PolicyError(f"{path} does not exist", key="secret_file")
    try:
        secret = base64.b64decode(content.strip().removeprefix(b"whsec_"), validate=True)
    except binascii.Error:
        raise PolicyError(f"{path} holds no base64", key="secret_file") from None
    return mac_key(secret, "hmac-sha256")
