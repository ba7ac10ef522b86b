"""Keys that bodies are encrypted with: the gateway's own, to open requests, and the callers', to encrypt answers to."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from doorward.exchange import Caller
from doorward.jose import (
    DecryptionKey,
    EncryptionKey,
    JoseError,
    decryption_key_from_jwk,
    encode_segment,
    encryption_key_from_jwk,
    generate_decryption_key,
)

Unseal: TypeAlias = Callable[[str, str], bytes]
"""Opens the sealed secret (second) of that name (first). Errors: ValueError."""

_OWN_KINDS: Final = frozenset({"api_key", "signature", "certificate"})
"""Kinds of callers whose names this installation gave out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnKey:
    """A key of the gateway."""

    key: DecryptionKey
    until: float = float("inf")
    """Unix seconds from which it opens nothing any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerKey:
    """A key that somebody registered, to encrypt answers to; of `dir` it opens their requests, too."""

    id: str
    subject: str
    issuer: str
    """Who gave the subject its name; empty: this installation."""
    encrypting: EncryptionKey
    decrypting: DecryptionKey | None = None
    """Of a shared secret."""
    expires_at: float = float("inf")
    revoked: bool = False

    def refused(self, caller: Caller, local_issuer: str, now: float) -> str:
        """Why it may not be used for this caller; empty when it may."""
        if self.revoked or now >= self.expires_at:
            return f"key {self.id} is revoked or has expired"
        is_own = caller.kind in _OWN_KINDS or caller.issuer == local_issuer
        if caller.subject != self.subject or (self.issuer != caller.issuer if self.issuer else not is_own):
            return f"key {self.id} is not {caller.subject}'s"
        return ""


class EncryptionKeys:
    """The keys in force. One object a worker, changed in place: plans see new keys at once."""

    __slots__ = ("_decoys", "_known", "callers", "own")

    def __init__(self) -> None:
        self.own: Mapping[str, OwnKey] = {}
        self.callers: Mapping[str, CallerKey] = {}
        self._known: Mapping[str, Mapping[str, Any]] = {}
        """The records that `callers` was made of."""
        self._decoys = {name: generate_decryption_key(name) for name in ("ECDH-ES+A256KW", "dir")}

    def take_own(self, keys: Iterable[OwnKey]) -> None:
        """Nothing; from now on these are the gateway's keys."""
        self.own = {each.key.id: each for each in keys}

    def apply(self, records: Iterable[Mapping[str, Any]], unseal: Unseal | None) -> tuple[str, ...]:
        """The ids of keys that cannot be used; from now on callers have the others. `unseal` opens shared secrets.

        Errors: KeyError, TypeError, ValueError for records of a wrong form, and then everything stays as it was.
        """
        by_id = {record["id"]: record for record in records}
        found: dict[str, CallerKey] = {}
        for key_id, record in by_id.items():
            known = self.callers.get(key_id)
            if known is None or self._known.get(key_id) != record:
                known = _load(record, unseal)
            if known is not None:
                found[key_id] = known
        self.callers, self._known = found, by_id
        return tuple(key_id for key_id in by_id if key_id not in found)

    def opening(self, key_id: str, algorithm: str, now: float) -> tuple[DecryptionKey | None, bool]:
        """The key to open a message with, and whether what it opens counts.

        Where there is no such key it is another one of that algorithm: opening takes as long, and whoever tries names
        learns nothing of the time it takes. None: we have no key of that kind, which everybody may know.
        """
        own = self.own.get(key_id)
        if own is not None and own.key.algorithm == algorithm and now < own.until:
            return own.key, True
        caller = self.callers.get(key_id)
        if caller is not None and caller.decrypting is not None and algorithm == "dir":
            return caller.decrypting, True
        decoy = self._decoys.get(algorithm)
        if decoy is not None:
            return decoy, False
        return next((each.key for each in self.own.values() if each.key.algorithm == algorithm), None), False


def sealed_encryption_name(key_id: str) -> str:
    """The name under which a shared secret is sealed: table, column and row."""
    return f"encryption_keys/sealed_secret/{key_id}"


def _load(record: Mapping[str, Any], unseal: Unseal | None) -> CallerKey | None:
    """The key of a record; None for one that cannot be used: it must not lock out the others."""
    decrypting: DecryptionKey | None = None
    try:
        if record["public"]:
            encrypting = encryption_key_from_jwk({**record["public"], "kid": record["id"]})
        elif unseal is None:
            return None
        else:
            secret = unseal(sealed_encryption_name(record["id"]), record["sealed"])
            shared = {"kty": "oct", "k": encode_segment(secret).decode("ascii"), "alg": "dir", "kid": record["id"]}
            decrypting = decryption_key_from_jwk(shared)
            encrypting = decrypting.public
    except (JoseError, ValueError):  # SealBroken
        return None
    return CallerKey(
        id=record["id"],
        subject=record["subject"],
        issuer=record["issuer"],
        encrypting=encrypting,
        decrypting=decrypting,
        expires_at=float(record["expires_at"]),
        revoked=bool(record["revoked"]),
    )
