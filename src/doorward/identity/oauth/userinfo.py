"""`/oauth/userinfo`: who the user of an access token is (OpenID Connect Core section 5.3)."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, select
from starlette.requests import Request
from starlette.responses import Response

from doorward.identity.forms import read_form
from doorward.identity.oauth.asking import answer, certificate_thumbprint, refusal
from doorward.identity.oauth.checking import valid_claims
from doorward.identity.oauth.standard_claims import told
from doorward.identity.oauth_errors import OAuthError
from doorward.identity.proofs import TokenProofs
from doorward.identity.provider import Provider
from doorward.store import users

_SCHEMES: Final = {"bearer": "Bearer", "dpop": "DPoP"}


class Shown(NamedTuple):
    """A token as it was shown, and by which scheme."""

    token: str
    scheme: str


class UserInfo:
    """Takes bearer tokens, and tokens bound to a key with a proof by it (RFC 9449 section 7)."""

    __slots__ = ("_proofs", "_provider")

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._proofs = TokenProofs(provider.settings.urls("/oauth/userinfo"), provider.proof_memory)

    async def answer(self, request: Request) -> Response:
        """`GET` and `POST`."""
        scheme = "Bearer"
        try:
            shown = await _shown(request)
            scheme = shown.scheme
            key = self._key(request, shown)
            told_by = partial(self._told, shown.token, key, certificate_thumbprint(request))
            return answer(await self._provider.store.read(told_by))
        except OAuthError as error:
            usable = " ".join(self._provider.settings.profile.proof_algorithms)
            algorithms = f', algs="{usable}"' if scheme == "DPoP" else ""
            response = refusal(error)
            response.headers["www-authenticate"] = f'{scheme} error="{error.code}"{algorithms}'
            if scheme == "DPoP" and error.status == 400:
                response.status_code = 401
            return response

    def _key(self, request: Request, shown: Shown) -> str | None:
        if shown.scheme != "DPoP":
            return None
        proofs = request.headers.getlist("dpop")
        key = self._proofs.bound_key(proofs, self._provider.clock(), method=request.method, token=shown.token)
        if key is None:
            raise OAuthError("invalid_dpop_proof", "no proof came with the token", 401)
        return key

    def _told(self, token: str, key: str | None, certificate: str | None, connection: Connection) -> dict[str, Any]:
        claims = valid_claims(self._provider, connection, token, now=self._provider.clock())
        name = "" if claims is None else str(claims["sub"])
        known = connection.execute(select(users.c.claims).where(users.c.name == name)).scalar_one_or_none()
        if claims is None:
            raise OAuthError("invalid_token", "the access token is void", 401)
        _require_binding(claims, key, certificate)
        scopes = str(claims.get("scope", "")).split(" ")
        if "openid" not in scopes:
            raise OAuthError("insufficient_scope", "openid was not granted", 403)
        return told(name, known or {}, scopes)


def _require_binding(claims: Mapping[str, Any], key: str | None, certificate: str | None) -> None:
    """Nothing, for a token with all that it is bound to, or with nothing if it is bound to nothing.

    Errors: OAuthError (RFC 9449 section 7.2, RFC 8705 section 3).
    """
    bound = dict(claims.get("cnf", {}))
    same_key = bound.pop("jkt", None) == key
    same_certificate = bound.pop("x5t#S256", certificate) == certificate
    if same_key and same_certificate and not bound:
        return
    raise OAuthError("invalid_token", "the token is not bound to what came with it", 401)


async def _shown(request: Request) -> Shown:
    if request.scope["query_string"]:
        raise OAuthError("invalid_request", "a token never stands in a URL")
    given = request.headers.getlist("authorization")
    posted = {}
    if request.method == "POST" and request.headers.get("content-type", "").startswith("application/x-www-form"):
        posted = await read_form(request)
    if len(given) + ("access_token" in posted) != 1:
        raise OAuthError("invalid_token", "one access token is needed", 401)
    if not given:
        return Shown(posted["access_token"], "Bearer")
    scheme, _, token = given[0].partition(" ")
    if scheme.lower() not in _SCHEMES:
        raise OAuthError("invalid_token", "neither a bearer token nor a bound one", 401)
    return Shown(token.strip(" "), _SCHEMES[scheme.lower()])
