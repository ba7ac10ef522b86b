"""What an operator may write about TLS: the certificates that the gateway shows, and those it asks of clients."""

from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from doorward.policy.values import HttpUrl, Network, PolicyPath, ServerName

ACME_CHALLENGE: Final = "/.well-known/acme-challenge/"
"""Where ACME servers ask, at the plain port (RFC 8555 section 8.3)."""
_CONFIG: Final = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class CertificateSettings(BaseModel):
    """One more certificate of the gateway, for clients that ask for its names."""

    model_config = _CONFIG

    certificate: PolicyPath
    """PEM file with the certificate chain, leaf first."""
    key: PolicyPath
    """PEM file with the private key; readable by its owner only."""
    names: tuple[ServerName, ...] = Field(default=(), max_length=256)
    """Names a client must ask for (SNI) to be shown it, as `api.example.com` or `*.example.com`. By default the DNS
    names in the certificate."""


class AcmeSettings(BaseModel):
    """A certificate for public names, asked for at an ACME server (RFC 8555) and renewed in time."""

    model_config = _CONFIG

    directory: HttpUrl
    """The server's directory, such as `https://acme-v02.api.letsencrypt.org/directory`."""
    names: tuple[ServerName, ...] = Field(min_length=1, max_length=100)
    """The names in the certificate, each of which must lead to this gateway, port 80 included. No wildcards: those
    need `dns-01`, which Doorward does not do."""
    agree_to_terms: bool
    """That you have read the server's terms and agree: no account is made without it."""
    contact: str = Field(default="", max_length=320, pattern=r"^[^\s:,]*$")
    """A mail address the server may warn. Empty: none."""
    ca_file: PolicyPath | None = None
    """PEM file with the authorities that vouch for a private ACME server; None: those of the system."""
    insecure_networks: tuple[Network, ...] = ()
    """Networks in which the ACME server may stand although they are not public. For a private one."""

    @model_validator(mode="after")
    def _can_be_asked(self) -> Self:
        if not self.directory.startswith("https://"):
            raise ValueError("the directory of an ACME server is an https URL")
        if not self.agree_to_terms:
            raise ValueError("write agree_to_terms: true once you have read the server's terms")
        if any(name.startswith("*") for name in self.names):
            raise ValueError("a wildcard cannot be proved by http-01: write each name")
        return self


class TlsSettings(BaseModel):
    """The gateway's own certificates, and what it asks of clients' ones. Files are read again when they change."""

    model_config = _CONFIG

    certificate: PolicyPath
    """PEM file with the certificate chain, leaf first. Shown to clients that ask for no name, or an unknown one."""
    key: PolicyPath
    """PEM file with the private key; readable by its owner only."""
    certificates: tuple[CertificateSettings, ...] = Field(default=(), max_length=256)
    """More certificates, chosen by the name a client asks for (SNI): the exact one first, then a wildcard. With more
    than one certificate, a request for a host that the shown one does not name is refused (421)."""
    unknown_names: Literal["default", "refuse"] = "default"
    """What a client is shown that asks for a name no certificate has: `certificate`, or a fatal alert."""
    profile: Literal["modern", "intermediate"] = "intermediate"
    """`modern`: TLS 1.3 only. `intermediate`: TLS 1.2 too, with forward secrecy and AEAD; still needed by some clients
    older than 2018."""
    acme: AcmeSettings | None = None
    """Where a certificate for public names is asked for. It takes the place of `certificate` as soon as it is there;
    until then, and should it be lost, `certificate` is shown."""
    client_ca: PolicyPath | None = None
    """PEM file with the authorities whose certificates clients may show (mutual TLS)."""
    local_ca: bool = False
    """Whether clients may show certificates of Doorward's own authority (`doorward certificate`). With neither this nor
    `client_ca` no client is asked for one."""
    client_certificate: Literal["request", "require"] = "request"
    """With `client_ca` or `local_ca`: whether a client may do without a certificate. One that does not hold ends the
    handshake in both cases; one that is revoked gets an answer that says no."""
    client_crl: PolicyPath | None = None
    """PEM file with the revocation lists of these authorities, one each. A certificate whose authority has no list
    here, or a list past its `nextUpdate`, is refused: unknown is not unrevoked. None: revocation is not checked.
    Doorward's own certificates need no list: what is revoked is known at once."""
    client_crl_grace_s: int = Field(default=0, ge=0, le=604_800)
    """How long after its `nextUpdate` a list is still believed, in seconds, up to a week: what was revoked since is not
    known then. 0: not at all."""

    @model_validator(mode="after")
    def _clients_are_asked_by_an_authority(self) -> Self:
        if self.client_ca is None and self.client_crl is not None:
            raise ValueError("client_crl needs client_ca: write the file of the authority")
        if self.client_crl is None and self.client_crl_grace_s:
            raise ValueError("client_crl_grace_s needs client_crl: there is no list that could be late")
        if not self.asks_clients and "client_certificate" in self.model_fields_set:
            raise ValueError("client_certificate needs client_ca or local_ca: nobody vouches for clients")
        return self

    @property
    def asks_clients(self) -> bool:
        """Whether clients are asked for a certificate."""
        return self.client_ca is not None or self.local_ca
