"""A development certificate authority and a server certificate for this machine, as `doorward init` makes them.

The authority may vouch for loopback names only (name constraints, critical), so trusting it in a browser or a client
gives its key no power over any other name.
"""

import datetime as dt
import ipaddress
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from doorward.identity.ca.building import Constraints, make_leaf, make_self_signed
from doorward.identity.ca.bundles import key_pem

CA_DAYS: Final = 825
SERVER_DAYS: Final = 397
"""Longest life browsers accept (CA/Browser Forum baseline requirements 6.3.2)."""
_NAMES: Final = ("localhost", "127.0.0.1", "::1")
_LOOPBACK: Final = Constraints(("localhost",), (ipaddress.IPv4Network("127.0.0.0/8"), ipaddress.IPv6Network("::1/128")))


@dataclass(frozen=True, slots=True, kw_only=True)
class DevelopmentCertificates:
    """PEM texts. The keys are PKCS #8 and unencrypted: the file mode is their protection."""

    ca_certificate: bytes
    ca_key: bytes
    server_certificate: bytes
    server_key: bytes


def make_development_certificates(now: dt.datetime) -> DevelopmentCertificates:
    """A fresh authority and a certificate for localhost, 127.0.0.1 and ::1. Source: RFC 5280."""
    ca_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name, ca_life = "Doorward development CA (this machine only)", dt.timedelta(days=CA_DAYS)
    ca = make_self_signed(ca_key, name, _LOOPBACK, now=now, life=ca_life, depth=0)
    life = dt.timedelta(days=SERVER_DAYS)
    server = make_leaf(
        ca, ca_key, server_key.public_key(), "server", "localhost", _NAMES, now=now, life=life, list_url=""
    )
    return DevelopmentCertificates(
        ca_certificate=ca.public_bytes(serialization.Encoding.PEM),
        ca_key=key_pem(ca_key),
        server_certificate=server.public_bytes(serialization.Encoding.PEM),
        server_key=key_pem(server_key),
    )
