"""ID tokens: who signed in, when and how, for the client alone (OpenID Connect Core section 2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from doorward.identity.acr import acr_of
from doorward.identity.oauth_errors import OAuthError
from doorward.identity.provider import Provider
from doorward.jose import Algorithm, JoseError, sign_jwt, split_unverified, verify_signature

LIFETIME_S: Final = 600
TYPE: Final = "JWT"
"""Not `at+jwt`: no API takes an ID token for an access token (RFC 9068 section 2.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """What an ID token shown again says: whom it was about, for which client, of which session."""

    user: str
    client: str
    session: str


def read_hint(provider: Provider, token: str) -> Hint | None:
    """What an ID token of ours says, however old (RP-Initiated Logout 1.0 section 2); None for anything else."""
    try:
        unverified = split_unverified(token)
        key = provider.key_of(unverified)
        if key is None or unverified.jws.type != TYPE.lower():
            return None
        claims = verify_signature(unverified, key)
    except JoseError:
        return None
    user, client, session = (claims.get(name) for name in ("sub", "aud", "sid"))
    if not (isinstance(user, str) and isinstance(client, str) and isinstance(session, str)):
        return None
    return Hint(user=user, client=client, session=session) if claims.get("iss") == provider.settings.issuer else None


def mint_id_token(
    provider: Provider,
    user: str,
    *,
    client: str,
    auth_time: float,
    amr: Sequence[str],
    session: str,
    nonce: str | None,
    now: float,
    algorithm: Algorithm | None = None,
) -> str:
    """An ID token; `algorithm` is the one the client is registered for, None: that of access tokens.

    Errors: OAuthError `server_error` when the key of that algorithm is gone: nothing else would be taken by the client.
    """
    claims: dict[str, Any] = {
        "iss": provider.settings.issuer,
        "sub": user,
        "aud": client,
        "iat": int(now),
        "exp": int(now) + LIFETIME_S,
        "auth_time": int(auth_time),
        "acr": acr_of(amr),
        "amr": list(amr),
        "sid": session,
    }
    if nonce is not None:
        claims["nonce"] = nonce
    key = provider.ring().signer(now, algorithm)
    if key is None:
        raise OAuthError("server_error", f"there is no {algorithm} key to sign with", 500)
    return sign_jwt(key, claims, TYPE)
