"""What an operator may write about proving who calls."""

from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from doorward.jose import ALGORITHMS, Algorithm

LOCAL_AUDIENCE: Final = "urn:doorward:api"
"""`aud` of the tokens of Doorward's own identity provider. Their keys are of one installation, so it need not vary."""


class IssuerPolicy(BaseModel):
    """One issuer of tokens that is believed, and how far."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    issuer: str = Field(min_length=1, max_length=1024)
    """The exact `iss` of its tokens, compared byte for byte: a near miss is somebody else."""
    audience: str = Field(min_length=1, max_length=1024)
    """What `aud` must name. Required: a token made for another API must not work here."""
    jwks_url: str = Field(default="", max_length=2048)
    """Where the control process fetches its keys. Empty: they are at hand (the local issuer)."""
    algorithms: tuple[Algorithm, ...] = Field(default=ALGORITHMS, min_length=1, strict=False)
    """Signature algorithms its keys may have. `none` and shared secrets cannot be written."""
    token_types: tuple[str, ...] = Field(default=("at+jwt", "JWT"), min_length=1, strict=False)
    """Accepted `typ` headers, case ignored. Write `[at+jwt]` where the issuer follows RFC 9068; the empty text accepts
    a token without `typ` (Amazon Cognito), which tells an access token from other tokens by `aud` alone."""
    roles_claim: str = Field(default="roles", min_length=1, max_length=256)
    """Claim that lists the caller's roles; dots lead into objects (`realm_access.roles`)."""
    scopes_claim: str = Field(default="scope", min_length=1, max_length=256)
    """Claim with the granted scopes: a space-separated text (RFC 9068) or a list (`scp` of some issuers)."""
    clock_skew_s: int = Field(default=60, ge=0, le=300)
    """How far its clock and ours may be apart, in seconds. More would keep expired tokens alive."""


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
    combined_caller: Literal["same", "token", "api_key"] = "same"
    """Who the caller is when an operation demands token *and* API key: both must name the same subject, or the
    subject of the one named here counts."""
    realm: str = Field(default="api", pattern=r"^[A-Za-z0-9 ._/:-]{1,64}$")
    """`realm` of the challenge a refused client gets (RFC 9110 section 11.5)."""

    @model_validator(mode="after")
    def _issuers_differ(self) -> Self:
        names = [issuer.issuer for issuer in self.issuers]
        if len(set(names)) != len(names):
            raise ValueError("an issuer is listed twice: it could be judged by two rules")
        return self


def local_issuer(url: str) -> IssuerPolicy:
    """The policy of Doorward's own identity provider at `url`: what `issuers: [local]` stands for."""
    return IssuerPolicy(issuer=url, audience=LOCAL_AUDIENCE, token_types=("at+jwt",))
