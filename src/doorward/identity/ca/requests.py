"""Requests for certificates (PKCS #10): who asks holds the key, the key is good, and nothing else is asked for.

What the certificate says is decided by whoever grants it; the request only brings the key.
"""

from collections.abc import Sequence
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtensionOID, NameOID, ObjectIdentifier

from doorward.errors import PolicyError
from doorward.identity.ca.building import Kind, LeafKey, caller_uri, general_name

REQUEST_BYTES: Final = 16_384
"""Largest request read; one with an RSA key of 4,096 bits has about 1,700."""
RSA_BITS: Final = (2_048, 4_096)
_EXPONENT: Final = 65_537
_EXTENSION_REQUEST: Final = ObjectIdentifier("1.2.840.113549.1.9.14")
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1)
_HASHES: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_HINT: Final = "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout a.key -subj /CN=NAME"


def checked_request(data: bytes, kind: Kind, name: str, names: Sequence[str]) -> LeafKey:
    """The public key of a request (PEM or DER) that asks for no more than is granted.

    Errors: PolicyError: not signed with its own key, a weak key, another name, an extension or attribute beyond names.
    Source: RFC 2986 section 3; attacks: certificate templates that take a requester's word (ESC1, ESC6 of AD CS).
    """
    if len(data) > REQUEST_BYTES:
        raise _refused(f"it has more than {REQUEST_BYTES} bytes")
    try:
        request = _read(data)
        _require_nothing_more(request, kind, name, names)
        key = checked_key(request.public_key())
        if not isinstance(request.signature_hash_algorithm, _HASHES) or not request.is_signature_valid:
            raise _refused("it is not signed with its own key, by SHA-256 or better")
    except PolicyError:
        raise
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
        raise _refused(f"it cannot be read ({type(error).__name__})") from error
    return key


def checked_key(key: object) -> LeafKey:
    """The key, when it is one that certificates are made for. Errors: PolicyError."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        if isinstance(key.curve, _CURVES):
            return key
        raise _refused(f"a key on the curve {key.curve.name}; P-256 and P-384 are taken")
    if isinstance(key, rsa.RSAPublicKey):
        least, most = RSA_BITS
        if least <= key.key_size <= most and key.public_numbers().e == _EXPONENT:
            return key
        raise _refused(f"an RSA key of {key.key_size} bits; {least} to {most} are taken, with the exponent {_EXPONENT}")
    raise _refused("a key that is neither EC nor RSA")


def _read(data: bytes) -> x509.CertificateSigningRequest:
    if data.lstrip().startswith(b"-----"):
        return x509.load_pem_x509_csr(data)
    return x509.load_der_x509_csr(data)


def _require_nothing_more(request: x509.CertificateSigningRequest, kind: Kind, name: str, names: Sequence[str]) -> None:
    for attribute in request.attributes:
        # Microsoft has an attribute of its own for extensions; whoever reads only one of them would miss the other.
        if attribute.oid != _EXTENSION_REQUEST:
            raise _refused(f"it has the attribute {attribute.oid.dotted_string}")
    if len(request.attributes) > 1:
        raise _refused("it asks for extensions twice")
    called = [attribute.value for attribute in request.subject]
    if called and (called != [name] or next(iter(request.subject)).oid != NameOID.COMMON_NAME):
        raise _refused(f"it is for {request.subject.rfc4514_string()!r}, not for CN={name}")
    granted = [x509.UniformResourceIdentifier(caller_uri(name))] if kind == "client" else list(map(general_name, names))
    for extension in request.extensions:
        if extension.oid != ExtensionOID.SUBJECT_ALTERNATIVE_NAME:
            raise _refused(f"it asks for the extension {extension.oid.dotted_string}")
        asked = extension.value
        if not isinstance(asked, x509.SubjectAlternativeName) or any(each not in granted for each in asked):
            raise _refused("it asks for a name that is not granted")


def _refused(problem: str) -> PolicyError:
    return PolicyError(f"the request is not signed: {problem}", key="request", hint=_HINT)
