"""The certificate authority: short-lived certificates for callers and servers, tied to callers of the store.

Threat:   a certificate for somebody else's name, a request that brings more rights than were granted, a stolen key
          that stays good, an authority whose key leaks with a backup.
Standard: RFC 5280, RFC 2986 (requests), RFC 7292 (PKCS #12); OWASP ASVS 5.0 V12.3.
Not here: checking shown certificates (gateway, controls.authenticate); public certificates (ACME).

The root key is never kept: it is given out once, encrypted, when it is made. What signs day by day is an issuing key,
sealed in the store with the provider's secret.
"""

from doorward.identity.ca.authority import (
    AuthorityRecord,
    MadeAuthority,
    list_authorities,
    make_authority,
    rotate_issuing,
)
from doorward.identity.ca.bundles import pem_bundle, pkcs12_bundle
from doorward.identity.ca.certificates import (
    CertificateRecord,
    Granted,
    Reason,
    certificate_of,
    get_certificate,
    issue,
    keys_in,
    list_certificates,
    renew,
    revoke_certificates,
    serial_in,
    sign_request,
)
from doorward.identity.ca.published import published_certificates
from doorward.identity.ca.revocation_list import RevocationLists, list_url

__all__ = [
    "AuthorityRecord",
    "CertificateRecord",
    "Granted",
    "MadeAuthority",
    "Reason",
    "RevocationLists",
    "certificate_of",
    "get_certificate",
    "issue",
    "keys_in",
    "list_authorities",
    "list_certificates",
    "list_url",
    "make_authority",
    "pem_bundle",
    "pkcs12_bundle",
    "published_certificates",
    "renew",
    "revoke_certificates",
    "rotate_issuing",
    "serial_in",
    "sign_request",
]
