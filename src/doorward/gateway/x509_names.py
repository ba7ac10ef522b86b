"""What authorities and revocation lists are known by."""

import hashlib
from collections.abc import Iterable
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


@lru_cache(maxsize=256)
def authority_id(der: bytes) -> str:
    """SHA-256 of a certificate's public key (SubjectPublicKeyInfo), hexadecimal. Errors: ValueError."""
    return key_id(x509.load_der_x509_certificate(der))


def key_id(certificate: x509.Certificate) -> str:
    """The same, of a certificate that is read already."""
    spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


def list_uris(certificate: x509.Certificate) -> tuple[str, ...]:
    """The distribution points of its revocation lists, as URIs. Errors: ValueError."""
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return ()
    return uris(name for point in points for name in point.full_name or ())


def uris(names: Iterable[x509.GeneralName]) -> tuple[str, ...]:
    """The URIs among names."""
    return tuple(name.value for name in names if isinstance(name, x509.UniformResourceIdentifier))
