"""The certificate of a client behind a listed proxy that ended its TLS, as the proxy tells of it (RFC 9440).

The proxy's word is taken for what only it can know, that the client holds the key. Everything else is checked here: an
authority of ours must have signed the certificate, and it must be made for clients.
"""

import base64
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID

from doorward.controls.authenticate import certificate_refusal
from doorward.denial import Denied
from doorward.exchange import ClientCertificate, Headers
from doorward.gateway.client_certificate import Unacceptable, described

_FIELD: Final = b"client-cert"
_VALUE: Final = re.compile(rb":([A-Za-z0-9+/]{4,12288}={0,2}):")
"""A byte sequence of structured fields (RFC 9651 section 3.3.5), of at most 9 KiB."""
_KEPT: Final = 1_024
"""Certificates remembered: checking a signature costs a hundred times what finding one costs."""


class ProxiedCertificates:
    """Reads the field in which listed proxies tell of certificates."""

    __slots__ = ("_authorities", "_clock", "_known")

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._authorities: tuple[x509.Certificate, ...] = ()
        self._known: OrderedDict[bytes, ClientCertificate] = OrderedDict()
        self._clock = clock

    def follow(self, authorities: Sequence[x509.Certificate]) -> None:
        """Take these for the authorities from now on; what others signed is forgotten."""
        if tuple(authorities) != self._authorities:
            self._authorities = tuple(authorities)
            self._known.clear()

    def read(self, headers: Headers) -> ClientCertificate | None:
        """The client's certificate; None when the proxy tells of none.

        Errors: Denied `transport.header_duplicate`, `authenticate.certificate_untrusted`.
        """
        values = headers.all(_FIELD)
        if not values:
            return None
        if len(values) > 1:
            raise Denied("transport.header_duplicate", "two certificates of one client")
        known = self._known.get(values[0])
        if known is not None:
            self._known.move_to_end(values[0])
            return known
        try:
            found = self._checked(values[0])
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            detail = f"the certificate that the proxy tells of: {str(error) or type(error).__name__}"
            raise certificate_refusal("untrusted", detail, "api") from error
        self._known[values[0]] = found
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return found

    def _checked(self, value: bytes) -> ClientCertificate:
        match = _VALUE.fullmatch(value)
        if match is None:
            raise Unacceptable("it is no byte sequence")
        der = base64.b64decode(match[1], validate=True)
        leaf = x509.load_der_x509_certificate(der)
        if leaf.not_valid_before_utc.timestamp() > self._clock():
            raise Unacceptable("not yet valid")
        for authority in self._authorities:
            # one that renewed its key keeps its name: the next of that name may be the one
            if _is_authority(authority, self._clock()) and _has_signed(authority, leaf):
                vouching = authority.public_bytes(Encoding.DER)
                found = described(der, vouching, vouching)
                ends_at = authority.not_valid_after_utc.timestamp()
                return replace(found, expires_at=min(found.expires_at, ends_at))
        raise Unacceptable("no authority of ours signed it")


def _has_signed(authority: x509.Certificate, leaf: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(authority)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _is_authority(certificate: x509.Certificate, now: float) -> bool:
    """Whether it may sign certificates, now."""
    if not certificate.not_valid_before_utc.timestamp() <= now < certificate.not_valid_after_utc.timestamp():
        return False
    try:
        if not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return False
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound as lacking:
        # without a word on usage it may be used for everything (RFC 5280 section 4.2.1.3)
        return lacking.oid == ExtensionOID.KEY_USAGE
