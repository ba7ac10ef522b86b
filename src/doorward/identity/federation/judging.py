"""What another provider says, judged: its metadata, its redirect, its ID token. Decides; fetches and keeps nothing."""

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from doorward.identity.federation.policy import FederationPolicy
from doorward.identity.redirects import split_uri
from doorward.jose import Expected, JoseError, PublicKey, split_unverified, verify_jwt
from doorward.jose.parsing import parse_object

CLOCK_SKEW_S: Final = 60.0
_URL_MOST: Final = 2_048
_TYPES: Final = frozenset({"", "jwt"})
"""An access token (`at+jwt`) or a logout token of the same provider is no ID token."""


class Untrusted(Exception):
    """What came is not what this provider says to this client in answer to this question. The text is for the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """Where the provider's endpoints are."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    names_itself: bool
    """It promises `iss` in each answer (RFC 9207), so one without it is not its."""


def judge_metadata(document: bytes, policy: FederationPolicy) -> Metadata:
    """The metadata, if they are of exactly this issuer. Errors: Untrusted.

    Source: OpenID Connect Discovery section 4.3; RFC 8414 section 3.3.
    """
    found = _object(document, "metadata")
    if found.get("issuer") != policy.issuer:
        raise Untrusted("the metadata name another issuer")
    places = {name: found.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
    for name, url in places.items():
        if not _is_secure(url):
            raise Untrusted(f"{name} is no https URL")
    promised = found.get("authorization_response_iss_parameter_supported") is True
    return Metadata(names_itself=promised, **{name: str(url) for name, url in places.items()})


def judge_answer(fields: Mapping[str, str], metadata: Metadata, policy: FederationPolicy) -> str:
    """The code in a redirect that comes from this provider. Errors: Untrusted.

    Source: RFC 9207 section 2.4: `iss` is compared when it is there, and demanded where it was promised.
    """
    if ("iss" in fields or metadata.names_itself) and fields.get("iss") != policy.issuer:
        raise Untrusted("the answer is another issuer's")
    if "error" in fields:
        raise Untrusted(f"the provider refused: {fields['error'][:64]!r}")
    if not fields.get("code"):
        raise Untrusted("the answer brings no code")
    return fields["code"]


def id_token_of(document: bytes) -> str:
    """The ID token in an answer of the token endpoint. Errors: Untrusted."""
    token = _object(document, "token answer").get("id_token")
    if not isinstance(token, str):
        raise Untrusted("the answer brings no ID token")
    return token


def judge_id_token(
    text: str, keys: Iterable[PublicKey], policy: FederationPolicy, *, nonce: str, now: float
) -> Mapping[str, Any]:
    """The claims of an ID token made by this provider, for this client, in answer to this login. Errors: Untrusted.

    Source: OpenID Connect Core section 3.1.3.7.
    """
    expected = Expected(issuer=policy.issuer, audience=policy.client_id, types=_TYPES, clock_skew_s=CLOCK_SKEW_S)
    try:
        token = split_unverified(text)
        fitting = [key for key in keys if key.algorithm == token.jws.algorithm and key.algorithm in policy.algorithms]
        named = [key for key in fitting if not token.jws.key_id or key.id == token.jws.key_id]
        if len(named) != 1:
            raise Untrusted("no key of the provider, or more than one, fits the ID token")
        claims = verify_jwt(token, named[0], expected, now=now)
    except JoseError as error:
        raise Untrusted(f"the ID token is void: {error.reason}: {error.problem}") from error
    if not hmac.compare_digest(str(claims.get("nonce", "")).encode("utf-8", "replace"), nonce.encode()):
        raise Untrusted("the ID token answers another login")
    many = isinstance(claims["aud"], list) and claims["aud"] != [policy.client_id]
    if claims.get("azp", None if many else policy.client_id) != policy.client_id:
        raise Untrusted("the ID token was made for another client too, and not at our wish")
    return claims


def judge_age(claims: Mapping[str, Any], *, oldest: float) -> None:
    """Nothing, if the user signed in there since `oldest` and the token says so. Errors: Untrusted.

    Source: OpenID Connect Core section 3.1.3.7, number 13: a session there is not the login that a client asked for.
    """
    at = claims.get("auth_time")
    if isinstance(at, bool) or not isinstance(at, int | float) or not at >= oldest - CLOCK_SKEW_S:
        raise Untrusted("its user signed in there too long ago, or it does not say when")


def needs_other_keys(text: str, keys: Iterable[PublicKey]) -> bool:
    """Whether the token names a key that is none of these: then the set may be old."""
    try:
        named = split_unverified(text).jws.key_id
    except JoseError:
        return False
    return bool(named) and named not in {key.id for key in keys}


def _object(document: bytes, what: str) -> Mapping[str, Any]:
    try:
        return parse_object(document, what)
    except JoseError as error:
        raise Untrusted(error.problem) from error


def _is_secure(url: object) -> bool:
    if not isinstance(url, str) or len(url) > _URL_MOST or not url.isascii() or not url.isprintable():
        return False
    parts = split_uri(url)
    if parts is None:
        return False
    return parts.scheme == "https" and bool(parts.hostname) and not parts.fragment and parts.username is None
