import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey

from doorward.jose import (
    ENCRYPTION_ALGORITHMS,
    DecryptionKey,
    EncryptionAlgorithm,
    JoseError,
    decrypt,
    decryption_key_from_jwk,
    decryption_key_from_pem,
    encode_segment,
    encrypt,
    encryption_key_from_jwk,
    encryption_key_from_pem,
    generate_decryption_key,
    generate_key,
    split_jwe,
)

KEYS = {algorithm: generate_decryption_key(algorithm, rsa_bits=2048) for algorithm in ENCRYPTION_ALGORITHMS}
KEY = KEYS["ECDH-ES+A256KW"]
CONTENT = b'{"card":"4111"}'
MESSAGE = encrypt(CONTENT, KEY.public, typ="doorward-body+jwe", members={"iat": 1, "rid": "r-1"})


def reason(message: str, key: DecryptionKey = KEY) -> str | None:
    try:
        decrypt(split_jwe(message), key)
    except JoseError as error:
        return error.reason
    return None


def reheaded(changes: dict[str, object]) -> str:
    """The message under another header; None removes a member."""
    rest = MESSAGE.partition(".")[2]
    header = {**split_jwe(MESSAGE)._header, **changes}
    kept = {name: value for name, value in header.items() if value is not None}
    return encode_segment(json.dumps(kept).encode()).decode() + "." + rest


@pytest.mark.parametrize("algorithm", ENCRYPTION_ALGORITHMS)
@pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)) * 20])
def test_what_is_encrypted_to_a_key_it_opens(algorithm: EncryptionAlgorithm, content: bytes) -> None:
    key = KEYS[algorithm]
    message = encrypt(content, key.public, typ="x", members={"iat": 7})
    opened = decrypt(split_jwe(message, max_bytes=20_000), decryption_key_from_jwk(key.jwk()))
    assert opened.content == content
    assert (opened.header["iat"], opened.header["kid"], opened.header["typ"]) == (7, key.id, "x")


@pytest.mark.parametrize("algorithm", ENCRYPTION_ALGORITHMS)
def test_no_other_key_opens_it_and_nobody_learns_why(algorithm: EncryptionAlgorithm) -> None:
    message = encrypt(CONTENT, KEYS[algorithm].public, typ="x")
    assert reason(message, generate_decryption_key(algorithm, rsa_bits=2048)) == "decryption"


def test_a_key_opens_no_message_of_another_algorithm() -> None:
    assert reason(MESSAGE, KEYS["dir"]) == "algorithm"


def test_the_facts_that_lead_to_the_key_can_be_read_before() -> None:
    message = split_jwe(MESSAGE)
    assert (message.key_id, message.algorithm, message.type) == (KEY.id, "ECDH-ES+A256KW", "doorward-body+jwe")
    assert "4111" not in repr(decrypt(message, KEY))


@pytest.mark.parametrize("segment", range(5))
def test_a_changed_bit_anywhere_is_noticed(segment: int) -> None:
    parts = MESSAGE.split(".")
    # of the header, a letter inside a value: the JSON stays well-formed
    place = 30 if segment == 0 else 5
    changed = "A" if parts[segment][place] != "A" else "B"
    parts[segment] = parts[segment][:place] + changed + parts[segment][place + 1 :]
    assert reason(".".join(parts)) in {"decryption", "header", "algorithm", "key"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"alg": "RSA1_5"}, "algorithm"),
        ({"alg": "PBES2-HS256+A128KW", "p2c": 1 << 31, "p2s": "AA"}, "algorithm"),
        ({"alg": "none"}, "algorithm"),
        ({"alg": ["dir"]}, "algorithm"),
        ({"alg": "dir"}, "header"),
        ({"enc": "A128GCM"}, "algorithm"),
        ({"enc": "A256CBC-HS512"}, "algorithm"),
        ({"enc": None}, "algorithm"),
        ({"zip": "DEF"}, "header"),
        ({"zip": None, "p2c": 1}, "header"),
        ({"crit": ["exp"]}, "header"),
        ({"b64": False}, "header"),
        ({"jku": "https://evil.example"}, "reference"),
        ({"jwk": {}}, "reference"),
        ({"x5c": []}, "reference"),
        ({"kid": 5}, "key"),
        ({"kid": "k" * 257}, "key"),
        ({"typ": 5}, "claims"),
        ({"epk": None}, "header"),
        ({"epk": {"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA"}}, "header"),
        ({"epk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}}, "decryption"),
        ({"epk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "d": "AA"}}, "header"),
        ({"epk": {"kty": "EC", "crv": "P-256", "x": 5, "y": "AA"}}, "header"),
        ({"apu": 5}, "header"),
        ({"rid": "another"}, "decryption"),
        ({"x": "y" * 1000}, "size"),
    ],
)
def test_a_header_is_judged_before_anything_is_decrypted(changes: dict[str, object], expected: str) -> None:
    assert reason(reheaded(changes)) == expected


def test_a_member_given_twice_is_refused() -> None:
    rest = MESSAGE.partition(".")[2]
    head = encode_segment(b'{"alg":"ECDH-ES+A256KW","alg":"ECDH-ES+A256KW","enc":"A256GCM"}').decode()
    assert reason(f"{head}.{rest}") == "header"


def test_a_point_outside_the_curve_is_refused() -> None:
    key = generate_decryption_key("ECDH-ES+A256KW").jwk()
    outside = {"kty": "EC", "crv": "P-256", "x": key["x"], "y": key["x"]}
    assert reason(reheaded({"epk": outside})) == "decryption"


@pytest.mark.parametrize("message", ["", "a.b.c", "a.b.c.d.e.f", "." * 5000, "é.a.b.c.d", "A" * 9000])
def test_a_message_of_the_wrong_shape_is_refused_by_counting(message: str) -> None:
    assert reason(message) in {"size", "header"}


@pytest.mark.parametrize(("segment", "value"), [(1, ""), (1, "AAAA"), (2, "AAAA"), (3, "A=="), (4, ""), (4, "AAAA")])
def test_a_segment_of_the_wrong_length_or_spelling_is_refused(segment: int, value: str) -> None:
    parts = MESSAGE.split(".")
    parts[segment] = value
    assert reason(".".join(parts)) == "header"


def test_who_encrypts_cannot_set_what_is_ours_or_write_an_endless_header() -> None:
    for name in ("alg", "enc", "zip", "crit", "kid", "jku"):
        with pytest.raises(ValueError, match="cannot be set"):
            encrypt(b"", KEY.public, typ="x", members={name: "x"})
    with pytest.raises(ValueError, match="longer"):
        encrypt(b"", KEY.public, typ="x", members={"long": "x" * 1000})


def test_a_shared_secret_has_no_public_part_and_does_not_show() -> None:
    key = KEYS["dir"]
    with pytest.raises(ValueError, match="secret"):
        key.public.jwk()
    assert key.jwk()["k"] not in repr(key) + repr(key.public)
    assert KEY.jwk()["d"] not in repr(KEY)
    assert "d" not in KEY.public.jwk()


def _changed(key: DecryptionKey, **changes: object) -> dict[str, Any]:
    return {name: value for name, value in {**key.jwk(), **changes}.items() if value is not None}


@pytest.mark.parametrize(
    "jwk",
    [
        {},
        generate_key("ES256").jwk(),
        _changed(KEY, alg="ES256"),
        _changed(KEY, alg=None),
        _changed(KEY, alg="ECDH-ES"),
        _changed(KEY, use="sig"),
        _changed(KEY, key_ops=["sign"]),
        _changed(KEY, crv="P-384"),
        _changed(KEY, y="AAAA"),
        _changed(KEY, x=5),
        _changed(KEY, kid=5),
        _changed(KEY, d=None),
        _changed(KEYS["RSA-OAEP-256"], n="AQAB"),
        _changed(KEYS["RSA-OAEP-256"], alg="RSA1_5"),
        _changed(KEYS["dir"], k="AAAA"),
        _changed(KEYS["dir"], k="*"),
        _changed(KEYS["dir"], alg="A256KW"),
    ],
)
def test_a_key_that_is_weak_foreign_or_mislabelled_is_refused(jwk: dict[str, Any]) -> None:
    with pytest.raises(JoseError) as refusal:
        decryption_key_from_jwk(jwk)
    assert refusal.value.reason == "key"


def test_a_private_key_given_as_public_loses_its_private_part() -> None:
    assert "d" not in encryption_key_from_jwk(KEY.jwk()).jwk()
    message = encrypt(CONTENT, encryption_key_from_jwk(KEY.public.jwk()), typ="x")
    assert decrypt(split_jwe(message), KEY).content == CONTENT


@given(st.binary(max_size=300))
def test_no_bytes_make_it_fail_otherwise_than_by_refusing(data: bytes) -> None:
    segment = encode_segment(data).decode() or "A"
    head = MESSAGE.partition(".")[0]
    for message in (data, f"{segment}.{segment}.{segment}.{segment}.{segment}", f"{head}.{segment}.A.A.A"):
        with pytest.raises(JoseError):
            decrypt(split_jwe(message), KEY)


@pytest.mark.parametrize("algorithm", ENCRYPTION_ALGORITHMS)
def test_a_header_is_authenticated_as_it_was_written(algorithm: EncryptionAlgorithm) -> None:
    """Other implementations put spaces into their JSON: written anew it would be another text."""
    key = KEYS[algorithm]
    content_key = key.material.raw_value if isinstance(key.material, OctKey) else bytes(32)
    if algorithm == "dir":
        header, wrapped = {"alg": "dir", "enc": "A256GCM", "typ": "x"}, b""
    elif algorithm == "RSA-OAEP-256":
        header = {"alg": algorithm, "enc": "A256GCM", "typ": "x"}
        padded = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
        wrapped = key.material.public_key.encrypt(content_key, padded)  # type: ignore[union-attr]
    else:
        ephemeral = ECKey.generate_key("P-256")
        public = {name: ephemeral.as_dict(private=False)[name] for name in ("kty", "crv", "x", "y")}
        header = {"alg": algorithm, "enc": "A256GCM", "typ": "x", "epk": public}  # type: ignore[dict-item]
        agreed = ephemeral.private_key.exchange(ec.ECDH(), key.material.public_key)  # type: ignore[arg-type, union-attr]
        name = algorithm.encode()
        information = len(name).to_bytes(4, "big") + name + bytes(8) + (256).to_bytes(4, "big")
        wrapping = ConcatKDFHash(hashes.SHA256(), 32, information).derive(agreed)
        wrapped = aes_key_wrap(wrapping, content_key)
    head = encode_segment(json.dumps(header, indent=2).encode())
    sealed = AESGCM(content_key).encrypt(bytes(12), CONTENT, head)
    parts = (
        head,
        encode_segment(wrapped),
        encode_segment(bytes(12)),
        encode_segment(sealed[:-16]),
        encode_segment(sealed[-16:]),
    )
    assert decrypt(split_jwe(b".".join(parts)), key).content == CONTENT


@pytest.mark.parametrize("algorithm", ["ECDH-ES+A256KW", "RSA-OAEP-256"])
def test_keys_are_read_from_pem_files(algorithm: EncryptionAlgorithm) -> None:
    key = KEYS[algorithm]
    public, private = key.material.as_pem(private=False), key.material.as_pem(private=True)  # type: ignore[union-attr]
    message = encrypt(CONTENT, encryption_key_from_pem(public, "k-1"), typ="x")
    opened = decrypt(split_jwe(message), decryption_key_from_pem(private, "k-1"))
    assert (opened.content, opened.header["kid"]) == (CONTENT, "k-1")
    assert encryption_key_from_pem(public).id == decryption_key_from_pem(private).id
    for wrong in (private, b"", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"):
        with pytest.raises(JoseError):
            encryption_key_from_pem(wrong)
    with pytest.raises(JoseError):
        decryption_key_from_pem(public)
