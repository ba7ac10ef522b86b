import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.jose import (
    ALGORITHMS,
    Algorithm,
    JoseError,
    PrivateKey,
    encode_segment,
    generate_key,
    sign_jwt,
    sign_proof,
    split_proof,
    verify_proof,
)

KEYS = {algorithm: generate_key(algorithm, rsa_bits=2048) for algorithm in ALGORITHMS}
KEY = KEYS["ES256"]
CLAIMS = {"jti": "j-1", "htm": "GET", "htu": "https://api.example/x", "iat": 1}
PUBLIC = {name: KEY.public.jwk()[name] for name in ("kty", "crv", "x", "y")}


def reason(proof: str | bytes) -> str | None:
    try:
        verify_proof(split_proof(proof.encode() if isinstance(proof, str) else proof))
    except JoseError as error:
        return error.reason
    return None


def headed(key: PrivateKey = KEY, /, **header: Any) -> str:
    return sign_proof(key, CLAIMS, header=header)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_proof_is_signed_by_the_key_it_brings(algorithm: Algorithm) -> None:
    key = KEYS[algorithm]
    proof = split_proof(sign_proof(key, CLAIMS).encode())
    assert verify_proof(proof) == CLAIMS
    assert proof.thumbprint == key.public.thumbprint == key.id


def test_the_thumbprint_is_that_of_the_standard() -> None:
    # RFC 9449, the key of figure 2 and the `jkt` of figure 9
    jwk = {
        "kty": "EC",
        "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
        "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
        "crv": "P-256",
    }
    from doorward.jose import public_key_from_jwk

    assert public_key_from_jwk(jwk).thumbprint == "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"


def test_the_proof_of_the_standard_is_read_and_verified() -> None:
    # RFC 9449, figure 12
    proof = (
        "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6Ik"
        "VDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCR"
        "nMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JE"
        "QSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIj"
        "oiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0Z"
        "WRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNF"
        "c05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71E"
        "OptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
    )
    claims = verify_proof(split_proof(proof.encode()))
    assert claims["htu"] == "https://resource.example.org/protectedresource"
    assert claims["ath"] == "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({"typ": "JWT"}, "claims"),
        ({"typ": "at+jwt"}, "claims"),
        ({"typ": None}, "claims"),
        ({"alg": "none"}, "algorithm"),
        ({"alg": "HS256"}, "algorithm"),
        ({"alg": "ES384"}, "algorithm"),
        ({"alg": "RS256"}, "key"),
        ({"jwk": None}, "key"),
        ({"jwk": "text"}, "key"),
        ({"jwk": {}}, "key"),
        ({"jwk": {"kty": "oct", "k": "AAAA"}}, "key"),
        ({"jwk": {**PUBLIC, "d": KEY.jwk()["d"]}}, "key"),
        ({"jwk": {**PUBLIC, "crv": "P-384"}}, "key"),
        ({"jwk": {**PUBLIC, "y": PUBLIC["x"]}}, "key"),
        ({"jwk": {**PUBLIC, "use": "enc"}}, "key"),
        ({"jku": "https://evil.example"}, "reference"),
        ({"x5c": []}, "reference"),
        ({"crit": ["exp"]}, "header"),
        ({"b64": False}, "header"),
    ],
)
def test_a_header_that_is_no_proofs_is_refused(header: dict[str, Any], expected: str) -> None:
    assert reason(headed(**header)) == expected


def test_unknown_members_of_the_header_are_ignored() -> None:
    assert reason(headed(kid="x", vendor={"a": 1})) is None


def test_another_key_than_the_one_it_brings_did_not_sign_it() -> None:
    other = generate_key("ES256")
    assert reason(sign_proof(other, CLAIMS, header={"jwk": PUBLIC})) == "signature"


def test_a_weak_key_is_refused_before_its_signature_is_looked_at() -> None:
    weak = {"kty": "RSA", "e": "AQAB", "n": encode_segment(bytes([255]) * 128).decode()}
    assert reason(headed(KEYS["RS256"], jwk=weak)) == "key"


def test_a_member_given_twice_is_refused() -> None:
    proof = sign_proof(KEY, CLAIMS)
    _, body, tail = proof.split(".")
    header = json.dumps({"typ": "dpop+jwt", "alg": "ES256", "jwk": PUBLIC})
    doubled = encode_segment((header[:-1] + ',"alg":"ES256"}').encode()).decode()
    assert reason(f"{doubled}.{body}.{tail}") == "header"


@pytest.mark.parametrize("payload", ['{"htm":"GET","htm":"POST"}', "[]", "text", ""])
def test_claims_that_are_not_one_strict_object_are_refused(payload: str) -> None:
    head = sign_proof(KEY, {}).partition(".")[0].encode()
    signed = head + b"." + encode_segment(payload.encode())
    assert reason(signed + b"." + encode_segment(KEY.sign(signed))) == "header"


@pytest.mark.parametrize("proof", ["", "a.b", "a.b.c.d", "." * 9000, "A" * 9000])
def test_a_proof_of_the_wrong_shape_is_refused_by_counting(proof: str) -> None:
    assert reason(proof) == "size"


def test_an_access_token_is_no_proof() -> None:
    assert reason(sign_jwt(KEY, CLAIMS, "at+jwt")) == "claims"


def test_a_proof_shows_no_claims_before_it_is_verified() -> None:
    assert "api.example" not in repr(split_proof(sign_proof(KEY, CLAIMS).encode()))


@given(st.binary(max_size=300))
def test_no_bytes_make_it_fail_otherwise_than_by_refusing(data: bytes) -> None:
    head = sign_proof(KEY, {}).partition(".")[0].encode()
    proofs: list[Any] = [data, b".".join([encode_segment(data)] * 3), head + b"." + encode_segment(data) + b".AAAA"]
    for proof in proofs:
        assert reason(proof) is not None
