"""The nine points that the package must hold, by their numbers in section 3.2 of the reference on identity."""

import json
import socket
from typing import Any

import pytest
from joserfc.jwk import RSAKey

import doorward.jose
from doorward.identity.tokens import Minter
from doorward.jose import (
    ALGORITHMS,
    Expected,
    JoseError,
    encode_segment,
    encrypt,
    generate_decryption_key,
    generate_key,
    public_key_from_jwk,
    sign_jwt,
    sign_proof,
    split_jwe,
    split_jws,
    split_proof,
    split_unverified,
    verify_jws,
    verify_jwt,
    verify_proof,
)
from doorward.jose.keys import algorithm_named

NOW = 1_800_000_000.0
KEY = generate_key("ES256")
CLAIMS: dict[str, Any] = {"iss": "https://issuer", "aud": "api", "sub": "alice", "exp": NOW + 600, "iat": NOW}
EXPECTED = Expected(issuer="https://issuer", audience="api", types=frozenset({"at+jwt"}))


def reason(header: dict[str, Any] | str, claims: dict[str, Any] | str = "", key: Any = KEY) -> str | None:
    parts = [part if isinstance(part, str) else json.dumps(part) for part in (header, claims or CLAIMS)]
    text = b".".join(encode_segment(part.encode()) for part in parts)
    token = (text + b"." + encode_segment(key.sign(text))).decode()
    try:
        verify_jwt(split_unverified(token), key.public, EXPECTED, now=NOW)
    except JoseError as error:
        return error.reason
    return None


HEADER: dict[str, Any] = {"alg": "ES256", "typ": "at+jwt", "kid": KEY.id}


def test_point_1_a_member_given_twice_is_refused_in_every_kind_of_message() -> None:
    assert reason(HEADER, '{"sub":"a","sub":"admin"}') == "header"
    assert reason('{"alg":"ES256","typ":"at+jwt","typ":"at+jwt"}') == "header"
    assert reason(HEADER, '{"sub":"a","nested":{"a":1,"a":2}}') == "header"
    doubled = encode_segment(b'{"alg":"dir","enc":"A256GCM","enc":"A256GCM"}').decode()
    with pytest.raises(JoseError):
        split_jwe(f"{doubled}..AAAA.AAAA.AAAA")
    with pytest.raises(JoseError):
        split_proof(encode_segment(b'{"typ":"dpop+jwt","typ":"dpop+jwt"}') + b".AAAA.AAAA")


def test_point_2_a_key_takes_its_one_algorithm_and_no_other() -> None:
    for algorithm in ALGORITHMS:
        key = generate_key(algorithm, rsa_bits=2048)
        for other in ("none", "HS256", "HS384", "RS256", "RS384", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"):
            if algorithm_named(other) != algorithm:
                assert reason({**HEADER, "alg": other, "kid": key.id}, key=key) == "algorithm", (algorithm, other)


def test_point_3_signature_and_claims_are_judged_in_one_call_and_none_may_lack() -> None:
    for name in ("iss", "aud", "exp", "iat", "sub"):
        left = {claim: value for claim, value in CLAIMS.items() if claim != name}
        assert reason(HEADER, left) in {"claims", "time"}, name
    assert reason(HEADER, {**CLAIMS, "exp": NOW - 61}) == "time"
    for value in (1e300, -1, "1900000000", None, True, 2**40 + 1):
        assert reason(HEADER, {**CLAIMS, "exp": value}) == "time", value
        assert reason(HEADER, {**CLAIMS, "iat": value}) == "time", value
    assert reason(HEADER, json.dumps(CLAIMS)[:-1] + ',"exp":1e999}') == "header"
    assert reason(HEADER) is None


def test_point_3_dates_in_our_own_tokens_are_integers() -> None:
    minted = Minter(key=KEY, issuer="https://issuer", audience="api").mint("a", client_id="a", now=NOW + 0.5)
    claims = verify_jwt(split_unverified(minted.text), KEY.public, EXPECTED, now=NOW)
    assert [type(claims[name]) for name in ("iat", "exp")] == [int, int]


def test_point_4_the_type_is_required_and_compared_and_a_short_rsa_key_is_no_key() -> None:
    assert reason({"alg": "ES256", "kid": KEY.id}) == "claims"
    assert reason({**HEADER, "typ": "JWT"}) == "claims"
    assert reason({**HEADER, "typ": "dpop+jwt"}) == "claims"
    with pytest.warns(Warning, match="2048"):
        short = RSAKey.generate_key(1024).as_dict(private=False)
    with pytest.raises(JoseError, match="1024 bits"):
        public_key_from_jwk({**short, "alg": "RS256"})


def test_point_5_a_message_that_brings_or_names_its_key_is_refused_and_nothing_is_fetched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket, "create_connection", never)
    monkeypatch.setattr(socket.socket, "connect", never)
    public = KEY.public.jwk()
    for name, value in (
        ("jku", "http://127.0.0.1:9/"),
        ("x5u", "http://127.0.0.1:9/"),
        ("x5c", ["AA"]),
        ("jwk", public),
    ):
        assert reason({**HEADER, name: value}) == "reference"
    proof = sign_proof(KEY, {"jti": "j"})
    assert verify_proof(split_proof(proof.encode())) == {"jti": "j"}
    with pytest.raises(JoseError, match="jwk"):
        split_jws(proof)


def test_point_6_unknown_members_are_ignored_and_every_crit_is_refused() -> None:
    assert reason({**HEADER, "vendor": 1, "x5t": "abc", "cty": "x"}) is None
    for crit in (["exp"], ["b64"], [], "exp", None):
        assert reason({**HEADER, "crit": crit}) == "header"


def test_point_7_a_proof_may_have_a_longer_header_and_a_token_may_not() -> None:
    padding = "x" * 2000
    assert reason({**HEADER, "vendor": padding}) == "size"
    long = sign_proof(KEY, {}, header={"vendor": padding})
    assert verify_proof(split_proof(long.encode())) == {}
    with pytest.raises(JoseError, match="header of"):
        split_proof(sign_proof(KEY, {}, header={"vendor": padding * 2}).encode())
    large = generate_key("PS256", rsa_bits=4096)
    assert verify_proof(split_proof(sign_proof(large, {}).encode())) == {}
    head = sign_jwt(KEY, CLAIMS, "at+jwt").rpartition(".")[0]
    with pytest.raises(JoseError, match="signature of"):
        split_jws(f"{head}.{'A' * 1372}")


def test_point_8_an_encrypted_message_is_as_long_as_the_caller_allows_and_no_longer() -> None:
    key = generate_decryption_key("ECDH-ES+A256KW")
    large = encrypt(b"x" * 200_000, key.public, typ="x")
    with pytest.raises(JoseError, match="8192 allowed"):
        split_jwe(large)
    assert len(doorward.jose.decrypt(split_jwe(large, max_bytes=300_000), key).content) == 200_000
    with pytest.raises(JoseError, match="dots"):
        split_unverified(encrypt(b"x", key.public, typ="x"))


def test_point_9_what_leaves_the_package_unverified_shows_only_what_leads_to_the_key() -> None:
    token = split_unverified(sign_jwt(KEY, {**CLAIMS, "email": "alice@example.com"}, "at+jwt"))
    readable = {name for name in dir(token) if not name.startswith("_")}
    assert readable == {"issuer", "jws"}
    assert "alice" not in repr(token)
    proof = split_proof(sign_proof(KEY, {"htm": "GET"}).encode())
    assert {name for name in dir(proof) if not name.startswith("_")} == {"algorithm", "thumbprint"}
    message = split_jwe(encrypt(b"secret", generate_decryption_key("dir").public, typ="x"))
    assert {name for name in dir(message) if not name.startswith("_")} == {"algorithm", "key_id", "type"}
    assert verify_jws(split_jws(sign_jwt(KEY, CLAIMS, "at+jwt")), KEY.public)


def test_an_ed25519_key_is_known_by_its_newer_name_too_in_tokens_keys_and_proofs() -> None:
    """RFC 9864 section 2.2: newer libraries write `Ed25519` where older ones wrote `EdDSA`."""
    key = generate_key("EdDSA")
    assert reason({**HEADER, "alg": "Ed25519", "kid": key.id}, key=key) is None
    assert public_key_from_jwk(key.public.jwk() | {"alg": "Ed25519"}).algorithm == "EdDSA"
    assert verify_proof(split_proof(sign_proof(key, {"jti": "1"}, header={"alg": "Ed25519"}).encode()))
    with pytest.raises(JoseError):
        split_proof(sign_proof(generate_key("ES256"), {}, header={"alg": "Ed25519"}).encode())
