"""An authority for tests, and requests good and bad in one chosen way."""

from collections.abc import Sequence
from ipaddress import ip_network

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from doorward.identity.ca import MadeAuthority, make_authority
from doorward.identity.ca.building import Constraints
from doorward.identity.sealing import ServerSecret
from doorward.store import Store

NOW = 1_800_000_000.0
SECRET = ServerSecret(bytes(range(32)))
CONSTRAINTS = Constraints(["example.internal"], [ip_network("10.0.0.0/8")])
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | dsa.DSAPrivateKey


def made(store: Store) -> tuple[MadeAuthority, bytes]:
    """The authority and its root key as it was given out."""
    kept: list[bytes] = []
    authority = make_authority(store, SECRET, CONSTRAINTS, kept.append, now=NOW)
    return authority, kept[0]


def request_for(
    *names: str,
    key: PrivateKey | None = None,
    subject: str = "",
    more: Sequence[x509.ExtensionType] = (),
    digest: hashes.HashAlgorithm | None = None,
) -> bytes:
    """A request in PEM."""
    signer = key or ec.generate_private_key(ec.SECP256R1())
    called = [x509.NameAttribute(NameOID.COMMON_NAME, subject)] if subject else []
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(called))
    if names:
        general = [x509.UniformResourceIdentifier(name) if ":" in name else x509.DNSName(name) for name in names]
        builder = builder.add_extension(x509.SubjectAlternativeName(general), critical=False)
    for extension in more:
        builder = builder.add_extension(extension, critical=False)
    algorithm = None if isinstance(signer, ed25519.Ed25519PrivateKey) else digest or hashes.SHA256()
    return builder.sign(signer, algorithm).public_bytes(serialization.Encoding.PEM)  # type: ignore[arg-type]
