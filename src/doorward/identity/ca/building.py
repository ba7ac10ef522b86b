"""Certificates as they are made here: root, issuing authority, leaf. Pure; clock and keys are handed in.

Every key usage is as narrow as its owner's task.
"""

import contextlib
import datetime as dt
import hashlib
import re
import secrets
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final, Literal, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from doorward.errors import PolicyError

Kind = Literal["client", "server"]
"""What a leaf is for. Never both: a server's certificate must not open doors."""
LeafKey: TypeAlias = ec.EllipticCurvePublicKey | rsa.RSAPublicKey

ROOT_DAYS: Final = 3_650
ISSUING_DAYS: Final = 398
"""A year and a month, so that making a new one becomes a habit."""
SERIAL_BYTES: Final = 16
_DNS_CHARACTERS: Final = 253
_LABEL: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_BACKDATED: Final = dt.timedelta(minutes=5)
"""For clocks that are behind."""
_EVERYTHING: Final[tuple[x509.GeneralName, ...]] = (
    x509.DNSName(""),
    x509.IPAddress(ip_network("0.0.0.0/0")),
    x509.IPAddress(ip_network("::/0")),
)


class Constraints:
    """The names of servers that an authority may vouch for, and no others (RFC 5280 section 4.2.1.10)."""

    __slots__ = ("dns", "networks")

    def __init__(self, dns: Sequence[str] = (), networks: Sequence[IPv4Network | IPv6Network] = ()) -> None:
        """Errors: PolicyError for a domain that is none."""
        for name in dns:
            _require_dns_name(name, "permit")
        self.dns, self.networks = tuple(dns), tuple(networks)

    def extension(self) -> x509.NameConstraints:
        """Each kind of name that is not permitted is excluded as a whole: none is left open."""
        permitted: list[x509.GeneralName] = [x509.DNSName(name) for name in self.dns]
        permitted += [x509.IPAddress(network) for network in self.networks]
        excluded = [
            name
            for name, is_permitted in zip(
                _EVERYTHING,
                (self.dns, _of_version(self.networks, 4), _of_version(self.networks, 6)),
                strict=True,
            )
            if not is_permitted
        ]
        return x509.NameConstraints(permitted_subtrees=permitted or None, excluded_subtrees=excluded or None)


def make_root(key: ec.EllipticCurvePrivateKey, constraints: Constraints, now: dt.datetime) -> x509.Certificate:
    """The certificate of a root, signed by itself; one authority may stand below it."""
    name = f"Doorward root {key_id(key.public_key())[:8]}"
    return make_self_signed(key, name, constraints, now=now, life=dt.timedelta(days=ROOT_DAYS), depth=1)


def make_self_signed(
    key: ec.EllipticCurvePrivateKey,
    name: str,
    constraints: Constraints,
    *,
    now: dt.datetime,
    life: dt.timedelta,
    depth: int,
) -> x509.Certificate:
    """The certificate of an authority of that name, signed by itself; `depth` authorities may stand below it."""
    called, public = _name(name), key.public_key()
    builder = _builder(called, called, public, now, life)
    return _authority(builder, public, key, constraints.extension(), depth=depth)


def make_issuing(
    root: x509.Certificate,
    root_key: ec.EllipticCurvePrivateKey,
    key: ec.EllipticCurvePublicKey,
    constraints: x509.NameConstraints,
    now: dt.datetime,
) -> x509.Certificate:
    """The certificate of an issuing authority under this root: for leaves only."""
    name = _name(f"Doorward issuing {key_id(key)[:8]}")
    life = min(now + dt.timedelta(days=ISSUING_DAYS), root.not_valid_after_utc) - now
    builder = _builder(name, root.subject, key, now, life).add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False
    )
    return _authority(builder, key, root_key, constraints, depth=0)


def make_leaf(
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    key: LeafKey,
    kind: Kind,
    name: str,
    names: Sequence[str],
    *,
    now: dt.datetime,
    life: dt.timedelta,
    list_url: str,
) -> x509.Certificate:
    """A leaf for one purpose. A client is named `urn:doorward:caller:<name>`, a server by `names` only.

    It never outlives its authority.
    """
    ends = min(now + life, authority.not_valid_after_utc)
    purpose = ExtendedKeyUsageOID.CLIENT_AUTH if kind == "client" else ExtendedKeyUsageOID.SERVER_AUTH
    called = [general_name(each) for each in names]
    if kind == "client":
        called = [x509.UniformResourceIdentifier(caller_uri(name))]
    builder = (
        _builder(_name(name), authority.subject, key, now, ends - now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectAlternativeName(called), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
    )
    if list_url:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(list_url)], None, None, None)
        builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
    return builder.sign(authority_key, hashes.SHA256())


def caller_uri(name: str) -> str:
    """How a certificate of ours names a caller."""
    return f"urn:doorward:caller:{name}"


def general_name(text: str) -> x509.GeneralName:
    """A server's name in a certificate: an address, a DNS name, or `*.` and one. Errors: PolicyError."""
    if "%" not in text:  # a zone is no part of the address in a certificate
        with contextlib.suppress(ValueError):
            return x509.IPAddress(ip_address(text))
    _require_dns_name(text.removeprefix("*."), "dns")
    return x509.DNSName(text)


def _require_dns_name(text: str, key: str) -> None:
    """Nothing, for a DNS name as RFC 1123 section 2.1 has it.

    Whoever reads a certificate may cut a name at a NUL, a slash or a blank, and take what is before it for the host
    (CVE-2009-2408); the constraints judge its end. Errors: PolicyError.
    """
    labels = text.split(".")
    if len(text) > _DNS_CHARACTERS or not all(map(_LABEL.fullmatch, labels)) or labels[-1].isdigit():
        raise PolicyError(f"{text[:80]!r} is not a DNS name", key=key, hint="api.example.internal; xn--... for others")


def key_id(key: CertificatePublicKeyTypes) -> str:
    """What an authority is known by: SHA-256 of its SubjectPublicKeyInfo in hexadecimal. Names can be shared."""
    spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


def serial_text(certificate: x509.Certificate) -> str:
    """The serial number as it is written everywhere here: 32 hexadecimal digits for one of ours."""
    return f"{certificate.serial_number:032x}"


def _of_version(networks: Sequence[IPv4Network | IPv6Network], version: int) -> list[IPv4Network | IPv6Network]:
    return [network for network in networks if network.version == version]


def _authority(
    builder: x509.CertificateBuilder,
    public: ec.EllipticCurvePublicKey,
    signer: ec.EllipticCurvePrivateKey,
    constraints: x509.NameConstraints,
    *,
    depth: int,
) -> x509.Certificate:
    return (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=depth), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(constraints, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(signer, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: LeafKey, now: dt.datetime, life: dt.timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        # 128 random bits: nobody can foresee what will be signed (RFC 5280 section 4.1.2.2 wants it positive)
        .serial_number(int.from_bytes(secrets.token_bytes(SERIAL_BYTES)) or 1)
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + life)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
