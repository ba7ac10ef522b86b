"""Compact JWS and JWT: strict splitting, one key with one algorithm, and signature and claims checked in one call.

joserfc does the cryptography. What it is lenient about stands here: duplicate members (the last one wins in
`json`), padding and trailing bits of base64url, `crit`, keys that come with the token, dates that are not dates.
"""

import base64
import binascii
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NoReturn

from doorward.jose.errors import JoseError, Reason
from doorward.jose.keys import ALGORITHMS, KEY_ID_CHARACTERS, PrivateKey, PublicKey

TOKEN_BYTES: Final = 8192
"""Longest token looked at, in bytes, unless the caller says otherwise; counted before anything is split."""
HEADER_BYTES: Final = 2048
"""Longest encoded header. Entra and Keycloak write about 200 bytes."""
CONTAINERS_COUNT: Final = 250
"""Most arrays and objects in header or claims, and so the deepest nesting: whatever writes them later is recursive."""
DATE_MOST: Final = 1 << 40
"""Latest NumericDate taken for a date, Unix seconds (the year 36812); `1e300` is an attack, not a date."""
SUBJECT_CHARACTERS: Final = 255
"""Longest `sub` (OpenID Connect Core section 2)."""

_BASE64URL: Final = re.compile(rb"[A-Za-z0-9_-]+")
_REFERENCES: Final = ("jku", "jwk", "x5u", "x5c")


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
    raw = _ascii(token) if isinstance(token, str) else token
    if raw.count(b".") != 2:
        raise JoseError("size", f"{raw.count(b'.')} dots, a signed token has 2")
    head, body, tail = raw.split(b".")
    if len(head) > HEADER_BYTES:
        raise JoseError("size", f"a header of {len(head)} bytes, {HEADER_BYTES} allowed")
    header = _parse_object(_decode_segment(head, "header"), "header")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise JoseError("algorithm", f"alg {_shown(algorithm)}")
    for name in _REFERENCES:
        if name in header:
            raise JoseError("reference", f"the header has {name}")
    for name in ("crit", "b64"):
        if name in header:
            raise JoseError("header", f"the header has {name}")
    if not tail:
        raise JoseError("signature", "the signature is empty")
    return UnverifiedJws(
        key_id=_key_id(header),
        algorithm=algorithm,
        type=_type(header),
        signed=raw[: len(head) + 1 + len(body)],
        signature=_decode_segment(tail, "signature"),
        payload=_decode_segment(body, "payload") if body else b"",
    )


def split_unverified(token: bytes | str, *, max_bytes: int = TOKEN_BYTES) -> UnverifiedToken:
    """The parts of a compact JWT. Errors: as `split_jws`; `header` for claims that are not one strict JSON object."""
    jws = split_jws(token, max_bytes=max_bytes)
    claims = _parse_object(jws.payload, "claims")
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
    `now + clock_skew_s` is refused.
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
    header = {"alg": key.algorithm, "typ": typ, "kid": key.id}
    signed = b".".join(encode_segment(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
    return (signed + b"." + encode_segment(key.sign(signed))).decode("ascii")


def encode_segment(data: bytes) -> bytes:
    """`data` in base64url without padding (RFC 7515 appendix C)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _check_dates(claims: Mapping[str, Any], now: float, skew_s: float) -> None:
    expires = _date(claims, "exp")
    if expires is None:
        raise JoseError("time", "exp is missing")
    if now >= expires + skew_s:
        raise JoseError("time", f"expired {now - expires:.0f} s ago")
    for name in ("nbf", "iat"):
        value = _date(claims, name)
        if value is not None and now < value - skew_s:
            raise JoseError("time", f"{name} is {value - now:.0f} s ahead")


def _date(claims: Mapping[str, Any], name: str) -> float | None:
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= DATE_MOST:
        raise JoseError("time", f"{name} is not a date")
    return value


def _ascii(token: str) -> bytes:
    try:
        return token.encode("ascii")
    except UnicodeEncodeError as error:
        raise JoseError("header", "not ASCII") from error


def _decode_segment(segment: bytes, part: Literal["header", "payload", "signature"]) -> bytes:
    reason: Reason = "signature" if part == "signature" else "header"
    # encoding it again finds trailing bits, of which two spellings would name one signature
    if _BASE64URL.fullmatch(segment) is None:
        raise JoseError(reason, f"the {part} is not base64url")
    try:
        decoded = base64.urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))
    except binascii.Error as error:
        raise JoseError(reason, f"the {part} is not base64url") from error
    if encode_segment(decoded) != segment:
        raise JoseError(reason, f"the {part} is not the one base64url spelling of its bytes")
    return decoded


def _parse_object(data: bytes, part: str) -> dict[str, Any]:
    try:
        text = data.decode("utf-8")
        if text.count("[") + text.count("{") > CONTAINERS_COUNT:
            raise ValueError("too many arrays and objects")  # noqa: TRY301 - one answer for all that is not strict
        parsed = json.loads(text, object_pairs_hook=_unique, parse_float=_finite, parse_constant=_refuse_constant)
        if "\\u" in text:
            # a lone surrogate is no text: it would break whatever writes it later
            json.dumps(parsed, ensure_ascii=False).encode("utf-8")
    except ValueError as error:
        raise JoseError("header", f"the {part} is not strict JSON: {type(error).__name__}") from error
    if not isinstance(parsed, dict):
        raise JoseError("header", f"the {part} is not a JSON object")
    return parsed


def _unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise ValueError("a member comes twice")
        members[name] = value
    return members


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is out of range")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _key_id(header: Mapping[str, Any]) -> str:
    key_id = header.get("kid", "")
    if not isinstance(key_id, str) or len(key_id) > KEY_ID_CHARACTERS:
        raise JoseError("key", "kid is not a short string")
    return key_id


def _type(header: Mapping[str, Any]) -> str:
    name = header.get("typ", "")
    if not isinstance(name, str) or not name.isascii():
        raise JoseError("claims", "typ is not a string")
    return name.lower().removeprefix("application/")


def _shown(value: object) -> str:
    return repr(value)[:40]
