import json
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from doorward.jose import (
    ALGORITHMS,
    Algorithm,
    JoseError,
    encode_segment,
    generate_key,
    load_private_keys,
    private_key_from_jwk,
    public_jwks,
    public_key_from_jwk,
    save_private_keys,
)

PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "k"}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_published_key_has_no_private_part(algorithm: Algorithm) -> None:
    key = generate_key(algorithm, rsa_bits=2048)
    (jwk,) = public_jwks([key])["keys"]
    assert not PRIVATE_MEMBERS & set(jwk)
    assert (jwk["kid"], jwk["alg"], jwk["use"]) == (key.id, algorithm, "sig")
    assert public_key_from_jwk(jwk).verifies(b"data", key.sign(b"data"))


def test_a_private_key_given_as_public_loses_its_private_part() -> None:
    key = generate_key("ES256")
    assert "d" not in public_key_from_jwk(key.jwk()).jwk()


def test_a_private_key_does_not_show_in_a_repr() -> None:
    key = generate_key("EdDSA")
    assert key.jwk()["d"] not in repr(key)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_saved_set_comes_back_and_is_its_owners_alone(algorithm: Algorithm, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    keys = [generate_key(algorithm, rsa_bits=2048), generate_key("ES256")]
    save_private_keys(path, keys)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [key.id for key in load_private_keys(path)] == [key.id for key in keys]
    assert keys[0].public.verifies(b"x", load_private_keys(path)[0].sign(b"x"))


def test_a_set_others_can_read_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    save_private_keys(path, [generate_key("ES256")])
    path.chmod(0o640)
    with pytest.raises(JoseError, match="read by others"):
        load_private_keys(path)


@pytest.mark.parametrize("text", ["", "{}", '{"keys":[]}', '{"keys":[{}]}', '{"keys":5}', "[]"])
def test_a_file_that_is_no_set_of_keys_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.touch(0o600)
    path.write_text(text)
    with pytest.raises(JoseError):
        load_private_keys(path)


def test_a_public_key_cannot_sign() -> None:
    with pytest.raises(JoseError):
        private_key_from_jwk(generate_key("ES256").public.jwk())


def _jwk(material: Any, **changes: object) -> dict[str, Any]:
    return {**material.as_dict(private=False), **changes}


WEAK_MODULUS = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key().public_numbers().n
WEAK_RSA = {
    "kty": "RSA",
    "e": "AQAB",
    "n": encode_segment(WEAK_MODULUS.to_bytes(128, "big")).decode(),
}
P256 = ECKey.generate_key("P-256")


@pytest.mark.parametrize(
    "jwk",
    [
        _jwk(OctKey.generate_key(256)) | {"k": "c2VjcmV0", "alg": "HS256"},
        {**WEAK_RSA, "alg": "RS256"},
        {**WEAK_RSA, "n": "A" * 3000},
        {**WEAK_RSA, "n": "*"},
        _jwk(ECKey.generate_key("P-384"), alg="ES256"),
        _jwk(ECKey.generate_key("P-384")),
        _jwk(ECKey.generate_key("secp256k1"), alg="ES256"),
        _jwk(OKPKey.generate_key("Ed448"), alg="EdDSA"),
        _jwk(OKPKey.generate_key("X25519"), alg="EdDSA"),
        _jwk(P256, alg="RS256"),
        _jwk(P256, alg="none"),
        _jwk(P256, use="enc"),
        _jwk(P256, key_ops=["encrypt"]),
        _jwk(P256, kid=5),
        _jwk(P256, kid="k" * 300),
        _jwk(P256, x=5),
        _jwk(P256, x="AAAA"),
        _jwk(P256, crv="P-521"),
        {"kty": "EC"},
        {},
    ],
)
def test_a_key_that_is_weak_foreign_or_mislabelled_is_refused(jwk: dict[str, Any]) -> None:
    with pytest.raises(JoseError) as refusal:
        public_key_from_jwk(jwk)
    assert refusal.value.reason == "key"


def test_a_point_that_is_not_on_the_curve_is_refused() -> None:
    jwk = _jwk(P256)
    with pytest.raises(JoseError):
        public_key_from_jwk(jwk | {"y": jwk["x"]})


def test_an_rsa_key_without_an_algorithm_gets_the_one_the_policy_pins() -> None:
    bare = _jwk(RSAKey.generate_key(2048))
    assert public_key_from_jwk(bare, ("PS256",)).algorithm == "PS256"
    assert public_key_from_jwk(bare, ("ES256", "RS256")).algorithm == "RS256"
    with pytest.raises(JoseError):
        public_key_from_jwk(bare, ("ES256",))


def test_a_key_without_an_id_is_named_by_its_thumbprint() -> None:
    assert public_key_from_jwk(_jwk(P256)).id == P256.thumbprint()


def test_a_saved_set_holds_the_standard_members(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    save_private_keys(path, [generate_key("ES256")])
    (jwk,) = json.loads(path.read_text())["keys"]
    assert set(jwk) == {"kty", "crv", "x", "y", "d", "kid", "alg", "use"}
