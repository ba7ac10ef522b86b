"""Clients of the local identity provider that may show their secret itself, by name: what is known of each."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from doorward.exchange import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSecret:
    """A client with a secret of 256 random bits; the secret itself is nowhere kept."""

    caller: Caller
    hash: bytes
    """SHA-256 of the secret. A plain hash suffices: nobody can try that many."""
    disabled: bool = False


def load_client_secrets(records: Iterable[Mapping[str, Any]]) -> dict[str, ClientSecret]:
    """The clients by name. Errors: KeyError, TypeError, ValueError for records of a wrong form."""
    return {record["name"]: _load(record) for record in records}


def _load(record: Mapping[str, Any]) -> ClientSecret:
    caller = Caller(
        subject=record["name"],
        kind="client",
        issuer=record["issuer"],
        roles=frozenset(record["roles"]),
        scopes=frozenset(record["scopes"]),
        claims=dict(record["claims"]),
        credential_id=record["name"],
    )
    return ClientSecret(caller=caller, hash=bytes.fromhex(record["hash"]), disabled=bool(record["disabled"]))
