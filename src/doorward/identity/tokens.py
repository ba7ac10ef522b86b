"""The only place that mints access tokens (RFC 9068)."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from doorward.jose import PrivateKey, sign_jwt

LIFETIME_S: Final = 600
"""Life of an access token, in seconds. It bounds what a stolen one is good for, and how long workers that lost the
control process honour a revoked one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A token just minted."""

    text: str = field(repr=False)
    id: str
    """Its `jti`, by which it can be revoked."""
    expires_at: int
    """Unix seconds."""
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Minter:
    """Mints tokens in the name of one issuer for one API."""

    key: PrivateKey
    issuer: str
    audience: str

    def mint(
        self,
        subject: str,
        *,
        client_id: str,
        now: float,
        roles: Iterable[str] = (),
        scopes: Iterable[str] = (),
        claims: Mapping[str, Any] | None = None,
        lifetime_s: int = LIFETIME_S,
        bound_key: str | None = None,
        audience: str | None = None,
        actor: Mapping[str, Any] | None = None,
        bound_certificate: str | None = None,
    ) -> AccessToken:
        """A new access token. What the caller's own claims say can never replace what the issuer says.

        `bound_key` is the thumbprint of the key without which it is of no use (`cnf.jkt`, RFC 9449 section 6.1),
        `bound_certificate` that of the certificate (`cnf.x5t#S256`, RFC 8705 section 3.1).
        `audience`: another one than the API. `actor`: who acts for the subject (`act`, RFC 8693 section 4.1).
        """
        issued = int(now)
        token_id = secrets.token_urlsafe(16)
        granted = tuple(sorted(set(scopes)))
        bound = {"jkt": bound_key, "x5t#S256": bound_certificate}
        found = {name: thumbprint for name, thumbprint in bound.items() if thumbprint is not None}
        confirmation = {"cnf": found} if found else {}
        text = sign_jwt(
            self.key,
            {
                **(claims or {}),
                **confirmation,
                **({} if actor is None else {"act": dict(actor)}),
                "iss": self.issuer,
                "sub": subject,
                "aud": self.audience if audience is None else audience,
                "iat": issued,
                "exp": issued + lifetime_s,
                "jti": token_id,
                "client_id": client_id,
                "roles": sorted(set(roles)),
                "scope": " ".join(granted),
            },
            "at+jwt",
        )
        return AccessToken(text=text, id=token_id, expires_at=issued + lifetime_s, scopes=granted)
