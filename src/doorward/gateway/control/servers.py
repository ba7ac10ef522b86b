"""The servers of the identity provider: for everybody, for certificates of clients, for administrators."""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.applications import Starlette

from doorward.gateway.control.in_force import InForce
from doorward.gateway.control.outliving import MISTAKES, Attempt
from doorward.gateway.control.state import State
from doorward.gateway.issuer_app import issuer_app
from doorward.gateway.issuer_mtls import MutualTls, programs_only, require_tls
from doorward.gateway.issuer_server import IssuerServer, mtls_address, shared_load
from doorward.gateway.public_certificate import ShownCertificate
from doorward.gateway.tls import server_context
from doorward.identity.app import IdentitySettings, create_app
from doorward.identity.ca import list_url
from doorward.identity.credentials import Verifier
from doorward.identity.profiles import profile_of
from doorward.identity.provider import Registration
from doorward.policy.issuer import IssuerSettings
from doorward.sealing import sealer_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """The sockets that the supervisor holds."""

    issuer: socket.socket
    admin: socket.socket | None = None
    """None: there is no admin API."""
    mtls: socket.socket | None = None
    """None: no client is asked for a certificate."""


class Servers:
    """Opened once; until then, whatever they should follow changes nothing."""

    def __init__(self, state: State, in_force: InForce) -> None:
        self._state, self._in_force = state, in_force
        self._shown = ShownCertificate(state.path)
        self._tls: ssl.SSLContext | None = None
        self._mutual: MutualTls | None = None
        self._servers: list[tuple[IssuerServer, socket.socket]] = []

    def open(self, listeners: Listeners) -> None:
        """Make them, the issuer's own first. Errors: PolicyError, SQLAlchemyError."""
        tls = self._in_force.policy.tls
        shown = None if tls is None else self._shown.settings(tls)
        # HTTP/1.1 alone is what the provider speaks
        self._tls = None if shown is None else server_context(shown.certificate, shown.key, http2=False)
        app = _issuer(self._state, self._in_force)
        policy = self._in_force.policy
        limits, proxies = policy.limits, policy.transport.proxies()
        # counted together: who fills one of the two listeners leaves no room at the other
        load = shared_load(limits)
        issuer = IssuerServer(app, self._tls, limits=limits, load=load, proxies=proxies)
        self._servers = [(issuer, listeners.issuer)]
        if listeners.admin is not None:
            desk = _admin(self._state, self._in_force, listeners.admin)
            # a count of its own: a flood at the provider must not lock out the operator
            self._servers.append((IssuerServer(desk, None, limits=limits, proxies=proxies), listeners.admin))
        if listeners.mtls is not None:
            mutual = self._for_certificates()
            only = programs_only(app, urlsplit(policy.issuer.url).path.rstrip("/"))
            server = IssuerServer(only, mutual.context, limits=limits, load=load, proxies=proxies, more=mutual.about)
            self._servers.append((server, listeners.mtls))

    async def serve(self, started: Callable[[], None]) -> None:
        """Serve until `stop`; `started` is called when the issuer's own server accepts."""
        (issuer, listener), *others = self._servers
        issuer.started_serving = started
        async with asyncio.TaskGroup() as group:
            for server, its_listener in others:
                group.create_task(server.serve(its_listener))
            await issuer.serve(listener)
            self.stop()

    def stop(self) -> None:
        """Accept nobody any more; who is there is still answered."""
        for server, _ in self._servers:
            server.stop()

    def follow(self) -> None:
        """Trust those clients' certificates that policy and store want trusted now. Errors: SQLAlchemyError."""
        tls = self._in_force.policy.tls
        if self._mutual is not None and tls is not None:
            with Attempt("whom the issuer trusts for clients stays as it was", MISTAKES):
                self._mutual.follow(tls)

    def take_up_limits(self) -> None:
        """Hold what comes from now on to the limits, and believe the proxies, that the policy names now."""
        policy = self._in_force.policy
        for server, _ in self._servers:
            server.follow(policy.limits, policy.transport.proxies())

    def renew_certificate(self) -> None:
        """Show new connections the certificate that policy and files want shown now. Errors: OSError."""
        tls = self._in_force.policy.tls
        if self._tls is not None and tls is not None:
            shown = self._shown.settings(tls)
            self._tls.load_cert_chain(shown.certificate, shown.key)
            if self._mutual is not None:
                self._mutual.renew_certificate(shown.certificate, shown.key)

    def _for_certificates(self) -> MutualTls:
        tls = self._shown.settings(require_tls(self._in_force.policy.tls))
        self._mutual = made = MutualTls(tls, self._state.store)
        return made


def _issuer(state: State, in_force: InForce) -> Starlette:
    """The identity provider. What a reload may change is asked for at each request."""
    issuer = in_force.policy.issuer
    profile = profile_of(issuer.profiles)
    settings = IdentitySettings(
        issuer=issuer.url,
        proxies=lambda: in_force.policy.transport.proxies(),  # noqa: PLW0108 - of the policy at that time
        outbound=lambda: in_force.keys.client,
        federation=lambda: in_force.policy.issuer.federation,
        resource=lambda: in_force.policy.authenticate.resource_url,
        sends_mail=lambda: in_force.policy.issuer.mail is not None,
        sms=lambda: in_force.policy.issuer.sms,
        flood_accounts=lambda: in_force.policy.issuer.flood_accounts,
        breached_passwords=lambda: in_force.policy.issuer.breached_passwords,
        mtls=mtls_address(issuer),
        profile=profile,
        token_lifetime_s=profile.access_s,
        registration=_registration(issuer),
    )
    provider = create_app(state.store, lambda: state.ring.ring, settings, secret=state.secret)
    return issuer_app(provider, state.keys, state.watch, settings.base)


def _admin(state: State, in_force: InForce, listener: socket.socket) -> Starlette:
    # for those who have one: others start sooner without
    from doorward.identity.admin.app import create_admin_app  # noqa: PLC0415
    from doorward.identity.admin.endpoint import Desk  # noqa: PLC0415

    profile = profile_of(in_force.policy.issuer.profiles)
    desk = Desk(
        store=state.store,
        verifier=Verifier(state.store, state.secret, step_up_count=profile.step_up_count),
        secret=state.secret,
        sealer=lambda: sealer_for(state.keys),
        roles=lambda: in_force.policy.roles,
        clock=time.time,
        sends_mail=lambda: in_force.policy.issuer.mail is not None,
        list_url=lambda: list_url(in_force.policy.issuer.url),
    )
    return create_admin_app(desk, _names_of(listener))


def _names_of(listener: socket.socket) -> list[str]:
    """What requests to a listener on loopback may call it."""
    port = listener.getsockname()[1]
    return [f"127.0.0.1:{port}", f"[::1]:{port}", f"localhost:{port}"]


def _registration(issuer: IssuerSettings) -> Registration | None:
    settings = issuer.registration
    return None if settings is None else Registration(scopes=settings.scopes, clients_most=settings.clients_most)
