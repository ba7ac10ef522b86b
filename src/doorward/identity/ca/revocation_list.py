"""Revocation lists (CRL) for others, as RFC 5280 section 5 has them. Our own workers do not need them."""

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from sqlalchemy import Row, Select, case, func, select

from doorward.identity.ca.authority import signing_key
from doorward.identity.ca.certificates import Reason
from doorward.identity.ca.disabled import DISABLED
from doorward.identity.sealing import ServerSecret
from doorward.store import Store, authorities, certificates

GOOD_FOR: Final = dt.timedelta(hours=24)
"""`nextUpdate` lies so far ahead."""
RENEWED_S: Final = 3_600.0
"""A list without changes is made anew after that time, in seconds: whoever reads it always gets one that is fresh."""


def list_url(issuer: str) -> str:
    """Where an issuer serves the lists; certificates name it with `{authority}` replaced.

    >>> list_url("https://login.example.com/")
    'https://login.example.com/ca/crl/{authority}'
    """
    return f"{issuer.rstrip('/')}/ca/crl/{{authority}}"


@dataclass(frozen=True, slots=True)
class _Made:
    at: float
    content: tuple[Any, ...]
    der: bytes
    number: int


class RevocationLists:
    """The lists of all issuing authorities, made when somebody asks and kept until something changes.

    Asking costs one small query, not a signature: anybody may ask.
    """

    __slots__ = ("_made", "_secret", "_store")

    def __init__(self, store: Store, secret: ServerSecret) -> None:
        self._store, self._secret = store, secret
        self._made: dict[str, _Made] = {}

    def current(self, authority_id: str, *, now: float) -> bytes | None:
        """The list of an issuing authority in DER; the newest authority's for an empty id. None when there is none."""
        wanted = authorities.c.kind == "issuing"
        if authority_id:
            wanted &= authorities.c.id == authority_id
        with self._store.begin() as connection:
            newest = select(authorities).where(wanted, authorities.c.expires_at > now)
            authority = connection.execute(newest.order_by(authorities.c.generation.desc()).limit(1)).one_or_none()
            if authority is None:
                return None
            content = tuple(tuple(row) for row in connection.execute(_revoked(authority.id, now)))
        made = self._made.get(authority.id)
        if made is None or made.content != content or not 0 <= now - made.at < RENEWED_S:
            made = self._sign(authority, content, now, 0 if made is None else made.number)
            self._made[authority.id] = made
        return made.der

    def _sign(self, authority: Row[Any], content: tuple[Any, ...], now: float, last_number: int) -> _Made:
        # By the clock, so that numbers grow over restarts too, and in milliseconds, so that no two lists share one.
        number = max(int(now * 1000), last_number + 1)
        at = dt.datetime.fromtimestamp(int(now), dt.UTC)
        issuer = x509.load_pem_x509_certificate(authority.certificate.encode())
        key = signing_key(authority, self._secret)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(issuer.subject)
            .last_update(at)
            .next_update(at + GOOD_FOR)
            .add_extension(x509.CRLNumber(number), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        )
        for serial, revoked_at, reason in content:
            builder = builder.add_revoked_certificate(_entry(serial, revoked_at, reason))
        der = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
        return _Made(now, content, der, number)


def _revoked(authority_id: str, now: float) -> Select[Any]:
    """Serial, time and reason of what is revoked, or belongs to a caller who is disabled."""
    is_callers = (DISABLED.c.name == certificates.c.name) & (certificates.c.kind == "client")
    since = func.coalesce(certificates.c.revoked_at, DISABLED.c.disabled_at)
    reason = case((certificates.c.revoked_at.is_(None), "cessationOfOperation"), else_=certificates.c.reason)
    return (
        select(certificates.c.serial, since, reason)
        .select_from(certificates.outerjoin(DISABLED, is_callers))
        .where(certificates.c.authority == authority_id, certificates.c.expires_at > now, since.is_not(None))
        .order_by(certificates.c.serial)
    )


def _entry(serial: str, revoked_at: float, reason: Reason) -> x509.RevokedCertificate:
    entry = (
        x509.RevokedCertificateBuilder()
        .serial_number(int(serial, 16))
        .revocation_date(dt.datetime.fromtimestamp(int(revoked_at), dt.UTC))
    )
    if reason != "unspecified":
        entry = entry.add_extension(x509.CRLReason(x509.ReasonFlags(reason)), critical=False)
    return entry.build()
