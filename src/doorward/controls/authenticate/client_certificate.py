"""Callers by the certificate of their connection: whether it is still good, and whose it is.

OpenSSL has checked the chain in the handshake, and the gateway that it is made for clients. What can change while a
connection stands is checked here with every request: expiry and revocation. Only the certificate of the handshake
counts: what a header says about one, anybody can write.
"""

import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from doorward.controls.authenticate.challenge import certificate_refusal
from doorward.controls.authenticate.credential_records import caller_of
from doorward.controls.authenticate.policy import AuthenticatePolicy, ClientCertificateRule
from doorward.denial import Denied
from doorward.exchange import Caller, Check, ClientCertificate, Exchange

CERTIFICATE_ISSUER: Final = "urn:doorward:certificate"
"""`Caller.issuer` of callers who came with a certificate."""
_NOBODYS: Final = "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCertificate:
    """A certificate of Doorward's own authority, as the store knows it."""

    caller: Caller
    fingerprint: str
    """SHA-256 of its DER form, hexadecimal."""
    authority: str
    revoked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationList:
    """One list of another authority."""

    revoked: frozenset[str]
    """Serials, as `ClientCertificate.serial` has them."""
    begins: float
    until: float
    """Unix seconds within which its silence counts; what it revokes is revoked for good."""
    points: frozenset[str] = frozenset()
    """Distribution points that it speaks for (RFC 5280 section 5.2.5); empty: for all the authority's certificates."""

    def covers(self, shown: ClientCertificate) -> bool:
        """Whether the list speaks of this certificate."""
        return not self.points or not self.points.isdisjoint(shown.list_uris)


ForeignLists: TypeAlias = Mapping[str, tuple[RevocationList, ...]]
"""By the authority's key."""


class KnownCertificates:
    """What is known of clients' certificates. One object a worker, part of its credentials."""

    __slots__ = ("anchors", "authorities", "foreign", "issued")

    def __init__(self) -> None:
        self.authorities: Mapping[str, str] = {}
        """Our own authorities (PEM) by their key."""
        self.issued: Mapping[str, OwnCertificate] = {}
        """Our own certificates by serial. One that is not here is none of ours, whoever signed it."""
        self.foreign: ForeignLists | None = None
        """Lists of other authorities; None: the policy names none, and revocation there is not checked."""
        self.anchors: frozenset[str] | None = None
        """The authorities that are trusted now; None: nobody says, and the handshake's word stands."""

    def apply(self, data: Mapping[str, Any]) -> None:
        """Take over a snapshot's part. Errors: KeyError, TypeError, ValueError; then everything stays as it was."""
        self.authorities, self.issued = load_certificates(data)

    def own(self, shown: ClientCertificate) -> OwnCertificate | None:
        """What the store knows of it; None for one of another authority, or that the store does not know."""
        if shown.authority not in self.authorities:
            return None
        found = self.issued.get(shown.serial)
        fingerprint = _NOBODYS if found is None else found.fingerprint
        return found if hmac.compare_digest(fingerprint, shown.fingerprint) else None

    def problem(self, shown: ClientCertificate, now: float) -> tuple[str, str] | None:
        """Why it is not good at `now`: the reason and the whole story; None when it is."""
        if now >= shown.expires_at:
            return "untrusted", f"certificate {shown.serial} expired while the connection stood"
        if self.anchors is not None and shown.anchor not in self.anchors:
            return "untrusted", f"who vouches for certificate {shown.serial} is no longer trusted"
        if shown.authority in self.authorities:
            own = self.own(shown)
            if own is None:
                return "untrusted", f"certificate {shown.serial} is not in the store: nobody here had it signed"
            return ("revoked", f"certificate {shown.serial} of {own.caller.subject}") if own.revoked else None
        if self.foreign is None:
            return None
        covering = [each for each in self.foreign.get(shown.authority, ()) if each.covers(shown)]
        if any(shown.serial in each.revoked for each in covering):
            return "revoked", f"certificate {shown.serial} ({shown.subject}) is on its authority's list"
        if not any(each.begins <= now < each.until for each in covering):
            return "untrusted", f"no list in force says whether certificate {shown.serial} is revoked"
        return None


def compile_standing_check(policy: AuthenticatePolicy, known: Callable[[], KnownCertificates]) -> Check:
    """The check that the certificate of a connection, if it has one, is still good. For every request.

    Errors (of the check): Denied `authenticate.certificate_revoked`, `.certificate_untrusted`.
    """
    realm = policy.realm

    def check(exchange: Exchange) -> None:
        shown = exchange.source.certificate
        if shown is None:
            return
        problem = known().problem(shown, exchange.now)
        if problem is not None:
            raise certificate_refusal(*problem, realm)

    return check


class ClientCertificateMechanism:
    """Finds whose the certificate of the connection is: as the store says of our own, as the policy says of others'."""

    __slots__ = ("_is_alone", "_known", "_realm", "_rules")

    def __init__(self, policy: AuthenticatePolicy, known: Callable[[], KnownCertificates], *, is_alone: bool) -> None:
        """`is_alone`: the operation takes nothing else, so a certificate of nobody's can only be a mistake or a lie."""
        self._known, self._realm, self._is_alone = known, policy.realm, is_alone
        self._rules = _by_name(policy.client_certificates)

    def __call__(self, exchange: Exchange) -> Caller | None:
        """The caller; None without a certificate. Errors: Denied `authenticate.certificate_*`."""
        shown = exchange.source.certificate
        if shown is None:
            return None
        known = self._known()
        problem = known.problem(shown, exchange.now)
        if problem is not None:
            raise certificate_refusal(*problem, self._realm)
        own = known.own(shown)
        return own.caller if own is not None else self._mapped(shown)

    def missing(self, detail: str) -> Denied:
        """The denial of a connection without a certificate."""
        return certificate_refusal("missing", detail, self._realm)

    def _mapped(self, shown: ClientCertificate) -> Caller | None:
        found: list[ClientCertificateRule] = []
        for name in _names(shown):
            found += [each for each in self._rules.get(name, ()) if each.authority in {"", shown.authority}]
        if len({rule.caller for rule in found}) > 1:
            names = ", ".join(sorted({rule.caller for rule in found}))
            raise certificate_refusal("mismatch", f"certificate {shown.serial} is that of {names}", self._realm)
        if found:
            return _caller(found[0], shown)
        if self._is_alone:
            detail = f"certificate {shown.serial} ({shown.subject}) is nobody's by the policy"
            raise certificate_refusal("untrusted", detail, self._realm)
        return None


def load_certificates(data: Mapping[str, Any]) -> tuple[Mapping[str, str], Mapping[str, OwnCertificate]]:
    """Our authorities and what they issued. Errors: KeyError, TypeError, ValueError for data of a wrong form."""
    authorities = {each["id"]: each["certificate"] for each in data.get("authorities", ())}
    return authorities, {record["serial"]: _own(record) for record in data.get("issued", ())}


def _own(record: Mapping[str, Any]) -> OwnCertificate:
    return OwnCertificate(
        caller=caller_of(record, "certificate", CERTIFICATE_ISSUER, record["serial"]),
        fingerprint=record["fingerprint"],
        authority=record["authority"],
        revoked=bool(record["revoked"]),
    )


def _caller(rule: ClientCertificateRule, shown: ClientCertificate) -> Caller:
    return Caller(
        subject=rule.caller,
        kind="certificate",
        issuer=CERTIFICATE_ISSUER,
        roles=frozenset(rule.roles),
        scopes=frozenset(rule.scopes),
        claims=dict(rule.claims),
        credential_id=shown.serial,
        expires_at=shown.expires_at,
    )


def _names(shown: ClientCertificate) -> Iterable[tuple[str, str]]:
    yield from (("dns", name.lower()) for name in shown.dns_names)
    yield from (("uri", uri) for uri in shown.uris)
    yield from (("email", address) for address in shown.emails)


def _by_name(rules: Iterable[ClientCertificateRule]) -> dict[tuple[str, str], list[ClientCertificateRule]]:
    found: dict[tuple[str, str], list[ClientCertificateRule]] = {}
    for rule in rules:
        found.setdefault(rule.name, []).append(rule)
    return found
