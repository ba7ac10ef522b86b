"""The smaller endpoints: pushed requests, revocation, introspection."""

from functools import partial
from typing import Any, Final

from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from doorward.identity import revoking
from doorward.identity.clients import Client
from doorward.identity.forms import read_form
from doorward.identity.oauth.asking import Askers, answer, refusal
from doorward.identity.oauth.checking import audience_of, signed_claims, valid_claims
from doorward.identity.oauth.codes import PUSHED_S, push
from doorward.identity.oauth.families import end_family_of, family_of
from doorward.identity.oauth.requests import SentBack, Shown, as_oauth_error, client_and_redirect, judge
from doorward.identity.oauth_errors import NO_STORE, OAuthError
from doorward.identity.proofs import TokenProofs
from doorward.identity.provider import Provider

PUSHED_PREFIX: Final = "urn:ietf:params:oauth:request_uri:"


class Endpoints:
    """One method an endpoint."""

    __slots__ = ("_askers", "_proofs", "_provider")

    def __init__(self, provider: Provider, askers: Askers) -> None:
        self._provider, self._askers = provider, askers
        self._proofs = TokenProofs(provider.settings.urls("/oauth/par"), provider.proof_memory)

    async def push(self, request: Request) -> Response:
        """`POST /oauth/par` (RFC 9126)."""
        try:
            form = await read_form(request)
            client = await self._askers.client(request, form)
            key = self._proofs.bound_key(request.headers.getlist("dpop"), self._provider.clock())
            return await run_in_threadpool(self._push, client, form, key)
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
            return answer(await self._provider.store.read(partial(self._introspect, client, _token(form))))
        except OAuthError as error:
            return refusal(error)

    def _push(self, client: Client, form: dict[str, str], key: str | None) -> Response:
        if "request_uri" in form:
            raise OAuthError("invalid_request", "request_uri has no place in a pushed request")
        if key is not None and form.setdefault("dpop_jkt", key) != key:
            # RFC 9449 section 10.1
            raise OAuthError("invalid_dpop_proof", "dpop_jkt names another key than the proof")
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
        # tokens it got in exchange are for others than the API
        claims = signed_claims(self._provider, token, now=now, audience=audience_of(self._provider, token))
        if claims is not None and claims.get("client_id") == client.name:
            issuer = self._provider.settings.issuer
            revoking.revoke(
                self._provider.store, "token", issuer, str(claims["jti"]), now=now, expires_at=float(claims["exp"])
            )

    def _introspect(self, client: Client, token: str, connection: Connection) -> dict[str, Any]:
        now = self._provider.clock()
        audience = audience_of(self._provider, token)
        claims = valid_claims(self._provider, connection, token, now=now, audience=audience)
        family = family_of(connection, token, now=now)
        if claims is not None and claims.get("client_id") == client.name:
            known = ("iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope")
            kind = {"token_type": "DPoP" if "jkt" in claims.get("cnf", ()) else "Bearer"}
            kind |= {"cnf": claims["cnf"]} if "cnf" in claims else {}
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


def _token(form: dict[str, str]) -> str:
    if "token" not in form:
        raise OAuthError("invalid_request", "token is missing")
    return form["token"]
