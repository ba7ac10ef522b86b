"""Revocation lists of other authorities, read from a file. What cannot be understood whole is not used in part."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtensionOID

from doorward.controls.authenticate import ForeignLists, RevocationList
from doorward.errors import PolicyError
from doorward.gateway.x509_names import key_id, uris

_KEY: Final = "tls.client_crl"
_END: Final = b"-----END X509 CRL-----"
_KNOWN: Final = frozenset({ExtensionOID.ISSUING_DISTRIBUTION_POINT})
"""Critical extensions that are read."""
_log: Final = structlog.get_logger()


def read_lists(file: Path, authorities: list[x509.Certificate], *, grace_s: int, now: float) -> ForeignLists:
    """The lists in a PEM file by the key of the authority that signed them; each is believed until `grace_s` late.

    Errors: PolicyError for a list that is malformed, signed by none of the authorities, or of a kind that would be
    misread: a delta, an indirect one, one for some reasons only.
    """
    found: dict[str, tuple[RevocationList, ...]] = {}
    lists = _load(file)
    for listed in lists:
        signers = [one for one in authorities if _is_signed_by(listed, one)]
        if not signers:
            issuer = listed.issuer.rfc4514_string()
            raise PolicyError(f"the CRL of {issuer} is signed by no authority of client_ca", key=_KEY)
        points = _points(listed)
        if points is None:
            continue
        read = _read(listed, points, grace_s)
        for authority in {key_id(one) for one in signers}:
            found[authority] = (*found.get(authority, ()), read)
        if read.until < now:
            _log.error("the CRL is past its nextUpdate: clients with a certificate are refused", file=str(file))
        elif read.until - grace_s < now:
            _log.warning("the CRL is past its nextUpdate, and believed for a while yet", file=str(file))
    for authority in _fallen(lists, authorities):
        # Without a list nobody is let in by it.
        found.pop(authority, None)
        _log.error("an authority of client_ca was revoked: clients with its certificates are refused", key=authority)
    return found


def _fallen(lists: list[x509.CertificateRevocationList], authorities: list[x509.Certificate]) -> frozenset[str]:
    """The keys of authorities whose own certificates are on these lists, and of those that only they vouch for."""
    fallen = [one for one in authorities if any(_revokes(listed, one) for listed in lists)]
    standing = [one for one in authorities if one not in fallen]
    while below := [one for one in standing if _has_issued(fallen, one) and not _has_issued(standing, one)]:
        fallen += below
        standing = [one for one in standing if one not in below]
    return frozenset(map(key_id, fallen)) - frozenset(map(key_id, standing))


def _revokes(listed: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    is_listed = listed.get_revoked_certificate_by_serial_number(authority.serial_number) is not None
    return is_listed and listed.issuer == authority.issuer and not _is_about_attributes(listed)


def _is_about_attributes(listed: x509.CertificateRevocationList) -> bool:
    try:
        point = listed.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
    except x509.ExtensionNotFound:
        return False
    return point.only_contains_attribute_certs


def _has_issued(authorities: list[x509.Certificate], one: x509.Certificate) -> bool:
    for authority in authorities:
        try:
            one.verify_directly_issued_by(authority)
        except (InvalidSignature, TypeError, ValueError):
            continue
        return True
    return False


def _load(file: Path) -> list[x509.CertificateRevocationList]:
    try:
        blocks = [block + _END for block in file.read_bytes().split(_END)[:-1]]
        lists = [x509.load_pem_x509_crl(block) for block in blocks]
    except (OSError, ValueError) as error:
        raise PolicyError(f"{file} cannot be used as CRL: {error}", key=_KEY, hint="PEM lists") from error
    if not lists:
        raise PolicyError(f"{file} holds no revocation list", key=_KEY, hint="`BEGIN X509 CRL` in PEM")
    return lists


def _read(listed: x509.CertificateRevocationList, points: frozenset[str], grace_s: int) -> RevocationList:
    if listed.next_update_utc is None:
        raise PolicyError("a CRL without nextUpdate would be believed for ever", key=_KEY)
    return RevocationList(
        revoked=frozenset(f"{serial:032x}" for serial in _serials(listed)),
        begins=listed.last_update_utc.timestamp(),
        until=listed.next_update_utc.timestamp() + grace_s,
        points=points,
    )


def _serials(listed: x509.CertificateRevocationList) -> Iterable[int]:
    try:
        for entry in listed:
            if any(each.critical for each in entry.extensions):
                # `certificateIssuer`: the entry speaks of another authority's certificate (RFC 5280 section 5.3.3)
                raise PolicyError("a CRL has entries of a kind that is not read", key=_KEY, hint="no indirect lists")
            yield entry.serial_number
    except ValueError as error:
        raise PolicyError(f"a CRL cannot be read: {error}", key=_KEY) from error


def _points(listed: x509.CertificateRevocationList) -> frozenset[str] | None:
    """The distribution points the list speaks for, none for all; None for a list that is not about clients."""
    try:
        extensions = list(listed.extensions)
    except (ValueError, x509.DuplicateExtension) as error:
        raise PolicyError(f"a CRL cannot be read: {error}", key=_KEY) from error
    unknown = [each.oid.dotted_string for each in extensions if each.critical and each.oid not in _KNOWN]
    if unknown:
        raise PolicyError(f"a CRL has the critical extension {unknown[0]}, which is not read", key=_KEY)
    for each in extensions:
        point = each.value
        if not isinstance(point, x509.IssuingDistributionPoint):
            continue
        if point.indirect_crl or point.only_some_reasons or point.relative_name is not None:
            raise PolicyError("a CRL is indirect or for some reasons only, which is not read", key=_KEY)
        if point.only_contains_ca_certs or point.only_contains_attribute_certs:
            return None
        names = frozenset(uris(point.full_name or ()))
        if point.full_name and not names:
            raise PolicyError("a CRL is for a distribution point that is no URI, which is not read", key=_KEY)
        return names
    return frozenset()


def _is_signed_by(listed: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    if listed.issuer != authority.subject or not _may_sign_lists(authority):
        return False
    try:
        return listed.is_signature_valid(authority.public_key())  # type: ignore[arg-type]
    except (InvalidSignature, TypeError, ValueError):
        return False


def _may_sign_lists(authority: x509.Certificate) -> bool:
    try:
        return authority.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        # without a word on usage it may be used for everything (RFC 5280 section 4.2.1.3)
        return True
    except (x509.DuplicateExtension, ValueError):
        return False
