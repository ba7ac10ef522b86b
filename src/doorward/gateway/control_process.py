"""The control process: keeps the store, runs the identity provider, publishes snapshots. No request passes through it.

Workers live without it: they serve, and restart, from the last good snapshot.
"""

import argparse
import asyncio
import signal
import socket
import sqlite3
import ssl
import sys
import time
from collections.abc import Iterable, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette

from doorward import logs
from doorward.answer_key import answer_key_for
from doorward.controls.authenticate import IssuerPolicy, takes_secrets
from doorward.controls.transport import TrustedProxies
from doorward.encryption_key import encryption_keys_for
from doorward.errors import PolicyError, PolicyErrors
from doorward.freshness import Confirming
from doorward.gateway.external_keys import ExternalKeys, kept_sets
from doorward.gateway.identity_trail import IdentityTrail
from doorward.gateway.issuer_app import issuer_app
from doorward.gateway.issuer_mtls import MutualTls, programs_only, protocol_for, require_tls
from doorward.gateway.issuer_server import IssuerServer, issuer_server, mtls_address
from doorward.gateway.key_watch import KeyWatch
from doorward.gateway.liveness import Heartbeat
from doorward.gateway.public_certificate import PublicCertificate, ShownCertificate
from doorward.gateway.publisher import SNAPSHOT_NAME, Publisher, last_published, load_checked
from doorward.gateway.shared_services import SharedServices
from doorward.gateway.store_watch import StoreWatch
from doorward.gateway.tls import server_context
from doorward.identity.admin.app import create_admin_app
from doorward.identity.admin.endpoint import Desk
from doorward.identity.app import IdentitySettings, create_app
from doorward.identity.credentials import Verifier
from doorward.identity.issuer_key_file import FILE_NAME, WatchedRing, keep_fresh
from doorward.identity.mail.delivery import Delivery
from doorward.identity.mail.writing import Writer
from doorward.identity.oauth.backchannel import BackChannel
from doorward.identity.profiles import profile_of
from doorward.identity.provider import Registration
from doorward.identity.publishing import published_credentials
from doorward.identity.sealing import KEY_FILE, load_or_make_secret
from doorward.identity.sms.delivery import SmsDelivery
from doorward.identity.tidying import tidy
from doorward.outbound import Network, OutboundClient
from doorward.policy.document import Policy
from doorward.policy.tls import AcmeSettings
from doorward.sealing import sealer_for
from doorward.store import open_store

WATCH_S: Final = 0.1
"""Time between two looks at the store, in seconds: with the worker's own 0.2 a revocation is everywhere in 0.4."""
KEYS_S: Final = 5.0
"""Time between two looks whether an issuer's keys are due, in seconds."""
REFRESH_S: Final = 60.0
"""Longest time between two comparisons of what is published with what should be, in seconds: things expire."""
_HOUR_S: Final = 3600

_log = structlog.get_logger()


class ControlProcess:
    """Everything that goes on beside the requests.

    Errors: PolicyError when nothing can be started from: no good policy, and no good snapshot of an earlier run.
    """

    def __init__(self, policy_file: Path, state: Path, workers: int) -> None:
        """`policy_file` and `state` are absolute; `workers` is how many there are."""
        self._policy_file, self._state = policy_file, state
        path = state / SNAPSHOT_NAME
        last = last_published(path)
        try:
            checked = load_checked(policy_file)
        except PolicyError as error:
            # A policy that broke while we ran (and were restarted) must not take the gateway down.
            if last is None:
                raise
            log_policy_error(error, "policy refused, going on with the one in force")
            checked = last[0]
        self._publisher = Publisher(path, policy_file, checked.run_by(workers), last[1] if last else None)
        try:
            self._ring = WatchedRing(state / "keys" / FILE_NAME)
            self._identity_secret = load_or_make_secret(state / "keys" / KEY_FILE)
        except OSError as error:
            raise PolicyError(f"the keys of the local issuer cannot be used: {error}", key="state") from error
        # Before the first snapshot: a policy that wants answers signed must find the key there.
        answer_key_for(state / "keys")
        encryption_keys_for(state / "keys")
        self._store = open_store(f"sqlite:///{state / 'store.db'}")
        self._watch = StoreWatch(state / "store.db")
        self._back_channel = BackChannel(
            self._store,
            key=lambda algorithm: self._ring.ring.signer(time.time(), algorithm),
            issuer=checked.policy.issuer.url,
            client=lambda: OutboundClient(allowed_networks=_networks(self._policy.issuer.insecure_client_networks)),
        )
        issuer = checked.policy.issuer.url
        self._mail = Delivery(
            self._store,
            Writer(self._store, self._identity_secret, issuer),
            issuer=issuer,
            policy=lambda: self._policy.issuer.mail,
        )
        self._sms = SmsDelivery(
            self._store,
            self._identity_secret,
            issuer=issuer,
            policy=lambda: self._policy.issuer.sms,
            client=lambda sms: OutboundClient(allowed_networks=_networks(sms.insecure_networks)),
        )
        self._events_watch = StoreWatch(state / "store.db")
        self._keys = ExternalKeys(_outbound(checked.policy), kept_sets(last[1]) if last else {})
        self._confirming = Confirming(state)
        self._reload_asked = asyncio.Event()
        self._tls: ssl.SSLContext | None = None
        self._remembered = checked.policy.memory
        """Of the policy that we started with."""
        self._shown = ShownCertificate(state)
        self._public = PublicCertificate(
            state,
            self._identity_secret,
            self._acme,
            self._take_up_certificate,
            plain=lambda: self._policy.plain_redirect or "",
        )
        self._mutual: MutualTls | None = None

    async def run(
        self,
        listener: socket.socket,
        status: int,
        admin_listener: socket.socket | None = None,
        mtls: socket.socket | None = None,
    ) -> None:
        """Serve until SIGTERM, or until the supervisor is gone. Errors: whatever broke; the supervisor starts anew."""
        loop = asyncio.get_running_loop()
        # Asked before the store is read: a change between the two is published twice rather than never.
        version = self._watch.version()
        self.publish()
        self._confirming.confirm()
        tls = self._policy.tls
        shown = None if tls is None else self._shown.settings(tls)
        # HTTP/1.1 alone: uvicorn speaks nothing else
        self._tls = None if shown is None else server_context(shown.certificate, shown.key, http2=False)
        app = self._app()
        server = issuer_server(app, self._tls)
        others: list[tuple[IssuerServer, socket.socket]] = []
        if admin_listener is not None:
            others.append((self._admin_server(admin_listener), admin_listener))
        if mtls is not None:
            others.append((self._mutual_server(app), mtls))
        shared = SharedServices(self._state, self._policy)
        key_watch = KeyWatch(self._state, self._store)
        has_started = asyncio.Event()
        trail = IdentityTrail(self._store, self._state, self._policy.audit, clock=time.time)

        def stop() -> None:
            for each in (server, *(other for other, _ in others)):
                each.should_exit = True

        loop.add_signal_handler(signal.SIGHUP, self._reload_asked.set)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        heart = Heartbeat(status, loop, stop)
        async with asyncio.TaskGroup() as group:
            beside = [
                group.create_task(work)
                for work in (
                    self._follow_store(version),
                    self._follow_issuers(),
                    self._follow_policy(),
                    self._keep_keys_fresh(),
                    self._tidy(),
                    self._back_channel.run(),
                    self._mail.run(),
                    self._sms.run(),
                    self._public.run(has_started),
                    key_watch.run(),
                    trail.follow(self._events_watch.version),
                    *shared.work(),
                )
            ]

            def started() -> None:
                # Not before: a process that still starts keeps whoever asks waiting.
                shared.start()
                key_watch.start()
                heart.ready()
                has_started.set()

            for other, its_listener in others:
                group.create_task(other.serve(sockets=[its_listener]))
            server.started_serving = started
            await server.serve(sockets=[listener])
            heart.stop()
            for task in beside:
                task.cancel()
        key_watch.finish()
        await shared.close()
        await trail.close()
        self._events_watch.close()
        self._watch.close()
        self._store.close()

    def publish(self) -> None:
        """Publish a snapshot if anything in it changed. Errors: OSError, SQLAlchemyError."""
        self._follow_mutual()
        now = time.time()
        credentials = published_credentials(
            self._store,
            self._ring.ring.access_keys(now),
            issuer=self._policy.issuer.url,
            now=now,
            external=self._keys.current(_external(self._policy), now),
            with_clients=any(takes_secrets(each) for each in self._publisher.checked.description.operations),
        )
        fetched = {name: int(kept.fetched_at) // _HOUR_S * _HOUR_S for name, kept in self._keys.sets.items()}
        self._publisher.publish(credentials, fetched, acme_thumbprint=self._acme_thumbprint())

    async def _follow_store(self, published: int) -> None:
        """Publish within a tenth of a second of any change: a revocation that waits is a door left open."""
        published_at = time.monotonic()
        while True:
            await asyncio.sleep(WATCH_S)
            try:
                found = self._watch.version()
                if self._ring_changed():
                    published = -1
                if found != published or time.monotonic() - published_at > REFRESH_S:
                    self.publish()
                    published, published_at = found, time.monotonic()
                self._confirming.confirm()
            except (SQLAlchemyError, sqlite3.Error, OSError) as error:
                # `published` stays: the change goes out once store and disk are well again.
                _log.error("changes of the store cannot be published", reason=str(error))
                await asyncio.sleep(1)

    async def _follow_issuers(self) -> None:
        while True:
            before = dict(self._keys.sets)
            await self._keys.refresh(_external(self._policy), time.time())
            if self._keys.sets != before:
                self._publish_or_log()
            await asyncio.sleep(KEYS_S)

    def _ring_changed(self) -> bool:
        try:
            changed = self._ring.refresh()
        except PolicyError as error:
            log_policy_error(error, "the issuer's new keys cannot be used, the ones in force stay")
            return False
        if changed:
            _log.info("keys of the issuer changed", keys=[each.key.id for each in self._ring.ring.keys])
        return changed

    async def _keep_keys_fresh(self) -> None:
        """Make the next key where it is due, drop those that are over. `_follow_store` takes up what changed."""
        while True:
            issuer = self._policy.issuer
            rotate_s = None if issuer.rotate_keys_days is None else issuer.rotate_keys_days * 24.0 * _HOUR_S
            path, ahead_s = self._state / "keys" / FILE_NAME, issuer.publish_keys_hours * float(_HOUR_S)
            try:
                await asyncio.to_thread(keep_fresh, path, now=time.time(), rotate_s=rotate_s, ahead_s=ahead_s)
            except PolicyError as error:
                log_policy_error(error, "the issuer's keys stay as they are")
            except OSError as error:
                _log.error("the issuer's keys stay as they are", reason=str(error))
            await asyncio.sleep(REFRESH_S)

    async def _tidy(self) -> None:
        while True:
            try:
                unused_s = profile_of(self._policy.issuer.profiles).unused_s
                await asyncio.to_thread(tidy, self._store, now=time.time(), unused_s=unused_s)
            except SQLAlchemyError as error:
                _log.error("what has ended stays in the store for another hour", reason=str(error))
            await asyncio.sleep(_HOUR_S)

    async def _follow_policy(self) -> None:
        while True:
            await self._reload_asked.wait()
            self._reload_asked.clear()
            try:
                # Compiling takes long enough to be noticed by somebody who asks for a token meanwhile.
                checked = await asyncio.to_thread(load_checked, self._policy_file)
            except PolicyError as error:
                log_policy_error(error, "policy refused, the one in force stays")
                continue
            if checked.policy.memory != self._remembered:
                # Others would take us for a host that tells them what was used once, or tell it to another memory.
                _log.error("policy refused, the one in force stays", key="limits.shared", hint="restart all hosts")
                continue
            self._publisher.adopt(checked)
            self._keys.client = _outbound(checked.policy)
            self._take_up_certificate()
            self._public.wake()
            if self._publish_or_log():
                _log.info("policy reloaded", file=str(self._policy_file))

    def _acme(self) -> AcmeSettings | None:
        return None if self._policy.tls is None else self._policy.tls.acme

    def _acme_thumbprint(self) -> str:
        settings = self._acme()
        return "" if settings is None else self._public.thumbprint(settings)

    def _publish_or_log(self) -> bool:
        try:
            self.publish()
        except (SQLAlchemyError, OSError) as error:
            _log.error("the snapshot cannot be published", reason=str(error))
            return False
        return True

    def _take_up_certificate(self) -> None:
        tls = self._policy.tls
        if self._tls is not None and tls is not None:
            shown = self._shown.settings(tls)
            self._tls.load_cert_chain(shown.certificate, shown.key)
            if self._mutual is not None:
                self._mutual.renew_certificate(shown.certificate, shown.key)

    @property
    def _policy(self) -> Policy:
        return self._publisher.checked.policy

    def _proxies(self) -> TrustedProxies | None:
        # asked at each request: a reloaded policy may list others
        return self._policy.transport.proxies()

    def _app(self) -> Starlette:
        issuer = self._policy.issuer
        profile = profile_of(issuer.profiles)
        settings = IdentitySettings(
            issuer=issuer.url,
            proxies=self._proxies,
            outbound=lambda: self._keys.client,
            federation=lambda: self._policy.issuer.federation,
            resource=lambda: self._policy.authenticate.resource_url,
            sends_mail=lambda: self._policy.issuer.mail is not None,
            sms=lambda: self._policy.issuer.sms,
            mtls=mtls_address(issuer),
            profile=profile,
            token_lifetime_s=profile.access_s,
            registration=_registration(self._policy),
        )
        provider = create_app(self._store, lambda: self._ring.ring, settings, secret=self._identity_secret)
        return issuer_app(provider, self._state / "keys", self._watch)

    def _admin_server(self, listener: socket.socket) -> IssuerServer:
        profile = profile_of(self._policy.issuer.profiles)
        verifier = Verifier(self._store, self._identity_secret, step_up_count=profile.step_up_count)
        desk = Desk(
            store=self._store,
            verifier=verifier,
            secret=self._identity_secret,
            sealer=lambda: sealer_for(self._state / "keys"),
            roles=lambda: self._policy.roles,
            clock=time.time,
            sends_mail=lambda: self._policy.issuer.mail is not None,
        )
        app = create_admin_app(desk, hosts_of(listener))
        return issuer_server(app, None)

    def _mutual_server(self, app: Starlette) -> IssuerServer:
        base = urlsplit(self._policy.issuer.url).path.rstrip("/")
        mutual = self._mutual = MutualTls(self._shown.settings(require_tls(self._policy.tls)), self._store)
        return issuer_server(programs_only(app, base), mutual.context, protocol=protocol_for(mutual))

    def _follow_mutual(self) -> None:
        tls = self._policy.tls
        if self._mutual is not None and tls is not None:
            try:
                self._mutual.follow(tls)
            except PolicyError as error:
                log_policy_error(error, "whom the issuer trusts for clients stays as it was")


def hosts_of(listener: socket.socket) -> list[str]:
    """What requests to a listener on loopback may call it."""
    port = listener.getsockname()[1]
    return [f"127.0.0.1:{port}", f"[::1]:{port}", f"localhost:{port}"]


def _outbound(policy: Policy) -> OutboundClient:
    return OutboundClient(allowed_networks=_networks(policy.insecure_issuer_networks))


def _registration(policy: Policy) -> Registration | None:
    settings = policy.issuer.registration
    return None if settings is None else Registration(scopes=settings.scopes, clients_most=settings.clients_most)


def _networks(texts: Iterable[str]) -> tuple[Network, ...]:
    return tuple(ip_network(text) for text in texts)


def _external(policy: Policy) -> Sequence[IssuerPolicy]:
    return [issuer for issuer in policy.issuers if issuer != "local" and issuer.signs]


def log_policy_error(error: PolicyError, outcome: str) -> None:
    """Log an operator's mistake so that it can be found in the file it stands in."""
    for mistake in error.errors if isinstance(error, PolicyErrors) else [error]:
        place = f"{mistake.file}:{mistake.line}" if mistake.line else mistake.file
        _log.error(outcome, key=mistake.key, problem=mistake.problem, place=place, hint=mistake.hint)


def main() -> None:
    """The program, as `doorward run` starts it."""
    parser = argparse.ArgumentParser(prog="doorward-control")
    parser.add_argument("--policy", type=Path, required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--issuer-fd", type=int, required=True)
    parser.add_argument("--admin-fd", type=int)
    parser.add_argument("--mtls-fd", type=int)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--status-fd", type=int, required=True)
    arguments = parser.parse_args()
    logs.configure("control")
    try:
        asyncio.run(_run(arguments))
    except PolicyError as error:
        log_policy_error(error, "the control process cannot start")
        sys.exit(2)


async def _run(arguments: argparse.Namespace) -> None:
    listener = socket.socket(fileno=arguments.issuer_fd)
    admin = None if arguments.admin_fd is None else socket.socket(fileno=arguments.admin_fd)
    mtls = None if arguments.mtls_fd is None else socket.socket(fileno=arguments.mtls_fd)
    process = ControlProcess(arguments.policy, arguments.state, arguments.workers)
    await process.run(listener, arguments.status_fd, admin, mtls)


if __name__ == "__main__":
    main()
