"""The keys that clients sign their assertions with: registered with the client, or fetched from where it keeps them.

A set is fetched only for an enabled client that is registered with its URL, at most once a minute each, by the client
that goes to public addresses alone; what it brings is bounded as external issuers' keys are.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import structlog

from doorward.errors import PolicyError
from doorward.identity.oauth_errors import OAuthError
from doorward.identity.redirects import split_uri
from doorward.identity.turns import Busy, Turns
from doorward.jose import Algorithm, JoseError, PublicKey, parse_key_set, usable_keys
from doorward.outbound import OutboundClient, OutboundRefused

ASSERTION_ALGORITHMS: Final[tuple[Algorithm, ...]] = ("ES256", "EdDSA", "PS256")
"""What clients may sign with (FAPI 2.0 section 5.4.1); RSA keys have at least 2048 bits."""
FETCH_EVERY_S: Final = 60.0
"""Least time between two fetches for one client, whatever they bring, in seconds."""
FRESH_S: Final = 300.0
"""How long a set is used without asking again, in seconds: a key taken away is believed no longer than that."""
KEEP_S: Final = 24 * 3600.0
"""How long the last good set is believed when it cannot be fetched, in seconds."""
FETCHES_COUNT: Final = 4
"""Fetches under way at once for clients whose place answered the last time, and as many for all others: places that
take their time, or never answer, keep nobody waiting but each other."""
FETCHES_WAITING: Final = 64
"""Fetches that wait for one of these, each. More, or longer than a few seconds, and the last good set counts."""
SHUN_S: Final = 3_600.0
"""Longest time between two fetches from a place that does not answer, in seconds; it doubles from the second on."""
_PATIENCE_S: Final = 5.0
_FAILURES_MOST: Final = 16
_URL_MOST: Final = 1024

_log = structlog.get_logger()


def require_client_keys(document: bytes) -> list[dict[str, str]]:
    """The public JWKs of a set that may be registered. Errors: PolicyError, for a private key in it too."""
    try:
        found = parse_key_set(document, ASSERTION_ALGORITHMS)
    except JoseError as error:
        raise PolicyError(
            f"the client's keys: {error.problem}", key="jwks", hint="a JWK set of public keys for ES256, EdDSA or PS256"
        ) from error
    if found.left_out:
        raise PolicyError(f"the client's keys: {found.left_out[0]}", key="jwks", hint="leave that key out")
    if any("d" in member for member in json.loads(document)["keys"]):
        raise PolicyError("the set holds a private key", key="jwks", hint="register the public keys alone")
    return [key.jwk() for key in found.keys]


def require_keys_url(url: str) -> str:
    """The URL, for one that a set may be fetched from. Errors: PolicyError."""
    parts = split_uri(url)
    plain = url.isascii() and url.isprintable() and " " not in url and len(url) <= _URL_MOST
    if (
        not plain
        or parts is None
        or parts.scheme != "https"
        or not parts.hostname
        or "@" in parts.netloc
        or parts.fragment
    ):
        raise PolicyError(
            f"{url[:80]!r} is no place for keys", key="jwks-uri", hint="https://client.example.com/jwks.json"
        )
    return url


@dataclass(slots=True)
class _Fetched:
    url: str = ""
    """Where `keys` came from."""
    keys: tuple[PublicKey, ...] = ()
    at: float = 0.0
    """When `keys` came, Unix seconds; 0: never."""
    tried_at: float = 0.0
    failures: int = 0
    """Since `keys` came."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class ClientKeys:
    """The keys of clients by name. Its memory is bounded by the clients that are registered with a URL."""

    __slots__ = ("_answering", "_fetched", "_others", "_outbound")

    def __init__(self, outbound: Callable[[], OutboundClient]) -> None:
        """`outbound` is asked at each fetch: a reloaded policy may allow other networks."""
        self._outbound = outbound
        self._fetched: dict[str, _Fetched] = {}
        self._answering = Turns(FETCHES_COUNT, FETCHES_WAITING, patience_s=_PATIENCE_S)
        self._others = Turns(FETCHES_COUNT, FETCHES_WAITING, patience_s=_PATIENCE_S)

    async def find(
        self,
        client: str,
        jwks: Iterable[Mapping[str, Any]],
        url: str,
        chosen: Callable[[Iterable[PublicKey]], PublicKey | None],
        *,
        now: float,
    ) -> PublicKey:
        """The key that `chosen` takes among the client's: the registered ones, or those at its URL.

        Errors: OAuthError `invalid_client` when there is none.
        """
        keys = await self._at(client, url, chosen, now) if url else _registered(jwks)
        key = chosen(keys)
        if key is None:
            raise OAuthError("invalid_client", "the assertion is not signed by a key of this client", 401)
        return key

    async def _at(
        self, client: str, url: str, chosen: Callable[[Iterable[PublicKey]], PublicKey | None], now: float
    ) -> tuple[PublicKey, ...]:
        known = self._fetched.setdefault(client, _Fetched())
        async with known.lock:
            if known.url != url:
                # not `tried_at`: a client that changes its own URL has us fetch no oftener for it
                known.url, known.keys, known.at, known.failures = url, (), 0.0, 0
            stale = now - known.at >= FRESH_S or chosen(known.keys) is None
            if stale and now - known.tried_at >= min(FETCH_EVERY_S * 2 ** max(0, known.failures - 1), SHUN_S):
                known.tried_at = now
                await self._fetch(known, client, url, now)
        return known.keys if now - known.at <= KEEP_S else ()

    async def _fetch(self, known: _Fetched, client: str, url: str, now: float) -> None:
        answered = bool(known.keys) and not known.failures
        turns = self._answering if answered else self._others
        # spoilt until it is done, so that what is broken off in the middle counts as well
        known.failures = min(known.failures + 1, _FAILURES_MOST)
        try:
            async with turns.turn(urlsplit(url).hostname or ""):
                found = parse_key_set(await self._outbound().get(url), ASSERTION_ALGORITHMS)
        except Busy:
            known.failures -= 1
            _log.warning("keys of a client not fetched, too many are", client=client)
            return
        except (OutboundRefused, JoseError) as error:
            _log.error("keys of a client not fetched, the last good ones stay", client=client, reason=str(error))
            return
        for reason in found.left_out:
            _log.warning("key of a client left out", client=client, reason=reason)
        known.keys, known.at, known.failures = found.keys, now, 0


def _registered(jwks: Iterable[Mapping[str, Any]]) -> tuple[PublicKey, ...]:
    try:
        return usable_keys(jwks, ASSERTION_ALGORITHMS).keys
    except JoseError:
        # a set that an older version took and this one does not: the client proves nothing with it
        return ()
