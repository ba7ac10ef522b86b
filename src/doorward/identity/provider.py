"""What every endpoint of the provider works with: its store, keys, clock and settings."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from ipaddress import ip_address
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import structlog
from anyio import CapacityLimiter, to_thread
from starlette.requests import Request

from doorward.controls.authenticate import LOCAL_AUDIENCE
from doorward.controls.transport import TrustedProxies
from doorward.denial import Denied
from doorward.exchange import Headers
from doorward.identity.breaches import NotLookedUp, require_unbreached
from doorward.identity.credentials import Verifier
from doorward.identity.factors.passkeys import Passkeys, RelyingParty
from doorward.identity.federation.policy import FederationPolicy
from doorward.identity.key_ring import KeyRing
from doorward.identity.networks import network_of
from doorward.identity.passwords import require_strong
from doorward.identity.profiles import BASELINE, Profile
from doorward.identity.proofs import ProofMemory
from doorward.identity.risk.signals import FAILING_COUNT, Signals
from doorward.identity.sealing import ServerSecret
from doorward.identity.tokens import LIFETIME_S, Minter
from doorward.identity.turns import Busy, Turns
from doorward.jose import PrivateKey, PublicKey, UnverifiedToken
from doorward.outbound import OutboundClient
from doorward.policy.breaches import BreachedPasswordsPolicy
from doorward.policy.sms import SmsPolicy
from doorward.store import Store

HASHING_PARALLEL: Final = 2
"""Argon2id hashes computed at once: each takes 64 MiB and a core."""
HASHING_WAITING: Final = 32
"""Logins that wait for one of them; of more, those of the network that has most are asked to come back (503)."""
_Result = TypeVar("_Result")
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What clients that register themselves may become."""

    scopes: tuple[str, ...] = ()
    """The most they may be granted, beside the standard ones."""
    clients_most: int = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentitySettings:
    """What the provider calls itself and for whom it mints."""

    issuer: str
    """Its identifier, the policy's `issuer.url`; never taken from a request (Zitadel CVE-2025-64101)."""
    audience: str = LOCAL_AUDIENCE
    """`aud` of its access tokens."""
    token_lifetime_s: int = LIFETIME_S
    sends_mail: Callable[[], bool] = lambda: False
    """Whether the policy names a server for mail; what needs mail is not offered otherwise."""
    sms: Callable[[], SmsPolicy | None] = lambda: None
    """The hook that sends text messages, as the policy stands now; None: none are sent."""
    flood_accounts: Callable[[], int] = lambda: FAILING_COUNT
    """Accounts that fail at once before every unknown browser is asked for more, as the policy stands now."""
    breached_passwords: Callable[[], BreachedPasswordsPolicy | None] = lambda: None
    """The service that new passwords are looked up at, as the policy stands now; None: they are not."""
    proxies: Callable[[], TrustedProxies | None] = lambda: None
    """The listed proxies in front, as they are now (`transport.trusted_proxies`)."""
    outbound: Callable[[], OutboundClient] = OutboundClient
    """What fetches documents of clients (their keys), as the policy stands now."""

    profile: Profile = BASELINE
    """What it must not do less than."""
    federation: Callable[[], tuple[FederationPolicy, ...]] = tuple
    """The other providers that people may sign in with, as the policy stands now."""
    mtls: str = ""
    """Its address on the listener that asks for certificates (RFC 8705 section 5), without a slash; empty: none."""
    resource: Callable[[], str | None] = lambda: None
    """The URL under which clients know the API (RFC 9728), as the policy stands now: another name of the audience."""

    registration: Registration | None = None
    """None: clients are added by the operator alone."""

    def is_api(self, name: str) -> bool:
        """Whether a client means the API behind the gateway by what it asks a token for (RFC 8707)."""
        url = self.resource()
        # browsers and libraries write the slash after the host, or not
        return name == self.audience or (url is not None and name.removesuffix("/") == url.removesuffix("/"))

    @property
    def base(self) -> str:
        """The path all endpoints stand below; empty at the root."""
        return urlsplit(self.issuer).path.rstrip("/")

    @property
    def origin(self) -> str:
        """Scheme, host and port, as browsers write them in `Origin`."""
        parts = urlsplit(self.issuer)
        default = {"https": 443, "http": 80}[parts.scheme]
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{parts.scheme}://{host}" if parts.port in (None, default) else f"{parts.scheme}://{host}:{parts.port}"

    @property
    def host(self) -> str:
        """The host name, one of the words a password must not be made of."""
        return urlsplit(self.issuer).hostname or ""

    def url(self, path: str) -> str:
        """The absolute URL of one of the provider's paths."""
        return self.issuer.rstrip("/") + path

    def urls(self, path: str) -> tuple[str, ...]:
        """All absolute URLs of it: also that on the listener that asks for certificates, where there is one."""
        return (self.url(path), self.mtls + path) if self.mtls else (self.url(path),)


@dataclass(frozen=True, kw_only=True)
class Provider:
    """One provider in one process."""

    store: Store
    ring: Callable[[], KeyRing]
    """The signing keys as they are now."""
    settings: IdentitySettings
    secret: ServerSecret
    clock: Callable[[], float]

    @cached_property
    def verifier(self) -> Verifier:
        """The one place that checks people's credentials."""
        return Verifier(
            self.store,
            self.secret,
            Signals(self.settings.flood_accounts),
            step_up_count=self.settings.profile.step_up_count,
            totp_steps_back=self.settings.profile.totp_steps_back,
            sms_counts=lambda: (sms := self.settings.sms()) is not None and sms.second_factor,
        )

    @cached_property
    def passkeys(self) -> Passkeys | None:
        """Passkeys of this provider; None where its URL names an address: browsers bind passkeys to names."""
        settings = self.settings
        if is_address(settings.host):
            return None
        return Passkeys(self.secret, RelyingParty(id=settings.host, origin=settings.origin))

    @property
    def keys(self) -> tuple[PrivateKey, ...]:
        """The keys that are published now; the first signs."""
        return self.ring().published(self.clock())

    def key_of(self, token: UnverifiedToken) -> PublicKey | None:
        """The published key that a token names; None when it is none of ours."""
        return next((key.public for key in self.keys if key.id == token.jws.key_id), None)

    @property
    def minter(self) -> Minter:
        """The one place that mints access tokens, with the key that signs now."""
        return Minter(key=self.keys[0], issuer=self.settings.issuer, audience=self.settings.audience)

    @cached_property
    def proof_memory(self) -> ProofMemory:
        """Which proofs of possession were seen, at whatever endpoint."""
        return ProofMemory(born_at=self.clock(), algorithms=self.settings.profile.algorithms)

    @cached_property
    def _hashing(self) -> tuple[Turns, CapacityLimiter]:
        # threads of their own: however many other requests wait for one, passwords are checked
        return Turns(HASHING_PARALLEL, HASHING_WAITING), CapacityLimiter(HASHING_PARALLEL)

    @cached_property
    def _looking_up(self) -> set[str]:
        """Users of whose new passwords one is being looked up."""
        return set()

    def address_of(self, request: Request) -> str:
        """Where a request came from: the peer, or the client that a listed proxy speaks for.

        What a proxy says in an impossible way counts as coming from the proxy. Nobody else's word is taken
        (authentik CVE-2023-36456).
        """
        peer = request.client.host if request.client else ""
        proxies = self.settings.proxies()
        if proxies is None or not proxies.trusts(peer):
            return peer
        try:
            return proxies.client_address(peer, Headers([(name.lower(), value) for name, value in request.headers.raw]))
        except Denied:
            return peer

    async def hashing(self, address: str, work: Callable[..., _Result], *given: Any) -> _Result:
        """What the work gives back, done in one of the few threads that may hash, for somebody at that address.

        Errors: Busy.
        """
        turns, threads = self._hashing
        async with turns.turn(network_of(address) or address):
            return await to_thread.run_sync(lambda: work(*given), limiter=threads)

    async def look_up(self, user: str, password: str, *, address: str) -> None:
        """Nothing, for a password that the user may set as far as breaches go; without a policy for it, for any.

        One at a time for each user, and before a thread that hashes is taken: a service that is slow, or silent, keeps
        nobody else waiting. Errors: WeakPassword; Busy.
        """
        policy = self.settings.breached_passwords()
        if policy is None:
            return
        # what is refused here anyway concerns nobody else
        has_both = self.settings.profile.letters_and_digits
        require_strong(password, [user, self.settings.host], letters_and_digits=has_both)
        if user in self._looking_up:
            raise Busy
        self._looking_up.add(user)
        try:
            await require_unbreached(policy, password)
        except NotLookedUp as error:
            _log.warning("new passwords cannot be looked up", reason=error.reason)
            await to_thread.run_sync(partial(self._note_unchecked, user, address, error.reason, policy.unanswered))
            if policy.unanswered == "refuse":
                raise
        finally:
            self._looking_up.discard(user)

    def _note_unchecked(self, user: str, address: str, reason: str, outcome: str) -> None:
        self.verifier.floods.note(
            self.store, "password.unchecked", user, now=self.clock(), address=address, reason=reason, outcome=outcome
        )


def is_address(host: str) -> bool:
    """Whether a host is an IP address, not a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
