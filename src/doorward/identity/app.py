"""The identity provider's HTTP face: token endpoint, public keys, metadata. Runs in the control process."""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from doorward.controls.authenticate import LOCAL_AUDIENCE
from doorward.identity.client_auth import FailureLimiter, client_credentials
from doorward.identity.clients import Client, check_secret
from doorward.identity.oauth_errors import NO_STORE, OAuthError
from doorward.identity.proofs import TokenProofs
from doorward.identity.tokens import LIFETIME_S, Minter
from doorward.jose import ALGORITHMS, PrivateKey, public_jwks
from doorward.store import Store

FORM_BYTES: Final = 8192
"""Largest form the token endpoint reads."""
FORM_FIELDS: Final = 16
_KEYS_CACHED_S: Final = 300
_FORM_TYPE: Final = re.compile(r"application/x-www-form-urlencoded\s*(;.*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentitySettings:
    """What the provider calls itself and for whom it mints."""

    issuer: str
    """Its identifier, the policy's `issuer.url`; never taken from a request (Zitadel CVE-2025-64101)."""
    audience: str = LOCAL_AUDIENCE
    """`aud` of its access tokens."""
    token_lifetime_s: int = LIFETIME_S


def create_app(
    store: Store, keys: Iterable[PrivateKey], settings: IdentitySettings, *, clock: Callable[[], float] = time.time
) -> Starlette:
    """The provider as an ASGI application. The first of `keys` signs, all are published.

    `/oauth/token` (client credentials), `/oauth/jwks` and `/.well-known/oauth-authorization-server`, below the path
    of the issuer URL (RFC 8414 section 3.1).
    """
    known = list(keys)
    minter = Minter(key=known[0], issuer=settings.issuer, audience=settings.audience)
    endpoint = _TokenEndpoint(store, minter, settings.token_lifetime_s, clock)
    jwks = public_jwks(known)
    metadata = _metadata(settings)
    base = urlsplit(settings.issuer).path.rstrip("/")

    async def show_keys(_request: Request) -> Response:
        return JSONResponse(jwks, headers={"cache-control": f"public, max-age={_KEYS_CACHED_S}"})

    async def show_metadata(_request: Request) -> Response:
        return JSONResponse(metadata, headers={"cache-control": f"public, max-age={_KEYS_CACHED_S}"})

    return Starlette(
        routes=[
            Route(f"{base}/oauth/token", endpoint.answer, methods=["POST"]),
            Route(f"{base}/oauth/jwks", show_keys, methods=["GET"]),
            Route(f"/.well-known/oauth-authorization-server{base}", show_metadata, methods=["GET"]),
        ]
    )


class _TokenEndpoint:
    """`POST /oauth/token`: parse, decide, answer."""

    __slots__ = ("_clock", "_lifetime_s", "_limiter", "_minter", "_proofs", "_store")

    def __init__(self, store: Store, minter: Minter, lifetime_s: int, clock: Callable[[], float]) -> None:
        self._store, self._minter, self._lifetime_s, self._clock = store, minter, lifetime_s, clock
        self._limiter = FailureLimiter()
        self._proofs = TokenProofs(_token_endpoint(minter.issuer), born_at=clock())

    async def answer(self, request: Request) -> Response:
        try:
            form = await _read_form(request)
            client = await self._authenticated(request, form)
            bound_key = self._proofs.bound_key(request.headers.getlist("dpop"), self._clock())
            return self._grant(client, form, bound_key)
        except OAuthError as error:
            body = {"error": error.code, "error_description": error.description}
            return JSONResponse(body, error.status, headers=error.headers)

    async def _authenticated(self, request: Request, form: Mapping[str, str]) -> Client:
        name, secret = client_credentials(request.headers.getlist("authorization"), form)
        address = request.client.host if request.client else ""
        now = self._clock()
        self._limiter.require_allowance(name, address, now)
        client = await run_in_threadpool(check_secret, self._store, name, secret)
        if client is None:
            self._limiter.failed(name, address, now)
            raise OAuthError("invalid_client", "unknown client or wrong secret", 401)
        return client

    def _grant(self, client: Client, form: Mapping[str, str], bound_key: str | None) -> Response:
        if "grant_type" not in form:
            raise OAuthError("invalid_request", "grant_type is missing")
        if form["grant_type"] != "client_credentials":
            raise OAuthError("unsupported_grant_type", "only client_credentials")
        if form.get("resource", self._minter.audience) != self._minter.audience:
            raise OAuthError("invalid_target", "unknown resource")
        wanted = {scope for scope in form.get("scope", " ".join(client.scopes)).split(" ") if scope}
        if not wanted.issubset(client.scopes):
            raise OAuthError("invalid_scope", "a scope is not granted to this client")
        token = self._minter.mint(
            client.name,
            client_id=client.name,
            now=self._clock(),
            roles=client.roles,
            scopes=wanted,
            claims=client.claims,
            lifetime_s=self._lifetime_s,
            bound_key=bound_key,
        )
        body = {
            "access_token": token.text,
            "token_type": "Bearer" if bound_key is None else "DPoP",
            "expires_in": self._lifetime_s,
            "scope": " ".join(token.scopes),
        }
        return JSONResponse(body, headers=dict(NO_STORE))


async def _read_form(request: Request) -> dict[str, str]:
    """The form, each field once. Errors: OAuthError `invalid_request`.

    Source: RFC 6749 section 3.2; Keycloak CVE-2026-9689 (duplicate parameters).
    """
    if request.url.query:
        raise OAuthError("invalid_request", "parameters belong into the body, where no log keeps them")
    if _FORM_TYPE.fullmatch(request.headers.get("content-type", "")) is None:
        raise OAuthError("invalid_request", "the body must be application/x-www-form-urlencoded")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_BYTES:
            raise OAuthError("invalid_request", "the form is too long", 413)
    try:
        fields = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            errors="strict",
            max_num_fields=FORM_FIELDS,
        )
    except ValueError:
        raise OAuthError("invalid_request", "the form is malformed") from None
    form = dict(fields)
    if len(form) != len(fields):
        raise OAuthError("invalid_request", "a parameter is given twice")
    return form


def _metadata(settings: IdentitySettings) -> dict[str, object]:
    base = settings.issuer.rstrip("/")
    return {
        "issuer": settings.issuer,
        "token_endpoint": _token_endpoint(settings.issuer),
        "jwks_uri": f"{base}/oauth/jwks",
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "dpop_signing_alg_values_supported": list(ALGORITHMS),
    }


def _token_endpoint(issuer: str) -> str:
    return f"{issuer.rstrip('/')}/oauth/token"
