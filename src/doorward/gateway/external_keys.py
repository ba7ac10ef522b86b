"""The public keys of external issuers, as the control process fetches them for the snapshot. Workers fetch nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import structlog

from doorward.controls.authenticate import IssuerPolicy
from doorward.jose import JoseError, public_key_from_jwk
from doorward.outbound import OutboundClient, OutboundRefused
from doorward.policy.snapshot import Snapshot

FETCH_EVERY_S: Final = 60.0
"""Time between two fetches from one issuer, whatever they bring, in seconds."""
KEEP_S: Final = 24 * 3600.0
"""How long the last good set is believed when the issuer cannot be reached, in seconds. Then 503 for that issuer."""
KEY_COUNT: Final = 64
"""Most keys taken from one issuer; a set with more is refused whole."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class KeySet:
    """The last good set of one issuer."""

    keys: tuple[Mapping[str, Any], ...]
    """Public JWKs."""
    fetched_at: float
    """Unix seconds."""


@dataclass(slots=True)
class ExternalKeys:
    """Key sets by issuer. Times are handed in, Unix seconds."""

    client: OutboundClient
    sets: dict[str, KeySet] = field(default_factory=dict)
    _tried_at: dict[str, float] = field(default_factory=dict)

    async def refresh(self, issuers: Iterable[IssuerPolicy], now: float) -> None:
        """Fetch from every issuer that is due. One that cannot be reached, or answers nonsense, keeps its last set."""
        for issuer in issuers:
            if not issuer.jwks_url or now - self._tried_at.get(issuer.issuer, -FETCH_EVERY_S) < FETCH_EVERY_S:
                continue
            self._tried_at[issuer.issuer] = now
            try:
                keys = parse_key_set(await self.client.get(issuer.jwks_url), issuer)
            except OutboundRefused as error:
                _log.error(
                    "keys of an issuer not fetched, the last good ones stay", issuer=issuer.issuer, reason=str(error)
                )
            else:
                self.sets[issuer.issuer] = KeySet(keys, now)

    def current(self, issuers: Iterable[IssuerPolicy], now: float) -> dict[str, tuple[Mapping[str, Any], ...]]:
        """The keys to believe now, by issuer: nothing for one whose last good set has become too old."""
        found: dict[str, tuple[Mapping[str, Any], ...]] = {}
        for issuer in issuers:
            kept = self.sets.get(issuer.issuer)
            if issuer.jwks_url:
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


def parse_key_set(document: bytes, issuer: IssuerPolicy) -> tuple[Mapping[str, Any], ...]:
    """The usable public keys of a JWK set. Weak and foreign keys are dropped.

    Errors: OutboundRefused when it is no JWK set, has too many keys, or none is usable: an empty set would lock
    every caller out, and is what a broken deployment of an issuer looks like.
    Source: RFC 7517 section 5.
    """
    try:
        members = msgspec.json.decode(document, type=_JwkSet).keys
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise OutboundRefused(f"{issuer.jwks_url} is not a JWK set: {error}") from error
    if len(members) > KEY_COUNT:
        raise OutboundRefused(f"{issuer.jwks_url} has {len(members)} keys, more than {KEY_COUNT}")
    keys: list[Mapping[str, Any]] = []
    for member in members:
        try:
            keys.append(public_key_from_jwk(member, issuer.algorithms).jwk())
        except JoseError as error:
            _log.warning("key of an issuer left out", issuer=issuer.issuer, reason=str(error))
    if not keys:
        raise OutboundRefused(f"{issuer.jwks_url} has no usable key")
    return tuple(keys)


class _JwkSet(msgspec.Struct):
    keys: list[dict[str, Any]]
