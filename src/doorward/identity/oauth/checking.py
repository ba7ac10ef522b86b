"""An access token of our own, checked: for userinfo, introspection and revocation."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select

from doorward.identity.provider import Provider
from doorward.jose import Expected, JoseError, split_unverified, verify_jwt, verify_signature
from doorward.store import clients, revocations, users

# Made once: to make one of them takes as long as to carry it out.
_REVOKED: Final = select(revocations.c.kind, revocations.c.name).where(
    revocations.c.issuer == bindparam("of_issuer"), revocations.c.name.in_(bindparam("of_names", expanding=True))
)
_DISABLED_USER, _DISABLED_CLIENT = (
    select(table.c.name).where(table.c.name == bindparam("of_name"), table.c.disabled_at.is_not(None))
    for table in (users, clients)
)


def signed_claims(
    provider: Provider, token: str, *, now: float, audience: str | None = None
) -> Mapping[str, Any] | None:
    """The claims of an access token this provider signed and that is not over; None for anything else.

    `audience`: another one than the API behind the gateway.
    """
    expected = Expected(
        issuer=provider.settings.issuer,
        audience=provider.settings.audience if audience is None else audience,
        types=frozenset({"at+jwt"}),
        clock_skew_s=0.0,
    )
    try:
        unverified = split_unverified(token)
        key = provider.key_of(unverified)
        return None if key is None else verify_jwt(unverified, key, expected, now=now)
    except JoseError:
        return None


def audience_of(provider: Provider, token: str) -> str | None:
    """The one audience of a token this provider signed, whoever that is; None for anything else."""
    try:
        unverified = split_unverified(token)
        key = provider.key_of(unverified)
        audience = None if key is None else verify_signature(unverified, key).get("aud")
    except JoseError:
        return None
    return audience if isinstance(audience, str) else None


def valid_claims(
    provider: Provider, connection: Connection, token: str, *, now: float, audience: str | None = None
) -> Mapping[str, Any] | None:
    """The claims of an access token that is in force: nothing it names was revoked or disabled."""
    claims = signed_claims(provider, token, now=now, audience=audience)
    if claims is None:
        return None
    names = {
        ("token", claims.get("jti")),
        ("subject", claims["sub"]),
        ("client", claims.get("client_id")),
        ("key", split_unverified(token).jws.key_id),
    }
    named = {"of_issuer": provider.settings.issuer, "of_names": [str(name) for _, name in names]}
    if any((row.kind, row.name) in names for row in connection.execute(_REVOKED, named).all()):
        return None
    for disabled, name in ((_DISABLED_USER, claims["sub"]), (_DISABLED_CLIENT, claims.get("client_id"))):
        if connection.execute(disabled, {"of_name": name}).one_or_none() is not None:
            return None
    return claims
