"""Compact JWS and JWT: strict splitting, one key with one algorithm, and signature and claims checked in one call.

joserfc does the cryptography. What it is lenient about stands here: duplicate members (the last one wins in
`json`), padding and trailing bits of base64url, `crit`, keys that come with the token, dates that are not dates.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from doorward.jose.errors import JoseError
from doorward.jose.keys import PrivateKey, PublicKey, algorithm_named
from doorward.jose.parsing import (
    ascii_bytes,
    decode_segment,
    encode_segment,
    key_id_of,
    media_type_of,
    parse_object,
    refuse_members,
    shown,
)

TOKEN_BYTES: Final = 8192
"""Longest token looked at, in bytes, unless the caller says otherwise; counted before anything is split."""
HEADER_BYTES: Final = 2048
"""Longest encoded header. Entra and Keycloak write about 200 bytes; a proof of possession has more (`proofs`)."""
SIGNATURE_BYTES: Final = 1368
"""Longest encoded signature: 1,024 bytes, of the largest RSA key there may be."""
DATE_MOST: Final = 1 << 40
"""Latest NumericDate taken for a date, Unix seconds (the year 36812); `1e300` is an attack, not a date."""
SUBJECT_CHARACTERS: Final = 255
"""Longest `sub` (OpenID Connect Core section 2)."""

REFERENCES: Final = ("jku", "jwk", "x5u", "x5c")
"""Members by which a message brings or names its own key."""
EXTENSIONS: Final = ("crit", "b64")
"""Members that change how a message is to be read (RFC 7515 section 4.1.11, RFC 7797); none is known here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnverifiedJws:
    """A well-formed signed message nobody has checked yet."""

    key_id: str
    """Empty when the header names none."""
    algorithm: str
    """What the header says; compared with the key's own, never used to choose one."""
    type: str
    """`typ` in lower case without `application/`; empty when absent."""
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnverifiedToken:
    """What a client says about itself. Only the issuer may be read, to find the key that proves the rest."""

    jws: UnverifiedJws
    issuer: str
    """`iss` as written; empty when absent or not a string."""
    _claims: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a token must say beside carrying a valid signature."""

    issuer: str
    audience: str
    types: frozenset[str]
    """Accepted `typ`s, lower case; the empty text accepts a header without one."""
    clock_skew_s: float = 60.0
    """How far our clock and the issuer's may be apart, in seconds."""


def split_jws(token: bytes | str, *, max_bytes: int = TOKEN_BYTES) -> UnverifiedJws:
    """The parts of a compact JWS, decoded strictly.

    Errors: JoseError `size`, `header`, `algorithm`, `reference`, `signature` (its encoding).
    Source: RFC 7515 sections 4.1.11, 5.2; RFC 8725 section 3; golang-jwt CVE-2025-30204 (count before splitting).
    """
    if len(token) > max_bytes:
        raise JoseError("size", f"{len(token)} bytes, {max_bytes} allowed")
    raw = ascii_bytes(token) if isinstance(token, str) else token
    if raw.count(b".") != 2:
        raise JoseError("size", f"{raw.count(b'.')} dots, a signed token has 2")
    head, body, tail = raw.split(b".")
    if len(head) > HEADER_BYTES:
        raise JoseError("size", f"a header of {len(head)} bytes, {HEADER_BYTES} allowed")
    header = parse_object(decode_segment(head, "header"), "header")
    algorithm = algorithm_named(header.get("alg"))
    if algorithm is None:
        raise JoseError("algorithm", f"alg {shown(header.get('alg'))}")
    refuse_members(header, REFERENCES, "reference")
    refuse_members(header, EXTENSIONS, "header")
    return UnverifiedJws(
        key_id=key_id_of(header),
        algorithm=algorithm,
        type=media_type_of(header),
        signed=raw[: len(head) + 1 + len(body)],
        signature=decode_signature(tail),
        payload=decode_segment(body, "payload") if body else b"",
    )


def decode_signature(tail: bytes) -> bytes:
    """The bytes of the third segment. Errors: JoseError `signature`."""
    if not tail:
        raise JoseError("signature", "the signature is empty")
    if len(tail) > SIGNATURE_BYTES:
        raise JoseError("signature", f"a signature of {len(tail)} bytes, {SIGNATURE_BYTES} allowed")
    return decode_segment(tail, "signature", "signature")


def split_unverified(token: bytes | str, *, max_bytes: int = TOKEN_BYTES) -> UnverifiedToken:
    """The parts of a compact JWT. Errors: as `split_jws`; `header` for claims that are not one strict JSON object."""
    jws = split_jws(token, max_bytes=max_bytes)
    claims = parse_object(jws.payload, "claims")
    issuer = claims.get("iss")
    return UnverifiedToken(jws=jws, issuer=issuer if isinstance(issuer, str) else "", _claims=claims)


def verify_jws(jws: UnverifiedJws, key: PublicKey) -> bytes:
    """The payload, proved to be signed by `key`. Errors: JoseError `algorithm`, `signature`."""
    if jws.algorithm != key.algorithm:
        raise JoseError("algorithm", f"alg {jws.algorithm}, the key's is {key.algorithm}")
    if not key.verifies(jws.signed, jws.signature):
        raise JoseError("signature", f"not signed by key {key.id!r}")
    return jws.payload


def verify_signature(token: UnverifiedToken, key: PublicKey) -> Mapping[str, Any]:
    """The claims, proved to be signed by `key` but not judged: `verify_jwt` does both.

    Errors: JoseError `algorithm`, `signature`.
    """
    verify_jws(token.jws, key)
    return token._claims  # noqa: SLF001 - this module is the one that may open it


def verify_jwt(token: UnverifiedToken, key: PublicKey, expected: Expected, *, now: float) -> Mapping[str, Any]:
    """The claims of a token that is signed, of the right type, for us, by whom we expect, and valid at `now`.

    A token is valid from `nbf - clock_skew_s` until just before `exp + clock_skew_s`; an `iat` later than
    `now + clock_skew_s`, or none at all, is refused.
    Units:  `now` in Unix seconds.
    Errors: JoseError `algorithm`, `signature`, `claims`, `time`.
    Source: RFC 7519 section 4.1; RFC 9068 section 4; RFC 8725 section 3.
    """
    claims = verify_signature(token, key)
    if token.jws.type not in expected.types:
        raise JoseError("claims", f"typ {token.jws.type!r}")
    if claims.get("iss") != expected.issuer:
        raise JoseError("claims", "iss is not the expected issuer")
    audience = claims.get("aud")
    if audience != expected.audience and not (isinstance(audience, list) and expected.audience in audience):
        raise JoseError("claims", "aud does not name this API")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_CHARACTERS or not subject.isprintable():
        raise JoseError("claims", "sub is not a short printable text")
    _check_dates(claims, now, expected.clock_skew_s)
    return claims


def sign_jwt(key: PrivateKey, claims: Mapping[str, Any], typ: str) -> str:
    """A compact JWT of `claims`, signed with `key` under its id and one algorithm."""
    return sign_segments(key, {"alg": key.algorithm, "typ": typ, "kid": key.id}, claims)


def sign_segments(key: PrivateKey, header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    """A compact JWS of exactly this header and these claims, signed with `key`."""
    parts = (json.dumps(part, separators=(",", ":")).encode() for part in (header, claims))
    signed = b".".join(encode_segment(part) for part in parts)
    return (signed + b"." + encode_segment(key.sign(signed))).decode("ascii")


def _check_dates(claims: Mapping[str, Any], now: float, skew_s: float) -> None:
    expires = date_of(claims, "exp")
    if expires is None:
        raise JoseError("time", "exp is missing")
    if now >= expires + skew_s:
        raise JoseError("time", f"expired {now - expires:.0f} s ago")
    if "iat" not in claims:
        raise JoseError("time", "iat is missing")
    for name in ("nbf", "iat"):
        value = date_of(claims, name)
        if value is not None and now < value - skew_s:
            raise JoseError("time", f"{name} is {value - now:.0f} s ahead")


def date_of(claims: Mapping[str, Any], name: str) -> float | None:
    """The claim as Unix seconds; None when it is absent. Errors: JoseError `time` for what is no finite, sane date."""
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= DATE_MOST:
        raise JoseError("time", f"{name} is not a date")
    return value
