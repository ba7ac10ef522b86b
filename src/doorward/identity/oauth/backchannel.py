"""Telling clients that a session ended, server to server (OpenID Connect Back-Channel Logout 1.0).

Out of everybody's way: the end of a session leaves notices, and this delivers them beside the requests, each client a
few at a time. The addresses were written down by somebody, so they are called through `outbound` alone.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from typing import Any, Final

import structlog

from doorward.identity import logout_notices
from doorward.identity.delivering import deliver_each, keep_delivering
from doorward.identity.logout_notices import Notice
from doorward.jose import Algorithm, PrivateKey, sign_jwt
from doorward.outbound import OutboundClient, OutboundRefused
from doorward.store import Store

TYPE: Final = "logout+jwt"
"""No API and no client takes a logout token for anything else (section 2.4)."""
EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
LIFETIME_S: Final = 120
"""Life of a logout token, in seconds, the most that section 2.4 recommends."""
PARALLEL: Final = 8
"""Clients called at once."""

_log = structlog.get_logger()


class BackChannel:
    """Delivers the notices of one store."""

    __slots__ = ("_client", "_clock", "_issuer", "_key", "_store")

    def __init__(
        self,
        store: Store,
        *,
        key: Callable[[Algorithm | None], PrivateKey | None],
        issuer: str,
        client: Callable[[], OutboundClient],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`key`: what signs now with that algorithm, or, for None, as access tokens are; None when there is none."""
        self._store, self._key, self._issuer, self._client, self._clock = store, key, issuer, client, clock

    async def run(self) -> None:
        """Deliver until cancelled."""
        await keep_delivering(self.deliver, "logout notices")

    async def deliver(self) -> int:
        """How many notices were due: each was tried once."""
        due = await asyncio.to_thread(logout_notices.take_due, self._store, now=self._clock())
        return await deliver_each(due, self._deliver, parallel=PARALLEL, what="logout notices")

    async def _deliver(self, notice: Notice) -> None:
        # as the client's ID tokens are signed: it takes no other (section 2.6)
        key = self._key(notice.algorithm)
        if key is None:
            await self._failed(notice, f"there is no {notice.algorithm} key to sign with")
            return
        told = {"client": notice.client, "user": notice.user, "session": notice.session}
        token = logout_token(key, self._issuer, **told, now=self._clock())
        try:
            await self._client().post_form(notice.url, {"logout_token": token})
        except OutboundRefused as error:
            await self._failed(notice, str(error))
        else:
            await asyncio.to_thread(logout_notices.delivered, self._store, notice)

    async def _failed(self, notice: Notice, reason: str) -> None:
        _log.warning("a client was not told of an ended session", client=notice.client, reason=reason)
        await asyncio.to_thread(logout_notices.failed, self._store, notice, now=self._clock())


def logout_token(key: PrivateKey, issuer: str, *, client: str, user: str, session: str, now: float) -> str:
    """A logout token. It has no `nonce`, so that it cannot be taken for an ID token (section 2.4)."""
    claims: dict[str, Any] = {
        "iss": issuer,
        "aud": client,
        "sub": user,
        "sid": session,
        "iat": int(now),
        "exp": int(now) + LIFETIME_S,
        "jti": secrets.token_urlsafe(16),
        "events": {EVENT: {}},
    }
    return sign_jwt(key, claims, TYPE)
