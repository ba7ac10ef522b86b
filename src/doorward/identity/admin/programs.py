"""Clients, API keys, keys of signed requests, and what is revoked by name."""

import base64
from typing import Any, Literal

import msgspec
from sqlalchemy import select

from doorward.controls.authenticate import RevokedKind
from doorward.identity.admin.endpoint import Body, Call, Endpoint, Page, listing
from doorward.identity.admin.problems import Refused
from doorward.identity.api_keys import ApiKey, add_api_key, api_key_of, get_api_key, revoke_api_key
from doorward.identity.changing import ClientChange, change_client, replace_secret
from doorward.identity.clients import Client, add_client, client_of, disable_client, get_client, replace_keys
from doorward.identity.key_rotation import rotate_api_key
from doorward.identity.revoking import revoke
from doorward.identity.signature_keys import (
    Grant,
    SigningKeyRecord,
    add_public_key,
    add_shared_secret,
    revoke_signature_key,
    signature_key_of,
)
from doorward.store import api_keys, clients, revocations, signature_keys

_DAY_S = 86_400
_PLACE_DIGITS = 10


class NewClient(Body, frozen=True, forbid_unknown_fields=True):
    """A program that fetches tokens."""

    name: str
    roles: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    claims: dict[str, Any] = msgspec.field(default_factory=dict)
    is_public: bool = False
    title: str = ""
    redirect_uris: tuple[str, ...] = ()
    is_trusted: bool = False
    pushes_only: bool = False
    post_logout_redirect_uris: tuple[str, ...] = ()
    backchannel_logout_uri: str = ""
    uses_devices: bool = False
    exchange_audiences: tuple[str, ...] = ()
    jwks: dict[str, Any] | None = None
    """Its public keys, when it proves itself by them."""
    jwks_uri: str = ""


class ChangedClient(Body, frozen=True, forbid_unknown_fields=True):
    """What becomes of it; what is left out stays."""

    roles: list[str] | None = None
    scopes: list[str] | None = None
    claims: dict[str, Any] | None = None
    title: str | None = None
    redirect_uris: list[str] | None = None
    is_trusted: bool | None = None
    pushes_only: bool | None = None
    post_logout_redirect_uris: list[str] | None = None
    backchannel_logout_uri: str | None = None
    uses_devices: bool | None = None
    exchange_audiences: list[str] | None = None


class ClientKeys(Body, frozen=True, forbid_unknown_fields=True):
    """The keys a client proves itself by from now on: one of the two."""

    jwks: dict[str, Any] | None = None
    jwks_uri: str = ""


class NewKey(Body, frozen=True, forbid_unknown_fields=True):
    """A key, and what whoever holds it may do, from where and how long."""

    name: str
    roles: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    claims: dict[str, Any] = msgspec.field(default_factory=dict)
    networks: tuple[str, ...] = ()
    lifetime_s: int = 90 * _DAY_S


class NewSignatureKey(NewKey, frozen=True, forbid_unknown_fields=True):
    """A key that a partner signs requests with: their public key, or a shared secret that is made here."""

    public_key: str | None = None
    """PEM."""
    purpose: Literal["rfc9421", "hmac"] = "rfc9421"
    """Of a shared secret."""
    id: str = ""


class Overlap(Body, frozen=True, forbid_unknown_fields=True):
    """How long old and new key are both good, in seconds."""

    overlap_s: int = _DAY_S


class NewRevocation(Body, frozen=True, forbid_unknown_fields=True):
    """What is void before its time."""

    kind: RevokedKind
    issuer: str
    name: str
    expires_at: float | None = None
    """When it would have been void by itself, Unix seconds; null: for good."""


class Revocation(msgspec.Struct, frozen=True):
    """What was revoked by name."""

    kind: str
    issuer: str
    name: str
    revoked_at: float
    expires_at: float | None


class WithSecret(msgspec.Struct, frozen=True):
    """A client and its secret, shown only now; empty where it has none."""

    client: Client
    secret: str


class WithKey(msgspec.Struct, frozen=True):
    """An API key and what is kept of it; the key itself is shown only now."""

    record: ApiKey
    key: str


class WithSharedSecret(msgspec.Struct, frozen=True):
    """A key of signed requests; a shared secret (base64) is shown only now."""

    record: SigningKeyRecord
    secret: str


def _add_client(call: Call) -> WithSecret:
    body: NewClient = call.body
    given = {name: getattr(body, name) for name in body.__struct_fields__ if name not in {"name", "roles", "jwks"}}
    jwks = None if body.jwks is None else msgspec.json.encode(body.jwks)
    roles = call.known_roles(body.roles)
    return WithSecret(*add_client(call.store, body.name, now=call.now, roles=roles, jwks=jwks, **given))


def _change_client(call: Call) -> Client:
    body: ChangedClient = call.body
    given = {name: getattr(body, name) for name in body.__struct_fields__}
    if body.roles is not None:
        given["roles"] = call.known_roles(body.roles)
    return change_client(call.store, call.name, ClientChange(**given), now=call.now, expected=call.expected)


def _replace_secret(call: Call) -> WithSecret:
    return WithSecret(*replace_secret(call.store, call.name, now=call.now, expected=call.expected))


def _replace_keys(call: Call) -> Client:
    body: ClientKeys = call.body
    jwks = None if body.jwks is None else msgspec.json.encode(body.jwks)
    return replace_keys(call.store, call.name, now=call.now, jwks=jwks, jwks_uri=body.jwks_uri)


def _add_api_key(call: Call) -> WithKey:
    body: NewKey = call.body
    made = add_api_key(
        call.store,
        body.name,
        now=call.now,
        roles=call.known_roles(body.roles),
        scopes=body.scopes,
        claims=body.claims,
        networks=body.networks,
        lifetime_s=body.lifetime_s,
    )
    return WithKey(*made)


def _revoke_api_key(call: Call) -> ApiKey:
    get_api_key(call.store, call.name)
    revoke_api_key(call.store, call.name, now=call.now)
    return get_api_key(call.store, call.name)


def _rotate_api_key(call: Call) -> WithKey:
    get_api_key(call.store, call.name)
    body: Overlap = call.body
    rotation = rotate_api_key(call.store, call.name, now=call.now, overlap_s=body.overlap_s)
    return WithKey(rotation.new, rotation.key)


def _add_signature_key(call: Call) -> WithSharedSecret:
    body: NewSignatureKey = call.body
    grant = Grant(
        roles=call.known_roles(body.roles),
        scopes=body.scopes,
        claims=body.claims,
        networks=body.networks,
        lifetime_s=body.lifetime_s,
    )
    if body.public_key is not None:
        made = add_public_key(call.store, body.name, body.public_key, grant, now=call.now, key_id=body.id)
        return WithSharedSecret(made, "")
    record, secret = add_shared_secret(
        call.store, call.desk.sealer(), body.name, grant, now=call.now, purpose=body.purpose, key_id=body.id
    )
    return WithSharedSecret(record, base64.b64encode(secret).decode("ascii"))


def _revoke_signature_key(call: Call) -> list[SigningKeyRecord]:
    found = revoke_signature_key(call.store, call.name, now=call.now)
    if not found:
        raise Refused("missing", "there is no such key")
    return found


def _revocations(call: Call) -> Page[Revocation]:
    asked = call.page()
    most, after = asked["most"], asked["after"] or "0"
    if not (after.isascii() and after.isdigit() and len(after) < _PLACE_DIGITS):
        raise Refused("invalid", "after is the `next` of an answer before")
    # By place, as times can be equal: one revoked meanwhile makes some appear twice, and none be missing.
    order = (revocations.c.revoked_at.desc(), revocations.c.kind, revocations.c.issuer, revocations.c.name)
    query = select(revocations).order_by(*order).offset(int(after)).limit(most + 1)
    with call.store.begin() as connection:
        rows = connection.execute(query).all()
    found = [Revocation(row.kind, row.issuer, row.name, row.revoked_at, row.expires_at) for row in rows[:most]]
    return Page(found, str(int(after) + most) if len(rows) > most else None)


def _revoke(call: Call) -> None:
    body: NewRevocation = call.body
    if not 1 <= len(body.name) <= 256 or not 1 <= len(body.issuer) <= 1024:
        raise Refused("invalid", "a name has up to 256 characters, an issuer up to 1024")
    revoke(call.store, body.kind, body.issuer, body.name, now=call.now, expires_at=body.expires_at)


ENDPOINTS = (
    listing("/clients", "listClients", "clients, by name", Page[Client], clients, clients.c.name, client_of),
    Endpoint(
        method="POST",
        path="/clients",
        id="addClient",
        summary="a new client, and its secret",
        answer=_add_client,
        gives=WithSecret,
        takes=NewClient,
        status=201,
    ),
    Endpoint(
        method="GET",
        path="/clients/{name}",
        id="getClient",
        summary="one client",
        answer=lambda call: get_client(call.store, call.name),
        gives=Client,
        has_version=True,
    ),
    Endpoint(
        method="PATCH",
        path="/clients/{name}",
        id="changeClient",
        summary="other roles, scopes, addresses; devices, exchange of tokens",
        answer=_change_client,
        gives=Client,
        takes=ChangedClient,
        has_version=True,
        needs_version=True,
    ),
    Endpoint(
        method="POST",
        path="/clients/{name}/disable",
        id="disableClient",
        summary="the client gets no more tokens; those it has are void",
        answer=lambda call: disable_client(call.store, call.name, now=call.now),
        gives=Client,
        has_version=True,
    ),
    Endpoint(
        method="POST",
        path="/clients/{name}/secret",
        id="replaceSecret",
        summary="a new secret; the old one is void",
        answer=_replace_secret,
        gives=WithSecret,
        needs_version=True,
    ),
    Endpoint(
        method="POST",
        path="/clients/{name}/keys",
        id="replaceKeys",
        summary="other keys to prove itself by",
        answer=_replace_keys,
        gives=Client,
        takes=ClientKeys,
        has_version=True,
    ),
    listing("/api-keys", "listApiKeys", "API keys, by id", Page[ApiKey], api_keys, api_keys.c.id, api_key_of),
    Endpoint(
        method="POST",
        path="/api-keys",
        id="addApiKey",
        summary="a new API key",
        answer=_add_api_key,
        gives=WithKey,
        takes=NewKey,
        status=201,
    ),
    Endpoint(
        method="GET",
        path="/api-keys/{name}",
        id="getApiKey",
        summary="one API key, by its id",
        answer=lambda call: get_api_key(call.store, call.name),
        gives=ApiKey,
        has_version=True,
    ),
    Endpoint(
        method="POST",
        path="/api-keys/{name}/revoke",
        id="revokeApiKey",
        summary="void within a second",
        answer=_revoke_api_key,
        gives=ApiKey,
        has_version=True,
    ),
    Endpoint(
        method="POST",
        path="/api-keys/{name}/rotate",
        id="rotateApiKey",
        summary="a new key that gives the same; the old one ends after the overlap",
        answer=_rotate_api_key,
        gives=WithKey,
        takes=Overlap,
        status=201,
    ),
    listing(
        "/signature-keys",
        "listSignatureKeys",
        "keys of signed requests, by id",
        Page[SigningKeyRecord],
        signature_keys,
        signature_keys.c.id,
        signature_key_of,
    ),
    Endpoint(
        method="POST",
        path="/signature-keys",
        id="addSignatureKey",
        summary="a partner's public key, or a shared secret made here",
        answer=_add_signature_key,
        gives=WithSharedSecret,
        takes=NewSignatureKey,
        status=201,
    ),
    Endpoint(
        method="POST",
        path="/signature-keys/{name}/revoke",
        id="revokeSignatureKey",
        summary="a key by its id, or all of a name: void within a second",
        answer=_revoke_signature_key,
        gives=list[SigningKeyRecord],
    ),
    Endpoint(
        method="GET",
        path="/revocations",
        id="listRevocations",
        summary="what was revoked by name, newest first",
        answer=_revocations,
        gives=Page[Revocation],
        is_paged=True,
    ),
    Endpoint(
        method="POST",
        path="/revocations",
        id="revoke",
        summary="a token, subject, client or key is void",
        answer=_revoke,
        takes=NewRevocation,
        status=204,
    ),
)
