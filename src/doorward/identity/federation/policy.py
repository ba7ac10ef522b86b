"""What an operator may write about another provider that people sign in with."""

import re
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from doorward.jose import ALGORITHMS, Algorithm

_NAME: Final = r"^[a-z][a-z0-9-]{0,31}$"
_SCOPE: Final = re.compile(r"[!#-\[\]-~]{1,64}")
_Name = Annotated[str, Field(min_length=1, max_length=256)]


class FederationPolicy(BaseModel):
    """One OpenID provider that people may sign in with."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    name: str = Field(pattern=_NAME)
    """Stands in the addresses of its login (`/auth/external/NAME`), so that each provider has a redirect URI of its
    own: an answer of one is never taken for another's."""
    title: str = Field(min_length=1, max_length=64)
    """What the button on the sign-in page says."""
    issuer: str = Field(min_length=1, max_length=512)
    """Its exact issuer identifier, `https`; its metadata, its answers and its ID tokens must name it byte for byte."""
    client_id: str = Field(min_length=1, max_length=256)
    """What Doorward is called there."""
    client_secret_file: str | None = None
    """File with the secret (one line), beside the policy. Read at each use, so a new one needs no reload. None: a
    public client, for which PKCE stands alone."""
    authentication: Literal["client_secret_basic", "client_secret_post"] = "client_secret_basic"
    """How the secret is sent."""
    scopes: tuple[str, ...] = Field(default=("openid", "profile"), max_length=16, strict=False)
    """What it is asked for; `openid` always."""
    algorithms: tuple[Algorithm, ...] = Field(default=ALGORITHMS, min_length=1, strict=False)
    """Signature algorithms its ID tokens may have. `none` and shared secrets cannot be written."""
    accounts: Literal["linked", "created"] = "linked"
    """`linked`: only people whose account here is linked with theirs there may sign in; they link it themselves, on
    their account page, after a fresh login. `created`: an account is made at the first login. Nobody is ever matched by
    an e-mail address or a name: who has that elsewhere need not be the same person."""
    name_claim: _Name = "preferred_username"
    """Claim with the name of an account that is made. A name that is taken here is refused, never shared."""
    roles_claim: _Name = "roles"
    """Claim with the roles there (a text or a list of texts), for accounts that are made."""
    roles: dict[_Name, _Name] = {}
    """Roles there to roles here, as an allow-list: a role not listed counts for nothing. Taken over at each login."""
    default_roles: tuple[str, ...] = Field(default=(), max_length=16, strict=False)
    """Roles that every account made this way has."""
    claims: dict[_Name, _Name] = {}
    """Claims here to claims there, as an allow-list, for accounts that are made. Taken over at each login."""

    def __hash__(self) -> int:
        # what pydantic makes for frozen models stumbles over the mappings
        return hash((self.name, self.issuer, self.client_id))

    @field_validator("issuer")
    @classmethod
    def _is_secure(cls, issuer: str) -> str:
        parts = urlsplit(issuer)
        if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment or parts.username:
            raise ValueError("is not an issuer: https, a host, no query, no fragment")
        return issuer

    @field_validator("scopes")
    @classmethod
    def _are_scopes(cls, scopes: tuple[str, ...]) -> tuple[str, ...]:
        if "openid" not in scopes or not all(_SCOPE.fullmatch(scope) for scope in scopes):
            raise ValueError("scopes are words, and openid is one of them: without it there is no ID token")
        return scopes
