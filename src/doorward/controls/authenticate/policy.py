"""What an operator may write about proving who calls."""

import re
from typing import Annotated, Final, Literal, Self, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from doorward.jose import ALGORITHMS, Algorithm
from doorward.signatures import SignatureRefused
from doorward.signatures.components import component
from doorward.signatures.webhook import WebhookFormName

ProofDemand: TypeAlias = Literal["if_bound", "any", "dpop", "certificate"]
"""What a token must be bound to: nothing, but what it is bound to must be shown; a key or a certificate; a key (DPoP);
a certificate (mutual TLS)."""

LOCAL_AUDIENCE: Final = "urn:doorward:api"
"""`aud` of the tokens of Doorward's own identity provider. Their keys are of one installation, so it need not vary."""


def _origin(text: str) -> str:
    parts = urlsplit(text)
    if (
        text != f"{parts.scheme}://{parts.netloc}"
        or parts.scheme not in {"https", "http"}
        or parts.username is not None
    ):
        raise ValueError("is no origin: write https://api.example.com, with the port where it is not 443")
    default = {"https": ":443", "http": ":80"}[parts.scheme]
    return text.lower().removesuffix(default)


def _resource(text: str) -> str:
    parts = urlsplit(text)
    is_plain = not (parts.query or parts.fragment or parts.username or "%" in text or "//" in parts.path)
    if parts.scheme != "https" or not parts.hostname or not is_plain or re.fullmatch(r"[!-~]{1,512}", text) is None:
        raise ValueError("is not an API's URL: write https://api.example.com, without query or fragment")
    if '"' in text or "\\" in text:
        raise ValueError("is not an API's URL: it stands in a header, between quotation marks")
    return text


class IntrospectionPolicy(BaseModel):
    """How an issuer is asked about its tokens (RFC 7662), where they say nothing themselves."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    endpoint: str = Field(pattern=r"^https://[^\s#@]+$", max_length=2048)
    """Where the issuer is asked; always https: the token goes there."""
    client_id: str = Field(min_length=1, max_length=256)
    """The name under which the gateway asks. An issuer that answers anybody would tell thieves too."""
    secret_file: str | None = None
    """The file with the client's secret (sent by HTTP Basic). It is read at every question, so it may be replaced."""
    key_file: str | None = None
    """Instead: the file with the client's private JWK set, for signed assertions (`private_key_jwt`, RFC 7523)."""
    assertion_audience: str = Field(default="", max_length=2048)
    """`aud` of those assertions. Empty: the issuer, as the FAPI 2.0 security profile has it."""
    ca_file: str | None = None
    """Certificate authorities to trust there, instead of the public ones (PEM)."""
    prefix: str = Field(default="", pattern=r"^[A-Za-z0-9._~+/-]{0,64}$")
    """What its tokens begin with. Needed for all but one of several such issuers; empty: whatever is no JWT."""
    cache_s: int = Field(default=10, ge=0, le=30)
    """How long an answer counts, in seconds, and never longer than the token. A token that its issuer revokes opens
    this long. 0: each request asks."""
    timeout_s: float = Field(default=2.0, ge=0.1, le=10.0, strict=False)
    """Longest wait for an answer, in seconds; then the request gets 503."""
    insecure_no_audience: bool = False
    """Also take an answer that names no audience. Only for an issuer that tells this client of its own tokens alone: a
    token made for another API works here otherwise."""

    @model_validator(mode="after")
    def _proves_itself_one_way(self) -> Self:
        if (self.secret_file is None) == (self.key_file is None):
            raise ValueError("the gateway proves itself by one of secret_file and key_file")
        return self


class IssuerPolicy(BaseModel):
    """One issuer of tokens that is believed, and how far."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    issuer: str = Field(min_length=1, max_length=1024)
    """The exact `iss` of its tokens, compared byte for byte: a near miss is somebody else."""
    audience: str = Field(min_length=1, max_length=1024)
    """What `aud` must name. Required: a token made for another API must not work here."""
    jwks_url: str = Field(default="", max_length=2048)
    """Where the control process fetches its keys. Empty: it asks the issuer, by OpenID Connect Discovery or RFC 8414;
    what answers must name exactly this issuer."""
    algorithms: tuple[Algorithm, ...] = Field(default=ALGORITHMS, min_length=1, strict=False)
    """Signature algorithms its keys may have. `none` and shared secrets cannot be written."""
    token_types: tuple[str, ...] = Field(default=("at+jwt", "JWT"), min_length=1, strict=False)
    """Accepted `typ` headers, case ignored. Write `[at+jwt]` where the issuer follows RFC 9068; the empty text accepts
    a token without `typ` (Amazon Cognito), which tells an access token from other tokens by `aud` alone."""
    roles_claim: str = Field(default="roles", min_length=1, max_length=256)
    """Claim that lists the caller's roles; dots lead into objects (`realm_access.roles`)."""
    scopes_claim: str = Field(default="scope", min_length=1, max_length=256)
    """Claim with the granted scopes: a space-separated text (RFC 9068) or a list (`scp` of some issuers)."""
    roles: dict[Annotated[str, Field(max_length=256)], Annotated[str, Field(max_length=256)]] | None = None
    """Its names of roles to ours, as an allow-list: a role not listed counts for nothing. None: its names are ours, and
    whoever hands out roles there hands out ours."""
    claims: dict[Annotated[str, Field(max_length=256)], Annotated[str, Field(max_length=256)]] | None = None
    """Our names of claims to where they stand in its tokens (dots lead into objects), as an allow-list: owner rules and
    the upstream see these and no others. None: all its claims under its own names."""
    clock_skew_s: int = Field(default=60, ge=0, le=300)
    """How far its clock and ours may be apart, in seconds. More would keep expired tokens alive."""
    introspection: IntrospectionPolicy | None = None
    """Its tokens are opaque, and it is asked about each. With `jwks_url` beside it, it signs tokens too."""

    @property
    def signs(self) -> bool:
        """Whether it has tokens that are proved by its keys."""
        return self.introspection is None or bool(self.jwks_url)

    def __hash__(self) -> int:
        # what pydantic makes for frozen models stumbles over the mappings
        return hash((self.issuer, self.audience, self.jwks_url))


class ClientCertificateRule(BaseModel):
    """Whose the certificates with a certain name are, where another authority than Doorward's own signed them."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    caller: str = Field(min_length=1, max_length=256)
    """Who calls with it: subject of the calls, for owner rules and limits."""
    dns: str = Field(default="", max_length=253, pattern=r"^[A-Za-z0-9._-]*$")
    """The DNS name in the certificate, whole; no wildcards. One of `dns`, `uri` and `email` must be written."""
    uri: str = Field(default="", max_length=1024, pattern=r"^[!-~]*$")
    """The URI in the certificate, byte for byte, such as a SPIFFE id."""
    email: str = Field(default="", max_length=320, pattern=r"^[!-~]*$")
    """The mail address in the certificate, byte for byte."""
    authority: str = Field(default="", pattern=r"^(?:[0-9a-f]{64})?$")
    """SHA-256 of the public key of the authority that must have signed it (`doorward certificate authority FILE` prints
    it). Empty: any of `tls.client_ca`; write it where that file has several, so that none vouches for another's."""
    roles: tuple[Annotated[str, Field(max_length=256)], ...] = Field(default=(), strict=False)
    """Its roles."""
    scopes: tuple[Annotated[str, Field(max_length=256)], ...] = Field(default=(), strict=False)
    """Its scopes."""
    claims: dict[Annotated[str, Field(max_length=256)], Annotated[str, Field(max_length=256)]] = {}
    """Its claims, for owner rules and the upstream."""

    def __hash__(self) -> int:
        # what pydantic makes for frozen models stumbles over the mapping
        return hash((self.caller, self.name, self.authority, self.roles, self.scopes))

    @property
    def name(self) -> tuple[str, str]:
        """Kind and text of the name."""
        if self.dns:
            return "dns", self.dns.lower()
        return ("uri", self.uri) if self.uri else ("email", self.email)

    @model_validator(mode="after")
    def _has_one_name(self) -> Self:
        if len([text for text in (self.dns, self.uri, self.email) if text]) != 1:
            raise ValueError("write one of dns, uri and email: a certificate is known by one name")
        return self


class MessageSignaturePolicy(BaseModel):
    """What a signed request (RFC 9421) must prove."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    components: tuple[str, ...] = Field(
        default=("@method", "@authority", "@path", "@query"), min_length=1, max_length=32, strict=False
    )
    """What every signature covers. `content-digest` is demanded beside it when there is a body, and `content-type` when
    that has one; `authorization` when the request has it. Whatever is not covered, somebody on the way may change."""
    max_age_s: int = Field(default=60, ge=1, le=300)
    """How long after `created` a signature is accepted, in seconds. Longer means more proofs to remember."""
    clock_skew_s: int = Field(default=5, ge=0, le=60)
    """How far `created` may lie ahead of our clock, in seconds. As long, after a start, no signature is accepted: an
    earlier run may have seen it."""
    tag: str = Field(default="", pattern=r"^[A-Za-z0-9._:/-]{0,64}$")
    """`tag` that the signature meant for us carries. Empty: there must be one signature only."""

    @field_validator("components")
    @classmethod
    def _components_exist(cls, components: tuple[str, ...]) -> tuple[str, ...]:
        for text in components:
            try:
                found = component(text)
            except SignatureRefused as error:
                raise ValueError(error.problem) from None
            if found.name == "@status" or {"req", "tr"} & {name for name, _ in found.parameters}:
                raise ValueError(f"{text} is no component of a request that is read here")
        return components


class HmacSignaturePolicy(BaseModel):
    """One security scheme of plain HMAC signatures, for webhooks and partners without RFC 9421."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    scheme: str = Field(min_length=1, max_length=256)
    """The security scheme of the description that this is about."""
    form: WebhookFormName = "doorward"
    """Header names and signed bytes: `doorward` covers method, host, target, time, id and body and names its key; the
    others are those of the services of that name, and cover time and body only."""
    caller: str = Field(default="", max_length=64)
    """Whose keys count, where the form does not name a key: the name given to `doorward key add-signature`."""
    max_age_s: int = Field(default=60, ge=1, le=300)
    """How old a signature may be, in seconds; five minutes at most, as the services themselves advise."""
    clock_skew_s: int = Field(default=5, ge=0, le=60)
    """How far its time may lie ahead of our clock, in seconds. As long, after a start, no signature is accepted."""

    @model_validator(mode="after")
    def _somebodys_keys(self) -> Self:
        if self.form != "doorward" and not self.caller:
            raise ValueError(f"the form {self.form} names no key: write caller: the name whose keys count")
        return self


class EncryptedBodyPolicy(BaseModel):
    """What holds where bodies are encrypted messages (JWE): operations with `body: jwe`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    max_bytes: int = Field(default=262_144, ge=1024, le=1_048_576)
    """Largest content of an encrypted request or answer, in bytes; encrypted it is a third longer. Opening one occupies
    the worker: about 2 ms for the default, 6 ms for the most that can be written (`bench/encrypted.py`)."""
    max_age_s: int = Field(default=60, ge=1, le=300)
    """How long after `iat` a message is accepted, in seconds. Longer means more of them to remember."""
    clock_skew_s: int = Field(default=5, ge=0, le=60)
    """How far `iat` may lie ahead of our clock, in seconds. As long, after a start, no message is accepted: an earlier
    run may have seen it."""


class AuthenticatePolicy(BaseModel):
    """How callers prove who they are."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    issuers: tuple[IssuerPolicy, ...] = Field(default=(), strict=False)
    """Whose tokens are believed. None: only API keys open the door."""
    token_bytes: int = Field(default=8192, ge=512, le=65536)
    """Longest token looked at, in bytes. Keycloak tokens with many roles reach 4 KiB."""
    token_cache_count: int = Field(default=4096, ge=0, le=1_000_000)
    """Verified tokens a worker remembers, by their full bytes; a signature check costs 45 to 131 us, a cached one
    about 1. Roughly 4 KiB of memory each. Expiry and revocation are checked on every use. 0: none."""
    api_key_header: str = Field(default="x-api-key", pattern=r"^[a-z0-9-]{1,64}$")
    """Header (lower case) that carries an API key where the description names no scheme."""
    more_api_key_headers: tuple[Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")], ...] = Field(
        default=(), max_length=8, strict=False
    )
    """Further headers (lower case) that may carry an API key wherever a header may: for clients that were written for
    another gateway. A key in two of them is a key given twice, and refused."""
    combined_caller: Literal["same", "token", "api_key", "signature", "certificate"] = "same"
    """Who the caller is when an operation demands several credentials: all must name the same subject, or the
    subject of the one named here counts."""
    proof: ProofDemand = "if_bound"
    """Whether a token alone is enough. `if_bound`: for a token that its issuer bound to no key. `any`, `dpop`,
    `certificate`: never; a token must be bound to a key or certificate (to a key; to a certificate), and whoever comes
    with it must prove that they hold it. A stolen token is then of no use. API keys are no tokens: where an operation
    takes them, it still does."""
    proof_age_s: int = Field(default=60, ge=5, le=300)
    """How old a proof without a nonce may be, in seconds. Longer means more proofs to remember, and more time for a
    stolen one to be used before its owner's arrives."""
    proof_nonce: Literal["optional", "required"] = "optional"
    """Whether a proof must carry a nonce that the gateway gave out within two minutes, so that none can be made in
    advance. Costs a client without one an additional round trip."""
    proof_origins: tuple[Annotated[str, AfterValidator(_origin)], ...] = Field(default=(), max_length=64, strict=False)
    """Origins under which clients know this API, as the `htu` of their proofs has them (`https://api.example.com`).
    Needed behind a proxy that does not tell how clients came. Empty: `https` (or how the client came) and the names of
    `transport.hosts`; without those no proof is accepted, for a Host that the client chooses proves nothing."""
    hosts: tuple[str, ...] = Field(default=(), strict=False)
    """The names of `transport.hosts`; written there, not here."""
    message_signature: MessageSignaturePolicy = MessageSignaturePolicy()
    """What signed requests must prove, where the description has a scheme with `x-doorward: {signature: rfc9421}`."""
    hmac_signatures: tuple[HmacSignaturePolicy, ...] = Field(default=(), strict=False)
    """The schemes with `x-doorward: {signature: hmac}` that differ from the form `doorward`."""
    client_certificates: tuple[ClientCertificateRule, ...] = Field(default=(), max_length=10_000, strict=False)
    """Whose certificates of other authorities are, where the description has a scheme `mutualTLS`: an allow-list of
    exact names. Certificates of Doorward's own authority need no entry: the store knows whose they are."""
    encrypted_body: EncryptedBodyPolicy = EncryptedBodyPolicy()
    """What holds for encrypted bodies (JWE)."""
    stale_after_s: int | None = Field(default=None, ge=5, le=3600)
    """How old what workers know of callers may be before they refuse everybody (503), in seconds. While the control
    process is away no revocation arrives; without this, tokens and keys go on as last published, and the log says so
    after 10 seconds. 60 suits those who rather stand still than honour a revoked credential."""
    resource: Literal["derived", "off"] | Annotated[str, AfterValidator(_resource)] = "derived"
    """This API's https URL as its clients know it (`https://api.example.com`, with a path where it stands below one).
    Clients that know it find out who vouches for callers at `/.well-known/oauth-protected-resource` (RFC 9728), and
    refusals of tokens name that place. `derived`: the one origin of `proof_origins`, else https and the one name of
    `transport.hosts`, else there is no such place. `off`: there is none. Never taken from a request."""
    realm: str = Field(default="api", pattern=r"^[A-Za-z0-9 ._/:-]{1,64}$")
    """`realm` of the challenge a refused client gets (RFC 9110 section 11.5)."""

    @model_validator(mode="after")
    def _each_is_listed_once(self) -> Self:
        names = [issuer.issuer for issuer in self.issuers]
        if len(set(names)) != len(names):
            raise ValueError("an issuer is listed twice: it could be judged by two rules")
        asked = [each.introspection.prefix for each in self.issuers if each.introspection is not None]
        if len(set(asked)) != len(asked):
            raise ValueError("nobody can tell which issuer to ask: each needs an introspection.prefix of its own")
        schemes = [each.scheme for each in self.hmac_signatures]
        if len(set(schemes)) != len(schemes):
            raise ValueError("a scheme of hmac_signatures is listed twice: it could be judged by two rules")
        return self

    @property
    def resource_url(self) -> str | None:
        """This API's URL; None where nobody knows it, nobody vouches for callers, or the policy wants none told."""
        if self.resource == "off" or not self.issuers:
            return None
        if self.resource != "derived":
            return self.resource
        known = self.proof_origins or tuple(f"https://{host}" for host in self.hosts)
        return known[0] if len(known) == 1 and known[0].startswith("https://") else None

    def key_fields(self) -> tuple[bytes, ...]:
        """Names of the header fields that carry API keys by this policy, whatever the description says."""
        return tuple(name.encode() for name in dict.fromkeys((self.api_key_header, *self.more_api_key_headers)))

    def hmac_of(self, scheme: str) -> HmacSignaturePolicy:
        """What holds for a security scheme of plain HMAC signatures."""
        found = [each for each in self.hmac_signatures if each.scheme == scheme]
        return found[0] if found else HmacSignaturePolicy(scheme=scheme)

    def hmac_span_s(self, scheme: str) -> tuple[int, int]:
        """How far ahead of our clock, and how old, the most patient scheme takes an HMAC: it may come to several."""
        schemes = (*self.hmac_signatures, self.hmac_of(scheme))
        return max(each.clock_skew_s for each in schemes), max(each.max_age_s for each in schemes)


def local_issuer(url: str) -> IssuerPolicy:
    """The policy of Doorward's own identity provider at `url`: what `issuers: [local]` stands for."""
    return IssuerPolicy(issuer=url, audience=LOCAL_AUDIENCE, token_types=("at+jwt",))
