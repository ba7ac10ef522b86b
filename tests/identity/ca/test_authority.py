from ipaddress import ip_network

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.identity.ca.authorities import CONSTRAINTS, NOW, SECRET, made

from doorward.errors import PolicyError
from doorward.identity import ca
from doorward.identity.ca.building import Constraints
from doorward.identity.sealing import ServerSecret
from doorward.sealing import SealBroken
from doorward.store import Store


def test_the_root_key_is_given_out_encrypted_and_kept_nowhere(store: Store) -> None:
    authority, key = made(store)
    assert b"ENCRYPTED PRIVATE KEY" in key
    loaded = serialization.load_pem_private_key(key, authority.passphrase.encode())
    root = x509.load_pem_x509_certificate(authority.root.certificate.encode())
    assert loaded.public_key() == root.public_key()
    assert authority.passphrase not in repr(authority)
    with pytest.raises(ValueError, match="password"):
        serialization.load_pem_private_key(key, b"guess")
    issuing = x509.load_pem_x509_certificate(authority.issuing.certificate.encode())
    issuing.verify_directly_issued_by(root)
    assert issuing.public_key() != root.public_key()


@pytest.mark.parametrize(("which", "depth"), [("root", 1), ("issuing", 0)])
def test_an_authority_may_sign_certificates_and_lists_within_its_names_only(
    store: Store, which: str, depth: int
) -> None:
    authority, _ = made(store)
    pem = (authority.root if which == "root" else authority.issuing).certificate
    certificate = x509.load_pem_x509_certificate(pem.encode())
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, depth)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.key_cert_sign
    assert usage.crl_sign
    assert not usage.digital_signature
    names = certificate.extensions.get_extension_for_class(x509.NameConstraints)
    assert names.critical
    assert names.value.permitted_subtrees == [
        x509.DNSName("example.internal"),
        x509.IPAddress(ip_network("10.0.0.0/8")),
    ]
    assert names.value.excluded_subtrees == [x509.IPAddress(ip_network("::/0"))]
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP256R1)


def test_an_authority_for_nothing_vouches_for_no_server() -> None:
    found = Constraints().extension()
    assert found.permitted_subtrees is None
    assert found.excluded_subtrees == [
        x509.DNSName(""),
        x509.IPAddress(ip_network("0.0.0.0/0")),
        x509.IPAddress(ip_network("::/0")),
    ]


def test_whoever_lost_the_secret_of_the_provider_signs_again_once_there_is_a_new_issuing_key(store: Store) -> None:
    authority, key = made(store)
    other = ServerSecret(bytes(32))
    with pytest.raises(SealBroken):
        ca.issue(store, other, "partner", ca.Granted(), now=NOW)
    ca.rotate_issuing(store, other, key, authority.passphrase, now=NOW)
    assert ca.issue(store, other, "partner", ca.Granted(), now=NOW).record.name == "partner"


def test_there_is_one_root(store: Store) -> None:
    first, _ = made(store)
    with pytest.raises(PolicyError, match="already"):
        made(store)
    assert [each.id for each in ca.list_authorities(store)] == [first.root.id, first.issuing.id]


def test_nothing_is_stored_when_the_root_key_cannot_be_kept(store: Store) -> None:
    def full(_key: bytes) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        ca.make_authority(store, SECRET, CONSTRAINTS, full, now=NOW)
    assert ca.list_authorities(store) == []


def test_a_new_issuing_key_comes_of_the_root_key_alone(store: Store) -> None:
    authority, key = made(store)
    second = ca.rotate_issuing(store, SECRET, key, authority.passphrase, now=NOW + 10)
    assert (second.kind, second.generation) == ("issuing", 2)
    one = ca.issue(store, SECRET, "partner", ca.Granted(), now=NOW + 10)
    assert one.record.authority == second.id
    trusted = {each["id"] for each in ca.published_certificates(store, now=NOW)["authorities"]}
    assert trusted == {authority.root.id, authority.issuing.id, second.id}
    names = one.chain[0].extensions.get_extension_for_class(x509.NameConstraints).value
    assert names == CONSTRAINTS.extension()
    with pytest.raises(PolicyError, match="cannot be opened"):
        ca.rotate_issuing(store, SECRET, key, "guess", now=NOW)
    foreign = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
    )
    with pytest.raises(PolicyError, match="not the key of the root"):
        ca.rotate_issuing(store, SECRET, foreign, "x", now=NOW)


def test_without_an_authority_nothing_is_issued(store: Store) -> None:
    with pytest.raises(PolicyError, match="no certificate authority"):
        ca.issue(store, SECRET, "partner", ca.Granted(), now=NOW)
    assert ca.list_certificates(store) == []
