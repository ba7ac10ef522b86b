"""Certificates for the misbehaving upstream: one authority, one right name, one wrong name. Good for a day."""

import base64
import datetime as dt
import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFE: Final = dt.timedelta(days=1)
_BACKDATED: Final = dt.timedelta(minutes=5)
PARTNER: Final = "spiffe://lab.example/partner"
"""The name in a client's certificate that the policy knows."""
SECOND_PARTNER: Final = "spiffe://lab.example/second-partner"
"""Another one."""


@dataclass(frozen=True, slots=True)
class LabCertificates:
    """What the upstream shows, and who vouches for it."""

    ca_file: Path
    right: ssl.SSLContext
    wrong: ssl.SSLContext
    wrong_file: Path
    """Certificate and key of `wrong`: for elsewhere.example."""
    client: "ClientIdentity"
    other_client: "ClientIdentity"
    """Nobody's by the policy."""
    revoked_client: "ClientIdentity"
    """With the name of `client`, and on the list."""
    two_clients: "ClientIdentity"
    """With the names of two callers."""
    crl_file: Path


@dataclass(frozen=True, slots=True)
class ClientIdentity:
    """A client's certificate with its key."""

    file: Path
    thumbprint: str
    """As `x5t#S256` has it."""

    @property
    def as_field(self) -> str:
        """The certificate as a proxy would tell of it (RFC 9440)."""
        der = x509.load_pem_x509_certificate(self.file.read_bytes()).public_bytes(serialization.Encoding.DER)
        return f":{base64.b64encode(der).decode('ascii')}:"

    def trusting(self, ca_file: Path) -> ssl.SSLContext:
        """What a client connects with that shows this certificate."""
        context = ssl.create_default_context(cafile=str(ca_file))
        context.load_cert_chain(self.file)
        return context


def make_certificates(directory: Path) -> LabCertificates:
    """An authority in `directory`, and contexts for 127.0.0.1 and for somebody else's name."""
    now = dt.datetime.now(dt.UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Doorward laboratory CA")
    ca = (
        _builder(name, name, key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    ca_file = directory / "upstream-ca.pem"
    ca_file.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    right = _context(directory / "right.pem", address, name, key, now)
    wrong_file = directory / "wrong.pem"
    wrong = _context(wrong_file, x509.DNSName("elsewhere.example"), name, key, now)
    client, other, revoked, two = (
        _client(directory / f"{which}.pem", which, names, name, key, now)
        for which, names in (
            ("client", [PARTNER]),
            ("other-client", [f"{PARTNER}/other"]),
            ("revoked-client", [PARTNER]),
            ("two-clients", [PARTNER, SECOND_PARTNER]),
        )
    )
    crl_file = directory / "clients.crl"
    crl_file.write_bytes(_list_of(revoked, name, key, now))
    return LabCertificates(ca_file, right, wrong, wrong_file, client, other, revoked, two, crl_file)


def _list_of(revoked: ClientIdentity, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: dt.datetime) -> bytes:
    certificate = x509.load_pem_x509_certificate(revoked.file.read_bytes())
    entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number).revocation_date(now).build()
    return (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer)
        .last_update(now - _BACKDATED)
        .next_update(now + _LIFE)
        .add_revoked_certificate(entry)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )


def _client(
    path: Path,
    which: str,
    names: Sequence[str],
    issuer: x509.Name,
    ca_key: ec.EllipticCurvePrivateKey,
    now: dt.datetime,
) -> ClientIdentity:
    called = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(each) for each in names])
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(_name(f"Doorward laboratory {which}"), issuer, key, now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(called, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    _write(path, key, certificate)
    digest = certificate.fingerprint(hashes.SHA256())
    return ClientIdentity(path, base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii"))


def _context(
    path: Path, subject: x509.GeneralName, issuer: x509.Name, ca_key: ec.EllipticCurvePrivateKey, now: dt.datetime
) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    certificate = (
        _builder(_name("Doorward laboratory upstream"), issuer, key, now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([subject]), critical=False)
        .add_extension(authority, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    _write(path, key, certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def _write(path: Path, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: dt.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _LIFE)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
