"""Certificates issued, renewed, listed, revoked. Each change is one transaction with its event.

A client's certificate belongs to a caller of the store. A user or client brings its own roles; for a name that is
neither, they are granted with the certificate, as with an API key.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, get_args

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import Connection, Row, delete, insert, or_, select, update

from doorward.errors import Missing, PolicyError
from doorward.identity.ca.authority import Issuing, issuing_now
from doorward.identity.ca.building import Kind, LeafKey, general_name, key_id, make_leaf, serial_text
from doorward.identity.ca.disabled import require_enabled
from doorward.identity.ca.requests import checked_request
from doorward.identity.events import KEPT_S, record
from doorward.identity.names import is_name, register_principal, require_claims, require_name, require_words
from doorward.identity.sealing import ServerSecret
from doorward.store import Store, authorities, certificates, principals

LIFE_S: Final = 86_400.0
"""How long a certificate lives when nothing else is said, in seconds: a day."""
LIFE_LEAST_S: Final = 300.0
LIFE_MOST_S: Final = 30 * 86_400.0
"""Longest life, in seconds: what is stolen and not noticed ends within a month."""
NAMES_MOST: Final = 32
Reason = Literal["unspecified", "keyCompromise", "affiliationChanged", "superseded", "cessationOfOperation"]
"""Why a certificate was revoked, as RFC 5280 section 5.3.1 has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """What is granted with a certificate."""

    kind: Kind = "client"
    roles: Iterable[str] = ()
    scopes: Iterable[str] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)
    names: Sequence[str] = ()
    """DNS names and addresses of a server."""
    life_s: float = LIFE_S
    list_url: str = ""
    """Where the revocation list stands, for the certificate to say, with `{authority}` replaced. Empty: nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRecord:
    """What is known of a certificate."""

    serial: str
    name: str
    kind: Kind
    authority: str
    names: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)
    created_at: float
    expires_at: float
    renewed_at: float | None = None
    revoked_at: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A new certificate, with what stands above it, and its key where it was made here. The key is kept nowhere."""

    record: CertificateRecord
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    """The issuing authority, then the root."""
    key: ec.EllipticCurvePrivateKey | None = field(default=None, repr=False)


def issue(store: Store, secret: ServerSecret, name: str, granted: Granted, *, now: float) -> Issued:
    """A certificate and a new key for it.

    Errors: PolicyError, also for a server's name that the authority may not vouch for.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    return _new(store, secret, name, granted, key.public_key(), key, now=now)


def sign_request(
    store: Store, secret: ServerSecret, name: str, request: bytes, granted: Granted, *, now: float
) -> Issued:
    """A certificate for the key of a request. Errors: PolicyError, as `requests.checked_request` and `issue`."""
    public = checked_request(request, granted.kind, name, granted.names)
    return _new(store, secret, name, granted, public, None, now=now)


def renew(
    store: Store,
    secret: ServerSecret,
    serial: str,
    *,
    now: float,
    request: bytes | None = None,
    life_s: float | None = None,
    list_url: str = "",
    fingerprint: str = "",
) -> Issued:
    """A successor with the same name, kind and grants, and a new key: of the request, or made here.

    Of two who renew the same certificate one wins. The old one is good until it ends, so that it can be replaced at
    leisure; revoking either revokes both. Who asks again with the same key, because the answer was lost, gets the same
    successor. `fingerprint` is that of the certificate itself, where it and not the operator asks: another authority
    may have given out the same serial. Errors: PolicyError for one that is unknown, expired, revoked or renewed, or
    whose caller is disabled.
    """
    key = ec.generate_private_key(ec.SECP256R1()) if request is None else None
    with store.begin() as connection:
        spent = (
            update(certificates)
            .where(
                certificates.c.serial == serial,
                certificates.c.revoked_at.is_(None),
                certificates.c.renewed_at.is_(None),
                certificates.c.expires_at > now,
                *((certificates.c.fingerprint == fingerprint,) if fingerprint else ()),
            )
            .values(renewed_at=now)
            .returning(*certificates.c)
        )
        old = connection.execute(spent).one_or_none()
        require_enabled(connection, serial)
        if old is None and request is not None:
            again = _successor(connection, serial, fingerprint, request, now=now)
            if again is not None:
                return again
        if old is None:
            raise PolicyError(
                f"{serial} cannot be renewed: it is unknown, expired, revoked, or was renewed before",
                key="certificate",
                hint="doorward certificate list",
            )
        public: LeafKey
        if request is not None:
            public = checked_request(request, old.kind, old.name, old.names)
        else:
            assert key is not None  # noqa: S101 - made above; for the type checker
            public = key.public_key()
        _require_another_key(old, public)
        granted = Granted(
            kind=old.kind,
            names=old.names,
            # whole seconds, as a certificate has them: else each successor lives a little shorter, below the least life
            life_s=old.expires_at - int(old.created_at) if life_s is None else life_s,
            list_url=list_url,
        )
        values = {"roles": old.roles, "scopes": old.scopes, "claims": old.claims, "lineage": old.lineage}
        made = _signed(connection, secret, old.name, granted, public, values, now=now)
        record(connection, "certificate.renewed", old.name, now=now, serial=made.record.serial, before=serial)
    return replace(made, key=key)


def keys_in(data: bytes) -> list[tuple[str, str]]:
    """SHA-256 of the public key, and the subject, of each certificate in a PEM text. Errors: PolicyError."""
    try:
        found = x509.load_pem_x509_certificates(data)
        return [(key_id(each.public_key()), each.subject.rfc4514_string()) for each in found]
    except ValueError as error:
        raise PolicyError("there is no certificate in it", key="certificate", hint="a PEM file") from error


def serial_in(data: bytes) -> str:
    """The serial of the first certificate in a PEM text. Errors: PolicyError."""
    try:
        return serial_text(x509.load_pem_x509_certificates(data)[0])
    except ValueError as error:
        raise PolicyError("there is no certificate in it", key="certificate", hint="a PEM file, or a serial") from error


def list_certificates(store: Store) -> list[CertificateRecord]:
    """All certificates, by name and age."""
    order = (certificates.c.name, certificates.c.created_at, certificates.c.serial)
    with store.begin() as connection:
        return [certificate_of(row) for row in connection.execute(select(certificates).order_by(*order))]


def get_certificate(store: Store, serial: str) -> CertificateRecord:
    """The certificate of that serial. Errors: Missing."""
    with store.begin() as connection:
        row = connection.execute(select(certificates).where(certificates.c.serial == serial)).one_or_none()
    if row is None:
        raise _missing(serial)
    return certificate_of(row)


def revoke_certificates(
    store: Store, name_or_serial: str, *, now: float, reason: Reason = "unspecified"
) -> list[CertificateRecord]:
    """The certificates revoked by it: all of a name, or one by its serial with all it was renewed from and to.

    Revoking twice keeps the first time. Errors: Missing; PolicyError for what is no reason.
    """
    if reason not in get_args(Reason):
        raise PolicyError(f"{reason!r} is no reason", key="reason", hint=", ".join(get_args(Reason)))
    with store.begin() as connection:
        lineages = select(certificates.c.lineage).where(certificates.c.serial == name_or_serial)
        chosen = or_(certificates.c.name == name_or_serial, certificates.c.lineage.in_(lineages))
        revoked = update(certificates).where(chosen, certificates.c.revoked_at.is_(None))
        # Again until nothing is left: a successor may be made while its predecessor is revoked, and appears once the
        # transaction that made it has ended. No further one can come of what is revoked.
        while connection.execute(revoked.values(revoked_at=now, reason=reason)).rowcount:
            pass
        rows = connection.execute(select(certificates).where(chosen).order_by(certificates.c.created_at)).all()
        if not rows:
            raise _missing(name_or_serial)
        for row in rows:
            if row.revoked_at == now:
                record(connection, "certificate.revoked", row.name, now=now, serial=row.serial, reason=reason)
    return [certificate_of(row) for row in rows]


def purge(connection: Connection, *, now: float) -> int:
    """How many certificates went because they ended longer ago than is kept."""
    return connection.execute(delete(certificates).where(certificates.c.expires_at <= now - KEPT_S)).rowcount


def _missing(name_or_serial: str) -> Missing:
    return Missing(f"there is no certificate {name_or_serial!r}", key="certificate", hint="doorward certificate list")


def _new(
    store: Store,
    secret: ServerSecret,
    name: str,
    granted: Granted,
    public: LeafKey,
    key: ec.EllipticCurvePrivateKey | None,
    *,
    now: float,
) -> Issued:
    _require_grantable(name, granted)
    with store.begin() as connection:
        values = _grants(connection, name, granted)
        made = _signed(connection, secret, name, granted, public, values, now=now)
        told = {"serial": made.record.serial, "purpose": granted.kind, "expires_at": made.record.expires_at, **values}
        record(connection, "certificate.issued", name, now=now, **told)
    return replace(made, key=key)


def _successor(connection: Connection, serial: str, fingerprint: str, request: bytes, *, now: float) -> Issued | None:
    """What the certificate was renewed to with this very request's key, while both are good."""
    good = (certificates.c.revoked_at.is_(None), certificates.c.expires_at > now)
    chosen = select(certificates).where(certificates.c.serial == serial, *good)
    if fingerprint:
        chosen = chosen.where(certificates.c.fingerprint == fingerprint)
    old = connection.execute(chosen).one_or_none()
    if old is None:
        return None
    key = checked_request(request, old.kind, old.name, old.names)
    later = select(certificates).where(certificates.c.lineage == old.lineage, certificates.c.serial != serial, *good)
    for row in connection.execute(later):
        certificate = x509.load_pem_x509_certificate(row.certificate.encode())
        if certificate.public_key() == key:
            above = select(authorities.c.certificate).where(
                or_(authorities.c.id == row.authority, authorities.c.kind == "root")
            )
            chain = connection.execute(above.order_by(authorities.c.kind)).scalars()
            return Issued(
                record=certificate_of(row),
                certificate=certificate,
                chain=tuple(x509.load_pem_x509_certificate(pem.encode()) for pem in chain),
            )
    return None


def _require_grantable(name: str, granted: Granted) -> None:
    if granted.kind == "client":
        require_name(name, "certificate")
        if granted.names:
            raise PolicyError("a client's certificate names no server", key="dns", hint="--server, or no --dns")
        return
    if not is_name(name):
        raise PolicyError(f"{name!r} is not a name", key="certificate", hint="up to 64 of A-Z a-z 0-9 . _ @ -")
    if not 0 < len(granted.names) <= NAMES_MOST:
        raise PolicyError("a server's certificate needs its names", key="dns", hint="--dns api.example.internal")
    if granted.roles or granted.scopes or granted.claims:
        raise PolicyError("a server is no caller: it has no roles", key="role")


def _grants(connection: Connection, name: str, granted: Granted) -> dict[str, Any]:
    values = {
        "roles": require_words(granted.roles, "role"),
        "scopes": require_words(granted.scopes, "scope"),
        "claims": require_claims(granted.claims),
    }
    if granted.kind == "server":
        return values
    kind = connection.execute(select(principals.c.kind).where(principals.c.name == name)).scalar()
    if kind not in {"user", "client"}:
        register_principal(connection, name, "api_key")
    elif any(values.values()):
        raise PolicyError(
            f"{name} is a {kind}, whose own roles, scopes and claims count", key="role", hint="leave them away"
        )
    return values


def _signed(
    connection: Connection,
    secret: ServerSecret,
    name: str,
    granted: Granted,
    public: LeafKey,
    values: Mapping[str, Any],
    *,
    now: float,
) -> Issued:
    if not LIFE_LEAST_S <= granted.life_s <= LIFE_MOST_S:
        raise PolicyError("a certificate lives 5 minutes to 30 days", key="expires", hint="24h")
    authority = issuing_now(connection, secret, now=now)
    _require_permitted(authority, granted.names)
    certificate = make_leaf(
        authority.certificate,
        authority.key,
        public,
        granted.kind,
        name,
        granted.names,
        now=dt.datetime.fromtimestamp(int(now), dt.UTC),
        life=dt.timedelta(seconds=granted.life_s),
        list_url=granted.list_url.replace("{authority}", authority.id),
    )
    serial = serial_text(certificate)
    row = {
        "lineage": serial,
        **values,
        "serial": serial,
        "name": name,
        "kind": granted.kind,
        "authority": authority.id,
        "names": list(granted.names),
        "certificate": certificate.public_bytes(serialization.Encoding.PEM).decode("ascii"),
        "fingerprint": certificate.fingerprint(hashes.SHA256()).hex(),
        "created_at": now,
        "expires_at": certificate.not_valid_after_utc.timestamp(),
        "reason": "",
    }
    connection.execute(insert(certificates).values(row))
    stored = connection.execute(select(certificates).where(certificates.c.serial == serial)).one()
    return Issued(record=certificate_of(stored), certificate=certificate, chain=(authority.certificate, authority.root))


def _require_permitted(authority: Issuing, names: Sequence[str]) -> None:
    """Nothing, for names within the authority's constraints: others would be refused by whoever checks them."""
    constraints = authority.certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    permitted = constraints.permitted_subtrees or []
    for text in names:
        name = general_name(text)
        if not any(_is_within(name, subtree) for subtree in permitted):
            raise PolicyError(
                f"the authority may not vouch for {text!r}", key="dns", hint="its names were fixed at its beginning"
            )


def _is_within(name: x509.GeneralName, subtree: x509.GeneralName) -> bool:
    if isinstance(name, x509.DNSName) and isinstance(subtree, x509.DNSName):
        asked, allowed = name.value.lower(), subtree.value.lower().removeprefix(".")
        return asked == allowed or asked.endswith(f".{allowed}")
    if isinstance(name, x509.IPAddress) and isinstance(subtree, x509.IPAddress):
        return name.value in subtree.value  # type: ignore[operator]  # a subtree is a network
    return False


def _require_another_key(old: Row[Any], public: LeafKey) -> None:
    before = x509.load_pem_x509_certificate(old.certificate.encode()).public_key()
    if before == public:
        raise PolicyError("the request has the old key", key="request", hint="make a new key for the successor")


def certificate_of(row: Row[Any]) -> CertificateRecord:
    """The record of a row."""
    return CertificateRecord(
        serial=row.serial,
        name=row.name,
        kind=row.kind,
        authority=row.authority,
        names=tuple(row.names),
        roles=tuple(row.roles),
        scopes=tuple(row.scopes),
        claims=row.claims,
        created_at=row.created_at,
        expires_at=row.expires_at,
        renewed_at=row.renewed_at,
        revoked_at=row.revoked_at,
        reason=row.reason,
    )
