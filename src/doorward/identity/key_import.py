"""API keys that another system made: taken over by their hashes, so that no client has to change anything.

Only hashes come in, never keys. A fast hash (SHA-256, SHA-512) protects a key only because nobody can try all keys
there could be: whoever imports must know that each has 128 random bits at least, and says so.
"""

import csv
import io
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import jiter
import msgspec
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from doorward.controls.authenticate import KeyForm
from doorward.controls.authenticate.key_format import ID_BYTES, SECRET_BYTES, hash_api_key, make_api_key
from doorward.errors import PolicyError
from doorward.identity.api_keys import LIFETIME_S, ApiKey, api_key_of, key_row, note_added
from doorward.identity.names import register_principal
from doorward.store import Store, api_keys

RANDOM_BITS_LEAST: Final = 128
"""What a key must have for a fast hash of it to be safe to keep, in bits. Source: NIST SP 800-63B-4 section 3.1.2 (a
look-up secret of 112 bits and more needs no slow hash); 128 leaves room."""
KEYS_MOST: Final = 100_000
"""Most keys of one file."""
PREFIX_CHARACTERS: Final = 32
_FORMS: Final[Mapping[int, KeyForm]] = {64: "sha256", 128: "sha512"}
"""By the length of a hash in hexadecimal: no other hash is as long."""
_OWN_PREFIX: Final = "dw_"


class ImportedKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of a file: who calls with a key, and a hash of it."""

    name: str
    hash: Annotated[str, msgspec.Meta(max_length=128)]
    """SHA-256 or SHA-512 of the whole key as clients send it, in hexadecimal."""
    roles: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    claims: dict[str, str | list[str]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportGrant:
    """What all keys of a file have in common."""

    random_bits: int
    """How many random bits each key has: only who knows how they were made can tell."""
    prefix: str = ""
    """What all of them begin with."""
    roles: Iterable[str] = ()
    scopes: Iterable[str] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)
    networks: Iterable[str] = ()
    lifetime_s: float = LIFETIME_S


def read_csv(text: str) -> list[ImportedKey]:
    """The entries of a CSV file whose first line names its columns; several words of one column stand apart by spaces.

    Errors: PolicyError.
    """
    reader = csv.DictReader(io.StringIO(text), strict=True)
    try:
        columns = reader.fieldnames or ()
        if len(set(columns)) != len(columns):
            raise PolicyError("a column stands in line 1 twice: one of the two would not count", key="file")
        rows = [{name: value for name, value in row.items() if value} for row in reader]
        lists = ("roles", "scopes", "networks")
        entries = [
            {name: value.split() if name in lists and isinstance(value, str) else value for name, value in row.items()}
            for row in rows
        ]
        return msgspec.convert(entries, list[ImportedKey])
    except (csv.Error, msgspec.ValidationError, TypeError) as error:
        raise PolicyError(
            f"the file is not as expected: {error}", key="file", hint="name,hash[,roles,scopes,networks] in line 1"
        ) from error


def read_json(text: str | bytes) -> list[ImportedKey]:
    """The entries of a JSON file, a list of objects. Errors: PolicyError."""
    try:
        data = text.encode("utf-8", "replace") if isinstance(text, str) else text
        return msgspec.convert(jiter.from_json(data, catch_duplicate_keys=True), list[ImportedKey])
    except (msgspec.ValidationError, ValueError) as error:
        raise PolicyError(
            f"the file is not as expected: {error}", key="file", hint='[{"name": "partner", "hash": "9f86d0..."}]'
        ) from error


def import_api_keys(store: Store, entries: Iterable[ImportedKey], grant: ImportGrant, *, now: float) -> list[ApiKey]:
    """The keys, good from now on: all of them, or none.

    Errors: PolicyError for keys of too few random bits, a hash that is none or is known already, a prefix of ours; and
    as `api_keys.add_api_key`.
    """
    if grant.random_bits < RANDOM_BITS_LEAST:
        raise PolicyError(
            f"keys of {grant.random_bits} random bits can be found from their hashes; {RANDOM_BITS_LEAST} are needed",
            key="random-bits",
            hint="give their holders new keys: doorward key add",
        )
    _require_prefix(grant.prefix)
    listed = list(entries)
    if len(listed) > KEYS_MOST:
        raise PolicyError(f"{len(listed)} keys, {KEYS_MOST} at a time", key="file", hint="split the file")
    rows = [_row(entry, grant, now) for entry in listed]
    if len({row["hash"] for row in rows}) != len(rows):
        raise PolicyError("a hash stands in the file twice: one key would be two callers'", key="file")
    if not rows:
        return []
    try:
        with store.begin() as connection:
            for name in sorted({row["name"] for row in rows}):
                register_principal(connection, name, "api_key")
            connection.execute(insert(api_keys), rows)
            for row in rows:
                note_added(connection, row["id"], row)
    except IntegrityError as error:
        raise PolicyError(
            "a key of the file is known already, so none was taken", key="file", hint="doorward key list"
        ) from error
    with store.begin() as connection:
        query = select(api_keys).where(api_keys.c.form != "doorward", api_keys.c.created_at == now)
        taken = {row["id"] for row in rows}
        return [api_key_of(row) for row in connection.execute(query.order_by(api_keys.c.id)) if row.id in taken]


def _row(entry: ImportedKey, grant: ImportGrant, now: float) -> dict[str, Any]:
    form = _FORMS.get(len(entry.hash))
    try:
        digest = bytes.fromhex(entry.hash)
    except ValueError:
        form = None
    if form is None or " " in entry.hash:
        raise PolicyError(
            f"the hash of {entry.name[:64]!r} is neither SHA-256 nor SHA-512 in hexadecimal",
            key="hash",
            hint='printf %s "$KEY" | sha256sum',
        )
    granted = key_row(
        entry.name,
        now=now,
        roles=[*grant.roles, *entry.roles],
        scopes=[*grant.scopes, *entry.scopes],
        claims={**grant.claims, **entry.claims},
        networks=entry.networks or grant.networks,
        lifetime_s=grant.lifetime_s,
    )
    # Its hash finds such a key; the id, which it does not contain, is for us alone.
    key_id, _ = make_api_key(secrets.token_bytes(ID_BYTES), bytes(SECRET_BYTES))
    kept = digest if form == "sha256" else hash_api_key(digest)
    return {**granted, "id": key_id, "hash": kept.hex(), "form": form, "prefix": grant.prefix}


def _require_prefix(prefix: str) -> None:
    if len(prefix) > PREFIX_CHARACTERS or not prefix.isascii() or (prefix and not prefix.isprintable()):
        raise PolicyError(f"a prefix has up to {PREFIX_CHARACTERS} printable ASCII characters", key="prefix")
    if prefix.startswith(_OWN_PREFIX):
        raise PolicyError(f"keys with {_OWN_PREFIX!r} are made here", key="prefix", hint="doorward key add")
