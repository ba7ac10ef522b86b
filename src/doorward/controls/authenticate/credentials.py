"""What proves a caller, as the control process publishes it: issuers' public keys, API key records, revocations."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, Final, Literal, TypeAlias
from weakref import WeakValueDictionary

from doorward.controls.authenticate.policy import AuthenticatePolicy
from doorward.exchange import Caller
from doorward.jose import JoseError, PublicKey, public_key_from_jwk

RevokedKind = Literal["token", "subject", "client", "key"]
"""By `jti`; everything of a user; everything issued to a client; everything signed with a key id."""

API_KEY_ISSUER: Final = "urn:doorward:api-key"
"""`Caller.issuer` of callers who came with an API key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyRecord:
    """What is known of one API key; the key itself is nowhere kept."""

    caller: Caller
    hash: bytes
    """SHA-256 of the whole key. A plain hash suffices for a secret of 256 bits."""
    revoked: bool = False
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Addresses it may be used from; empty: any."""

    def allows_address(self, address: str) -> bool:
        """Whether the key may be used from there. An address that is none (a Unix socket) is in no network."""
        if not self.networks:
            return True
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        parsed = getattr(parsed, "ipv4_mapped", None) or parsed
        return any(parsed in network for network in self.networks)


@dataclass(frozen=True, slots=True)
class AcceptedToken:
    """A token that was verified once."""

    caller: Caller
    void_at: float
    """Unix seconds from which it is no longer accepted, clock skew included."""
    revocation_ids: frozenset[str]
    """Everything whose revocation ends it."""


TokenCache: TypeAlias = "OrderedDict[bytes, AcceptedToken]"
"""By the full bytes of the Authorization field, least recently used first. Who the caller is, never what they may do:
Oathkeeper CVE-2021-32701, CVE-2026-33496."""


class Credentials:
    """The keys, API keys and revocations in force. One object a worker; `apply` replaces all of it at once."""

    __slots__ = ("_caches", "_issuers_data", "api_keys", "issuers", "revoked", "unusable_keys")

    def __init__(self) -> None:
        self.issuers: Mapping[str, Mapping[str, PublicKey]] = {}
        self.api_keys: Mapping[str, ApiKeyRecord] = {}
        self.revoked: frozenset[str] = frozenset()
        self.unusable_keys: tuple[str, ...] = ()
        """Why keys of issuers were left out, for the operator."""
        self._issuers_data: Any = None
        # weak: a cache lives as long as the plans that use it, however often the policy is reloaded
        self._caches: WeakValueDictionary[AuthenticatePolicy, TokenCache] = WeakValueDictionary()

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Credentials":
        """Credentials from the plain data of a snapshot, in the form of `credentials_data`."""
        credentials = cls()
        credentials.apply(data)
        return credentials

    def apply(self, data: Mapping[str, Any]) -> None:
        """Nothing; from now on only what `data` says is in force.

        Plans compiled with this object see it at once, so a revocation needs no new plans. Tokens verified earlier
        are forgotten when any issuer's keys changed. Errors: KeyError, TypeError, ValueError for data of a wrong
        form, and then everything stays as it was.
        """
        issuers, unusable = _load_issuers(data["issuers"])
        api_keys = {record["id"]: _load_api_key(record) for record in data["api_keys"]}
        revoked = frozenset(revocation_id(kind, issuer, name) for kind, issuer, name in data["revoked"])
        if data["issuers"] != self._issuers_data:
            for cache in self._caches.values():
                cache.clear()
        self.issuers, self.api_keys, self.revoked = issuers, api_keys, revoked
        self.unusable_keys, self._issuers_data = unusable, data["issuers"]

    def cache_for(self, policy: AuthenticatePolicy) -> TokenCache:
        """The tokens accepted under that policy: what one policy accepted says nothing under another."""
        return self._caches.setdefault(policy, OrderedDict())


def credentials_data(
    *,
    issuers: Mapping[str, Iterable[Mapping[str, Any]]],
    api_keys: Iterable[Mapping[str, Any]] = (),
    revoked: Iterable[tuple[RevokedKind, str, str]] = (),
) -> dict[str, Any]:
    """The plain JSON that `Credentials.from_data` reads.

    `issuers` has the public JWKs by issuer; an issuer without any cannot be believed (503 until it has some).
    An API key is `{id, hash, subject, roles, scopes, claims, expires_at, networks, revoked}`: `hash` is the
    hexadecimal SHA-256 of the key, `expires_at` Unix seconds. `revoked` are triples of kind, issuer and name.
    """
    return {
        "issuers": {issuer: [dict(jwk) for jwk in jwks] for issuer, jwks in issuers.items()},
        "api_keys": [dict(record) for record in api_keys],
        "revoked": [list(triple) for triple in revoked],
    }


def revocation_id(kind: str, issuer: str, name: str) -> str:
    """One text for a thing that can be revoked; NUL cannot occur inside, so no two things share one."""
    return f"{kind}\0{issuer}\0{name}"


def _load_issuers(data: Mapping[str, Any]) -> tuple[dict[str, dict[str, PublicKey]], tuple[str, ...]]:
    issuers: dict[str, dict[str, PublicKey]] = {}
    unusable: list[str] = []
    for issuer, jwks in data.items():
        keys: dict[str, PublicKey] = {}
        for jwk in jwks:
            try:
                key = public_key_from_jwk(jwk)
            except JoseError as error:
                # one weak key of an outside issuer must not lock out the callers of all others
                unusable.append(f"{issuer}: {error.problem}")
            else:
                keys[key.id] = key
        issuers[issuer] = keys
    return issuers, tuple(unusable)


def _load_api_key(record: Mapping[str, Any]) -> ApiKeyRecord:
    caller = Caller(
        subject=record["subject"],
        kind="api_key",
        issuer=API_KEY_ISSUER,
        roles=frozenset(record["roles"]),
        scopes=frozenset(record["scopes"]),
        claims=dict(record["claims"]),
        credential_id=record["id"],
        expires_at=float(record["expires_at"]),
    )
    return ApiKeyRecord(
        caller=caller,
        hash=bytes.fromhex(record["hash"]),
        revoked=bool(record["revoked"]),
        networks=tuple(ip_network(network) for network in record["networks"]),
    )
