import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.jose import (
    ALGORITHMS,
    Algorithm,
    Expected,
    JoseError,
    PrivateKey,
    encode_segment,
    generate_key,
    sign_jwt,
    split_jws,
    split_unverified,
    verify_jwt,
)

NOW = 1_800_000_000.0
KEYS = {algorithm: generate_key(algorithm, rsa_bits=2048) for algorithm in ALGORITHMS}
KEY = KEYS["ES256"]
CLAIMS: dict[str, Any] = {"iss": "https://issuer", "aud": "api", "sub": "alice", "exp": NOW + 600, "iat": NOW}
EXPECTED = Expected(issuer="https://issuer", audience="api", types=frozenset({"at+jwt"}))


def signed(header: dict[str, Any] | str, claims: dict[str, Any] | str, key: PrivateKey = KEY) -> str:
    parts = [part if isinstance(part, str) else json.dumps(part) for part in (header, claims)]
    text = b".".join(encode_segment(part.encode()) for part in parts)
    return (text + b"." + encode_segment(key.sign(text))).decode()


def reason(token: str | bytes, key: PrivateKey = KEY, *, now: float = NOW, expected: Expected = EXPECTED) -> str | None:
    try:
        verify_jwt(split_unverified(token), key.public, expected, now=now)
    except JoseError as error:
        return error.reason
    return None


HEADER: dict[str, Any] = {"alg": "ES256", "typ": "at+jwt", "kid": KEY.id}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_a_key_signs_it_verifies(algorithm: Algorithm) -> None:
    key = KEYS[algorithm]
    assert reason(sign_jwt(key, CLAIMS, "at+jwt"), key) is None


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_another_key_of_the_same_algorithm_does_not(algorithm: Algorithm) -> None:
    token = sign_jwt(KEYS[algorithm], CLAIMS, "at+jwt")
    assert reason(token, generate_key(algorithm, rsa_bits=2048)) == "signature"


def test_a_key_refuses_every_algorithm_but_its_own() -> None:
    token = signed({**HEADER, "alg": "RS256"}, CLAIMS, KEYS["PS256"])
    assert reason(token, KEYS["PS256"]) == "algorithm"


@pytest.mark.parametrize("algorithm", ["none", "NoNe", "", "HS256", "ES384", "EdDSA ", None, 5, ["ES256"]])
def test_algorithms_that_are_not_ours_are_refused(algorithm: object) -> None:
    """ID-30 of the reference, as the next two."""
    assert reason(signed({**HEADER, "alg": algorithm}, CLAIMS)) == "algorithm"


@pytest.mark.parametrize("member", ["jku", "x5u", "x5c", "jwk"])
def test_a_token_that_brings_its_key_is_refused_by_the_mere_presence(member: str) -> None:
    assert reason(signed({**HEADER, member: None}, CLAIMS)) == "reference"


@pytest.mark.parametrize(
    "header",
    [
        {**HEADER, "crit": ["exp"], "exp": 1},
        {**HEADER, "crit": []},
        {**HEADER, "b64": False},
        {**HEADER, "b64": True},
        '{"alg":"ES256","alg":"ES256"}',
        '{"alg":"ES256","x":{"a":1,"a":2}}',
        '["alg","ES256"]',
        "null",
        "{'alg':'ES256'}",
        '{"alg":"ES256","x":NaN}',
        '{"alg":"ES256","x":1e999}',
        '{"alg":"ES256","x":"\\ud800"}',
        '{"alg":"ES256","x":' + "[" * 251 + "]" * 251 + "}",
    ],
)
def test_a_header_that_is_not_strict_or_demands_extensions_is_refused(header: dict[str, Any] | str) -> None:
    assert reason(signed(header, CLAIMS)) == "header"


@pytest.mark.parametrize(
    "claims", ['{"sub":"a","sub":"admin"}', "[]", "", '"text"', '{"sub":"\\udfff"}', "[" * 2500 + "]" * 2500]
)
def test_claims_that_are_not_one_strict_object_are_refused(claims: str) -> None:
    assert reason(signed(HEADER, claims)) == "header"


def test_unknown_header_members_are_ignored() -> None:
    assert reason(signed({**HEADER, "x5t": "abc", "vendor": {"a": 1}}, CLAIMS)) is None


@pytest.mark.parametrize("token", ["", "a", "a.b", "a.b.c.d", ".." * 5000, "A" * 9000])
def test_a_token_of_the_wrong_shape_is_refused_by_counting(token: str) -> None:
    assert reason(token) == "size"


def test_a_header_of_kilobytes_is_refused() -> None:
    assert reason(signed({**HEADER, "x": "y" * 2000}, CLAIMS)) == "size"


def test_a_token_that_is_not_ascii_is_refused() -> None:
    assert reason("é.a.b") == "header"


@pytest.mark.parametrize(
    "change", [lambda s: s + "=", lambda s: s + "==", lambda s: " " + s, lambda s: s[:-1], lambda s: ""]
)
def test_a_signature_spelled_otherwise_is_refused(change: Any) -> None:
    head, _, tail = sign_jwt(KEY, CLAIMS, "at+jwt").rpartition(".")
    assert reason(f"{head}.{change(tail)}") == "signature"


def test_a_signature_has_one_spelling_only() -> None:
    head, _, tail = sign_jwt(KEY, CLAIMS, "at+jwt").rpartition(".")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = tail[:-1] + alphabet[alphabet.index(tail[-1]) + 1]
    assert base64.urlsafe_b64decode(twin + "==") == base64.urlsafe_b64decode(tail + "==")
    assert reason(f"{head}.{twin}") == "signature"


def test_an_all_zero_signature_is_refused() -> None:
    head = sign_jwt(KEY, CLAIMS, "at+jwt").rpartition(".")[0]
    assert reason(f"{head}.{encode_segment(bytes(64)).decode()}") == "signature"


@pytest.mark.parametrize(
    ("changes", "now"),
    [
        ({"exp": NOW}, NOW + 59),
        ({"nbf": NOW}, NOW - 60),
        ({"iat": NOW}, NOW - 60),
        ({"iat": 0}, NOW),
        ({"exp": NOW + 0.5}, NOW),
    ],
)
def test_a_token_is_valid_up_to_the_edge_of_its_time(changes: dict[str, Any], now: float) -> None:
    assert reason(sign_jwt(KEY, CLAIMS | changes, "at+jwt"), now=now) is None


@pytest.mark.parametrize(
    ("changes", "now"),
    [
        ({"exp": NOW}, NOW + 60),
        ({"nbf": NOW}, NOW - 60.1),
        ({"iat": NOW}, NOW - 60.1),
        ({"exp": "1900000000"}, NOW),
        ({"exp": 1e300}, NOW),
        ({"exp": -1}, NOW),
        ({"exp": None}, NOW),
        ({"exp": True}, NOW),
        ({"nbf": "0"}, NOW),
        ({"iat": [1]}, NOW),
    ],
)
def test_a_token_outside_its_time_or_with_no_sane_date_is_refused(changes: dict[str, Any], now: float) -> None:
    assert reason(sign_jwt(KEY, CLAIMS | changes, "at+jwt"), now=now) == "time"


def test_a_token_without_an_expiry_is_refused() -> None:
    assert reason(sign_jwt(KEY, {k: v for k, v in CLAIMS.items() if k != "exp"}, "at+jwt")) == "time"


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://issuer/"},
        {"iss": "HTTPS://issuer"},
        {"iss": ["https://issuer"]},
        {"aud": "ap"},
        {"aud": "API"},
        {"aud": ["other"]},
        {"aud": {"api": 1}},
        {"aud": [["api"]]},
        {"aud": None},
        {"sub": ""},
        {"sub": None},
        {"sub": 5},
        {"sub": "a\nb"},
        {"sub": "a" * 256},
    ],
)
def test_a_token_for_or_by_somebody_else_is_refused(changes: dict[str, Any]) -> None:
    assert reason(sign_jwt(KEY, CLAIMS | changes, "at+jwt")) == "claims"


def test_one_of_several_audiences_may_be_us() -> None:
    assert reason(sign_jwt(KEY, CLAIMS | {"aud": ["other", "api"]}, "at+jwt")) is None


@pytest.mark.parametrize("typ", ["JWT", "", "logout+jwt", "dpop+jwt", "at+jwt2"])
def test_a_token_of_another_type_is_refused(typ: str) -> None:
    assert reason(sign_jwt(KEY, CLAIMS, typ)) == "claims"


@pytest.mark.parametrize("typ", ["AT+JWT", "application/at+jwt"])
def test_the_type_is_compared_as_a_media_type(typ: str) -> None:
    assert reason(sign_jwt(KEY, CLAIMS, typ)) is None


def test_an_unverified_token_shows_no_claims() -> None:
    token = split_unverified(sign_jwt(KEY, CLAIMS | {"email": "alice@example.com"}, "at+jwt"))
    assert "alice" not in repr(token)
    assert token.issuer == "https://issuer"


@given(st.binary(max_size=400))
def test_no_bytes_make_it_fail_otherwise_than_by_refusing(data: bytes) -> None:
    for token in (data, b".".join([encode_segment(data)] * 3), b"e30." + data):
        with pytest.raises(JoseError):
            split_jws(token)
