"""The public keys of external issuers, as the control process fetches them for the snapshot. Workers fetch nothing.

Keys are fetched by the clock, never because somebody asks: a token with an unknown `kid` is refused from what is at
hand, so that no number of them causes a single fetch (hostile input J2).
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import structlog

from doorward import jose
from doorward.controls.authenticate import IssuerPolicy
from doorward.jose import JoseError
from doorward.outbound import OutboundClient, OutboundRefused
from doorward.policy.snapshot import Snapshot

FETCH_EVERY_S: Final = 60.0
"""Time between two fetches from one issuer, whatever they bring, in seconds."""
KEEP_S: Final = 24 * 3600.0
"""How long the last good set is believed when the issuer cannot be reached, in seconds. Then 503 for that issuer."""
METADATA_EVERY_S: Final = 3600.0
"""Time after which an issuer is asked anew where its keys are, in seconds; at once when they could not be fetched."""
WELL_KNOWN: Final = ("openid-configuration", "oauth-authorization-server")
"""OpenID Connect Discovery appends its name to the issuer, RFC 8414 puts its own between host and path."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class KeySet:
    """The last good set of one issuer."""

    keys: tuple[Mapping[str, Any], ...]
    """Public JWKs."""
    fetched_at: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True)
class _Discovered:
    jwks_url: str
    found_at: float


@dataclass(slots=True)
class ExternalKeys:
    """Key sets by issuer. Times are handed in, Unix seconds."""

    client: OutboundClient
    sets: dict[str, KeySet] = field(default_factory=dict)
    _tried_at: dict[str, float] = field(default_factory=dict)
    _discovered: dict[str, _Discovered] = field(default_factory=dict)

    async def refresh(self, issuers: Iterable[IssuerPolicy], now: float) -> None:
        """Fetch from every issuer that is due, from all at once: a slow one makes nobody wait but itself.

        One that cannot be reached, or answers nonsense, keeps its last set.
        """
        due = [issuer for issuer in issuers if now - self._tried_at.get(issuer.issuer, -FETCH_EVERY_S) >= FETCH_EVERY_S]
        for issuer in due:
            self._tried_at[issuer.issuer] = now
        await asyncio.gather(*(self._refresh_one(issuer, now) for issuer in due))

    async def _refresh_one(self, issuer: IssuerPolicy, now: float) -> None:
        try:
            jwks_url = issuer.jwks_url or await self._discover(issuer, now)
            keys = parse_key_set(await self.client.get(jwks_url), issuer)
        except OutboundRefused as error:
            self._discovered.pop(issuer.issuer, None)
            _log.error(
                "keys of an issuer not fetched, the last good ones stay", issuer=issuer.issuer, reason=str(error)
            )
        else:
            self.sets[issuer.issuer] = KeySet(keys, now)

    async def _discover(self, issuer: IssuerPolicy, now: float) -> str:
        known = self._discovered.get(issuer.issuer)
        if known is not None and now - known.found_at < METADATA_EVERY_S:
            return known.jwks_url
        openid, oauth = metadata_urls(issuer.issuer)
        try:
            document = await self.client.get(openid)
        except OutboundRefused:
            document = await self.client.get(oauth)
        found = parse_metadata(document, issuer.issuer)
        self._discovered[issuer.issuer] = _Discovered(found, now)
        return found

    def current(self, issuers: Iterable[IssuerPolicy], now: float) -> dict[str, tuple[Mapping[str, Any], ...]]:
        """The keys to believe now, by issuer: nothing for one whose last good set has become too old."""
        found: dict[str, tuple[Mapping[str, Any], ...]] = {}
        for issuer in issuers:
            kept = self.sets.get(issuer.issuer)
            found[issuer.issuer] = kept.keys if kept is not None and now - kept.fetched_at <= KEEP_S else ()
        return found


def kept_sets(snapshot: Snapshot) -> dict[str, KeySet]:
    """The last good sets as an earlier run published them, with their age."""
    issuers = snapshot.credentials.get("issuers", {})
    return {
        issuer: KeySet(tuple(issuers[issuer]), fetched_at)
        for issuer, fetched_at in snapshot.issuer_keys_at.items()
        if issuers.get(issuer)
    }


def metadata_urls(issuer: str) -> tuple[str, str]:
    """Where an issuer tells about itself: by OpenID Connect Discovery section 4, by RFC 8414 section 3.1.

    >>> metadata_urls("https://login.example.com/tenant/")[1]
    'https://login.example.com/.well-known/oauth-authorization-server/tenant'
    """
    openid, oauth = WELL_KNOWN
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    return (
        f"{issuer.rstrip('/')}/.well-known/{openid}",
        f"{parts.scheme}://{parts.netloc}/.well-known/{oauth}{path}",
    )


def parse_metadata(document: bytes, issuer: str) -> str:
    """Where the keys are. Errors: OutboundRefused when it is no metadata, or that of another issuer.

    Source: RFC 8414 section 3.3 (the issuer must be identical, or one issuer could speak for another).
    """
    try:
        metadata = msgspec.json.decode(document, type=_Metadata)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise OutboundRefused(f"the metadata of {issuer} cannot be read: {error}") from error
    if metadata.issuer != issuer:
        raise OutboundRefused(f"the metadata of {issuer} is of issuer {metadata.issuer[:200]!r}")
    return metadata.jwks_uri


def parse_key_set(document: bytes, issuer: IssuerPolicy) -> tuple[Mapping[str, Any], ...]:
    """The usable public keys of a JWK set. Weak and foreign keys are dropped.

    Errors: OutboundRefused when it is no JWK set, has too many keys, or none is usable: an empty set would lock
    every caller out, and is what a broken deployment of an issuer looks like.
    Source: RFC 7517 section 5.
    """
    try:
        found = jose.parse_key_set(document, issuer.algorithms)
    except JoseError as error:
        raise OutboundRefused(f"the keys of {issuer.issuer}: {error.problem}") from error
    for reason in found.left_out:
        _log.warning("key of an issuer left out", issuer=issuer.issuer, reason=reason)
    return tuple(key.jwk() for key in found.keys)


class _Metadata(msgspec.Struct):
    issuer: str
    jwks_uri: str
