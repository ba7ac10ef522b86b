"""Published vectors: Wycheproof and the RFC 7520 cookbook. Nothing invalid is accepted, nothing valid of ours refused."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from doorward.jose import ALGORITHMS, JoseError, public_key_from_jwk, split_jws, verify_jws

CORPORA = Path(__file__).resolve().parents[3] / "shared" / "corpora"


def _cases(name: str) -> list[dict[str, Any]]:
    path = CORPORA / name
    if not path.exists():
        pytest.skip(f"{path} is not here")
    return [json.loads(line) for line in path.read_text().splitlines()]


def _accepts(token: str, jwk: dict[str, Any]) -> bool:
    try:
        verify_jws(split_jws(token, max_bytes=100_000), public_key_from_jwk(jwk))
    except JoseError:
        return False
    return True


def _key(case: dict[str, Any]) -> dict[str, Any]:
    jwk = case["jwk"]
    key: dict[str, Any] = jwk.get("public") or jwk.get("private") or jwk
    return key


def _names_our_algorithm(case: dict[str, Any]) -> bool:
    """Key and token agree on one of ours: two vectors carry a PS384 token under a key labelled PS256."""
    head = case["payload"].partition(".")[0]
    named = json.loads(base64.urlsafe_b64decode(head + "===")).get("alg")
    return named in ALGORITHMS and _key(case).get("alg") == named


def test_no_invalid_signature_of_wycheproof_is_accepted() -> None:
    invalid = [case for case in _cases("wycheproof_jose.jsonl") if case["class"] == "jws" and case["expect"] == "block"]
    assert len(invalid) > 300
    assert [case["id"] for case in invalid if _accepts(case["payload"], _key(case))] == []


def test_every_valid_signature_of_wycheproof_by_an_algorithm_of_ours_is_accepted() -> None:
    valid = [
        case
        for case in _cases("wycheproof_jose.jsonl")
        if case["class"] == "jws" and case["expect"] == "pass" and _names_our_algorithm(case)
    ]
    assert len(valid) > 10
    assert [(case["id"], case["comment"]) for case in valid if not _accepts(case["payload"], _key(case))] == []


def test_no_invalid_key_of_wycheproof_verifies() -> None:
    cases = [case for case in _cases("wycheproof_jose.jsonl") if case["class"] == "jwcrypto"]
    invalid = [case for case in cases if case["expect"] == "block"]
    assert [case["id"] for case in invalid if _accepts(case["payload"], _key(case))] == []


def test_the_cookbook_is_accepted_where_the_algorithm_is_ours() -> None:
    seen = []
    for case in _cases("rfc7520.jsonl"):
        vector = case["vector"]
        algorithm = vector.get("input", {}).get("alg") if "signing" in vector else None
        compact = vector.get("output", {}).get("compact", "")
        if algorithm not in ALGORITHMS or compact.count(".") != 2:
            continue
        seen.append(algorithm)
        # the cookbook's RSA key names no algorithm: what the vector says is what an operator would pin
        key = public_key_from_jwk(vector["input"]["key"], (algorithm,))
        assert verify_jws(split_jws(compact), key) == vector["input"]["payload"].encode()
    assert set(seen) == {"EdDSA", "RS256"}
