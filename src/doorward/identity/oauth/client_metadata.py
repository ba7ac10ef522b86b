"""What a program says of itself when it registers (RFC 7591 section 2), judged by the rules of the command line.

What is not known here is ignored and not kept, as the RFC wants it; what is known and cannot be kept is refused rather
than ignored: a client that believes its tokens are bound must not get free ones.
"""

from typing import Annotated, Any, Final

import jiter
import msgspec

from doorward.errors import PolicyError
from doorward.identity.clients import Client, require_title
from doorward.identity.oauth import device
from doorward.identity.oauth.requests import STANDARD_SCOPES
from doorward.identity.oauth_errors import OAuthError
from doorward.identity.redirects import require_backchannel_uri, require_redirect_uri
from doorward.jose import Algorithm

METADATA_BYTES: Final = 16_384
"""Longest document, in bytes."""
URIS_COUNT: Final = 16
_BY_SECRET: Final = "client_secret_basic"  # noqa: S105 - a name, no secret
_SECRETS: Final = (_BY_SECRET, "client_secret_post")
_GRANTS: Final = frozenset({"authorization_code", "refresh_token", device.GRANT_TYPE})
_Uris = Annotated[tuple[str, ...], msgspec.Meta(max_length=URIS_COUNT)]
_Words = Annotated[tuple[str, ...], msgspec.Meta(max_length=URIS_COUNT)]


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """The members that mean something here."""

    redirect_uris: _Uris = ()
    token_endpoint_auth_method: str = _BY_SECRET
    grant_types: _Words = ("authorization_code",)
    response_types: _Words = ("code",)
    client_name: str = ""
    scope: str | None = None
    jwks: dict[str, Any] | None = None
    jwks_uri: str = ""
    post_logout_redirect_uris: _Uris = ()
    backchannel_logout_uri: str = ""
    id_token_signed_response_alg: str | None = None
    require_pushed_authorization_requests: bool = False
    subject_type: str = "public"
    sector_identifier_uri: str = ""
    initiate_login_uri: str = ""
    """Not kept; looked at only to refuse what OpenID Connect Registration section 2 forbids."""
    dpop_bound_access_tokens: bool = False
    tls_client_certificate_bound_access_tokens: bool = False
    client_id: str | None = None
    client_secret: str | None = None
    registration_access_token: Any = None
    registration_client_uri: Any = None
    client_secret_expires_at: Any = None
    client_id_issued_at: Any = None

    @property
    def authentication(self) -> str:
        """How it proves itself, as `clients` names it."""
        method = self.token_endpoint_auth_method
        return "client_secret" if method in _SECRETS else method

    @property
    def is_public(self) -> bool:
        """It can keep no secret."""
        return self.authentication == "none"

    @property
    def uses_devices(self) -> bool:
        """It runs on devices without a browser."""
        return device.GRANT_TYPE in self.grant_types

    def scopes(self, most: tuple[str, ...]) -> list[str]:
        """The scopes beside the standard ones; all that may be had, when it names none. Errors: OAuthError."""
        if self.scope is None:
            return sorted(most)
        wanted = {word for word in self.scope.split(" ") if word}
        if not wanted.issubset({*most, *STANDARD_SCOPES}):
            raise _refused("a scope is not one that registered clients may have")
        return sorted(wanted.intersection(most))

    def key_set(self) -> bytes | None:
        """The keys it signs with, as a document."""
        return None if self.jwks is None else msgspec.json.encode(self.jwks)


def read_metadata(data: bytes, algorithms: tuple[Algorithm, ...]) -> Metadata:
    """The metadata, in order as far as can be told without the store. Errors: OAuthError.

    `algorithms`: what ID tokens can be signed with.
    """
    try:
        found = msgspec.convert(jiter.from_json(data, catch_duplicate_keys=True, allow_inf_nan=False), Metadata)
    except (ValueError, msgspec.ValidationError) as error:
        raise _refused("the document is not JSON with members of the right types") from error
    if "\\u0000" in data.decode("utf-8", "replace").lower():
        raise _refused("no member holds a NUL")
    _require_known_ways(found)
    if found.id_token_signed_response_alg not in (None, *algorithms):
        raise _refused(f"id_token_signed_response_alg is one of {', '.join(algorithms)}")
    _require_uris(found)
    return found


def described(client: Client, algorithms: tuple[Algorithm, ...]) -> dict[str, Any]:
    """What is registered, in the members of RFC 7591."""
    grants = ["authorization_code", "refresh_token"] if client.redirect_uris else ["refresh_token"]
    method = _BY_SECRET if client.authentication == "client_secret" else client.authentication
    found: dict[str, Any] = {
        "client_id": client.name,
        "client_id_issued_at": int(client.created_at),
        "client_name": client.title,
        "redirect_uris": list(client.redirect_uris),
        "grant_types": [*grants, *([device.GRANT_TYPE] if client.uses_devices else [])],
        "response_types": ["code"] if client.redirect_uris else [],
        "scope": " ".join((*STANDARD_SCOPES, *client.scopes)),
        "token_endpoint_auth_method": method,
        "post_logout_redirect_uris": list(client.post_logout_redirect_uris),
        "require_pushed_authorization_requests": client.pushes_only,
        "id_token_signed_response_alg": client.id_token_algorithm or algorithms[0],
        "subject_type": "public",
    }
    if client.backchannel_logout_uri:
        found["backchannel_logout_uri"] = client.backchannel_logout_uri
    if client.jwks_uri:
        found["jwks_uri"] = client.jwks_uri
    elif client.jwks:
        found["jwks"] = {"keys": [dict(key) for key in client.jwks]}
    return found


def _require_known_ways(found: Metadata) -> None:
    method = found.token_endpoint_auth_method
    if method not in (*_SECRETS, "none", "private_key_jwt"):
        raise _refused("token_endpoint_auth_method is none, client_secret_basic, client_secret_post or private_key_jwt")
    if found.jwks is not None and found.jwks_uri:
        raise _refused("jwks or jwks_uri, not both")
    has_keys = found.jwks is not None or bool(found.jwks_uri)
    if has_keys != (method == "private_key_jwt"):
        raise _refused("jwks or jwks_uri go with private_key_jwt, and with nothing else")
    if not _GRANTS.issuperset(found.grant_types):
        raise _refused("grant_types are authorization_code, refresh_token and device_code")
    if not {"authorization_code", device.GRANT_TYPE}.intersection(found.grant_types):
        raise _refused("a client signs people in: grant_types has authorization_code or device_code")
    if not {"code"}.issuperset(found.response_types):
        raise _refused("response_types is code")
    if found.subject_type != "public":
        raise _refused("subject_type is public")
    if found.sector_identifier_uri:
        raise _refused("subjects are public: a sector_identifier_uri means nothing here")
    if found.dpop_bound_access_tokens or found.tls_client_certificate_bound_access_tokens:
        raise _refused("tokens are bound to the proof they are asked for with, not by registration")


def _require_uris(found: Metadata) -> None:
    if "authorization_code" in found.grant_types and not found.redirect_uris:
        raise OAuthError("invalid_redirect_uri", "authorization_code needs redirect_uris")
    if "authorization_code" not in found.grant_types and found.redirect_uris:
        raise OAuthError("invalid_redirect_uri", "redirect_uris go with authorization_code")
    try:
        for uri in (*found.redirect_uris, *found.post_logout_redirect_uris):
            require_redirect_uri(uri)
    except PolicyError as error:
        raise OAuthError("invalid_redirect_uri", error.problem) from error
    try:
        require_title(found.client_name)
        if found.backchannel_logout_uri:
            require_backchannel_uri(found.backchannel_logout_uri)
    except PolicyError as error:
        raise _refused(error.problem) from error
    if found.initiate_login_uri and not found.initiate_login_uri.startswith("https://"):
        raise _refused("initiate_login_uri is an https URL")


def _refused(description: str) -> OAuthError:
    return OAuthError("invalid_client_metadata", description)
