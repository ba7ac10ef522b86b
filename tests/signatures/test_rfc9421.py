"""The examples of RFC 9421 appendix B.2 and the shared vectors made from them."""

import base64
import json
from pathlib import Path

import pytest
from joserfc.jwk import ECKey, RSAKey
from tests.signatures.messages import REQUEST, RESPONSE_DIGEST, read, response

from doorward.signatures import (
    SignatureRefused,
    VerifyingKey,
    check_content_digest,
    public_key_from_pem,
    received_signatures,
    shared_secret,
    verify_message,
)

CORPORA = Path(__file__).resolve().parents[3] / "shared" / "corpora"
ROWS = CORPORA / "rfc9421.jsonl"

# RFC 9421 appendix B.1
P256 = public_key_from_pem(
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lf\n"
    "w0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==\n"
    "-----END PUBLIC KEY-----\n"
)
ED25519 = public_key_from_pem(
    "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=\n-----END PUBLIC KEY-----\n"
)
SECRET = base64.b64decode("uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==")


def test_b_2_4_a_response_signed_with_p256() -> None:
    described = 'sig-b24=("@status" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-ecc-p256"'
    signature = "wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw=="
    fields = [
        ("Date", "Tue, 20 Apr 2021 02:07:56 GMT"),
        ("Content-Type", "application/json"),
        ("Content-Digest", RESPONSE_DIGEST.decode()),
        ("Content-Length", "23"),
        ("Signature-Input", described),
        ("Signature", f"sig-b24=:{signature}:"),
    ]
    message = response(200, fields)
    received = received_signatures(message.fields)["sig-b24"]
    verify_message(received, message, P256)
    check_content_digest(message.fields.all(b"content-digest"), b'{"message": "good dog"}')
    with pytest.raises(SignatureRefused):
        verify_message(received, response(201, fields), P256)


def test_b_2_5_a_request_signed_with_a_shared_secret() -> None:
    message, _ = read(
        REQUEST
        % b'Signature-Input: sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"\r\n'
        b"Signature: sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:\r\n"
    )
    received = received_signatures(message.fields)["sig-b25"]
    verify_message(received, message, shared_secret(SECRET)[1])
    with pytest.raises(SignatureRefused):
        verify_message(received, message, shared_secret(SECRET[::-1])[1])


def test_b_2_6_a_request_signed_with_ed25519() -> None:
    message, body = read(
        REQUEST % b'Signature-Input: sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");'
        b'created=1618884473;keyid="test-key-ed25519"\r\n'
        b"Signature: sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:\r\n"
    )
    received = received_signatures(message.fields)["sig-b26"]
    verify_message(received, message, ED25519)
    check_content_digest(message.fields.all(b"content-digest"), body)


def _key(row: dict[str, object]) -> VerifyingKey:
    given = row["jwk"]
    assert isinstance(given, dict)
    if "pem" in given:
        return public_key_from_pem(given["pem"])
    return shared_secret(base64.b64decode(given["hmac_base64"]))[1]


def _verdict(row: dict[str, object]) -> str:
    message, _ = read(str(row["raw"]).encode("latin-1"))
    key = _key(row)
    assert key.algorithm == row["algorithm"]
    try:
        (received,) = received_signatures(message.fields).values()
        if received.text("keyid") != row["keyid"]:
            return "block"
        verify_message(received, message, key)
    except SignatureRefused:
        return "block"
    return "pass"


@pytest.mark.skipif(not ROWS.exists(), reason="the shared vectors are not here")
def test_all_shared_vectors_are_judged_as_they_should_be() -> None:
    rows = [json.loads(line) for line in ROWS.read_text(encoding="utf-8").splitlines()]
    wrong = [f"{row['source']}: {row['payload']}" for row in rows if _verdict(row) != row["expect"]]
    assert wrong == []
    assert len(rows) == 84


WYCHEPROOF = CORPORA / "wycheproof_jose.jsonl"
ALGORITHMS = {"ES256": "ecdsa-p256-sha256", "PS512": "rsa-pss-sha512"}
"""Of JOSE, whose signatures are those of RFC 9421 byte for byte."""


@pytest.mark.skipif(not WYCHEPROOF.exists(), reason="the shared vectors are not here")
def test_signatures_of_wycheproof_are_judged_as_they_should_be() -> None:
    rows = [json.loads(line) for line in WYCHEPROOF.read_text(encoding="utf-8").splitlines()]
    judged, wrong = 0, []
    for row in rows:
        jwk = row["jwk"].get("public") or row["jwk"].get("private") or {}
        parts = row["payload"].split(".")
        if row["class"] != "jws" or jwk.get("alg") not in ALGORITHMS or len(parts) != 3:
            continue
        kind = ECKey if jwk["kty"] == "EC" else RSAKey
        public = {name: value for name, value in jwk.items() if name in {"kty", "crv", "x", "y", "n", "e"}}
        key = public_key_from_pem(kind.import_key(public).as_pem(private=False).decode())
        assert key.algorithm == ALGORITHMS[jwk["alg"]]
        signature = base64.urlsafe_b64decode(parts[2] + "===")
        judged += 1
        if key.verify(".".join(parts[:2]).encode(), signature) != (row["expect"] == "pass"):
            wrong.append(row["id"])
    assert wrong == []
    assert judged == 54
