import base64
import tracemalloc
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from tests.signatures.messages import request

from doorward.exchange import Headers
from doorward.signatures import (
    SignatureRefused,
    SigningKey,
    VerifyingKey,
    check_content_digest,
    content_digest,
    private_key_from_pem,
    public_key_from_pem,
    received_signatures,
    shared_secret,
    sign_message,
    verify_message,
)
from doorward.signatures.components import component
from doorward.signatures.digest import DigestAlgorithm
from doorward.signatures.keys import KeyRefused, generate_ed25519, public_pem
from doorward.signatures.structured_fields import BareItem


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed448.Ed448PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _pair(private: bytes) -> tuple[SigningKey, VerifyingKey]:
    return private_key_from_pem(private), public_key_from_pem(public_pem(private))


EC_KEY = _pem(ec.generate_private_key(ec.SECP256R1()))


def _of_an_unknown_curve(pem: bytes) -> bytes:
    """The key with the name of its curve changed to one that nobody gave away."""
    first, *lines, last = pem.strip().split(b"\n")
    named = bytes.fromhex("06082a8648ce3d0301")
    der = base64.b64decode(b"".join(lines)).replace(named + b"\x07", named + b"\x77")
    return b"\n".join([first, base64.b64encode(der), last, b""])


PEMS = {
    "ed25519": generate_ed25519()[0],
    "ecdsa-p256-sha256": _pem(ec.generate_private_key(ec.SECP256R1())),
    "ecdsa-p384-sha384": _pem(ec.generate_private_key(ec.SECP384R1())),
    "rsa-pss-sha512": _pem(rsa.generate_private_key(65537, 2048)),
    "hmac-sha256": bytes(range(32)),
}
PAIRS = {name: shared_secret(private) if name == "hmac-sha256" else _pair(private) for name, private in PEMS.items()}


@pytest.mark.parametrize("algorithm", PAIRS)
def test_a_key_verifies_what_its_other_half_signed_and_nothing_else(algorithm: str) -> None:
    signing, verifying = PAIRS[algorithm]
    assert signing.algorithm == verifying.algorithm == algorithm
    signature = signing.sign(b"data")
    assert verifying.verify(b"data", signature)
    assert not verifying.verify(b"other", signature)
    for wrong in (
        b"",
        signature[:-1],
        signature + b"\0",
        bytes(len(signature)),
        signature[:-1] + bytes([signature[-1] ^ 1]),
    ):
        assert not verifying.verify(b"data", wrong)


@pytest.mark.parametrize("algorithm", PAIRS)
def test_a_key_shows_nothing_of_itself(algorithm: str) -> None:
    assert repr(PAIRS[algorithm][0]) == f"SigningKey(algorithm={algorithm!r})"


def test_an_ecdsa_signature_in_asn1_is_another_spelling_and_refused() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    asn1 = key.sign(b"data", ec.ECDSA(hashes.SHA256()))
    assert not public_key_from_pem(public_pem(_pem(key))).verify(b"data", asn1)


@pytest.mark.parametrize(
    "make",
    [
        lambda: public_key_from_pem("not a key"),
        lambda: private_key_from_pem(b"not a key"),
        lambda: public_key_from_pem(public_pem(_pem(rsa.generate_private_key(65537, 1024)))),
        lambda: private_key_from_pem(_pem(rsa.generate_private_key(65537, 1024))),
        lambda: public_key_from_pem(public_pem(_pem(ec.generate_private_key(ec.SECP256K1())))),
        lambda: private_key_from_pem(_pem(ec.generate_private_key(ec.SECP521R1()))),
        lambda: public_key_from_pem(public_pem(_pem(ed448.Ed448PrivateKey.generate()))),
        lambda: private_key_from_pem(_pem(ed448.Ed448PrivateKey.generate())),
        lambda: shared_secret(bytes(31)),
        lambda: public_pem(b"not a key"),
        lambda: public_key_from_pem(_of_an_unknown_curve(public_pem(EC_KEY).encode()).decode()),
        lambda: private_key_from_pem(_of_an_unknown_curve(EC_KEY)),
        lambda: public_pem(_of_an_unknown_curve(EC_KEY)),
    ],
)
def test_a_key_that_is_none_weak_or_of_another_kind_is_refused(make: object) -> None:
    with pytest.raises(KeyRefused):
        make()  # type: ignore[operator]


def signed_fields(**parameters: BareItem) -> list[tuple[str, str]]:
    described, signature = sign_message(
        "sig",
        [component("@method")],
        {"created": 1, **parameters},
        request(),
        PAIRS["ed25519"][0],
    )
    return [("Signature-Input", described.decode()), ("Signature", signature.decode())]


def test_what_was_signed_is_verified_and_a_change_is_noticed() -> None:
    message = request(fields=signed_fields())
    (received,) = received_signatures(message.fields).values()
    verify_message(received, message, PAIRS["ed25519"][1])
    with pytest.raises(SignatureRefused):
        verify_message(received, request(method="GET"), PAIRS["ed25519"][1])


def test_the_algorithm_is_the_keys_whatever_the_message_says() -> None:
    named = request(fields=signed_fields(alg="ed25519"))
    (received,) = received_signatures(named.fields).values()
    verify_message(received, named, PAIRS["ed25519"][1])
    lying = request(fields=signed_fields(alg="hmac-sha256"))
    (received,) = received_signatures(lying.fields).values()
    with pytest.raises(SignatureRefused, match="algorithm"):
        verify_message(received, lying, PAIRS["ed25519"][1])


def test_a_message_without_signatures_has_none() -> None:
    assert received_signatures(Headers([])) == {}


@pytest.mark.parametrize(
    "fields",
    [
        [("signature-input", "a=()")],
        [("signature", "a=:AA==:")],
        [("signature-input", "a=()"), ("signature", "b=:AA==:")],
        [("signature-input", "a=(), a=()"), ("signature", "a=:AA==:")],
        [("signature-input", "a=()"), ("signature-input", "a=()"), ("signature", "a=:AA==:")],
        [("signature-input", "a=1"), ("signature", "a=:AA==:")],
        [("signature-input", "a=()"), ("signature", 'a="AA=="')],
        [("signature-input", "a=()"), ("signature", "a=(:AA==:)")],
        [("signature-input", "a=(x)"), ("signature", "a=:AA==:")],
        [("signature-input", 'a=("@unknown")'), ("signature", "a=:AA==:")],
        [("signature-input", 'a=();created="1"'), ("signature", "a=:AA==:")],
        [("signature-input", "a=();created=@1"), ("signature", "a=:AA==:")],
        [("signature-input", "a=();created=1.5"), ("signature", "a=:AA==:")],
        [("signature-input", "a=();nonce=1"), ("signature", "a=:AA==:")],
        [("signature-input", "a=();keyid=token"), ("signature", "a=:AA==:")],
        [("signature-input", "a=();keyid"), ("signature", "a=:AA==:")],
        [("signature-input", "a=();created=1;created=2"), ("signature", "a=:AA==:")],
        [("signature-input", "not ( structured"), ("signature", "a=:AA==:")],
        [("signature-input", "a=(" + " ".join(f'"x{n}"' for n in range(65)) + ")"), ("signature", "a=:AA==:")],
        [("signature-input", "a=(" + " ".join(f'"x{n}";sf' for n in range(17)) + ")"), ("signature", "a=:AA==:")],
        [("signature-input", "a=()" + "".join(f";x{n}" for n in range(65))), ("signature", "a=:AA==:")],
    ],
)
def test_anything_but_one_signature_to_each_input_is_refused(fields: list[tuple[str, str]]) -> None:
    with pytest.raises(SignatureRefused) as refused:
        received_signatures(Headers([(name.encode(), value.encode()) for name, value in fields]))
    assert refused.value.reason == "invalid"


def test_ten_thousand_signatures_cost_no_more_than_reading_the_first_few(monkeypatch: pytest.MonkeyPatch) -> None:
    from doorward.signatures import structured_fields

    members = 0
    plain = structured_fields._Reader.member

    def counted(self: structured_fields._Reader) -> structured_fields.Member:
        nonlocal members
        members += 1
        return plain(self)

    monkeypatch.setattr(structured_fields._Reader, "member", counted)
    inputs = ", ".join(f'sig{n}=("@method");created=1' for n in range(10_000)).encode()
    many = Headers([(b"signature-input", inputs), (b"signature", b"sig0=:AA==:")])
    with pytest.raises(SignatureRefused):
        received_signatures(many)
    assert members < 20


def test_a_header_of_a_mebibyte_is_refused_without_work_on_its_rest() -> None:
    huge = b"sig=(" + b'"x" ' * (1 << 18) + b")"
    with pytest.raises(SignatureRefused, match="64"):
        received_signatures(Headers([(b"signature-input", huge), (b"signature", b"sig=:AA==:")]))


def test_what_a_worker_keeps_of_requests_that_prove_nothing_is_little() -> None:
    def read(number: int) -> None:
        names = " ".join(f'"{number}-{place}-{"x" * 200}"' for place in range(60))
        received_signatures(Headers([(b"signature-input", f"sig=({names})".encode()), (b"signature", b"sig=:AA==:")]))

    read(0)
    tracemalloc.start()
    try:
        for number in range(1, 20):
            read(number)
        kept_bytes = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert kept_bytes < 20_000


def test_a_digest_fits_its_body_alone() -> None:
    algorithms: tuple[DigestAlgorithm, ...] = ("sha-256", "sha-512")
    for algorithm in algorithms:
        value = content_digest(b"body", algorithm).encode()
        check_content_digest([value], b"body")
        with pytest.raises(SignatureRefused):
            check_content_digest([value], b"other")


def test_every_digest_that_can_be_checked_must_fit() -> None:
    right, wrong = content_digest(b"body").encode(), content_digest(b"other", "sha-512").encode()
    with pytest.raises(SignatureRefused):
        check_content_digest([right, wrong], b"body")
    check_content_digest([right, b"md5=:AA==:"], b"body")


@pytest.mark.parametrize(
    "values",
    [[], [b""], [b"md5=:AA==:"], [b"sha-256=1"], [b'sha-256="x"'], [b"sha-256=(:AA==:)"], [b"not ( a dictionary"],
     [content_digest(b"body").encode()] * 2, [", ".join(f"a{n}=:AA==:" for n in range(9)).encode()]],
)  # fmt: skip
def test_a_digest_that_proves_nothing_is_refused(values: list[bytes]) -> None:
    with pytest.raises(SignatureRefused) as refused:
        check_content_digest(values, b"body")
    assert refused.value.reason == "digest"


def test_the_package_knows_no_policy_no_clock_and_no_caller() -> None:
    import doorward.signatures

    folder = Path(doorward.signatures.__file__).parent
    text = "\n".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    for word in ("import time", "doorward.policy", "doorward.controls", "doorward.exchange", "doorward.gateway"):
        assert word not in text
