"""The smaller endpoints: pushed requests, revocation, introspection, userinfo."""

from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from doorward.identity import revoking
from doorward.identity.clients import Client
from doorward.identity.forms import read_form
from doorward.identity.oauth.asking import Askers, answer, refusal
from doorward.identity.oauth.checking import signed_claims, valid_claims
from doorward.identity.oauth.codes import PUSHED_S, push
from doorward.identity.oauth.families import end_family_of, family_of
from doorward.identity.oauth.requests import SentBack, Shown, as_oauth_error, client_and_redirect, judge
from doorward.identity.oauth_errors import NO_STORE, OAuthError
from doorward.identity.provider import Provider

PUSHED_PREFIX: Final = "urn:ietf:params:oauth:request_uri:"


class Endpoints:
    """One method an endpoint."""

    __slots__ = ("_askers", "_provider")

    def __init__(self, provider: Provider, askers: Askers) -> None:
        self._provider, self._askers = provider, askers

    async def push(self, request: Request) -> Response:
        """`POST /oauth/par` (RFC 9126)."""
        try:
            form = await read_form(request)
            client = await self._askers.client(request, form)
            return await run_in_threadpool(self._push, client, form)
        except OAuthError as error:
            return refusal(error)

    async def revoke(self, request: Request) -> Response:
        """`POST /oauth/revoke` (RFC 7009)."""
        try:
            form = await read_form(request)
            client = await self._askers.client(request, form)
            await run_in_threadpool(self._revoke, client, _token(form))
        except OAuthError as error:
            return refusal(error)
        # unknown tokens too: there is nothing the client could do (RFC 7009 section 2.2)
        return Response(status_code=200, headers=dict(NO_STORE))

    async def introspect(self, request: Request) -> Response:
        """`POST /oauth/introspect` (RFC 7662)."""
        try:
            form = await read_form(request)
            client = await self._askers.client(request, form, public_too=False)
            return answer(await run_in_threadpool(self._introspect, client, _token(form)))
        except OAuthError as error:
            return refusal(error)

    async def userinfo(self, request: Request) -> Response:
        """`GET` and `POST /oauth/userinfo` (OpenID Connect Core section 5.3)."""
        try:
            token = await _bearer(request)
            return answer(await run_in_threadpool(self._userinfo, token))
        except OAuthError as error:
            challenge = f'Bearer error="{error.code}"'
            body = {"error": error.code, "error_description": error.description}
            return JSONResponse(body, error.status, headers={**dict(NO_STORE), "www-authenticate": challenge})

    def _push(self, client: Client, form: dict[str, str]) -> Response:
        if "request_uri" in form:
            raise OAuthError("invalid_request", "request_uri has no place in a pushed request")
        fields = [("client_id", client.name), *((name, value) for name, value in form.items() if name != "client_id")]
        try:
            _, redirect_uri = client_and_redirect(self._provider.store, fields)
            judged = judge(fields, client, redirect_uri, self._provider.settings)
        except (Shown, SentBack) as error:
            raise as_oauth_error(error) from error
        name = push(self._provider.store, judged, now=self._provider.clock())
        return answer({"request_uri": PUSHED_PREFIX + name, "expires_in": int(PUSHED_S)}, status=201)

    def _revoke(self, client: Client, token: str) -> None:
        now = self._provider.clock()
        with self._provider.store.begin() as connection:
            end_family_of(connection, token, client=client.name, now=now)
        claims = signed_claims(self._provider, token, now=now)
        if claims is not None and claims.get("client_id") == client.name:
            issuer = self._provider.settings.issuer
            revoking.revoke(
                self._provider.store, "token", issuer, str(claims["jti"]), now=now, expires_at=float(claims["exp"])
            )

    def _introspect(self, client: Client, token: str) -> dict[str, Any]:
        now = self._provider.clock()
        with self._provider.store.begin() as connection:
            claims = valid_claims(self._provider, connection, token, now=now)
            family = family_of(connection, token, now=now)
        if claims is not None and claims.get("client_id") == client.name:
            known = ("iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope")
            kind = {"token_type": "DPoP", "cnf": claims["cnf"]} if "cnf" in claims else {"token_type": "Bearer"}
            return {"active": True, **kind, **{name: claims[name] for name in known}}
        if family is not None and family.client == client.name:
            return {
                "active": True,
                "client_id": family.client,
                "sub": family.user,
                "exp": int(family.expires_at),
                "scope": " ".join(family.scopes),
            }
        # nothing about why, and nothing about tokens of others (RFC 7662 section 2.2)
        return {"active": False}

    def _userinfo(self, token: str) -> dict[str, Any]:
        with self._provider.store.begin() as connection:
            claims = valid_claims(self._provider, connection, token, now=self._provider.clock())
        if claims is None:
            raise OAuthError("invalid_token", "the access token is void", 401)
        if "cnf" in claims:
            # RFC 9449 section 7.2: a bound token is never taken for a bearer token, and no proof is judged here
            raise OAuthError("invalid_token", "a token bound to a key is not taken here", 401)
        scopes = str(claims.get("scope", "")).split(" ")
        if "openid" not in scopes:
            raise OAuthError("insufficient_scope", "openid was not granted", 403)
        name = {"preferred_username": claims["sub"]} if "profile" in scopes else {}
        return {"sub": claims["sub"], **name}


def _token(form: dict[str, str]) -> str:
    if "token" not in form:
        raise OAuthError("invalid_request", "token is missing")
    return form["token"]


async def _bearer(request: Request) -> str:
    if request.url.query:
        raise OAuthError("invalid_request", "a token never stands in a URL")
    given = request.headers.getlist("authorization")
    posted = {}
    if request.method == "POST" and request.headers.get("content-type", "").startswith("application/x-www-form"):
        posted = await read_form(request)
    if len(given) + ("access_token" in posted) != 1:
        raise OAuthError("invalid_token", "one access token is needed", 401)
    if not given:
        return posted["access_token"]
    scheme, _, token = given[0].partition(" ")
    if scheme.lower() != "bearer":
        raise OAuthError("invalid_token", "not a bearer token", 401)
    return token.strip(" ")
