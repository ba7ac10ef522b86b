"""The identity provider's second listener, which asks clients for a certificate (RFC 8705 section 5).

A listener of its own, so that no browser is asked for one, and with the endpoints of programs alone. Trusted are the
authorities that the gateway trusts for clients (`tls.client_ca`, `tls.local_ca`), whose revocations count here too, and
each self-signed certificate that a client is registered with. What a self-signed one has signed in its turn is worth
nothing: a client could otherwise make itself the certificate of another one.
"""

import hashlib
import ssl
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select
from starlette.types import ASGIApp, Receive, Scope, Send

from doorward.controls.authenticate.client_certificate import KnownCertificates
from doorward.errors import PolicyError
from doorward.gateway.asgi_house import More
from doorward.gateway.client_certificate import Unacceptable, certificate_of, thumbprint, verified_chain
from doorward.gateway.server_tls import client_authorities, foreign_lists
from doorward.gateway.tls import configured, restrict
from doorward.identity.ca.published import published_certificates
from doorward.identity.client_certificates import SCOPE_KEY, ShownCertificate, self_signed
from doorward.identity.unserved import refusal
from doorward.policy.tls import TlsSettings
from doorward.store import Store, clients

PATHS: Final = (
    "/oauth/token",
    "/oauth/par",
    "/oauth/device_authorization",
    "/oauth/introspect",
    "/oauth/revoke",
    "/oauth/userinfo",
    "/ca/renew",
)
"""What is served here. No pages: a browser's cookies do not know ports apart."""

_log = structlog.get_logger()


class _WithoutSessions(ssl.SSLContext):
    """A context of which no TLS 1.2 session is resumed: the chain that was verified is not in one.

    Each connection begins with a bare context of its own, as the gateway's do, and goes on with this one.
    """

    def wrap_bio(self, *given: Any, **more: Any) -> ssl.SSLObject:
        """As `ssl` has it; what asyncio begins a connection with."""
        bare = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        restrict(bare, "intermediate")
        bare.verify_mode = self.verify_mode
        bare.sni_callback = self._go_on
        return bare.wrap_bio(*given, **more)

    def _go_on(self, handshake: ssl.SSLObject, _name: str | None, _began_with: ssl.SSLContext) -> None:
        handshake.context = self


class MutualTls:
    """Whom the listener trusts, followed from policy and store; and what a connection's certificate is worth."""

    def __init__(self, tls: TlsSettings, store: Store, *, clock: Callable[[], float] = time.time) -> None:
        """Errors: PolicyError for a file that cannot be used."""
        self._store, self._clock = store, clock
        self._known = KnownCertificates()
        self._anchors: frozenset[bytes] = frozenset()
        self._loaded: set[bytes] = set()
        made = _WithoutSessions(ssl.PROTOCOL_TLS_SERVER)
        self.context = configured(made, tls.certificate, tls.key, http2=False, profile="intermediate")
        # a public client may do without; one that shows a certificate nobody vouches for fails in the handshake
        self.context.verify_mode = ssl.CERT_OPTIONAL
        self.follow(tls)

    def follow(self, tls: TlsSettings) -> None:
        """Nothing; policy and store hold as they are now. Errors: PolicyError, SQLAlchemyError; the rest stays."""
        self._known.apply(published_certificates(self._store, now=self._clock()))
        self._known.foreign = foreign_lists(tls)
        own = [x509.load_pem_x509_certificate(pem.encode()) for pem in self._known.authorities.values()]
        trusted = [*client_authorities(tls), *(own if tls.local_ca else ())]
        anchors = [each.public_bytes(Encoding.DER) for each in trusted]
        with self._store.begin() as connection:
            chosen = select(clients.c.jwks).where(
                clients.c.authentication == "self_signed_tls_client_auth", clients.c.disabled_at.is_(None)
            )
            single = [der for row in connection.execute(chosen) for der in self_signed(row.jwks)]
        self._load([*anchors, *single])
        self._anchors = frozenset(anchors)

    def renew_certificate(self, certificate: Path, key: Path) -> None:
        """Nothing; new connections are shown what the files hold now."""
        self.context.load_cert_chain(certificate, key)

    def shown(self, secure: ssl.SSLObject | None) -> ShownCertificate | None:
        """What the client of a connection proved; None for nothing, and for what is worth nothing."""
        chain = [] if secure is None else verified_chain(secure)
        if secure is None or not chain:
            return None
        if len(chain) == 1 and chain[0] not in self._anchors:
            return ShownCertificate(thumbprint=thumbprint(chain[0]), vouched=None)
        if self._anchors.isdisjoint(chain[1:]):
            return None
        try:
            return ShownCertificate(thumbprint=thumbprint(chain[0]), vouched=certificate_of(secure))
        except Unacceptable as error:
            _log.warning("certificate of a client of the issuer refused", reason=str(error))
            return None

    def about(self, secure: ssl.SSLObject | None) -> More:
        """What leaves the certificate of a connection in the scope of each of its requests, as long as it is good."""
        found = self.shown(secure)
        return lambda: {SCOPE_KEY: found if found is not None and self.is_good(found) else None}

    def is_good(self, shown: ShownCertificate) -> bool:
        """Whether the certificate is still good: connections outlive certificates."""
        if shown.vouched is None:
            return True
        problem = self._known.problem(shown.vouched, self._clock())
        if problem is not None:
            _log.warning("certificate of a client of the issuer refused", reason=problem[1])
        return problem is None

    def _load(self, wanted: Iterable[bytes]) -> None:
        # A context forgets nobody. Who is trusted no longer is told apart by `_anchors` and by the clients' own keys.
        for der in wanted:
            name = hashlib.sha256(der).digest()
            if name not in self._loaded:
                self.context.load_verify_locations(cadata=der)
                self._loaded.add(name)


def programs_only(app: ASGIApp, base: str) -> ASGIApp:
    """The application, without what people look at."""
    served = {f"{base}{path}" for path in PATHS}

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] not in served:
            await refusal("validate.path_unknown")(scope, receive, send)
            return
        await app(scope, receive, send)

    return answer


def require_tls(tls: TlsSettings | None) -> TlsSettings:
    """The settings, for a gateway that has some. Errors: PolicyError."""
    if tls is None:
        raise PolicyError("certificates of clients need TLS", key="issuer.mtls_listen", hint="write tls: above")
    return tls
