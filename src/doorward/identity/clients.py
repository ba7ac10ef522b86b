"""Clients: programs that fetch tokens, in their own name or in the name of people they send to sign in.

A confidential one signs with a key of its own, or has a secret of 256 random bits, kept as its SHA-256; a public one
(in a browser, on a telephone) can keep none, and proves with PKCE that it is the one that asked.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from doorward.errors import Missing, PolicyError
from doorward.identity import events
from doorward.identity.client_certificates import require_self_signed, require_tls_name
from doorward.identity.client_keys import require_client_keys, require_keys_url
from doorward.identity.names import (
    is_name,
    register_principal,
    require_audience,
    require_claims,
    require_name,
    require_words,
)
from doorward.identity.oauth.families import end_families
from doorward.identity.redirects import require_backchannel_uri, require_redirect_uri
from doorward.jose import Algorithm
from doorward.store import Store, clients, token_families
from doorward.store.prepared import Prepared

TITLE_CHARACTERS: Final = 64
Authentication: TypeAlias = Literal[
    "client_secret", "private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth", "none"
]
"""The one way in which a client proves itself."""
_SECRET_BYTES: Final = 32
_BY_NAME: Final = Prepared(select(clients).where(clients.c.name == bindparam("of_name")))
_NOBODYS: Final = "0" * 64
_SHOWN: Final = (
    "kind",
    "authentication",
    "jwks_uri",
    "title",
    "redirect_uris",
    "trusted",
    "pushed_only",
    "roles",
    "scopes",
    "claims",
)
"""What an event may say of a client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A program that may call in its own name."""

    name: str
    """Its `client_id`, and `sub` of its tokens."""
    roles: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    """The most it may be granted."""
    claims: Mapping[str, Any] = field(default_factory=dict)
    is_public: bool = False
    """It can keep no secret."""
    authentication: Authentication = "client_secret"
    jwks: tuple[Mapping[str, Any], ...] = ()
    """The public keys that it signs assertions with, or its self-signed certificates."""
    jwks_uri: str = ""
    """Where these are fetched from; empty: they are registered."""
    tls_name: tuple[str, str] = ("", "")
    """Field and value that its certificate must have (RFC 8705 section 2.1.2)."""
    id_token_algorithm: Algorithm | None = None
    """What its ID tokens are signed with; None: as access tokens are."""
    title: str = ""
    """What people are shown."""
    redirect_uris: tuple[str, ...] = ()
    """Where people may be sent back to; none: it acts in its own name only."""
    is_trusted: bool = False
    """The operator's own: people are not asked for consent."""
    pushes_only: bool = False
    """Its requests for authorization must be pushed (RFC 9126)."""
    post_logout_redirect_uris: tuple[str, ...] = ()
    """Where people may be sent back to after signing out, byte for byte."""
    backchannel_logout_uri: str = ""
    """Where it is told that a session ended; empty: it is not."""
    uses_devices: bool = False
    """It runs on devices without a browser (RFC 8628)."""
    exchange_audiences: tuple[str, ...] = ()
    """For whom it may exchange tokens (RFC 8693); none: it may not."""
    is_registered: bool = False
    """It registered itself (RFC 7591): it signs people in, and has no tokens in its own name."""
    created_at: float = 0.0
    disabled_at: float | None = None


def add_client(
    store: Store,
    name: str,
    *,
    now: float,
    roles: Iterable[str] = (),
    scopes: Iterable[str] = (),
    claims: Mapping[str, Any] | None = None,
    is_public: bool = False,
    title: str = "",
    redirect_uris: Iterable[str] = (),
    is_trusted: bool = False,
    pushes_only: bool = False,
    jwks: bytes | None = None,
    jwks_uri: str = "",
    certificate: bytes | None = None,
    tls_name: str = "",
    post_logout_redirect_uris: Iterable[str] = (),
    backchannel_logout_uri: str = "",
    id_token_algorithm: Algorithm | None = None,
    uses_devices: bool = False,
    exchange_audiences: Iterable[str] = (),
    registration_hash: str = "",
) -> tuple[Client, str]:
    """The new client and its secret, which can be had only now; empty for a public one and one with keys.

    `jwks`, `jwks_uri`: the set of public keys it signs assertions with, or where that is. `certificate`, `tls_name`:
    its self-signed certificate (PEM), or the one name an authority must vouch for (`san_dns=client.example.com`).
    `registration_hash`: of the token by which a client that registered itself is changed.
    Errors: PolicyError, as for `users.add_user`; for a redirect URI that is none, a public client that has none or has
    keys; for keys that cannot be used.
    """
    require_name(name, "client")
    uris = [require_redirect_uri(uri) for uri in redirect_uris]
    if is_public and not uris and not uses_devices:
        raise PolicyError(
            "a public client needs a redirect URI", key="redirect", hint="--redirect https://app/callback"
        )
    audiences = sorted({require_audience(name) for name in exchange_audiences})
    if is_public and audiences:
        raise PolicyError("a public client cannot exchange tokens", key="exchange-audience", hint="leave out --public")
    proof = _proof(jwks, jwks_uri, certificate, tls_name, is_public=is_public, now=now)
    secret = new_secret() if proof["authentication"] == "client_secret" else ""
    row: dict[str, Any] = {
        **proof,
        "name": name,
        "secret_hash": hash_secret(secret) if secret else "",
        "id_token_algorithm": id_token_algorithm,
        "kind": "public" if is_public else "confidential",
        "title": require_title(title or name),
        "redirect_uris": uris,
        "trusted": is_trusted,
        "pushed_only": pushes_only,
        "post_logout_redirect_uris": [require_redirect_uri(uri) for uri in post_logout_redirect_uris],
        "backchannel_logout_uri": backchannel_logout_uri and require_backchannel_uri(backchannel_logout_uri),
        "device": uses_devices,
        "exchange_audiences": audiences,
        "registration_hash": registration_hash,
        "roles": require_words(roles, "role"),
        "scopes": require_words(scopes, "scope"),
        "claims": require_claims(claims or {}),
        "created_at": now,
    }
    with store.begin() as connection:
        register_principal(connection, name, "client")
        connection.execute(insert(clients).values(row))
        events.record(
            connection, "client.added", name, now=now, **{field: row[field] for field in _SHOWN if field in row}
        )
    return get_client(store, name), secret


def replace_keys(
    store: Store,
    name: str,
    *,
    now: float,
    jwks: bytes | None = None,
    jwks_uri: str = "",
    certificate: bytes | None = None,
) -> Client:
    """The client, which proves itself by these keys, or certificates, from now on and by no others.

    Errors: PolicyError when there is none, it has none of that kind to replace, or these cannot be used.
    """
    keys = _proof(jwks, jwks_uri, certificate, "", is_public=False, now=now)
    kind = get_client(store, name).authentication
    if kind != keys["authentication"] or kind not in {"private_key_jwt", "self_signed_tls_client_auth"}:
        raise PolicyError(f"{name} does not prove itself by such keys", key="client", hint="add a new client with them")
    with store.begin() as connection:
        connection.execute(update(clients).where(clients.c.name == name).values(keys))
        key_ids = [key.get("kid", "") for key in keys["jwks"]]
        events.record(connection, "client.keys_replaced", name, now=now, jwks_uri=keys["jwks_uri"], keys=key_ids)
    return get_client(store, name)


def get_client(store: Store, name: str) -> Client:
    """The client of that name. Errors: PolicyError when there is none."""
    with store.begin() as connection:
        row = _BY_NAME.one(connection, {"of_name": name})
    if row is None:
        raise Missing(f"there is no client {name!r}", key="client", hint="doorward client list")
    return client_of(row)


def find_client(store: Store, name: str) -> Client | None:
    """The client of that name, disabled or not; None when there is none."""
    with store.begin() as connection:
        return client_named(connection, name)


def client_named(connection: Connection, name: str) -> Client | None:
    """As `find_client`, in a transaction."""
    if not is_name(name):
        return None
    row = _BY_NAME.one(connection, {"of_name": name})
    return None if row is None else client_of(row)


def list_clients(store: Store) -> list[Client]:
    """All clients, by name."""
    with store.begin() as connection:
        return [client_of(row) for row in connection.execute(select(clients).order_by(clients.c.name))]


def disable_client(store: Store, name: str, *, now: float) -> Client:
    """The client, which gets no more tokens and whose tokens are void with the next snapshot.

    Errors: PolicyError when there is none. Disabling twice keeps the first time.
    """
    with store.begin() as connection:
        disabled = connection.execute(
            update(clients).where(clients.c.name == name, clients.c.disabled_at.is_(None)).values(disabled_at=now)
        ).rowcount
        if disabled:
            events.record(connection, "client.disabled", name, now=now)
            # by name too: what others got in exchange for its tokens does not name it
            end_families(connection, token_families.c.client == name, now=now)
    return get_client(store, name)


def check_secret(connection: Connection, name: str, secret: str) -> Client | None:
    """The client, if the secret is its own and it may call. Unknown, disabled and wrong take the same time."""
    looked_up = name if is_name(name) else ""
    row = _BY_NAME.one(connection, {"of_name": looked_up})
    matches = hmac.compare_digest(hash_secret(secret), _NOBODYS if row is None else row.secret_hash)
    return client_of(row) if row is not None and matches and row.disabled_at is None else None


def _proof(
    jwks: bytes | None, jwks_uri: str, certificate: bytes | None, tls_name: str, *, is_public: bool, now: float
) -> dict[str, Any]:
    """The columns that say how the client proves itself. Errors: PolicyError for more ways than one."""
    given = [name for name, value in _ways(jwks, jwks_uri, certificate, tls_name) if value]
    if is_public and given:
        raise PolicyError("a public client keeps no key", key="public", hint="leave --public or the keys away")
    if len(given) > 1:
        raise PolicyError(
            f"a client proves itself in one way, not both by {given[0]} and {given[1]}", key=given[1], hint="choose one"
        )
    columns: dict[str, Any] = {"jwks": [], "jwks_uri": "", "tls_field": "", "tls_value": ""}
    if jwks is not None:
        return {**columns, "authentication": "private_key_jwt", "jwks": require_client_keys(jwks)}
    if jwks_uri:
        return {**columns, "authentication": "private_key_jwt", "jwks_uri": require_keys_url(jwks_uri)}
    if certificate is not None:
        found = require_self_signed(certificate, now=now)
        return {**columns, "authentication": "self_signed_tls_client_auth", "jwks": found}
    if tls_name:
        field, value = require_tls_name(tls_name)
        return {**columns, "authentication": "tls_client_auth", "tls_field": field, "tls_value": value}
    return {**columns, "authentication": "none" if is_public else "client_secret"}


def _ways(jwks: bytes | None, jwks_uri: str, certificate: bytes | None, tls_name: str) -> tuple[tuple[str, bool], ...]:
    return (
        ("jwks", jwks is not None),
        ("jwks-uri", bool(jwks_uri)),
        ("certificate", certificate is not None),
        ("tls-name", bool(tls_name)),
    )


def require_title(text: str) -> str:
    """The title. Errors: PolicyError for one that is too long or cannot be printed."""
    if not text.isprintable() or len(text) > TITLE_CHARACTERS:
        raise PolicyError(f"a title has up to {TITLE_CHARACTERS} printable characters", key="title")
    return text


def new_secret() -> str:
    """A secret of 256 random bits."""
    return base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode("ascii").rstrip("=").lower()


def hash_secret(secret: str) -> str:
    """As which a secret is kept."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def client_of(row: Row[Any]) -> Client:
    """The client of a row."""
    return Client(
        name=row.name,
        roles=tuple(row.roles),
        scopes=tuple(row.scopes),
        claims=row.claims,
        is_public=row.kind == "public",
        authentication=row.authentication,
        jwks=tuple(row.jwks),
        jwks_uri=row.jwks_uri,
        tls_name=(row.tls_field, row.tls_value),
        id_token_algorithm=row.id_token_algorithm,
        title=row.title or row.name,
        redirect_uris=tuple(row.redirect_uris),
        is_trusted=row.trusted,
        pushes_only=row.pushed_only,
        post_logout_redirect_uris=tuple(row.post_logout_redirect_uris),
        backchannel_logout_uri=row.backchannel_logout_uri,
        uses_devices=row.device,
        exchange_audiences=tuple(row.exchange_audiences),
        is_registered=bool(row.registration_hash),
        created_at=row.created_at,
        disabled_at=row.disabled_at,
    )
