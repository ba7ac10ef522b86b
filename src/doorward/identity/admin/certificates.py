"""Certificates of callers and servers: signed for keys that stay with whoever made the request, listed, revoked."""

from typing import Any, Literal

import msgspec

from doorward.identity import ca
from doorward.identity.admin.endpoint import Body, Call, Endpoint, Page, listing
from doorward.store import certificates

_DAY_S = 86_400


class NewCertificate(Body, frozen=True, forbid_unknown_fields=True):
    """What is granted to whoever holds the key of a request, and how long."""

    name: str
    """Who calls with it: a user, a client, or a new name."""
    request: str
    """PKCS #10, PEM."""
    kind: Literal["client", "server"] = "client"
    names: tuple[str, ...] = ()
    """DNS names and addresses of a server."""
    roles: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    claims: dict[str, Any] = msgspec.field(default_factory=dict)
    lifetime_s: int = _DAY_S


class Renewal(Body, frozen=True, forbid_unknown_fields=True):
    """A new key for what a certificate grants."""

    request: str
    """PKCS #10, PEM."""
    lifetime_s: int | None = None
    """null: as long as the one before."""


class WhyRevoked(Body, frozen=True, forbid_unknown_fields=True):
    """As RFC 5280 has it."""

    reason: ca.Reason = "unspecified"


class Signed(msgspec.Struct, frozen=True):
    """A new certificate, and it with its issuing authority in PEM."""

    record: ca.CertificateRecord
    pem: str


def _sign(call: Call) -> Signed:
    body: NewCertificate = call.body
    granted = ca.Granted(
        kind=body.kind,
        names=body.names,
        roles=call.known_roles(body.roles),
        scopes=body.scopes,
        claims=body.claims,
        life_s=body.lifetime_s,
        list_url=call.desk.list_url(),
    )
    made = ca.sign_request(call.store, call.desk.secret, body.name, _bytes(body.request), granted, now=call.now)
    return Signed(made.record, ca.pem_bundle(made).decode("ascii"))


def _renew(call: Call) -> Signed:
    body: Renewal = call.body
    ca.get_certificate(call.store, call.name)
    made = ca.renew(
        call.store,
        call.desk.secret,
        call.name,
        now=call.now,
        request=_bytes(body.request),
        life_s=body.lifetime_s,
        list_url=call.desk.list_url(),
    )
    return Signed(made.record, ca.pem_bundle(made).decode("ascii"))


def _revoke(call: Call) -> list[ca.CertificateRecord]:
    return ca.revoke_certificates(call.store, call.name, now=call.now, reason=call.body.reason)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")


ENDPOINTS = (
    listing(
        "/certificates",
        "listCertificates",
        "certificates, by serial",
        Page[ca.CertificateRecord],
        certificates,
        certificates.c.serial,
        ca.certificate_of,
    ),
    Endpoint(
        method="POST",
        path="/certificates",
        id="signCertificate",
        summary="a certificate for the key of a request",
        answer=_sign,
        gives=Signed,
        takes=NewCertificate,
        status=201,
    ),
    Endpoint(
        method="GET",
        path="/certificates/{name}",
        id="getCertificate",
        summary="one certificate, by its serial",
        answer=lambda call: ca.get_certificate(call.store, call.name),
        gives=ca.CertificateRecord,
        has_version=True,
    ),
    Endpoint(
        method="POST",
        path="/certificates/{name}/renew",
        id="renewCertificate",
        summary="its successor: the same grants for the key of a request, once",
        answer=_renew,
        gives=Signed,
        takes=Renewal,
        status=201,
    ),
    Endpoint(
        method="POST",
        path="/certificates/{name}/revoke",
        id="revokeCertificate",
        summary="one by its serial with what it was renewed from and to, or all of a name: void within a second",
        answer=_revoke,
        gives=list[ca.CertificateRecord],
        takes=WhyRevoked,
    ),
)
