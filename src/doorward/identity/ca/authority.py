"""The authority itself: a root whose key leaves at once, and the issuing keys under it, sealed in the store."""

import base64
import datetime as dt
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import Connection, Row, func, insert, select
from sqlalchemy.exc import IntegrityError

from doorward.errors import PolicyError
from doorward.identity.ca.building import Constraints, key_id, make_issuing, make_root
from doorward.identity.events import record
from doorward.identity.sealing import ServerSecret
from doorward.store import Store, authorities

_PASSPHRASE_BYTES: Final = 20
_SUBJECT: Final = "urn:doorward:authority"
"""Whose events they are: no caller can have this name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityRecord:
    """What is known of an authority; its key is not in it."""

    id: str
    """SHA-256 of its public key, hexadecimal."""
    kind: str
    """`root` or `issuing`."""
    generation: int
    certificate: str
    """PEM."""
    created_at: float
    expires_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeAuthority:
    """A new root. Its key is nowhere else: who loses it makes a new authority."""

    root: AuthorityRecord
    issuing: AuthorityRecord
    passphrase: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuing:
    """The authority that signs now."""

    id: str
    certificate: x509.Certificate
    root: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)


def make_authority(
    store: Store, secret: ServerSecret, constraints: Constraints, keep: Callable[[bytes], object], *, now: float
) -> MadeAuthority:
    """A root and a first issuing authority, which may vouch for servers within the constraints only.

    `keep` gets the root's key (PKCS #8 in PEM, encrypted with the passphrase) before anything is stored: an authority
    whose root key was lost on the way could not be repaired.
    Errors: PolicyError when there is an authority already; whatever `keep` raises.
    """
    at = _time(now)
    root_key = ec.generate_private_key(ec.SECP256R1())
    root = make_root(root_key, constraints, at)
    issuing_key = ec.generate_private_key(ec.SECP256R1())
    issuing = make_issuing(root, root_key, issuing_key.public_key(), constraints.extension(), at)
    passphrase = base64.b32encode(secrets.token_bytes(_PASSPHRASE_BYTES)).decode("ascii").lower()
    rows = (_row("root", 1, root, None, now), _row("issuing", 1, issuing, _sealed(secret, issuing_key), now))
    try:
        with store.begin() as connection:
            connection.execute(insert(authorities).values(list(rows)))
            record(connection, "certificate.authority", _SUBJECT, now=now, root=rows[0]["id"], issuing=rows[1]["id"])
            keep(_encrypted(root_key, passphrase))
    except IntegrityError as error:
        raise PolicyError(
            "there is a certificate authority already", key="certificate", hint="doorward certificate rotate"
        ) from error
    return MadeAuthority(root=_record_of(rows[0]), issuing=_record_of(rows[1]), passphrase=passphrase)


def rotate_issuing(
    store: Store, secret: ServerSecret, root_key: bytes, passphrase: str, *, now: float
) -> AuthorityRecord:
    """A new issuing authority under the same root; those before it stay trusted until what they signed has ended.

    Errors: PolicyError for a key that is not the root's, a wrong passphrase, or no authority.
    """
    signer = _opened(root_key, passphrase)
    key = ec.generate_private_key(ec.SECP256R1())
    try:
        with store.begin() as connection:
            found = connection.execute(select(authorities).where(authorities.c.kind == "root")).one_or_none()
            if found is None or found.id != key_id(signer.public_key()):
                raise PolicyError("this is not the key of the root", key="root-key")
            root = x509.load_pem_x509_certificate(found.certificate.encode())
            constraints = root.extensions.get_extension_for_class(x509.NameConstraints).value
            certificate = make_issuing(root, signer, key.public_key(), constraints, _time(now))
            last = select(func.max(authorities.c.generation)).where(authorities.c.kind == "issuing")
            generation = int(connection.execute(last).scalar() or 0) + 1
            row = _row("issuing", generation, certificate, _sealed(secret, key), now)
            connection.execute(insert(authorities).values(row))
            record(connection, "certificate.authority", _SUBJECT, now=now, root=found.id, issuing=row["id"])
    except IntegrityError as error:
        raise PolicyError("somebody else made one at the same time", key="certificate") from error
    return _record_of(row)


def list_authorities(store: Store) -> Sequence[AuthorityRecord]:
    """Root first, then the issuing authorities by age."""
    order = (authorities.c.kind.desc(), authorities.c.generation)
    with store.begin() as connection:
        return [_record_of(row) for row in connection.execute(select(authorities).order_by(*order)).mappings()]


def issuing_now(connection: Connection, secret: ServerSecret, *, now: float) -> Issuing:
    """The newest issuing authority. Errors: PolicyError when there is none, or it has expired."""
    newest = (
        select(authorities).where(authorities.c.kind == "issuing").order_by(authorities.c.generation.desc()).limit(1)
    )
    found = connection.execute(newest).one_or_none()
    if found is None:
        hint = "doorward certificate init --root-key FILE"
        raise PolicyError("there is no certificate authority", key="certificate", hint=hint)
    if found.expires_at <= now:
        raise PolicyError("the issuing authority has expired", key="certificate", hint="doorward certificate rotate")
    root = connection.execute(select(authorities.c.certificate).where(authorities.c.kind == "root")).scalar_one()
    return Issuing(
        id=found.id,
        certificate=x509.load_pem_x509_certificate(found.certificate.encode()),
        root=x509.load_pem_x509_certificate(root.encode()),
        key=signing_key(found, secret),
    )


def signing_key(row: Row[Any], secret: ServerSecret) -> ec.EllipticCurvePrivateKey:
    """The sealed key of an issuing authority. Errors: SealBroken, PolicyError."""
    loaded = serialization.load_der_private_key(secret.open(row.sealed_key, _place(row.id)), password=None)
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise PolicyError("the key of the issuing authority is of another kind", key="certificate")
    return loaded


def _place(authority_id: str) -> str:
    return f"authorities/sealed_key/{authority_id}"


def _sealed(secret: ServerSecret, key: ec.EllipticCurvePrivateKey) -> str:
    encoding, form, none = (
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return secret.seal(key.private_bytes(encoding, form, none), _place(key_id(key.public_key())))


def _encrypted(key: ec.EllipticCurvePrivateKey, passphrase: str) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase.encode("utf-8")),
    )


def _opened(pem: bytes, passphrase: str) -> ec.EllipticCurvePrivateKey:
    try:
        loaded = serialization.load_pem_private_key(pem, password=passphrase.encode("utf-8"))
    except (ValueError, TypeError) as error:
        raise PolicyError("the key of the root cannot be opened", key="root-key", hint="a wrong passphrase?") from error
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise PolicyError("this is not the key of the root", key="root-key")
    return loaded


def _row(
    kind: str, generation: int, certificate: x509.Certificate, sealed_key: str | None, now: float
) -> dict[str, Any]:
    public = certificate.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)  # noqa: S101 - made above; for the type checker
    return {
        "id": key_id(public),
        "kind": kind,
        "generation": generation,
        "certificate": certificate.public_bytes(serialization.Encoding.PEM).decode("ascii"),
        "sealed_key": sealed_key,
        "created_at": now,
        "expires_at": certificate.not_valid_after_utc.timestamp(),
    }


def _record_of(row: Any) -> AuthorityRecord:
    return AuthorityRecord(**{name: row[name] for name in AuthorityRecord.__dataclass_fields__})


def _time(now: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(int(now), dt.UTC)
