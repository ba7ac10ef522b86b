"""The attacks on tokens of section 9 of the reference, against the package alone: each is refused, for its own reason."""

import hashlib
import hmac
import json
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from doorward.jose import (
    Expected,
    JoseError,
    decrypt,
    encode_segment,
    encrypt,
    generate_decryption_key,
    generate_key,
    public_jwks,
    public_key_from_jwk,
    sign_jwt,
    split_jwe,
    split_unverified,
    verify_jwt,
)

NOW = 1_800_000_000.0
KEY = generate_key("ES256")
RSA_MATERIAL = rsa.generate_private_key(public_exponent=65537, key_size=2048)
RSA_NUMBERS = RSA_MATERIAL.public_key().public_numbers()
RSA_JWK = {
    "kty": "RSA",
    "alg": "RS256",
    "kid": "rsa",
    "n": encode_segment(RSA_NUMBERS.n.to_bytes(256, "big")).decode(),
    "e": "AQAB",
}
CLAIMS: dict[str, Any] = {"iss": "https://issuer", "aud": "api", "sub": "alice", "exp": NOW + 600, "iat": NOW}
EXPECTED = Expected(issuer="https://issuer", audience="api", types=frozenset({"at+jwt"}))
HEADER: dict[str, Any] = {"alg": "ES256", "typ": "at+jwt", "kid": KEY.id}


def segments(header: dict[str, Any], claims: dict[str, Any] | str) -> bytes:
    parts = (json.dumps(header), claims if isinstance(claims, str) else json.dumps(claims))
    return b".".join(encode_segment(part.encode()) for part in parts)


def signed(header: dict[str, Any], claims: dict[str, Any] | str = "", sign: Callable[[bytes], bytes] = KEY.sign) -> str:
    text = segments({**HEADER, **header}, claims or CLAIMS)
    return (text + b"." + encode_segment(sign(text))).decode()


def hashed(secret: bytes) -> Callable[[bytes], bytes]:
    return lambda text: hmac.new(secret, text, hashlib.sha256).digest()


def overlong(text: bytes) -> bytes:
    signature = KEY.sign(text)
    return bytes(4) + signature[:32] + bytes(4) + signature[32:]


PEM = RSA_MATERIAL.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
JWKS = json.dumps({"keys": [RSA_JWK]}).encode()
STOLEN = {**CLAIMS, "sub": "admin"}
VALID = sign_jwt(KEY, CLAIMS, "at+jwt")
BOMB = encode_segment(zlib.compress(bytes(1 << 24), 9)).decode()

ATTACKS: dict[str, tuple[str, str]] = {
    "alg none": (signed({"alg": "none"}, STOLEN, lambda _: b"x"), "algorithm"),
    "alg None": (signed({"alg": "None"}, STOLEN, lambda _: b"x"), "algorithm"),
    "alg nOnE": (signed({"alg": "nOnE"}, STOLEN, lambda _: b"x"), "algorithm"),
    "alg none and no signature": (segments({**HEADER, "alg": "none"}, STOLEN).decode() + ".", "algorithm"),
    "an empty signature": (segments(HEADER, STOLEN).decode() + ".", "signature"),
    "the public key as a secret, PEM": (signed({"alg": "HS256", "kid": "rsa"}, STOLEN, hashed(PEM)), "algorithm"),
    "the public key as a secret, JWKS": (signed({"alg": "HS256", "kid": "rsa"}, STOLEN, hashed(JWKS)), "algorithm"),
    "a guessed secret": (signed({"alg": "HS256"}, STOLEN, hashed(b"secret")), "algorithm"),
    "HMAC under the key's own algorithm": (signed({}, STOLEN, hashed(PEM)), "signature"),
    "jwk": (signed({"jwk": KEY.public.jwk()}), "reference"),
    "jku": (signed({"jku": "https://attacker.example/"}), "reference"),
    "x5u": (signed({"x5u": "https://attacker.example/"}), "reference"),
    "x5c": (signed({"x5c": ["MIIB"]}), "reference"),
    "an unknown crit": (signed({"crit": ["x"], "x": 1}), "header"),
    "b64 false": (signed({"b64": False, "crit": ["b64"]}), "header"),
    "a header member twice": (VALID.replace(VALID.partition(".")[0], encode_segment(b'{"alg":"ES256","alg":"none"}').decode()), "header"),
    "a claim twice": (signed({}, json.dumps(CLAIMS)[:-1] + ',"sub":"admin"}'), "header"),
    "exp as a text": (signed({}, {**CLAIMS, "exp": str(NOW)}), "time"),
    "exp 1e999": (signed({}, json.dumps({k: v for k, v in CLAIMS.items() if k != "exp"})[:-1] + ',"exp":1e999}'), "header"),
    "exp NaN": (signed({}, json.dumps({**CLAIMS, "exp": float("nan")})), "header"),
    "aud as a part": (signed({}, {**CLAIMS, "aud": "apis"}), "claims"),
    "aud in a list in a list": (signed({}, {**CLAIMS, "aud": [["api"]]}), "claims"),
    "aud as an object": (signed({}, {**CLAIMS, "aud": {"api": True}}), "claims"),
    "aud as characters": (signed({}, {**CLAIMS, "aud": list("api")}), "claims"),
    "typ of a logout token": (signed({"typ": "logout+jwt"}), "claims"),
    "typ of a proof": (signed({"typ": "dpop+jwt"}), "claims"),
    "typ of an introspection answer": (signed({"typ": "token-introspection+jwt"}), "claims"),
    "r = s = 0": (signed({}, STOLEN, lambda _: bytes(64)), "signature"),
    "r = s = n": (signed({}, STOLEN, lambda _: bytes.fromhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551") * 2), "signature"),
    "an over-long signature of ES256": (signed({}, CLAIMS, overlong), "signature"),
    "a signature of 65 bytes": (signed({}, CLAIMS, lambda text: KEY.sign(text) + b"\0"), "signature"),
    "an encrypted token instead of a signed one": (encrypt(VALID.encode(), generate_decryption_key("dir").public, typ="at+jwt"), "size"),
    "a token nested in an unsigned one": (segments({"alg": "none", "cty": "JWT"}, VALID).decode() + ".", "algorithm"),
    "a token nested in a signed one": (signed({"cty": "JWT"}, VALID), "header"),
    "a compressed body": (signed({"zip": "DEF"}, BOMB[:4000]), "header"),
    "ten thousand dots": ("." * 10_000, "size"),
    "a mebibyte": ("A" * (1 << 20), "size"),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_on_a_token_is_refused_for_its_own_reason(name: str) -> None:
    token, expected = ATTACKS[name]
    keys = {KEY.id: KEY.public, "rsa": public_key_from_jwk(RSA_JWK)}

    def judge() -> None:
        split = split_unverified(token)
        verify_jwt(split, keys.get(split.jws.key_id, KEY.public), EXPECTED, now=NOW)

    with pytest.raises(JoseError) as refusal:
        judge()
    assert refusal.value.reason == expected


def test_the_token_that_the_attacks_change_is_accepted() -> None:
    assert verify_jwt(split_unverified(VALID), KEY.public, EXPECTED, now=NOW)["sub"] == "alice"
    assert verify_jwt(split_unverified(signed({"vendor": 1})), KEY.public, EXPECTED, now=NOW)
    assert public_jwks([KEY])["keys"]


def test_work_that_the_sender_sets_is_never_done() -> None:
    for algorithm, members in (
        ("PBES2-HS256+A128KW", {"p2c": 1 << 31, "p2s": "AAAA"}),
        ("PBES2-HS512+A256KW", {"p2c": 1 << 31, "p2s": "AAAA"}),
        ("RSA1_5", {}),
        ("RSA-OAEP", {}),
    ):
        head = encode_segment(json.dumps({"alg": algorithm, "enc": "A256GCM", **members}).encode()).decode()
        with pytest.raises(JoseError) as refusal:
            split_jwe(f"{head}.AAAA.AAAA.AAAA.AAAA")
        assert refusal.value.reason == "algorithm"


def test_a_compressed_bomb_is_never_inflated() -> None:
    key = generate_decryption_key("dir")
    message = encrypt(zlib.compress(bytes(1 << 24), 9), key.public, typ="x")
    head = {**split_jwe(message, max_bytes=100_000)._header, "zip": "DEF"}
    bomb = encode_segment(json.dumps(head).encode()).decode() + "." + message.partition(".")[2]
    tracemalloc.start()
    with pytest.raises(JoseError, match="zip"):
        decrypt(split_jwe(bomb, max_bytes=100_000), key)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 1 << 20


def test_cutting_a_hostile_token_costs_no_more_memory_than_counting_it() -> None:
    tracemalloc.start()
    for token in ("." * (1 << 20), "A" * (1 << 20)):
        with pytest.raises(JoseError):
            split_unverified(token)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 3 << 20
