"""What the gateway shows in handshakes and what it asks of clients, replaced while it serves."""

import ssl
import sys
import time
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Final, NamedTuple

import structlog
from cryptography import x509

from doorward.controls.authenticate import ForeignLists
from doorward.errors import PolicyError
from doorward.file_stamp import Stamp, stamp
from doorward.gateway.revocation_files import read_lists
from doorward.gateway.tls import configured, restrict
from doorward.gateway.x509_names import key_id
from doorward.policy.tls import TlsSettings

_SPARE: Final = 64
"""Contexts kept for connections to come, 14 KiB each."""
_log: Final = structlog.get_logger()


class ShownContext(ssl.SSLContext):
    """The context of one certificate."""

    shown_names: frozenset[bytes] | None = None
    """Its names, where there is more than one certificate to choose from."""


class _BareContext(ssl.SSLContext):
    """What one connection begins with, before it is known whose certificate is asked for."""

    settings: TlsSettings


class _Shown(NamedTuple):
    """One reading of the settings and their files."""

    settings: TlsSettings
    default: ShownContext
    by_name: dict[str, ShownContext]
    """Exact names, and wildcards as they are written."""
    own_authorities: tuple[str, ...]
    lists: ForeignLists | None
    authorities: tuple[x509.Certificate, ...]
    anchors: frozenset[str]
    """Their keys."""


class ServerTls:
    """The gateway's side of handshakes.

    A connection begins with a bare context of its own (`take`), and the name that the client asks for decides which
    certificate's context it goes on with. So a renewal is one assignment, which no handshake can see half of; and no
    session of another connection can be resumed: OpenSSL keeps TLS 1.2 sessions in the context that a connection began
    with, and Python cannot tell it not to (hostile input T5; nginx CVE-2025-23419).
    """

    def __init__(self, settings: TlsSettings, own_authorities: Sequence[str] = (), *, http2: bool = True) -> None:
        """`own_authorities`: Doorward's own (PEM), which count where the settings say so.

        Errors: PolicyError for a file that cannot be used.
        """
        self._http2 = http2
        self._stamps = _stamps(settings)
        self._shown = _read(settings, tuple(own_authorities), http2=http2)
        self._spare: list[_BareContext] = []

    def take(self) -> ssl.SSLContext:
        """The context for one connection to begin with."""
        return self._spare.pop() if self._spare else self._bare()

    def give_back(self, context: ssl.SSLContext, version: str | None) -> None:
        """The handshake is over: keep the context for another connection, if no session can be in it."""
        if version != "TLSv1.3" or not isinstance(context, _BareContext) or len(self._spare) >= _SPARE:
            return
        if context.settings is self._shown.settings:
            self._spare.append(context)

    @property
    def authorities(self) -> tuple[x509.Certificate, ...]:
        """Who may vouch for clients."""
        return self._shown.authorities

    @property
    def anchors(self) -> frozenset[str]:
        """Their keys, as certificates of clients name them."""
        return self._shown.anchors

    @property
    def lists(self) -> ForeignLists | None:
        """The revocation lists of other authorities; None where the settings name none."""
        return self._shown.lists

    def follow(self, settings: TlsSettings, own_authorities: Sequence[str] = ()) -> None:
        """Serve new handshakes by these settings and what their files hold now, if either changed.

        What cannot be used is logged, and everything stays as it was.
        """
        stamps, own = _stamps(settings), tuple(own_authorities)
        shown = self._shown
        if stamps == self._stamps and settings == shown.settings and own == shown.own_authorities:
            return
        self._stamps = stamps
        try:
            self._shown = _read(settings, own, http2=self._http2)
        except PolicyError as error:
            _log.error("certificate refused, the one in force stays", reason=str(error))
        else:
            # Those begun with ask clients as the old settings did.
            self._spare.clear()
            _log.info("certificate renewed")

    def _bare(self) -> _BareContext:
        settings = self._shown.settings
        context = _BareContext(ssl.PROTOCOL_TLS_SERVER)
        context.settings = settings
        restrict(context, settings.profile)
        if settings.asks_clients:
            is_required = settings.client_certificate == "require"
            context.verify_mode = ssl.CERT_REQUIRED if is_required else ssl.CERT_OPTIONAL
        context.sni_callback = self._choose
        return context

    def _choose(self, handshake: ssl.SSLObject, name: str | None, _began_with: ssl.SSLContext) -> int | None:
        """Called by OpenSSL for each ClientHello. An exception here would be an `internal_error` alert."""
        shown = self._shown
        chosen = shown.by_name.get(folded := name.lower()) if name else None
        if name and chosen is None:
            chosen = shown.by_name.get("*." + folded.partition(".")[2])
            if chosen is None and shown.settings.unknown_names == "refuse":
                return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        handshake.context = chosen or shown.default
        return None


def overlook_undecodable_names() -> None:
    """Say nothing of server names that are not ASCII: Python ends the handshake, and would print each one.

    Every client could fill the log with them. Everything else that cannot be raised is told as before.
    """
    before = sys.unraisablehook

    def tell(unraisable: "sys.UnraisableHookArgs") -> None:
        if unraisable.exc_type is not UnicodeDecodeError or not isinstance(unraisable.object, bytes):
            before(unraisable)

    sys.unraisablehook = tell


def _stamps(settings: TlsSettings) -> tuple[Stamp, ...]:
    files: list[Path | None] = [settings.certificate, settings.key, settings.client_ca, settings.client_crl]
    for more in settings.certificates:
        files += (more.certificate, more.key)
    return tuple(stamp(file) for file in files if file is not None)


def _read(settings: TlsSettings, own_authorities: tuple[str, ...], *, http2: bool) -> _Shown:
    """Everything the settings name, read and tried. Errors: PolicyError."""
    chooses = bool(settings.certificates)

    def context(certificate: Path, key: Path, names: Iterable[str]) -> ShownContext:
        made = configured(
            ShownContext(ssl.PROTOCOL_TLS_SERVER), certificate, key, http2=http2, profile=settings.profile
        )
        _trust_authorities(made, settings, own_authorities)
        if chooses:
            made.shown_names = frozenset(name.encode("ascii") for name in names)
        return made

    knows_names = chooses or settings.unknown_names == "refuse"
    default_names = names_in(settings.certificate) if knows_names else ()
    default = context(settings.certificate, settings.key, default_names)
    by_name = dict.fromkeys((name for name in default_names if not _is_address(name)), default)
    owners: dict[str, Path] = {}
    for more in settings.certificates:
        in_certificate = names_in(more.certificate)
        asked_for = more.names or tuple(name for name in in_certificate if not _is_address(name))
        if not asked_for:
            problem = f"{more.certificate} has no DNS name, so no client would be shown it"
            raise PolicyError(problem, key="tls.certificates", hint="write `names:` beside it")
        made = context(more.certificate, more.key, (*in_certificate, *more.names))
        for name in asked_for:
            if name in owners:
                problem = f"{name} is claimed by {owners[name]} and by {more.certificate}"
                raise PolicyError(problem, key="tls.certificates", hint="say with `names:` which one is shown for it")
            owners[name] = more.certificate
            by_name[name] = made
    trusted = _trusted(settings, own_authorities)
    anchors = frozenset(map(key_id, trusted))
    return _Shown(settings, default, by_name, own_authorities, foreign_lists(settings), trusted, anchors)


def _trust_authorities(context: ssl.SSLContext, settings: TlsSettings, own_authorities: tuple[str, ...]) -> None:
    """Know who may vouch for clients. Errors: PolicyError."""
    if settings.client_ca is not None:
        _authorities(settings.client_ca)
        context.load_verify_locations(cafile=settings.client_ca)
    if settings.local_ca and own_authorities:
        context.load_verify_locations(cadata="".join(own_authorities))


def _trusted(settings: TlsSettings, own_authorities: tuple[str, ...]) -> tuple[x509.Certificate, ...]:
    own = x509.load_pem_x509_certificates("".join(own_authorities).encode()) if own_authorities else []
    return (*client_authorities(settings), *(own if settings.local_ca else ()))


def foreign_lists(settings: TlsSettings) -> ForeignLists | None:
    """Whom other authorities no longer vouch for. Errors: PolicyError.

    Not OpenSSL's business: it would look once, in the handshake, and the connection then stands for hours.
    """
    if settings.client_ca is None or settings.client_crl is None:
        return None
    authorities = _authorities(settings.client_ca)
    return read_lists(settings.client_crl, authorities, grace_s=settings.client_crl_grace_s, now=time.time())


def client_authorities(settings: TlsSettings) -> list[x509.Certificate]:
    """The authorities of `tls.client_ca`. Errors: PolicyError."""
    return [] if settings.client_ca is None else _authorities(settings.client_ca)


def names_in(certificate: Path) -> tuple[str, ...]:
    """DNS names, in lower case, and addresses in the first certificate of a PEM file. Errors: PolicyError."""
    try:
        leaf = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    except (OSError, ValueError) as error:
        raise PolicyError(f"{certificate} cannot be read as certificate: {error}", key="tls") from error
    names = [name.lower() for name in found.get_values_for_type(x509.DNSName) if name.isascii()]
    return (*names, *(str(address) for address in found.get_values_for_type(x509.IPAddress)))


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _authorities(file: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError) as error:
        raise PolicyError(
            f"{file} cannot be used as client CA: {error}", key="tls.client_ca", hint="PEM certificates"
        ) from error
