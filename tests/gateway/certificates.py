"""An authority for tests: certificates good and bad in one chosen way, and revocation lists."""

import datetime as dt
import ipaddress
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)
FOR_CLIENTS = (ExtendedKeyUsageOID.CLIENT_AUTH,)
FOR_SERVERS = (ExtendedKeyUsageOID.SERVER_AUTH,)
Extension = tuple[x509.ExtensionType, bool]


@dataclass(frozen=True)
class Issued:
    """A certificate with its key and its chain, in one file."""

    certificate: x509.Certificate
    file: Path

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)


class Authority:
    """One that vouches for whatever a test wants."""

    def __init__(
        self,
        directory: Path,
        name: str = "test authority",
        *,
        parent: "Authority | None" = None,
        more: Sequence[Extension] = (),
    ) -> None:
        self.directory, self.name, self._parent = directory, name, parent
        self.key = ec.generate_private_key(ec.SECP256R1())
        signer = parent or self
        self.certificate = _signed(
            _builder(name, signer.name, self.key, NOW - DAY, NOW + 30 * DAY),
            [
                (x509.BasicConstraints(ca=True, path_length=None), True),
                (_usage(signs=True), True),
                (x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), False),
                (x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), False),
                *more,
            ],
            signer.key,
        )

    @cached_property
    def file(self) -> Path:
        return self._write(f"{self.name}.ca.pem", self.certificate.public_bytes(serialization.Encoding.PEM))

    def configure_trust(self, context: ssl.SSLContext) -> None:
        context.load_verify_locations(cafile=self.file)

    def issue(
        self,
        *names: str,
        purposes: Iterable[x509.ObjectIdentifier] | None = FOR_SERVERS,
        begins: dt.datetime = NOW - DAY,
        ends: dt.datetime = NOW + 10 * DAY,
        more: Sequence[Extension] = (),
        chain: Sequence[x509.Certificate] = (),
        file: str = "",
    ) -> Issued:
        """A leaf; `names` are DNS names or addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        extensions: list[Extension] = [
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (_usage(signs=False), True),
            (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False),
            *more,
        ]
        if purposes is not None:
            extensions.append((x509.ExtendedKeyUsage(purposes), False))
        if names:
            extensions.append((x509.SubjectAlternativeName([_general(name) for name in names]), False))
        leaf = _signed(_builder(names[0] if names else "nobody", self.name, key, begins, ends), extensions, self.key)
        above: list[x509.Certificate] = list(chain)
        authority: Authority | None = self
        while authority is not None and authority._parent is not None:
            above.append(authority.certificate)
            authority = authority._parent
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        pem += b"".join(one.public_bytes(serialization.Encoding.PEM) for one in (leaf, *above))
        return Issued(leaf, self._write(file or f"{leaf.serial_number:x}.pem", pem))

    def revocations(
        self,
        *revoked: Issued,
        next_update: dt.datetime = NOW + DAY,
        more: Sequence[Extension] = (),
        file: str = "list.crl",
    ) -> Path:
        """A list of revoked certificates, signed."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(_name(self.name))
            .last_update(NOW - 2 * DAY)
            .next_update(next_update)
            .add_extension(x509.CRLNumber(1), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        for extension, critical in more:
            builder = builder.add_extension(extension, critical=critical)
        for one in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(one.certificate.serial_number)
            builder = builder.add_revoked_certificate(entry.revocation_date(NOW - DAY).build())
        return self._write(file, builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def beside(self, name: str) -> Self:
        """Another authority in the same directory."""
        return type(self)(self.directory, name)

    def _write(self, name: str, content: bytes) -> Path:
        path = self.directory / name
        new = path.with_suffix(".new")
        new.write_bytes(content)
        new.replace(path)
        return path


def _signed(
    builder: x509.CertificateBuilder, extensions: Sequence[Extension], key: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(key, hashes.SHA256())


def _builder(
    subject: str, issuer: str, key: ec.EllipticCurvePrivateKey, begins: dt.datetime, ends: dt.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.UniformResourceIdentifier(name) if "://" in name else x509.DNSName(name)
