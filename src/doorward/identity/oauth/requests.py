"""A request for authorization, judged. What is wrong with client or redirect URI is shown, all else is sent back."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import urlencode

from doorward.identity.acr import ACR_ONE, ACR_TWO
from doorward.identity.clients import Client, find_client
from doorward.identity.oauth_errors import OAuthError
from doorward.identity.provider import IdentitySettings
from doorward.identity.redirects import is_registered, with_parameters
from doorward.store import Store

STANDARD_SCOPES: Final = ("openid", "profile", "email", "address", "phone")
"""Scopes every client that sends people here may ask for."""
OFFLINE: Final = "offline_access"
"""The scope that brings refresh tokens; a client has it only when it was registered with it."""
_THUMBPRINT: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_SECONDS: Final = re.compile(r"[0-9]{1,9}")
SecondFactor: TypeAlias = Literal["as_is", "wanted", "required"]
"""`as_is`: whatever the session shows will do; `wanted`: asked for where the user has one; `required`: or nothing."""
PROMPTS: Final = ("none", "login", "consent")
TEXT_MOST: Final = 1_024
"""Characters of `state` and `nonce`."""


class Shown(Exception):
    """A request that must not be answered by a redirect: nobody knows yet that the redirect URI is the client's."""


class SentBack(Exception):
    """A request refused by a redirect to the client."""

    def __init__(self, error: str, description: str, redirect_uri: str, state: str | None) -> None:
        super().__init__(f"{error}: {description}")
        self.error, self.description, self.redirect_uri, self.state = error, description, redirect_uri, state

    def location(self, issuer: str) -> str:
        """Where the browser goes. `iss` is in errors too (RFC 9207)."""
        answer = {"error": self.error, "error_description": self.description, "iss": issuer}
        return with_parameters(
            self.redirect_uri, urlencode(answer | ({} if self.state is None else {"state": self.state}))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest:
    """A request that is in order. It is frozen on the server in this form."""

    client: str
    redirect_uri: str
    scopes: tuple[str, ...]
    challenge: str
    """The S256 code challenge."""
    state: str | None = None
    nonce: str | None = None
    prompt: tuple[str, ...] = ()
    max_age_s: int | None = None
    second_factor: SecondFactor = "as_is"
    """What `acr_values` asks for."""
    bound_key: str | None = None
    """Thumbprint of the key that the code is bound to (`dpop_jkt`, RFC 9449 section 10)."""

    def data(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "AuthorizationRequest":
        """From plain data of `data`."""
        fields = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        return cls(**{**fields, "scopes": tuple(fields["scopes"]), "prompt": tuple(fields["prompt"])})

    def refused(self, error: str, description: str) -> SentBack:
        """The refusal of this request."""
        return SentBack(error, description, self.redirect_uri, self.state)


def client_and_redirect(store: Store, fields: list[tuple[str, str]]) -> tuple[Client, str]:
    """The client that asks and where its answer goes. Errors: Shown."""
    names = [name for name, _ in fields]
    if names.count("client_id") != 1 or names.count("redirect_uri") != 1:
        raise Shown("client_id and redirect_uri have to stand in the request once each")
    found = dict(fields)
    client = find_client(store, found["client_id"])
    if client is None or client.disabled_at is not None:
        raise Shown("there is no such client")
    if not is_registered(found["redirect_uri"], client.redirect_uris):
        raise Shown("the redirect URI is not one this client has registered")
    return client, found["redirect_uri"]


def judge(
    fields: list[tuple[str, str]], client: Client, redirect_uri: str, settings: IdentitySettings
) -> AuthorizationRequest:
    """The request, if all of it is in order. Unknown parameters are ignored, as OAuth wants it. Errors: SentBack."""
    names = [name for name, _ in fields]
    found = dict(fields)
    state = found.get("state") if names.count("state") == 1 else None

    def refused(error: str, description: str) -> SentBack:
        return SentBack(error, description, redirect_uri, state if state and len(state) <= TEXT_MOST else None)

    if len(found) != len(fields):
        raise refused("invalid_request", "a parameter is given twice")
    if any(len(found.get(name, "")) > TEXT_MOST for name in ("state", "nonce")):
        raise refused("invalid_request", "state and nonce have up to 1024 characters")
    if "request" in found:
        raise refused("request_not_supported", "request objects are not taken")
    if found.get("response_type") != "code":
        raise refused("unsupported_response_type", "only code")
    if found.get("response_mode", "query") != "query":
        raise refused("invalid_request", "only response_mode=query")
    if found.get("code_challenge_method") != "S256" or _CHALLENGE.fullmatch(found.get("code_challenge", "")) is None:
        raise refused("invalid_request", "PKCE with code_challenge_method=S256 is required")
    if "dpop_jkt" in found and _THUMBPRINT.fullmatch(found["dpop_jkt"]) is None:
        raise refused("invalid_request", "dpop_jkt is a SHA-256 thumbprint")
    if not settings.is_api(found.get("resource", settings.audience)):
        raise refused("invalid_target", "unknown resource")
    prompt = tuple(sorted({word for word in found.get("prompt", "").split(" ") if word}))
    if not {*PROMPTS}.issuperset(prompt) or ("none" in prompt and len(prompt) > 1):
        raise refused("invalid_request", "prompt is none, login or consent")
    if "max_age" in found and _SECONDS.fullmatch(found["max_age"]) is None:
        raise refused("invalid_request", "max_age is a number of seconds")
    scopes = {word for word in found.get("scope", "").split(" ") if word}
    if not scopes.issubset({*client.scopes, *STANDARD_SCOPES}):
        raise refused("invalid_scope", "a scope is not granted to this client")
    return AuthorizationRequest(
        client=client.name,
        redirect_uri=redirect_uri,
        scopes=tuple(sorted(scopes)),
        challenge=found["code_challenge"],
        state=state,
        nonce=found.get("nonce"),
        prompt=prompt,
        max_age_s=int(found["max_age"]) if "max_age" in found else None,
        second_factor=_second_factor(found.get("acr_values", "")),
        bound_key=found.get("dpop_jkt"),
    )


def _second_factor(acr_values: str) -> SecondFactor:
    """What a client wants. Classes nobody here knows count for nothing: they are wishes (OpenID Connect 3.1.2.1).

    >>> [_second_factor(text) for text in ("", "urn:doorward:acr:2", "urn:doorward:acr:2 urn:doorward:acr:1", "gold")]
    ['as_is', 'required', 'wanted', 'as_is']
    """
    wanted = acr_values.split(" ")
    if ACR_TWO not in wanted:
        return "as_is"
    if ACR_ONE not in wanted:
        return "required"
    # in order of preference
    return "wanted" if wanted.index(ACR_TWO) < wanted.index(ACR_ONE) else "as_is"


def as_oauth_error(refusal: SentBack | Shown) -> OAuthError:
    """The refusal as an answer to the client itself, for a pushed request (RFC 9126 section 2.3)."""
    if isinstance(refusal, SentBack):
        return OAuthError(refusal.error, refusal.description)
    return OAuthError("invalid_request", str(refusal))
