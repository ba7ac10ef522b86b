"""What a new certificate is handed over in: PEM, or PKCS #12 for browsers and phones."""

import base64
import secrets

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12

from doorward.identity.ca.certificates import Issued

_PASSWORD_BYTES = 15


def pem_bundle(issued: Issued) -> bytes:
    """The key, where it was made here, the certificate, and the issuing authority: what curl and servers take.

    The key is not encrypted: the file's mode is its protection.
    """
    key = b"" if issued.key is None else key_pem(issued.key)
    shown = (issued.certificate, *issued.chain[:1])
    return key + b"".join(one.public_bytes(serialization.Encoding.PEM) for one in shown)


def pkcs12_bundle(issued: Issued) -> tuple[bytes, str]:
    """The same with the root, encrypted, and the password it opens with: 120 random bits, shown once.

    Errors: ValueError when the key was not made here.
    """
    if issued.key is None:
        raise ValueError("the key is with whoever made the request")
    password = base64.b32encode(secrets.token_bytes(_PASSWORD_BYTES)).decode("ascii").lower()
    encryption = serialization.BestAvailableEncryption(password.encode("ascii"))
    name = issued.record.name.encode("utf-8")
    return pkcs12.serialize_key_and_certificates(
        name, issued.key, issued.certificate, list(issued.chain), encryption
    ), password


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The key in PKCS #8, not encrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
