"""When a certificate is due: when its server says, else at two thirds of its life, each at a moment of its own."""

import datetime as dt
import hashlib
from collections.abc import Mapping
from typing import Any, Final

from cryptography import x509

from doorward.jose import encode_segment

_SHARE: Final = 2 / 3
_JITTER: Final = 1 / 20
"""Of its life: so that many gateways that began together do not come together."""


def due_at(certificate: x509.Certificate) -> dt.datetime:
    """When it is to be renewed, between 2/3 and 2/3 + 1/20 of its life; the same for every asker."""
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return begins + (ends - begins) * (_SHARE + _JITTER * _own_share(certificate))


def window_of(information: Mapping[str, Any], certificate: x509.Certificate) -> dt.datetime | None:
    """The moment in the window that the server suggests (RFC 9773 section 4.2); None when it suggests nothing sound.

    A window in the past means now. One that begins after the certificate ends is not taken for an answer.
    """
    window = information.get("suggestedWindow")
    if not isinstance(window, dict):
        return None
    try:
        start, end = (dt.datetime.fromisoformat(str(window[name])) for name in ("start", "end"))
        if start.tzinfo is None or not start < end or start >= certificate.not_valid_after_utc:
            return None
        return start + (end - start) * _own_share(certificate)
    except (KeyError, ValueError, TypeError):
        return None


def renewal_id(certificate: x509.Certificate) -> str:
    """How the server knows it (RFC 9773 section 4.1); empty when the certificate does not name its authority's key."""
    try:
        authority = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound:
        return ""
    if authority is None:
        return ""
    serial = certificate.serial_number
    # DER: one more bit than the number has, for its sign
    data = serial.to_bytes(serial.bit_length() // 8 + 1, "big")
    return ".".join(encode_segment(part).decode("ascii") for part in (authority, data))


def _own_share(certificate: x509.Certificate) -> float:
    """A number from 0 to 1 that looks drawn by chance and is the certificate's own."""
    digest = hashlib.sha256(str(certificate.serial_number).encode("ascii")).digest()
    return int.from_bytes(digest[:8]) / 2**64
