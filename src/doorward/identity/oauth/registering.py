"""Clients that register themselves: kept with the hash of the token by which they are changed and removed."""

import hmac
import secrets
from typing import Any, Final, cast

from sqlalchemy import func, select, update

from doorward.errors import PolicyError
from doorward.identity import events
from doorward.identity.client_keys import require_client_keys, require_keys_url
from doorward.identity.clients import Client, add_client, client_of, hash_secret, require_title
from doorward.identity.names import is_name
from doorward.identity.oauth.client_metadata import Metadata
from doorward.identity.oauth_errors import OAuthError
from doorward.identity.provider import Registration
from doorward.identity.registration_tokens import hash_token
from doorward.jose import Algorithm
from doorward.store import Store, clients

PREFIX: Final = "dyn-"
"""Of the names of clients that registered themselves: nobody takes one for the operator's own."""
_NOBODYS: Final = "0" * 64


def register(store: Store, wanted: Metadata, rules: Registration, *, now: float) -> tuple[Client, str, str]:
    """The client, its secret (empty where it has none) and its registration access token.

    Errors: OAuthError `invalid_client_metadata`; 503 when there are as many as may be.
    """
    with store.begin() as connection:
        registered = (clients.c.registration_hash != "") & clients.c.disabled_at.is_(None)
        count = connection.execute(select(func.count()).select_from(clients).where(registered)).scalar_one()
    if count >= rules.clients_most:
        raise OAuthError("temporarily_unavailable", "no more clients can register now", 503)
    token = secrets.token_urlsafe(32)
    try:
        client, secret = add_client(
            store,
            PREFIX + secrets.token_hex(16),
            now=now,
            scopes=wanted.scopes(rules.scopes),
            is_public=wanted.is_public,
            title=wanted.client_name,
            redirect_uris=wanted.redirect_uris,
            pushes_only=wanted.require_pushed_authorization_requests,
            jwks=wanted.key_set(),
            jwks_uri=wanted.jwks_uri,
            post_logout_redirect_uris=wanted.post_logout_redirect_uris,
            backchannel_logout_uri=wanted.backchannel_logout_uri,
            id_token_algorithm=cast("Algorithm | None", wanted.id_token_signed_response_alg),
            uses_devices=wanted.uses_devices,
            registration_hash=hash_token(token),
        )
    except PolicyError as error:
        raise OAuthError("invalid_client_metadata", error.problem) from error
    return client, secret, token


def find_registered(store: Store, name: str, token: str) -> Client | None:
    """The client of that name, if that is its registration access token and it was not disabled."""
    with store.begin() as connection:
        looked_up = name if is_name(name) else ""
        row = connection.execute(select(clients).where(clients.c.name == looked_up)).one_or_none()
    kept = row.registration_hash if row is not None and row.disabled_at is None else ""
    matches = hmac.compare_digest(hash_token(token), kept or _NOBODYS)
    return client_of(row) if row is not None and kept and matches else None


def replace(store: Store, client: Client, wanted: Metadata, rules: Registration, *, now: float) -> Client:
    """The client as it is now: what the new metadata leave out is as if it had never been said (RFC 7592 section 2.2).

    Errors: OAuthError `invalid_client_metadata`, `invalid_request`.
    """
    _require_own(client, wanted)
    values: dict[str, Any] = {
        "title": require_title(wanted.client_name or client.name),
        "scopes": wanted.scopes(rules.scopes),
        "redirect_uris": list(wanted.redirect_uris),
        "post_logout_redirect_uris": list(wanted.post_logout_redirect_uris),
        "backchannel_logout_uri": wanted.backchannel_logout_uri,
        "pushed_only": wanted.require_pushed_authorization_requests,
        "id_token_algorithm": wanted.id_token_signed_response_alg,
        "device": wanted.uses_devices,
        **_keys(wanted),
    }
    with store.begin() as connection:
        mine = (clients.c.name == client.name) & clients.c.disabled_at.is_(None)
        if wanted.client_secret is not None:
            mine &= clients.c.secret_hash == hash_secret(wanted.client_secret)
        row = connection.execute(update(clients).where(mine).values(values).returning(clients)).one_or_none()
        if row is None:
            raise OAuthError("invalid_request", "client_secret is not the client's")
        events.record(connection, "client.changed", client.name, now=now, by="registration")
        return client_of(row)


def _require_own(client: Client, wanted: Metadata) -> None:
    if wanted.client_id != client.name:
        raise OAuthError("invalid_request", "client_id has to be the client's own")
    given = (
        wanted.registration_access_token,
        wanted.registration_client_uri,
        wanted.client_secret_expires_at,
        wanted.client_id_issued_at,
    )
    if any(value is not None for value in given):
        raise OAuthError("invalid_request", "what the server gave out has no place in an update")
    if wanted.authentication != client.authentication:
        raise OAuthError("invalid_client_metadata", "how a client proves itself stays: register anew")


def _keys(wanted: Metadata) -> dict[str, Any]:
    document = wanted.key_set()
    try:
        return {
            "jwks": [] if document is None else require_client_keys(document),
            "jwks_uri": wanted.jwks_uri and require_keys_url(wanted.jwks_uri),
        }
    except PolicyError as error:
        raise OAuthError("invalid_client_metadata", error.problem) from error
