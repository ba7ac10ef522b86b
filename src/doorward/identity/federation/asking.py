"""Asking another provider: its metadata and keys, kept for a while, and its token endpoint; by the outbound client."""

import base64
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote_plus

import anyio

from doorward.identity.federation.judging import Metadata, Untrusted, id_token_of, judge_metadata, needs_other_keys
from doorward.identity.federation.policy import FederationPolicy
from doorward.jose import JoseError, PublicKey, parse_key_set
from doorward.outbound import OutboundClient

METADATA_S: Final = 3_600.0
"""How long metadata and keys are believed, in seconds."""
FETCH_EVERY_S: Final = 60.0
"""Time between two fetches of one provider's keys because a token names an unknown one, in seconds (ID-31)."""
WELL_KNOWN: Final = "/.well-known/openid-configuration"
_SECRET_MOST: Final = 1_024


class Asking:
    """One other provider, as it is known."""

    __slots__ = ("_client", "_keys", "_keys_at", "_metadata", "_metadata_at", "policy")

    def __init__(self, policy: FederationPolicy, client: Callable[[], OutboundClient]) -> None:
        self.policy, self._client = policy, client
        self._metadata: Metadata | None = None
        self._keys: Sequence[PublicKey] = ()
        self._metadata_at = self._keys_at = 0.0

    async def metadata(self, now: float) -> Metadata:
        """Where its endpoints are. Errors: OutboundRefused, Untrusted."""
        if self._metadata is None or now - self._metadata_at >= METADATA_S:
            document = await self._client().get(self.policy.issuer.rstrip("/") + WELL_KNOWN)
            self._metadata, self._metadata_at = judge_metadata(document, self.policy), now
        return self._metadata

    async def keys(self, token: str, now: float) -> Sequence[PublicKey]:
        """Its keys; fetched anew when they are old, or when the token names another, at most once a minute.

        Errors: OutboundRefused, Untrusted.
        """
        age = now - self._keys_at
        if not self._keys or age >= METADATA_S or (age >= FETCH_EVERY_S and needs_other_keys(token, self._keys)):
            document = await self._client().get((await self.metadata(now)).jwks_uri)
            try:
                self._keys, self._keys_at = parse_key_set(document, self.policy.algorithms).keys, now
            except JoseError as error:
                raise Untrusted(f"its keys cannot be used: {error.problem}") from error
        return self._keys

    async def id_token(self, code: str, verifier: str, redirect_uri: str, now: float) -> str:
        """The ID token for a code. Errors: OutboundRefused, Untrusted, OSError for a secret that cannot be read."""
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
