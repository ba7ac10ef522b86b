"""What an operator may write about the identity provider that Doorward runs itself, and about managing it."""

from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from doorward.identity.federation.policy import FederationPolicy
from doorward.identity.profiles import ProfileName
from doorward.identity.risk.signals import FAILING_COUNT
from doorward.policy.breaches import BreachedPasswordsPolicy
from doorward.policy.mail import MailPolicy
from doorward.policy.sms import SmsPolicy
from doorward.policy.values import Address, HttpUrl, Network, beside_the_policy

_CONFIG: Final = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class RegistrationSettings(BaseModel):
    """Programs that register themselves as clients (RFC 7591), with a token of `doorward client registration-token`."""

    model_config = _CONFIG

    scopes: tuple[Annotated[str, Field(pattern=r"^[!#-\[\]-~]{1,64}$")], ...] = Field(default=(), max_length=256)
    """The most they may be granted beside `openid` and the like; what a client does not name it gets of these.
    `offline_access` lets them have refresh tokens."""
    clients_most: int = Field(default=1_000, ge=1, le=100_000)
    """How many of them there may be at a time; more are asked to come back (503). Removed ones do not count."""


class IssuerSettings(BaseModel):
    """The identity provider that Doorward runs itself."""

    model_config = _CONFIG

    listen: Address = "127.0.0.1:8444"
    """Address it listens on, over TLS. Loopback unless told otherwise: it is not needed from outside by default."""
    url: HttpUrl = "https://127.0.0.1:8444"
    """Its issuer identifier, as it stands in the `iss` claim of its tokens (RFC 8414 section 2)."""
    registration: RegistrationSettings | None = None
    """Lets programs register themselves as clients. None: clients are added by the operator alone."""
    insecure_client_networks: tuple[Network, ...] = ()
    """Networks in which clients may be told of ended sessions although they are not public (loopback, private). None by
    default: an address that leads inside would let whoever wrote it down send requests there."""
    mtls_listen: Address | None = None
    """Address of a second listener, which asks clients for a certificate (RFC 8705): for clients that prove themselves
    by one, and for tokens bound to it. A listener of its own, so that no browser is asked. It trusts `tls.client_ca`,
    `tls.local_ca` and registered self-signed certificates. None: no such listener."""
    mtls_url: HttpUrl | None = None
    """How clients reach it; None: the host of `url` with the port of `mtls_listen`."""
    profile: tuple[ProfileName, ...] | ProfileName = "baseline"
    """What it must not do less than: `baseline`, `fapi2` (open banking: clients with keys, pushed requests, bound
    tokens), `pci` (card payments: sessions end after 15 idle minutes, more than a password after 10 wrong ones) or
    `strict` (fapi2, and shorter lives). Of several, in a list, the stricter value of each counts."""
    rotate_keys_days: int | None = Field(default=30, ge=2, le=366)
    """Age at which the key that signs tokens is replaced, in days: what a stolen key is good for has an end. null: only
    when somebody runs `doorward key rotate-issuer`."""
    publish_keys_hours: int = Field(default=24, ge=1, le=24)
    """How long a new key is published before it signs, in hours: nobody who keeps the set of keys for that long meets a
    token with a key unknown to them."""
    mail: MailPolicy | None = None
    """The server that takes mail to users: notices, forgotten passwords, codes. None: no mail is sent."""
    sms: SmsPolicy | None = None
    """A program of yours that sends text messages, for codes. None: none are sent."""
    flood_accounts: int = Field(default=FAILING_COUNT, ge=10, le=4_000)
    """At how many accounts logins from unknown browsers must fail within ten minutes for all such browsers to be asked
    for more than a password until it is over. Many people type wrong ones at once in a large place: raise it where
    `risk.raised` (many accounts fail) comes without an attack. 10 at least, or a handful of guesses would trouble
    everybody; 4,000 at most, as no more accounts are remembered."""
    breached_passwords: BreachedPasswordsPolicy | None = None
    """A service that is asked whether a new password is known from data breaches. None: the built-in list alone."""
    federation: tuple[FederationPolicy, ...] = Field(default=(), max_length=32, strict=False)
    """Other OpenID providers that people may sign in with."""
    insecure_development_tokens: bool = False
    """Lets `doorward token` mint a token for any user without a login. For trying things out, never in production."""

    @model_validator(mode="after")
    def _stricter_profiles_know_their_clients(self) -> Self:
        stricter = [name for name in self.profiles if name != "baseline"]
        if self.registration is not None and stricter:
            raise ValueError(f"the profile {stricter[0]} lets no program register itself: leave out registration")
        return self

    @property
    def profiles(self) -> tuple[ProfileName, ...]:
        """The profiles in force, as they were written."""
        return (self.profile,) if isinstance(self.profile, str) else self.profile

    @field_validator("federation")
    @classmethod
    def _providers_are_apart(
        cls, federation: tuple[FederationPolicy, ...], info: ValidationInfo
    ) -> tuple[FederationPolicy, ...]:
        for what in ("name", "issuer"):
            if len({getattr(provider, what) for provider in federation}) != len(federation):
                raise ValueError(f"two providers have the same {what}: an answer of one could be taken for the other's")
        return tuple(
            provider
            if provider.client_secret_file is None
            else provider.model_copy(
                update={"client_secret_file": str(beside_the_policy(Path(provider.client_secret_file), info))}
            )
            for provider in federation
        )


class AdminSettings(BaseModel):
    """The admin API: users, clients and keys managed by programs of the operator."""

    model_config = _CONFIG

    listen: Address
    """Address it listens on, in plain HTTP, so on loopback only: `127.0.0.1:8445`. Who may open the state directory
    enters with a ticket of `doorward admin login`."""

    @field_validator("listen")
    @classmethod
    def _on_loopback(cls, listen: str) -> str:
        if listen.rpartition(":")[0].strip("[]") not in {"localhost", "127.0.0.1", "::1"}:
            raise ValueError("the admin API listens on loopback only: 127.0.0.1:8445")
        return listen
