from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier
from tests.identity.ca.authorities import request_for

from doorward.errors import PolicyError
from doorward.identity.ca.building import Kind
from doorward.identity.ca.requests import checked_request


def checked(data: bytes, kind: Kind = "client", name: str = "partner", names: tuple[str, ...] = ()) -> object:
    return checked_request(data, kind, name, names)


@pytest.mark.parametrize(
    "words",
    [
        {},
        {"subject": "partner"},
        {"names": ["urn:doorward:caller:partner"]},
        {"key": ec.generate_private_key(ec.SECP384R1()), "digest": hashes.SHA384()},
        {"key": rsa.generate_private_key(65_537, 2_048)},
    ],
    ids=["nameless", "named", "uri", "p-384", "rsa"],
)
def test_a_request_that_asks_for_what_is_granted_brings_its_key(words: dict[str, Any]) -> None:
    data = request_for(*words.pop("names", ()), **words)
    public = x509.load_pem_x509_csr(data).public_key()
    assert checked(data) == public
    der = x509.load_pem_x509_csr(data).public_bytes(serialization.Encoding.DER)
    assert checked(der) == public


def test_a_server_may_ask_for_the_names_it_is_granted_and_no_other() -> None:
    data = request_for("a.example.internal")
    checked(data, "server", "a", ("a.example.internal", "b.example.internal"))
    with pytest.raises(PolicyError, match="name that is not granted"):
        checked(data, "server", "a", ("b.example.internal",))
    with pytest.raises(PolicyError, match="name that is not granted"):
        checked(data)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ({"more": [x509.BasicConstraints(ca=True, path_length=None)]}, "extension 2.5.29.19"),
        ({"more": [x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])]}, "extension 2.5.29.37"),
        ({"more": [x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00")]}, "extension 1.2.3.4"),
        ({"subject": "admin"}, "not for CN=partner"),
        ({"names": ["urn:doorward:caller:admin"]}, "not granted"),
        ({"names": ["urn:doorward:caller:partner", "api.example.internal"]}, "not granted"),
        ({"key": rsa.generate_private_key(65_537, 1_024)}, "1024 bits"),
        ({"key": rsa.generate_private_key(3, 2_048)}, "exponent"),
        ({"key": ec.generate_private_key(ec.SECP256K1())}, "secp256k1"),
        ({"key": ec.generate_private_key(ec.SECP224R1())}, "secp224r1"),
        ({"key": ed25519.Ed25519PrivateKey.generate()}, "neither EC nor RSA"),
        ({"key": dsa.generate_private_key(2_048)}, "neither EC nor RSA"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value.replace(" ", "-"),
)
def test_a_request_that_asks_for_more_or_brings_a_weak_key_is_not_signed(words: dict[str, Any], problem: str) -> None:
    given = dict(words)
    with pytest.raises(PolicyError, match=problem):
        checked(request_for(*given.pop("names", ()), **given))


def test_who_does_not_hold_the_key_gets_no_certificate_for_it() -> None:
    der = bytearray(x509.load_pem_x509_csr(request_for()).public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    with pytest.raises(PolicyError, match="request is not signed"):
        checked(bytes(der))
    # the key of somebody else put into a request that was signed before
    mine, another = (x509.load_pem_x509_csr(request_for()) for _ in range(2))
    spki = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    whole = mine.public_bytes(serialization.Encoding.DER)
    swapped = whole.replace(mine.public_key().public_bytes(*spki), another.public_key().public_bytes(*spki))
    with pytest.raises(PolicyError, match="with its own key"):
        checked(swapped)


def test_an_attribute_that_is_not_read_is_not_passed_over() -> None:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    builder = builder.add_attribute(ObjectIdentifier("1.2.840.113549.1.9.7"), b"challenge")
    key = ec.generate_private_key(ec.SECP256R1())
    data = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    with pytest.raises(PolicyError, match="attribute"):
        checked(data)


@pytest.mark.parametrize("data", [b"", b"text", b"-----BEGIN CERTIFICATE REQUEST-----\n", b"\x30\x80", b"a" * 16_385])
def test_what_is_no_request_is_said(data: bytes) -> None:
    with pytest.raises(PolicyError, match="request is not signed"):
        checked(data)
