"""Asking another provider: its metadata and keys, kept for a while, and its token endpoint; by the outbound client."""

import asyncio
import base64
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote_plus

import anyio

from doorward.identity.federation.judging import Metadata, Untrusted, id_token_of, judge_metadata, needs_other_keys
from doorward.identity.federation.policy import FederationPolicy
from doorward.identity.turns import Turns
from doorward.jose import JoseError, PublicKey, parse_key_set
from doorward.outbound import OutboundClient, OutboundRefused

METADATA_S: Final = 3_600.0
"""How long metadata and keys are believed, in seconds."""
FETCH_EVERY_S: Final = 60.0
"""Time between two fetches of one provider's keys because a token names an unknown one, in seconds (ID-31)."""
SHUN_S: Final = 10.0
"""How long it is not asked again after it did not answer, or answered nonsense, in seconds: whoever opens the page of a
login there would otherwise make us ask, and wait."""
LOGINS_COUNT: Final = 8
"""Codes of one provider exchanged at once."""
LOGINS_WAITING: Final = 32
"""Those that wait for it, each network in its turn; more are asked to come back (503)."""
WELL_KNOWN: Final = "/.well-known/openid-configuration"
_NEVER: Final = float("-inf")
_SECRET_MOST: Final = 1_024


class Asking:
    """One other provider, as it is known."""

    __slots__ = (
        "_client",
        "_failed_at",
        "_fetching",
        "_keys",
        "_keys_at",
        "_logins",
        "_metadata",
        "_metadata_at",
        "policy",
    )

    def __init__(self, policy: FederationPolicy, client: Callable[[], OutboundClient]) -> None:
        self.policy, self._client = policy, client
        self._metadata: Metadata | None = None
        self._keys: Sequence[PublicKey] = ()
        self._metadata_at = self._keys_at = 0.0
        self._failed_at = _NEVER
        self._fetching = asyncio.Lock()
        """One document at a time is fetched, for whoever waits for it."""
        self._logins = Turns(LOGINS_COUNT, LOGINS_WAITING)

    async def metadata(self, now: float) -> Metadata:
        """Where its endpoints are. Errors: OutboundRefused, Untrusted."""
        async with self._fetching:
            return await self._current_metadata(now)

    async def _current_metadata(self, now: float) -> Metadata:
        if self._metadata is None or now - self._metadata_at >= METADATA_S:
            document = await self._fetched(self.policy.issuer.rstrip("/") + WELL_KNOWN, now)
            self._metadata, self._metadata_at = judge_metadata(document, self.policy), now
            self._failed_at = _NEVER
        return self._metadata

    async def _fetched(self, url: str, now: float) -> bytes:
        if now - self._failed_at < SHUN_S:
            raise OutboundRefused(f"{self.policy.name} did not answer a moment ago")
        # until what comes was judged good
        self._failed_at = now
        return await self._client().get(url)

    async def keys(self, token: str, now: float) -> Sequence[PublicKey]:
        """Its keys; fetched anew when they are old, or when the token names another, at most once a minute.

        Errors: OutboundRefused, Untrusted.
        """
        async with self._fetching:
            age = now - self._keys_at
            if not self._keys or age >= METADATA_S or (age >= FETCH_EVERY_S and needs_other_keys(token, self._keys)):
                document = await self._fetched((await self._current_metadata(now)).jwks_uri, now)
                try:
                    self._keys, self._keys_at = parse_key_set(document, self.policy.algorithms).keys, now
                except JoseError as error:
                    raise Untrusted(f"its keys cannot be used: {error.problem}") from error
                self._failed_at = _NEVER
            return self._keys

    async def id_token(self, code: str, verifier: str, redirect_uri: str, now: float, *, network: str) -> str:
        """The ID token for a code that somebody of that network brought.

        Errors: OutboundRefused, Untrusted, OSError for a secret that cannot be read; Busy.
        """
        place = (await self.metadata(now)).token_endpoint
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        headers: dict[str, str] = {}
        secret = await self._secret()
        if secret is None or self.policy.authentication == "client_secret_post":
            fields |= {"client_id": self.policy.client_id} | ({"client_secret": secret} if secret else {})
        else:
            # each half is form-encoded first (RFC 6749 section 2.3.1)
            pair = f"{quote_plus(self.policy.client_id)}:{quote_plus(secret)}"
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode('ascii')}"
        async with self._logins.turn(network):
            return id_token_of(await self._client().ask_form(place, fields, headers, answer="application/json"))

    async def _secret(self) -> str | None:
        if self.policy.client_secret_file is None:
            return None
        try:
            text = (await anyio.Path(Path(self.policy.client_secret_file)).read_text("utf-8")).strip()
        except UnicodeDecodeError:
            text = ""
        if not 0 < len(text) <= _SECRET_MOST:
            raise OSError("the file with the client secret is empty, or no secret")
        return text
