"""The certificate a client showed: what controls see of it, and what is refused although OpenSSL lets it pass."""

import hashlib
import ssl
from typing import Any, Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from doorward.exchange import ClientCertificate
from doorward.gateway.x509_names import authority_id, list_uris
from doorward.jose import encode_segment

_DER: Final = 2
"""`_ssl.ENCODING_DER`."""
CHAIN: Final = 8
"""Most certificates a client may send."""


class Unacceptable(ValueError):
    """A certificate that a connection is closed for, before its first request is read."""


def certificate_of(secure: ssl.SSLObject) -> ClientCertificate | None:
    """What the client proved to be, or None when it showed no certificate.

    Its chain, dates and name constraints were checked in the handshake.
    Errors: Unacceptable for one not made for clients, with a name that can be read in two ways, or a long chain.
    Source: RFC 5280 section 4.2.1.12; hostile input T6 (Envoy CVE-2026-47778: NUL in a name).
    """
    der = secure.getpeercert(binary_form=True)
    if der is None:
        return None
    if _chain_length(secure) > CHAIN:
        raise Unacceptable(f"more than {CHAIN} certificates")
    # A certificate that is trusted by itself is its own chain.
    chain = verified_chain(secure)
    return described(der, chain[1] if len(chain) > 1 else der, chain[-1] if chain else der)


def described(der: bytes, issuer: bytes, anchor: bytes) -> ClientCertificate:
    """What controls see of a client's certificate that the issuer's is known to vouch for, and the anchor's for that.

    All are DER; issuer and anchor may be one.

    Errors: Unacceptable, as `certificate_of`.
    """
    try:
        leaf = x509.load_der_x509_certificate(der)
        purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        names = _alternative_names(leaf)
        found = ClientCertificate(
            thumbprint=thumbprint(der),
            subject=leaf.subject.rfc4514_string(),
            dns_names=tuple(names.get_values_for_type(x509.DNSName)) if names else (),
            uris=tuple(names.get_values_for_type(x509.UniformResourceIdentifier)) if names else (),
            emails=tuple(names.get_values_for_type(x509.RFC822Name)) if names else (),
            serial=f"{leaf.serial_number:032x}",
            authority=authority_id(issuer),
            anchor=authority_id(anchor),
            fingerprint=hashlib.sha256(der).hexdigest(),
            expires_at=leaf.not_valid_after_utc.timestamp(),
            list_uris=list_uris(leaf),
        )
    except x509.ExtensionNotFound:
        raise Unacceptable("no extended key usage") from None
    except Exception as error:  # noqa: BLE001 - the library has many ways to say so, and each means the same here
        raise Unacceptable(f"unreadable ({type(error).__name__})") from None
    if ExtendedKeyUsageOID.CLIENT_AUTH not in purposes:
        raise Unacceptable("not made for clients (extended key usage)")
    texts = (*found.dns_names, *found.uris, *found.emails)
    if not all(text.isascii() and text.isprintable() for text in texts) or "\0" in found.subject:
        raise Unacceptable("a control or non-ASCII character in a name")
    return found


def verified_chain(secure: ssl.SSLObject) -> list[bytes]:
    """The certificates (DER) that OpenSSL checked, from the client's own to the one that is trusted; none: no client's.

    A list of one is a certificate that is trusted by itself.
    """
    chain: list[Any] = _chains(secure).get_verified_chain() or []
    # bytes since Python 3.13; before, objects behind a private name
    return [each if isinstance(each, bytes) else bytes(each.public_bytes(_DER)) for each in chain]


def thumbprint(der: bytes) -> str:
    """`x5t#S256` of a certificate (RFC 8705 section 3.1).

    >>> thumbprint(b"")
    '47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU'
    """
    return encode_segment(hashlib.sha256(der).digest()).decode("ascii")


def _alternative_names(leaf: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        return leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None


def _chain_length(secure: ssl.SSLObject) -> int:
    """How many certificates the client sent."""
    return len(_chains(secure).get_unverified_chain() or ())


def _chains(secure: ssl.SSLObject) -> Any:
    """What knows the chains. Public only since Python 3.13; before, the object behind."""
    source: Any = secure
    return source if hasattr(source, "get_unverified_chain") else source._sslobj  # noqa: SLF001
