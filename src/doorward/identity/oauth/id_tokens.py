"""ID tokens: who signed in, when and how, for the client alone (OpenID Connect Core section 2)."""

from collections.abc import Sequence
from typing import Any, Final

from doorward.identity.provider import Provider
from doorward.jose import sign_jwt

LIFETIME_S: Final = 600
TYPE: Final = "JWT"
"""Not `at+jwt`: no API takes an ID token for an access token (RFC 9068 section 2.1)."""


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
) -> str:
    """An ID token."""
    claims: dict[str, Any] = {
        "iss": provider.settings.issuer,
        "sub": user,
        "aud": client,
        "iat": int(now),
        "exp": int(now) + LIFETIME_S,
        "auth_time": int(auth_time),
        "acr": "urn:doorward:acr:2" if "mfa" in amr else "urn:doorward:acr:1",
        "amr": list(amr),
        "sid": session,
    }
    if nonce is not None:
        claims["nonce"] = nonce
    return sign_jwt(provider.keys[0], claims, TYPE)
