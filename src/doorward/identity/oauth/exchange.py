"""Token exchange (RFC 8693): a service that was called with a token gets one for the service it has to call itself.

Only for confidential clients registered with the audiences they may ask for, and only to get less: no scope that the
token shown lacks, no second longer than it lives, and the chain of those who acted stays readable in `act`.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, select, update

from doorward.identity import events
from doorward.identity.clients import Client
from doorward.identity.names import RESERVED
from doorward.identity.oauth.checking import signed_claims, valid_claims
from doorward.identity.oauth.families import in_force, note_access_token
from doorward.identity.oauth.requests import OFFLINE
from doorward.identity.oauth_errors import OAuthError
from doorward.identity.provider import Provider
from doorward.store import clients, issued_tokens, token_families, users

GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name, no secret
ACTORS_COUNT: Final = 4
"""Longest chain of actors. Each token carries all of them, and a loop of services must come to an end."""
_UNUSABLE: Final = "the subject token is void, not for this client, or not shown by whom it is bound to"


def exchange(
    provider: Provider,
    connection: Connection,
    client: Client,
    form: Mapping[str, str],
    *,
    key: str | None,
    certificate: str | None,
) -> dict[str, Any]:
    """The members of the answer. `key`, `certificate`: thumbprints of what the client proved with its request.

    Errors: OAuthError `unauthorized_client`, `invalid_request` (also for the subject token, RFC 8693 section 2.2.2),
    `invalid_target`, `invalid_scope`.
    """
    if not client.exchange_audiences:
        raise OAuthError("unauthorized_client", "the client is not registered for token exchange")
    token = _subject_token(form)
    audience = _target(form, client)
    now = provider.clock()
    family = _family_in_force(provider, connection, client, token, now)
    claims = _subject(provider, connection, client, token, {"jkt": key, "x5t#S256": certificate}, now)
    standing = _standing(connection, claims)
    scopes = _narrowed(form.get("scope"), claims, client, standing)
    minted = provider.minter.mint(
        str(claims["sub"]),
        client_id=client.name,
        now=now,
        roles={*claims.get("roles", ())} & standing.roles,
        scopes=scopes,
        claims={
            name: value
            for name, value in claims.items()
            if name not in RESERVED and name in standing.claims and standing.claims[name] == value
        },
        lifetime_s=min(provider.settings.token_lifetime_s, int(claims["exp"]) - int(now)),
        bound_key=key,
        bound_certificate=certificate,
        audience=audience,
        actor=_actor(client, claims),
    )
    if family is not None:
        # ends with the authorization that the subject token came of
        note_access_token(connection, family, minted, issuer=provider.settings.issuer)
    events.record(connection, "token.exchanged", str(claims["sub"]), now=now, client=client.name, audience=audience)
    return {
        "access_token": minted.text,
        "issued_token_type": ACCESS_TOKEN,
        "token_type": "Bearer" if key is None else "DPoP",
        "expires_in": minted.expires_at - int(now),
        "scope": " ".join(minted.scopes),
    }


def _subject_token(form: Mapping[str, str]) -> str:
    if form.get("subject_token_type") != ACCESS_TOKEN or "subject_token" not in form:
        raise OAuthError("invalid_request", f"subject_token is needed, with subject_token_type {ACCESS_TOKEN}")
    if form.get("requested_token_type", ACCESS_TOKEN) != ACCESS_TOKEN:
        raise OAuthError("invalid_request", "only access tokens are issued")
    if "actor_token" in form or "actor_token_type" in form:
        raise OAuthError("invalid_request", "the client itself is the actor; actor tokens are not taken")
    return form["subject_token"]


def _target(form: Mapping[str, str], client: Client) -> str:
    asked = {form[name] for name in ("audience", "resource") if name in form}
    if not asked:
        raise OAuthError("invalid_request", "audience is missing: for whom is the token to be?")
    if len(asked) > 1 or not asked.issubset(client.exchange_audiences):
        raise OAuthError("invalid_target", "the client may not ask for this audience")
    return asked.pop()


def _family_in_force(provider: Provider, connection: Connection, client: Client, token: str, now: float) -> str | None:
    """The family the subject token came of, locked against its end; None for a token of no family."""
    claims = _shown_to(provider, client, token, now)
    jti = "" if claims is None else str(claims.get("jti"))
    family = connection.execute(select(issued_tokens.c.family).where(issued_tokens.c.id == jti)).scalar_one_or_none()
    if family is None:
        return None
    locked = update(token_families).where(token_families.c.id == family, *in_force(now))
    if not connection.execute(locked.values(last_used_at=token_families.c.last_used_at)).rowcount:
        raise OAuthError("invalid_request", _UNUSABLE)
    return str(family)


def _subject(
    provider: Provider, connection: Connection, client: Client, token: str, proved: Mapping[str, str | None], now: float
) -> Mapping[str, Any]:
    shown = _shown_to(provider, client, token, now)
    claims = shown and valid_claims(provider, connection, token, now=now, audience=str(shown["aud"]))
    if not claims:
        raise OAuthError("invalid_request", _UNUSABLE)
    if not dict(claims.get("cnf", {})).items() <= proved.items():
        # whoever got hold of a bound token must not make a free one of it
        raise OAuthError("invalid_request", _UNUSABLE)
    return claims


def _shown_to(provider: Provider, client: Client, token: str, now: float) -> Mapping[str, Any] | None:
    """The claims of a token for the API behind the gateway, or for this very client as a service."""
    for audience in (provider.settings.audience, client.name):
        claims = signed_claims(provider, token, now=now, audience=audience)
        # minted for one audience each; a list would be none of ours
        if claims is not None and claims["aud"] == audience:
            return claims
    return None


class _Standing(NamedTuple):
    """What is true of the subject by now."""

    roles: set[str]
    scopes: set[str] | None
    """None: not bounded here."""
    claims: Mapping[str, Any]


def _standing(connection: Connection, claims: Mapping[str, Any]) -> _Standing:
    """Of the subject, as it stands in the store; whoever is not there has what their token says.

    The gateway takes no token that says more than is true by now; other services cannot tell.
    """
    for table in (users, clients):
        row = connection.execute(select(table).where(table.c.name == claims["sub"])).one_or_none()
        if row is not None:
            return _Standing({*row.roles}, {*row.scopes} if table is clients else None, row.claims)
    return _Standing({*claims.get("roles", ())}, None, claims)


def _narrowed(asked: str | None, claims: Mapping[str, Any], client: Client, standing: _Standing) -> set[str]:
    allowed = {*str(claims.get("scope", "")).split()} & {*client.scopes} - {OFFLINE}
    if standing.scopes is not None:
        allowed &= standing.scopes
    wanted = allowed if asked is None else {word for word in asked.split(" ") if word}
    if not wanted.issubset(allowed):
        raise OAuthError("invalid_scope", "a scope is not the subject token's, or not granted to this client")
    return wanted


def _actor(client: Client, claims: Mapping[str, Any]) -> dict[str, Any]:
    """Who acts now, and within it who acted before (section 4.1)."""
    before, count = claims.get("act"), 1
    inner = before
    while isinstance(inner, Mapping):
        inner, count = inner.get("act"), count + 1
    if count > ACTORS_COUNT:
        raise OAuthError("invalid_request", f"more than {ACTORS_COUNT} actors in a row")
    return {"sub": client.name, **({} if before is None else {"act": before})}
