"""Clients that prove themselves by the certificate of their connection (RFC 8705): what is registered, and what fits.

By an authority's word (`tls_client_auth`): exactly one name that the certificate must have. By the certificate itself
(`self_signed_tls_client_auth`): nobody vouches for it but the operator who registered it.
"""

import base64
import datetime as dt
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from doorward.errors import PolicyError
from doorward.exchange import ClientCertificate
from doorward.jose import encode_segment

FIELDS: Final = ("subject_dn", "san_dns", "san_uri", "san_email")
"""What a certificate is known by; `tls_client_auth_` goes before it in the words of RFC 8705 section 2.1.2."""
SCOPE_KEY: Final = "doorward.certificate"
"""Where the server leaves a `ShownCertificate` in the ASGI scope of a request. Never taken from a header (ID-50)."""
CERTIFICATES_COUNT: Final = 8
"""Most self-signed certificates of one client: the one in use and the next."""
_VALUE_MOST: Final = 512
_HINT: Final = "--tls-name san_dns=client.example.com; one of " + ", ".join(FIELDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCertificate:
    """The certificate of a connection, whose key the client proved to have."""

    thumbprint: str
    """As `x5t#S256` has it (RFC 8705 section 3.1)."""
    vouched: ClientCertificate | None
    """Its names, where an authority that the operator trusts vouches for them; None for a self-signed one."""


def require_tls_name(text: str) -> tuple[str, str]:
    """The field and value in `san_dns=client.example.com`, as certificates are read. Errors: PolicyError."""
    field, equals, value = text.partition("=")
    if field not in FIELDS or not equals or not value or not value.isprintable() or len(value) > _VALUE_MOST:
        raise PolicyError(f"{text[:80]!r} is no name of a certificate", key="tls-name", hint=_HINT)
    if field != "subject_dn":
        return field, value
    try:
        return field, x509.Name.from_rfc4514_string(value).rfc4514_string()
    except ValueError as error:
        raise PolicyError(f"{value!r} is no distinguished name", key="tls-name", hint="CN=client,O=Example") from error


def require_self_signed(pem: bytes, *, now: float) -> list[dict[str, Any]]:
    """The certificates of a PEM file as JWKs with `x5c`, as RFC 8705 section 2.2 has it. Errors: PolicyError."""
    try:
        found = x509.load_pem_x509_certificates(pem)
        for each in found:
            each.verify_directly_issued_by(each)
    except Exception as error:  # the library raises many kinds for what is no certificate, or not signed by itself
        raise PolicyError(
            f"no self-signed certificate: {error}", key="certificate", hint="a PEM file; --tls-name for others"
        ) from error
    if len(found) > CERTIFICATES_COUNT:
        raise PolicyError(f"{len(found)} certificates, more than {CERTIFICATES_COUNT}", key="certificate")
    at = dt.datetime.fromtimestamp(now, dt.UTC)
    if any(each.not_valid_after_utc <= at for each in found):
        raise PolicyError("the certificate has expired", key="certificate", hint="register a new one")
    return [_jwk(each.public_bytes(Encoding.DER)) for each in found]


def self_signed(jwks: Iterable[Mapping[str, Any]]) -> list[bytes]:
    """The certificates (DER) among a client's registered keys."""
    return [base64.b64decode(jwk["x5c"][0]) for jwk in jwks if "x5c" in jwk]


def fits(
    shown: ShownCertificate, authentication: str, jwks: Iterable[Mapping[str, Any]], name: tuple[str, str]
) -> bool:
    """Whether the certificate is that of a client that is registered so."""
    if authentication == "self_signed_tls_client_auth":
        known = [jwk["x5t#S256"] for jwk in jwks if "x5c" in jwk]
        return any(hmac.compare_digest(shown.thumbprint, each) for each in known)
    if authentication != "tls_client_auth" or shown.vouched is None:
        return False
    field, value = name
    names = {
        "subject_dn": (shown.vouched.subject,),
        "san_dns": shown.vouched.dns_names,
        "san_uri": shown.vouched.uris,
        "san_email": shown.vouched.emails,
    }
    return bool(value) and value in names.get(field, ())


def _jwk(der: bytes) -> dict[str, Any]:
    digest = encode_segment(hashlib.sha256(der).digest()).decode("ascii")
    return {"x5t#S256": digest, "x5c": [base64.b64encode(der).decode("ascii")]}
