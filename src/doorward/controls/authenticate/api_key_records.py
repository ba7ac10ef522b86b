"""What is known of API keys: of our own form, found by the id in them, and of foreign forms, found by their hash."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from doorward.controls.authenticate.credential_records import Networks, caller_of, is_within, load_networks
from doorward.controls.authenticate.key_format import hash_api_key
from doorward.exchange import Caller

API_KEY_ISSUER: Final = "urn:doorward:api-key"
"""`Caller.issuer` of callers who came with an API key."""

KeyForm: TypeAlias = Literal["doorward", "sha256", "sha512"]
"""Of our own form; or made by somebody else, and known by its SHA-256, or by its SHA-512."""

FOREIGN_KEY_BYTES: Final = 512
"""Longest key of a foreign form that is hashed, in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyRecord:
    """What is known of one API key; the key itself is nowhere kept."""

    caller: Caller
    hash: bytes
    """SHA-256 of the whole key, or of its SHA-512 where only that is known. A plain hash suffices for a secret of 128
    random bits and more: nobody can try them all, however fast the hash."""
    revoked: bool = False
    networks: Networks = ()
    """Addresses it may be used from; empty: any."""

    def allows_address(self, address: str) -> bool:
        """Whether the key may be used from there. An address that is none (a Unix socket) is in no network."""
        return is_within(address, self.networks)


class ForeignKeys:
    """Keys that were made elsewhere and imported by their hashes; empty in most installations, and then free.

    The hash is looked up, not compared: how long that takes tells at most something of a hash, and to find a key that
    has a given one is as hard as to guess the key.
    """

    __slots__ = ("_by_hash", "_by_sha512", "_prefixes")

    def __init__(self, records: Iterable[Mapping[str, Any]]) -> None:
        self._by_hash: dict[bytes, ApiKeyRecord] = {}
        self._by_sha512: dict[bytes, ApiKeyRecord] = {}
        prefixes: set[bytes] = set()
        for each in records:
            known = self._by_sha512 if each["form"] == "sha512" else self._by_hash
            record = load_api_key(each)
            known[record.hash] = record
            prefixes.add(each["prefix"].encode())
        self._prefixes = tuple(prefixes)

    def find(self, key: bytes) -> ApiKeyRecord | None:
        """What is known of a key that is not of our own form."""
        if len(key) > FOREIGN_KEY_BYTES or not key.startswith(self._prefixes):
            return None
        found = self._by_hash.get(hash_api_key(key))
        if found is None and self._by_sha512:
            found = self._by_sha512.get(hash_api_key(hashlib.sha512(key).digest()))
        return found

    def __len__(self) -> int:
        return len(self._by_hash) + len(self._by_sha512)


def load_api_keys(records: Iterable[Mapping[str, Any]]) -> tuple[dict[str, ApiKeyRecord], ForeignKeys]:
    """Own keys by id, and foreign ones. Errors: KeyError, TypeError, ValueError for records of a wrong form."""
    own: dict[str, ApiKeyRecord] = {}
    foreign: list[Mapping[str, Any]] = []
    for record in records:
        if record.get("form", "doorward") == "doorward":
            own[record["id"]] = load_api_key(record)
        else:
            foreign.append(record)
    return own, ForeignKeys(foreign)


def load_api_key(record: Mapping[str, Any]) -> ApiKeyRecord:
    """The record of one key from its plain data."""
    return ApiKeyRecord(
        caller=caller_of(record, "api_key", API_KEY_ISSUER, record["id"]),
        hash=bytes.fromhex(record["hash"]),
        revoked=bool(record["revoked"]),
        networks=load_networks(record["networks"]),
    )
