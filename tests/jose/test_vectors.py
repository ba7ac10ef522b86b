"""Published vectors: Wycheproof and the RFC 7520 cookbook. Nothing invalid is accepted; what is valid is refused only
because its algorithm is off by policy, and the reason stands in `OFF`."""

import base64
import binascii
import json
from pathlib import Path
from typing import Any

import pytest

from doorward.jose import (
    ALGORITHMS,
    CONTENT_ENCRYPTION,
    ENCRYPTION_ALGORITHMS,
    JoseError,
    PublicKey,
    decrypt,
    decryption_key_from_jwk,
    encryption_key_from_jwk,
    private_key_from_jwk,
    public_key_from_jwk,
    split_jwe,
    split_jws,
    verify_jws,
)

CORPORA = Path(__file__).parents[3] / "shared" / "corpora"

OFF = {
    "HS": "a shared secret: whoever verifies could also sign",
    "ES384": "one curve is enough, P-256",
    "ES512": "one curve is enough, P-256",
    "PS384": "PS256 is the one RSA-PSS algorithm",
    "PS512": "PS256 is the one RSA-PSS algorithm",
    "RS384": "RS256 is the one PKCS #1 algorithm, for issuers that have nothing else",
    "RS512": "RS256 is the one PKCS #1 algorithm, for issuers that have nothing else",
    "RSA1_5": "padding oracles (Bleichenbacher)",
    "RSA-OAEP": "SHA-1 inside; RSA-OAEP-256 is its successor",
    "PBES2": "the sender sets how much work it is",
    "A128KW": "a shared secret is used directly or not at all",
    "A192KW": "a shared secret is used directly or not at all",
    "A256KW": "a shared secret is used directly or not at all",
    "GCMKW": "a shared secret is used directly or not at all",
    "ECDH-ES": "agreement without a wrapped key ties the key to one message form",
    "ECDH-ES+A128KW": "one wrapping is enough, A256KW",
    "ECDH-ES+A192KW": "one wrapping is enough, A256KW",
    "enc": "one content encryption is enough, A256GCM",
    "curve": "one curve is enough for key agreement, P-256",
    "label": "the key is labelled with another algorithm than the token (two vectors of Wycheproof say both are one)",
    "json": "only the compact form is read",
    "detached": "content that is not in the message is not read",
    "use": "the cookbook gives a key for signatures or without `alg`; the algorithm is set from the vector",
}


def _cases(name: str) -> list[dict[str, Any]]:
    path = CORPORA / name
    if not path.exists():
        pytest.skip(f"{path} is not here")
    return [json.loads(line) for line in path.read_text().splitlines()]


def _wycheproof(kind: str, expect: str) -> list[dict[str, Any]]:
    cases = [case for case in _cases("wycheproof_jose.jsonl") if (case["class"], case["expect"]) == (kind, expect)]
    assert cases
    return cases


def _key(case: dict[str, Any], part: str = "public") -> dict[str, Any]:
    jwk = case["jwk"]
    key: dict[str, Any] = jwk.get(part) or jwk.get("private") or jwk
    return key


def _header(case: dict[str, Any]) -> dict[str, Any]:
    head = case["payload"].partition(".")[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(head + "==="))
    except (ValueError, binascii.Error):
        return {}
    return header if isinstance(header, dict) else {}


def _verifies(token: str, jwk: dict[str, Any]) -> bool:
    try:
        verify_jws(split_jws(token, max_bytes=100_000), public_key_from_jwk(jwk))
    except JoseError:
        return False
    return True


def _opened(message: str, jwk: dict[str, Any]) -> bytes | None:
    try:
        return decrypt(split_jwe(message, max_bytes=100_000), decryption_key_from_jwk(jwk)).content
    except JoseError:
        return None


def _verifies_with_a_set(token: str, jwks: list[dict[str, Any]]) -> bool:
    """As the gateway takes a set: keys that cannot be used are left out, the one named by `kid` decides."""
    keys: dict[str, PublicKey] = {}
    for jwk in jwks:
        try:
            key = public_key_from_jwk(jwk)
        except JoseError:
            continue
        keys[key.id] = key
    try:
        jws = split_jws(token, max_bytes=100_000)
        verify_jws(jws, keys[jws.key_id])
    except (JoseError, KeyError):
        return False
    return True


def _why_off(algorithm: str, encryption: str = "", *, labelled: str = "") -> str:
    """Why a valid vector of this algorithm is refused; empty when it must be accepted."""
    if labelled and labelled != algorithm:
        return OFF["label"]
    if algorithm in (*ALGORITHMS, *ENCRYPTION_ALGORITHMS):
        return "" if encryption in ("", CONTENT_ENCRYPTION) else OFF["enc"]
    exact = OFF.get(algorithm)
    return exact or next(why for name, why in OFF.items() if algorithm.startswith(name) or algorithm.endswith(name))


def test_no_invalid_signature_of_wycheproof_is_accepted() -> None:
    invalid = _wycheproof("jws", "block")
    assert len(invalid) > 300
    assert [case["id"] for case in invalid if _verifies(case["payload"], _key(case))] == []


def test_a_valid_signature_of_wycheproof_is_refused_only_for_an_algorithm_that_is_off() -> None:
    accepted = 0
    for case in _wycheproof("jws", "pass"):
        key = _key(case)
        off = _why_off(_header(case)["alg"], labelled=key.get("alg", ""))
        assert _verifies(case["payload"], key) == (not off), (case["id"], case["comment"], off)
        accepted += not off
    assert accepted > 10


def test_no_invalid_encryption_of_wycheproof_is_opened() -> None:
    invalid = _wycheproof("jwe", "block")
    assert len(invalid) == 74
    opened = [case["id"] for case in invalid if _opened(case["payload"], _key(case, "private")) is not None]
    assert opened == []


def test_a_valid_encryption_of_wycheproof_is_refused_only_for_an_algorithm_that_is_off() -> None:
    accepted = 0
    for case in _wycheproof("jwe", "pass"):
        key, header = _key(case, "private"), _header(case)
        off = _why_off(header["alg"], header["enc"])
        if not off and key.get("crv") not in (None, "P-256"):
            off = OFF["curve"]
        expected = None if off else bytes.fromhex(case["plaintext_hex"])
        assert _opened(case["payload"], key) == expected, (case["id"], case["comment"], off)
        accepted += not off
    assert accepted == 2


def test_no_invalid_message_or_key_of_wycheproof_passes_either_door() -> None:
    for case in _wycheproof("jwcrypto", "block"):
        assert not _verifies(case["payload"], _key(case)), case["id"]
        assert _opened(case["payload"], _key(case, "private")) is None, case["id"]


def test_no_invalid_key_set_of_wycheproof_verifies_and_the_valid_ones_of_ours_do() -> None:
    for case in _wycheproof("jwk", "block"):
        assert not _verifies_with_a_set(case["payload"], _key(case)["keys"]), case["id"]
    taken = [
        case["id"]
        for case in _wycheproof("jwk", "pass")
        if _verifies_with_a_set(case["payload"], _key(case)["keys"]) != (not _why_off(_header(case)["alg"]))
    ]
    assert taken == []


def _compact(vector: dict[str, Any]) -> str:
    compact: str = vector.get("output", {}).get("compact", "")
    return compact


def test_the_signatures_of_the_cookbook_are_accepted_where_the_algorithm_is_ours() -> None:
    accepted = set()
    for case in _cases("rfc7520.jsonl"):
        vector = case["vector"]
        if "signing" not in vector:
            continue
        compact = _compact(vector)
        algorithm = vector["input"].get("alg", "")
        if not compact or compact.count(".") != 2 or ".." in compact:
            assert OFF["json"]
            assert OFF["detached"]
            continue
        if off := _why_off(algorithm):
            with pytest.raises(JoseError):
                split_jws(compact)
            assert off
            continue
        # the cookbook's RSA key names no algorithm: what the vector says is what an operator would pin
        key = public_key_from_jwk(vector["input"]["key"], (algorithm,))
        assert verify_jws(split_jws(compact), key) == vector["input"]["payload"].encode()
        accepted.add(algorithm)
    assert accepted == {"EdDSA", "RS256"}


def test_the_encryptions_of_the_cookbook_are_refused_for_an_algorithm_that_is_off() -> None:
    seen = 0
    for case in _cases("rfc7520.jsonl"):
        vector = case["vector"]
        compact = _compact(vector)
        if compact.count(".") != 4:
            continue
        seen += 1
        # none of them has one of ours: the nearest are ECDH-ES+A128KW with A128GCM and dir with A128GCM
        assert _why_off(vector["input"]["alg"], vector["input"]["enc"]), case["id"]
        with pytest.raises(JoseError):
            split_jwe(compact, max_bytes=100_000)
    assert seen >= 8


def test_the_keys_of_the_cookbook_are_read_for_what_they_are() -> None:
    for case in _cases("rfc7520.jsonl"):
        jwk = case["vector"]
        if case["class"] != "jwk":
            continue
        if jwk["kty"] == "oct":
            for read in (public_key_from_jwk, private_key_from_jwk):
                with pytest.raises(JoseError):
                    read(jwk)
        elif jwk["kty"] == "RSA":
            assert public_key_from_jwk(jwk).id == jwk["kid"]
        else:
            # P-521
            with pytest.raises(JoseError):
                public_key_from_jwk(jwk)
            with pytest.raises(JoseError):
                encryption_key_from_jwk(jwk | {"use": "enc", "alg": "ECDH-ES+A256KW"})
