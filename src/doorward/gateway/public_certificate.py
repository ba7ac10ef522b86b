"""The certificate from an ACME server: where it stands, when it is shown, and the task that sees to it.

There is always a certificate to show: that of the policy until the first one came, and then whatever came last.
"""

import asyncio
import contextlib
import secrets
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Final

import structlog
from cryptography import x509

from doorward.acme import Account, AcmeClient, AcmeError, Obtained, due_at, load_account, obtain, window_of
from doorward.acme.account import Seals
from doorward.acme.client import Asks
from doorward.acme.ordering import Pause
from doorward.acme.renewal import renewal_id
from doorward.errors import PolicyError
from doorward.file_stamp import Stamp, stamp
from doorward.outbound import OutboundClient
from doorward.policy.tls import ACME_CHALLENGE, AcmeSettings, TlsSettings
from doorward.private_file import replace_private

FILE: Final = Path("tls") / "acme.pem"
"""Below the state directory: key and chain, mode 0600."""
ANSWERS_S: Final = 2.0
"""Time between two looks whether workers answer the server's questions, in seconds."""
LOOK_S: Final = 60.0
"""Longest time between two looks whether a certificate is due, in seconds."""
RETRY_S: Final = 60.0
RETRY_MOST_S: Final = 6 * 3_600.0
"""Times between tries that fail, doubled each time, in seconds. Servers count failures by the hour."""
SUGGESTIONS_S: Final = 6 * 3_600.0
"""Time between two questions when the server would have it renewed, in seconds (RFC 9773 section 4.3)."""
_TOTAL_S: Final = 20.0
_ANSWER_S: Final = 5.0
_ANSWER_BYTES: Final = 4_096
_FROM: Final = b"From "
_log: Final = structlog.get_logger()


class ShownCertificate:
    """Which certificate is the gateway's own: the one from the ACME server as soon as there is one."""

    __slots__ = ("_is_usable", "_path", "_stamp")

    def __init__(self, state: Path) -> None:
        self._path = state / FILE
        self._stamp: Stamp | None = None
        self._is_usable = False

    def settings(self, settings: TlsSettings) -> TlsSettings:
        """The settings, with the certificate that is to be shown in them."""
        if settings.acme is None:
            return settings
        now = stamp(self._path)
        if now != self._stamp:
            self._stamp, self._is_usable = now, _is_usable(self._path)
        if not self._is_usable:
            return settings
        return settings.model_copy(update={"certificate": self._path, "key": self._path})


class PublicCertificate:
    """Sees to it that there is a certificate for the names of the policy, and that it is renewed in time."""

    def __init__(
        self,
        state: Path,
        seals: Seals,
        settings: Callable[[], AcmeSettings | None],
        renewed: Callable[[], None],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        pause: Pause = asyncio.sleep,
        ask: Callable[[AcmeSettings], Asks] | None = None,
        plain: Callable[[], str] = str,
    ) -> None:
        """`settings` are asked for at each look; `renewed` is called when there is a new certificate.

        `plain` is the address at which the gateway answers the server's questions; empty: it is not looked at.
        """
        self._state, self._seals, self._settings, self._renewed = state, seals, settings, renewed
        self._clock, self._pause, self._ask = clock, pause, ask or _outbound
        self._plain = plain
        self._client: AcmeClient | None = None
        self._made_with: AcmeSettings | None = None
        self._woken = asyncio.Event()
        self._thumbprints: dict[str, str] = {}
        self._failures = 0
        self._try_at: datetime | None = None
        """Not before: what failed is not tried sooner because somebody reloads the policy."""
        self._suggested: datetime | None = None
        self._asked_at: datetime | None = None

    def account(self, settings: AcmeSettings) -> Account:
        """The account at the server of these settings. Errors: PolicyError, OSError."""
        return load_account(self._state / "keys", settings.directory, self._seals)

    def thumbprint(self, settings: AcmeSettings) -> str:
        """Of the account's key; empty, and said in the log, when there is none to be had.

        A revocation is published beside it, and must not wait for it.
        """
        if settings.directory not in self._thumbprints:
            try:
                self._thumbprints[settings.directory] = self.account(settings).thumbprint
            except (PolicyError, OSError) as error:
                _log.error("no account at the ACME server", reason=str(error), hint=getattr(error, "hint", ""))
                self._thumbprints[settings.directory] = ""
        return self._thumbprints[settings.directory]

    async def run(self, started: asyncio.Event) -> None:
        """For as long as the gateway runs."""
        await started.wait()
        while True:
            self._woken.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), await self.look())

    def wake(self) -> None:
        """Look at once: the settings may have changed."""
        self._woken.set()

    async def look(self) -> float:
        """After how many seconds to look again, once whatever was due was tried."""
        settings = self._settings()
        if settings is None:
            return LOOK_S
        if settings != self._made_with:
            self._failures, self._try_at, self._suggested, self._asked_at = 0, None, None, None
            self._client, self._made_with = None, settings
        if self._try_at is not None and self._clock() < self._try_at:
            return (self._try_at - self._clock()).total_seconds()
        try:
            client = self._client = self._client or AcmeClient(
                settings.directory, self.account(settings), self._ask(settings), contact=settings.contact
            )
            current = _read(self._state / FILE)
            if current is not None and _is_wanted(self._state / FILE, current, settings):
                due = await self._due(client, current)
                if self._clock() < due:
                    return LOOK_S
            else:
                current = None
            if not await _answers(self._plain(), client.thumbprint):
                # A question that nobody answers would count as a failure, of which servers allow few.
                _log.info("no certificate is asked for until the plain port answers")
                return ANSWERS_S
            await self._obtain(client, settings, current)
        except Exception as error:  # noqa: BLE001 - containment: whatever a server answers, the process goes on
            return self._failed(error)
        self._failures, self._try_at = 0, None
        return LOOK_S

    async def _obtain(self, client: AcmeClient, settings: AcmeSettings, current: x509.Certificate | None) -> None:
        replaces = renewal_id(current) if current is not None and await client.url("renewalInfo") else ""
        _log.info("asking for a certificate", server=settings.directory, names=list(settings.names))
        try:
            found = await obtain(client, settings.names, clock=self._clock, pause=self._pause, replaces=replaces)
        except AcmeError as error:
            if not replaces or error.kind not in {"malformed", "alreadyReplaced"}:
                raise
            # The server knows nothing of the old one, or of replacing: a certificate matters more than the courtesy.
            found = await obtain(client, settings.names, clock=self._clock, pause=self._pause)
        store(self._state / FILE, found, settings.directory)
        # Not asked at once: a server that wants every new one renewed would have it renewed each minute.
        self._suggested, self._asked_at = None, self._clock()
        until = found.certificate.not_valid_after_utc.isoformat()
        _log.info("a new certificate", names=list(settings.names), until=until)
        self._renewed()

    async def _due(self, client: AcmeClient, current: x509.Certificate) -> datetime:
        """When the certificate is to be renewed: when the server says so, or at two thirds of its life."""
        now = self._clock()
        if self._asked_at is None or (now - self._asked_at).total_seconds() >= SUGGESTIONS_S:
            self._asked_at, self._suggested = now, await _suggestion(client, current)
        return min(due_at(current), self._suggested) if self._suggested is not None else due_at(current)

    def _failed(self, error: Exception) -> float:
        wait_s = min(RETRY_S * 2.0**self._failures, RETRY_MOST_S)
        self._failures = min(self._failures + 1, 16)
        if isinstance(error, AcmeError):
            wait_s = max(wait_s, error.retry_after_s)
        self._try_at = self._clock() + timedelta(seconds=wait_s)
        # The server may have moved, or forgotten the account: both are asked for anew.
        self._client = None
        current = _read(self._state / FILE)
        until = "none" if current is None else current.not_valid_after_utc.isoformat()
        _log.error(
            "no new certificate, the one in force stays",
            reason=str(error) or type(error).__name__,
            next_try_s=wait_s,
            until=until,
        )
        return wait_s


def store(path: Path, found: Obtained, server: str) -> None:
    """Nothing; it stands there whole, with where it is from, or the one before does. Errors: PolicyError, OSError."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    # text before the first certificate is nothing to whoever reads PEM
    replace_private(path, _FROM + server.encode() + b"\n" + found.pem)


async def _answers(address: str, thumbprint: str) -> bool:
    """Whether a question of the server's would be answered, as far as it can be seen from here."""
    host, _, port = address.rpartition(":")
    if not address or port == "0":
        return True
    token = secrets.token_urlsafe(24)
    # Whoever listens on all addresses listens on this one.
    near = "127.0.0.1" if host in {"", "0.0.0.0"} else "::1" if host == "[::]" else host.strip("[]")  # noqa: S104
    try:
        async with asyncio.timeout(_ANSWER_S):
            reader, writer = await asyncio.open_connection(near, int(port))
            try:
                writer.write(
                    f"GET {ACME_CHALLENGE}{token} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
                )
                return f"{token}.{thumbprint}".encode() in await reader.read(_ANSWER_BYTES)
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


async def _suggestion(client: AcmeClient, current: x509.Certificate) -> datetime | None:
    """When the server would have it renewed; None where it says nothing: that is no reason to do without renewing."""
    identifier = renewal_id(current)
    try:
        base = await client.url("renewalInfo")
        if not base or not identifier:
            return None
        return window_of(await client.fetched(f"{base.rstrip('/')}/{identifier}"), current)
    except AcmeError as error:
        _log.info("the server suggests no time of renewal", reason=str(error))
        return None


def _outbound(settings: AcmeSettings) -> OutboundClient:
    return OutboundClient(
        allowed_networks=tuple(ip_network(text) for text in settings.insecure_networks),
        total_s=_TOTAL_S,
        tls=_trust(settings),
    )


def _trust(settings: AcmeSettings) -> ssl.SSLContext | None:
    if settings.ca_file is None:
        return None
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise PolicyError(f"{settings.ca_file} cannot be used: {error.strerror}", key="tls.acme.ca_file") from error


def _is_usable(path: Path) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path)
    except (OSError, ssl.SSLError):
        return False
    return True


def _read(path: Path) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())[0]
    except (OSError, ValueError):
        return None


def _is_wanted(path: Path, certificate: x509.Certificate, settings: AcmeSettings) -> bool:
    """Whether it has the names of the settings and is from their server: one for trying out is trusted by nobody."""
    first, _, _ = path.read_bytes().partition(b"\n")
    is_from_there = not first.startswith(_FROM) or first == _FROM + settings.directory.encode()
    return is_from_there and _names(certificate) == set(settings.names)


def _names(certificate: x509.Certificate) -> set[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return set(found.get_values_for_type(x509.DNSName))
