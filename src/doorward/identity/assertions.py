"""Client assertions (`private_key_jwt`): what a client signs to prove itself. Decides; fetches and keeps nothing.

Source: RFC 7523 section 3; OpenID Connect Core section 9; FAPI 2.0 Security Profile section 5.3.2.1 (the audience is
the issuer, as one text: an assertion made for another endpoint or another server is of no use here).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from doorward.jose import JoseError, PublicKey, UnverifiedToken, date_of, verify_signature

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LIFE_MOST_S: Final = 600.0
"""Latest `exp` from now, in seconds: as long as its `jti` is remembered at most."""
AHEAD_MOST_S: Final = 30.0
"""How far `iat` and `nbf` may be ahead, in seconds. FAPI 2.0 wants 10 taken and more than 60 refused."""
ID_CHARACTERS: Final = 256
_TYPES: Final = frozenset({"", "jwt", "client-authentication+jwt"})
"""No other token of ours or of anybody is one of these (RFC 8725 section 3.11)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """An assertion that holds, but for its one use."""

    id: str
    """`jti`, good once for its client."""
    expires_at: float


def chosen_key(token: UnverifiedToken, keys: Iterable[PublicKey]) -> PublicKey | None:
    """The key the assertion names, or the only one of its algorithm when it names none."""
    fitting = [key for key in keys if key.algorithm == token.jws.algorithm]
    if token.jws.key_id:
        return next((key for key in fitting if key.id == token.jws.key_id), None)
    return fitting[0] if len(fitting) == 1 else None


def judge_assertion(token: UnverifiedToken, key: PublicKey, *, issuer: str, client: str, now: float) -> Assertion:
    """The assertion, proved to be the client's, for this issuer, and valid at `now`. Errors: JoseError."""
    claims = verify_signature(token, key)
    if token.jws.type not in _TYPES:
        raise JoseError("claims", f"typ {token.jws.type!r}")
    if claims.get("iss") != client or claims.get("sub") != client:
        raise JoseError("claims", "iss and sub are not both the client")
    if claims.get("aud") != issuer:
        raise JoseError("claims", "aud is not the issuer as one text")
    name = claims.get("jti")
    if not isinstance(name, str) or not 0 < len(name) <= ID_CHARACTERS:
        raise JoseError("claims", "jti is not a short text")
    return Assertion(id=name, expires_at=_expiry(claims, now))


def _expiry(claims: Mapping[str, Any], now: float) -> float:
    expires = date_of(claims, "exp")
    if expires is None:
        raise JoseError("time", "exp is missing")
    if expires <= now:
        raise JoseError("time", f"expired {now - expires:.0f} s ago")
    if expires > now + LIFE_MOST_S:
        raise JoseError("time", f"exp is {expires - now:.0f} s ahead, {LIFE_MOST_S:.0f} allowed")
    for name in ("nbf", "iat"):
        value = date_of(claims, name)
        if value is not None and value > now + AHEAD_MOST_S:
            raise JoseError("time", f"{name} is {value - now:.0f} s ahead")
    return expires
