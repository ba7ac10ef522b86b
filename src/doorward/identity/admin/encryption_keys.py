"""Keys that answers are encrypted to: a caller's public key, or a shared secret that is made here."""

import base64
from typing import Any

import msgspec

from doorward.identity.admin.endpoint import Body, Call, Endpoint, Page, listing
from doorward.identity.admin.problems import Refused
from doorward.identity.encryption_keys import (
    EncryptionKeyRecord,
    add_encryption_key,
    add_shared_encryption_secret,
    encryption_key_of,
    get_encryption_key,
    revoke_encryption_key,
)
from doorward.store import encryption_keys

_DAY_S = 86_400


class NewEncryptionKey(Body, frozen=True, forbid_unknown_fields=True):
    """Whose answers it is for; with neither `public_key` nor `jwk` a shared secret is made."""

    name: str
    public_key: str | None = None
    """PEM."""
    jwk: dict[str, Any] | None = None
    """Public, with its `alg`."""
    issuer: str = ""
    """Who gave the caller its name; empty: this installation."""
    id: str = ""
    lifetime_s: int = 90 * _DAY_S


class WithEncryptionSecret(msgspec.Struct, frozen=True):
    """A key, and its shared secret (base64), which is shown only now; empty where it has none."""

    record: EncryptionKeyRecord
    secret: str


def _add(call: Call) -> WithEncryptionSecret:
    body: NewEncryptionKey = call.body
    if body.public_key is not None and body.jwk is not None:
        raise Refused("invalid", "public_key or jwk: one of the two")
    about: dict[str, Any] = {
        "now": call.now,
        "issuer": body.issuer,
        "key_id": body.id,
        "lifetime_s": body.lifetime_s,
    }
    public = body.public_key.encode("utf-8", "replace") if body.public_key is not None else None
    if body.jwk is not None:
        public = msgspec.json.encode(body.jwk)
    if public is not None:
        return WithEncryptionSecret(add_encryption_key(call.store, body.name, public, **about), "")
    record, secret = add_shared_encryption_secret(call.store, call.desk.sealer(), body.name, **about)
    return WithEncryptionSecret(record, base64.b64encode(secret).decode("ascii"))


def _revoke(call: Call) -> list[EncryptionKeyRecord]:
    found = revoke_encryption_key(call.store, call.name, now=call.now)
    if not found:
        raise Refused("missing", "there is no such key")
    return found


ENDPOINTS = (
    listing(
        "/encryption-keys",
        "listEncryptionKeys",
        "keys that answers are encrypted to, by id",
        Page[EncryptionKeyRecord],
        encryption_keys,
        encryption_keys.c.id,
        encryption_key_of,
    ),
    Endpoint(
        method="POST",
        path="/encryption-keys",
        id="addEncryptionKey",
        summary="a caller's public key, or a shared secret made here",
        answer=_add,
        gives=WithEncryptionSecret,
        takes=NewEncryptionKey,
        status=201,
    ),
    Endpoint(
        method="GET",
        path="/encryption-keys/{name}",
        id="getEncryptionKey",
        summary="one key, by its id",
        answer=lambda call: get_encryption_key(call.store, call.name),
        gives=EncryptionKeyRecord,
        has_version=True,
    ),
    Endpoint(
        method="POST",
        path="/encryption-keys/{name}/revoke",
        id="revokeEncryptionKey",
        summary="a key by its id, or all of a name: void within a second",
        answer=_revoke,
        gives=list[EncryptionKeyRecord],
    ),
)
