"""What a proof of possession says, read and compared (RFC 9449 section 4.3): for the gateway and the token endpoint."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from doorward.controls.authenticate.nonces import LIFE_S, Nonces
from doorward.jose import JoseError, date_of, encode_segment

PROOF_BYTES: Final = 8192
"""Longest proof looked at, in bytes; one with an RSA key of 2,048 bits has about 1,200."""
AHEAD_S: Final = 10.0
"""How far ahead of our clock a proof may have been made, in seconds (FAPI 2.0)."""
_FRESH_S: Final = 1.0
"""A proof with a nonce this young that nobody can judge is not helped by another; no worker starts anew faster."""
_JTI_CHARACTERS: Final = 256
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_DEFAULT_PORTS: Final = {"https": ":443", "http": ":80"}


class NonceNeeded(Exception):
    """The proof must carry a nonce, or another one."""


@dataclass(frozen=True, slots=True)
class Usable:
    """Between when a proof can be used, Unix seconds."""

    since: float
    until: float
    is_certain: bool
    """Nobody's clock but ours says so, and a moment ago: another nonce would say no more."""
    nonce_age_s: float = 0.0
    """How old its nonce is; 0 without one."""


def require_method(claims: Mapping[str, Any], method: str) -> None:
    """Nothing, when the proof is for this method. Errors: JoseError `claims`."""
    if claims.get("htm") != method:
        raise JoseError("claims", "htm is another method")


def require_token(claims: Mapping[str, Any], token: bytes) -> None:
    """Nothing, when the proof is for this access token (`ath`, RFC 9449 section 4.3). Errors: JoseError `claims`."""
    if not hmac.compare_digest(str(claims.get("ath")).encode(), encode_segment(hashlib.sha256(token).digest())):
        raise JoseError("claims", "ath is of another token")


def target_of(claims: Mapping[str, Any]) -> tuple[str, str]:
    """Origin and path the proof is for, in the one form that is compared; query and fragment do not count.

    Errors: JoseError `claims`.
    """
    htu = claims.get("htu")
    if not isinstance(htu, str) or not htu.isascii():
        raise JoseError("claims", "htu is not a URL")
    try:
        parts = urlsplit(htu)
    except ValueError as error:
        raise JoseError("claims", "htu is not a URL") from error
    return normal_origin(parts.scheme, parts.netloc), normal_path(parts.path)


def name_of(claims: Mapping[str, Any], thumbprint: str) -> bytes:
    """What tells the proof from all others, in 16 bytes. Errors: JoseError `claims`.

    By key and `jti`, not by the bytes of the proof: an ECDSA signature can be written in two ways.
    """
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= _JTI_CHARACTERS:
        raise JoseError("claims", "jti is not a short text")
    return hashlib.sha256(f"{thumbprint}\0{jti}".encode()).digest()[:16]


def usable(
    claims: Mapping[str, Any], nonces: Nonces, *, now: float, age_s: float, demands_nonce: bool = False
) -> Usable:
    """When the proof can be used, if now is a time for it. Errors: JoseError `time`, NonceNeeded."""
    made = date_of(claims, "iat")
    if made is None:
        raise JoseError("time", "iat is missing")
    if "nonce" in claims:
        issued = nonces.issued_at(str(claims["nonce"]), now)
        if issued is None:
            raise NonceNeeded("the nonce is not ours, or too old")
        # the nonce says when the proof was made; the client's clock need not be right
        return Usable(issued, issued + LIFE_S, now - issued < _FRESH_S, now - issued)
    if demands_nonce:
        raise NonceNeeded("a nonce is demanded")
    if not now - age_s <= made <= now + AHEAD_S:
        raise JoseError("time", f"made {now - made:.0f} s ago")
    return Usable(made - AHEAD_S, made + age_s, is_certain=False)


def normal_origin(scheme: str, authority: str) -> str:
    """An origin in the one form that is compared (RFC 3986 sections 6.2.2.1 and 6.2.3).

    >>> normal_origin("HTTPS", "API.example:443")
    'https://api.example'
    """
    scheme, authority = scheme.lower(), authority.lower()
    return f"{scheme}://{authority.removesuffix(_DEFAULT_PORTS.get(scheme, ' '))}"


def normal_path(path: str) -> str:
    """A path with the escapes it needs and no others, in upper case (RFC 3986 section 6.2.2).

    >>> normal_path("/%7eb/a%2fb"), normal_path("")
    ('/~b/a%2Fb', '/')
    """
    if "%" in path:
        path = _ESCAPE.sub(_unescaped, path)
    return path or "/"


def _unescaped(found: re.Match[str]) -> str:
    character = chr(int(found[1], 16))
    return character if character in _UNRESERVED else found[0].upper()
