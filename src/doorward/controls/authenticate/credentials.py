"""What proves a caller, as the control process publishes it: issuers' public keys, API key records, revocations."""

import secrets
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias
from weakref import WeakValueDictionary

from doorward.controls.authenticate.api_key_records import ApiKeyRecord, ForeignKeys, load_api_keys
from doorward.controls.authenticate.client_certificate import KnownCertificates, load_certificates
from doorward.controls.authenticate.client_secrets import ClientSecret, load_client_secrets
from doorward.controls.authenticate.credential_records import Networks, caller_of, is_within, load_networks
from doorward.controls.authenticate.encryption_keys import EncryptionKeys, Unseal
from doorward.controls.authenticate.introspection import Introspector, OpaqueTokens
from doorward.controls.authenticate.nonces import Nonces
from doorward.controls.authenticate.policy import AuthenticatePolicy, IssuerPolicy
from doorward.controls.authenticate.replay import NoReplays, Replays
from doorward.controls.authenticate.standing import Standing, load_standing
from doorward.controls.authenticate.token_caller import AcceptedToken, revocation_id
from doorward.exchange import Caller, Exchange
from doorward.jose import JoseError, PublicKey, public_key_from_jwk
from doorward.signatures import VerifyingKey, public_key_from_pem, shared_secret
from doorward.signatures.webhook import MacKey, mac_key

RevokedKind = Literal["token", "subject", "client", "key"]
"""By `jti`; everything of a user; everything issued to a client; everything signed with a key id."""

SIGNATURE_ISSUER: Final = "urn:doorward:signature"
"""`Caller.issuer` of callers who signed their request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureKey:
    """A partner's key for signed requests: of RFC 9421 (`verifying`), or of plain HMAC (`mac`), never both."""

    caller: Caller
    verifying: VerifyingKey | None = None
    mac: MacKey | None = None
    revoked: bool = False
    networks: Networks = ()

    def refused(self, exchange: Exchange) -> str:
        """Why the key may not be used for this request; empty when it may."""
        if self.revoked:
            return f"key {self.caller.credential_id} is revoked"
        if exchange.complete_at >= self.caller.expires_at:
            return f"key {self.caller.credential_id} has expired"
        if not is_within(exchange.source.address, self.networks):
            return f"key {self.caller.credential_id} may not be used from {exchange.source.address}"
        return ""


TokenCache: TypeAlias = "OrderedDict[bytes, AcceptedToken]"
"""By the full bytes of the Authorization field, least recently used first. Who the caller is, never what they may do:
Oathkeeper CVE-2021-32701, CVE-2026-33496."""


_ISSUERS_KEPT: Final = 4
"""Lists of issuers with opaque tokens that are remembered: of the policy in force, of the next one, and some before."""


class Credentials:
    """The keys, API keys and revocations in force. One object a worker; `apply` replaces all of it at once."""

    __slots__ = (
        "_caches",
        "_issuers_data",
        "_opaque",
        "_signature_data",
        "age_s",
        "api_keys",
        "certificates",
        "clients",
        "encryption",
        "foreign_keys",
        "introspector",
        "issuers",
        "macs_of",
        "nonces",
        "replays",
        "revoked",
        "signature_keys",
        "standing",
        "unseal",
        "unusable_keys",
        "used_keys",
    )

    def __init__(self, *, replays: Replays | None = None, unseal: Unseal | None = None) -> None:
        """`replays` remembers proofs that may be used once; `unseal` opens shared secrets.

        Without them no such proof is accepted, and no shared secret can be used.
        """
        self.replays: Replays = replays or NoReplays()
        self.nonces = Nonces(secrets.token_bytes(32))
        """Of this process alone, until those of the installation take their place."""
        self.unseal = unseal
        self.encryption = EncryptionKeys()
        self.signature_keys: Mapping[str, SignatureKey] = {}
        self.macs_of: Mapping[str, tuple[SignatureKey, ...]] = {}
        """The keys of plain HMAC, by the name of who signs with them."""
        self._signature_data: Mapping[str, Any] = {}
        self.certificates = KnownCertificates()
        self.issuers: Mapping[str, Mapping[str, PublicKey]] = {}
        self.api_keys: Mapping[str, ApiKeyRecord] = {}
        """Those of our own form, by the id in them."""
        self.foreign_keys = ForeignKeys(())
        self.clients: Mapping[str, ClientSecret] = {}
        """Clients that may show their secret itself, by name; published where an operation takes HTTP Basic."""
        self.age_s = float("inf")
        """Seconds since somebody confirmed that all of this is still true; whoever knows keeps it up to date. Infinite
        until then: where the policy asks how old it is, nobody passes by what nobody vouched for."""
        self.standing: Mapping[str, Standing] = {}
        """What is true now of callers whose rights changed lately, by `Caller.key`."""
        self.used_keys: dict[str, float] = {}
        """When each API key last opened something, Unix seconds, by id: until somebody takes it away to be kept."""
        self.revoked: frozenset[str] = frozenset()
        self.unusable_keys: tuple[str, ...] = ()
        """Why keys of issuers were left out, for the operator."""
        self._issuers_data: Any = None
        # weak: a cache lives as long as the plans that use it, however often the policy is reloaded
        self._caches: WeakValueDictionary[AuthenticatePolicy, TokenCache] = WeakValueDictionary()
        self.introspector: Introspector | None = None
        """Who asks issuers about opaque tokens; without one, none is accepted."""
        # not weak: compiled, its class has no weak references
        self._opaque: dict[tuple[IssuerPolicy, ...], OpaqueTokens] = {}

    @classmethod
    def from_data(
        cls, data: Mapping[str, Any], *, replays: Replays | None = None, unseal: Unseal | None = None
    ) -> "Credentials":
        """Credentials from the plain data of a snapshot, in the form of `credentials_data`."""
        credentials = cls(replays=replays, unseal=unseal)
        credentials.apply(data)
        return credentials

    def apply(self, data: Mapping[str, Any]) -> None:
        """Nothing; from now on only what `data` says is in force.

        Plans compiled with this object see it at once, so a revocation needs no new plans. Tokens verified earlier
        are forgotten when any issuer's keys changed. Errors: KeyError, TypeError, ValueError for data of a wrong
        form, and then everything stays as it was.
        """
        issuers, unusable = _load_issuers(data["issuers"])
        api_keys, foreign_keys = load_api_keys(data["api_keys"])
        standing = load_standing(data.get("standing", ()))
        clients = load_client_secrets(data.get("clients", ()))
        signers, by_id = self._load_signers(data.get("signature_keys", ()))
        revoked = frozenset(revocation_id(kind, issuer, name) for kind, issuer, name in data["revoked"])
        certificates = load_certificates(data.get("certificates", {}))
        # the last that can fail, and what it changes: from here on all of it is in force
        unopened = self.encryption.apply(data.get("encryption_keys", ()), self.unseal)
        self.certificates.authorities, self.certificates.issued = certificates
        if data["issuers"] != self._issuers_data:
            for cache in self._caches.values():
                cache.clear()
        self.issuers, self.revoked, self.standing = issuers, revoked, standing
        self.api_keys, self.foreign_keys, self.clients = api_keys, foreign_keys, clients
        self.signature_keys, self._signature_data = signers, by_id
        self.macs_of = _by_name(signers)
        useless = [f"signature key {key_id} cannot be used" for key_id in by_id if key_id not in signers]
        useless += [f"encryption key {key_id} cannot be used" for key_id in unopened]
        self.unusable_keys, self._issuers_data = (*unusable, *useless), data["issuers"]

    def _load_signers(self, records: Iterable[Mapping[str, Any]]) -> tuple[dict[str, SignatureKey], dict[str, Any]]:
        """The keys that can be used, and the records of all: what did not change is not read again, for it is dear."""
        by_id = {record["id"]: record for record in records}
        signers: dict[str, SignatureKey] = {}
        for key_id, record in by_id.items():
            known = self.signature_keys.get(key_id)
            if known is None or self._signature_data.get(key_id) != record:
                known = _load_signer(record, self.unseal)
            if known is not None:
                signers[key_id] = known
        return signers, by_id

    def fresh_nonce(self, now: float) -> bytes:
        """A nonce for a proof to come; by whichever key is in force then."""
        return self.nonces.fresh(now)

    def opaque_tokens(self, policy: AuthenticatePolicy) -> OpaqueTokens | None:
        """Those that issuers of that policy are asked about; None where there is no such issuer."""
        asked = tuple(issuer for issuer in policy.issuers if issuer.introspection is not None)
        if not asked:
            return None
        known = self._opaque.get(asked)
        if known is None:
            known = OpaqueTokens(asked, lambda: self.introspector, policy.token_cache_count)
            while len(self._opaque) >= _ISSUERS_KEPT:
                # of a policy that is no longer in force; plans that still use it have it themselves
                del self._opaque[next(iter(self._opaque))]
            self._opaque[asked] = known
        return known

    def cache_for(self, policy: AuthenticatePolicy) -> TokenCache:
        """The tokens accepted under that policy: what one policy accepted says nothing under another."""
        return self._caches.setdefault(policy, OrderedDict())


def credentials_data(
    *,
    issuers: Mapping[str, Iterable[Mapping[str, Any]]],
    api_keys: Iterable[Mapping[str, Any]] = (),
    revoked: Iterable[tuple[RevokedKind, str, str]] = (),
    signature_keys: Iterable[Mapping[str, Any]] = (),
    certificates: Mapping[str, Any] | None = None,
    encryption_keys: Iterable[Mapping[str, Any]] = (),
    clients: Iterable[Mapping[str, Any]] = (),
    standing: Iterable[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The plain JSON that `Credentials.from_data` reads.

    `issuers` has the public JWKs by issuer; an issuer without any cannot be believed (503 until it has some).
    An API key is `{id, hash, subject, roles, scopes, claims, expires_at, networks, revoked}`: `hash` is the
    hexadecimal SHA-256 of the key, `expires_at` Unix seconds; one made elsewhere has `form` and `prefix` too.
    `revoked` are triples of kind, issuer and name. A signature key has `algorithm`, and `public` (PEM) or `sealed` with
    the `purpose` of that secret, in place of `hash`. `certificates` are the own `authorities`, `{id, certificate}`, and
    what they `issued`: `{serial, authority, fingerprint, subject, roles, scopes, claims, expires_at, revoked}`.
    An encryption key is `{id, subject, issuer, public, sealed, expires_at, revoked}`: `public` is a JWK, or empty for a
    shared secret. A client that may show its secret is `{name, issuer, hash, roles, scopes, claims, disabled}`.
    `standing` is what is true of callers whose rights changed: `{issuer, subject, roles, scopes, claims, gone}`.
    """
    return {
        "issuers": {issuer: [dict(jwk) for jwk in jwks] for issuer, jwks in issuers.items()},
        "api_keys": [dict(record) for record in api_keys],
        "revoked": [list(triple) for triple in revoked],
        "signature_keys": [dict(record) for record in signature_keys],
        "certificates": dict(certificates or {}),
        "encryption_keys": [dict(record) for record in encryption_keys],
        "clients": [dict(record) for record in clients],
        "standing": [dict(record) for record in standing],
    }


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


def _by_name(signers: Mapping[str, SignatureKey]) -> dict[str, tuple[SignatureKey, ...]]:
    found: dict[str, tuple[SignatureKey, ...]] = {}
    for key in signers.values():
        if key.mac is not None:
            found[key.caller.subject] = (*found.get(key.caller.subject, ()), key)
    return found


def _load_signer(record: Mapping[str, Any], unseal: Unseal | None) -> SignatureKey | None:
    """The key of a record; None for one that cannot be used: it must not lock out the others."""
    verifying: VerifyingKey | None = None
    mac: MacKey | None = None
    try:
        if record["public"]:
            verifying = public_key_from_pem(record["public"])
            if verifying.algorithm != record["algorithm"]:
                return None
        elif unseal is None:
            return None
        elif record["purpose"] == "hmac":
            mac = mac_key(unseal(sealed_name(record["id"]), record["sealed"]), record["algorithm"])
        else:
            verifying = shared_secret(unseal(sealed_name(record["id"]), record["sealed"]))[1]
    except ValueError:  # KeyRefused, SealBroken
        return None
    return SignatureKey(
        caller=caller_of(record, "signature", SIGNATURE_ISSUER, record["id"]),
        verifying=verifying,
        mac=mac,
        revoked=bool(record["revoked"]),
        networks=load_networks(record["networks"]),
    )


def sealed_name(key_id: str) -> str:
    """The name under which the secret of a signature key is sealed: table, column and row."""
    return f"signature_keys/sealed_secret/{key_id}"
