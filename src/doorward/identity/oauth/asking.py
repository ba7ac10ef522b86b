"""Who asks the token endpoint and its neighbours: a client that proves itself, or a public one that only has a name."""

from collections.abc import Mapping
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from doorward.identity.assertions import chosen_key, judge_assertion
from doorward.identity.client_auth import FailureLimiter, client_assertion, client_credentials, names_public_client
from doorward.identity.client_certificates import SCOPE_KEY, ShownCertificate, fits
from doorward.identity.client_keys import ClientKeys
from doorward.identity.clients import Client, check_secret, client_named
from doorward.identity.oauth_errors import NO_STORE, OAuthError
from doorward.identity.provider import Provider
from doorward.jose import JoseError, UnverifiedToken, split_unverified
from doorward.store.single_use import Purpose, claim

AUTHENTICATION_METHODS: Final = ("client_secret_basic", "client_secret_post", "private_key_jwt", "none")
CERTIFICATE_METHODS: Final = ("tls_client_auth", "self_signed_tls_client_auth")
"""Where there is a listener that asks for certificates."""


class Askers:
    """Authenticates clients; one for all endpoints, so that guesses are counted together."""

    __slots__ = ("_keys", "_limiter", "_provider")

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._keys = ClientKeys(provider.settings.outbound)
        self._limiter = FailureLimiter()

    async def client(self, request: Request, form: Mapping[str, str], *, public_too: bool = True) -> Client:
        """The client that asks. Each proves itself in the one way it is registered for.

        Errors: OAuthError `invalid_client`, `invalid_request`; `unauthorized_client` for one that the profile in force
        does not allow.
        """
        client = await self._identified(request, form, public_too=public_too)
        profile = self._provider.settings.profile
        if not profile.takes(client.authentication):
            raise OAuthError("unauthorized_client", "clients have to prove themselves by a key or certificate here")
        if client.id_token_algorithm not in (None, *profile.algorithms):
            raise OAuthError("unauthorized_client", f"{client.id_token_algorithm} is not used here")
        return client

    async def _identified(self, request: Request, form: Mapping[str, str], *, public_too: bool) -> Client:
        authorization = request.headers.getlist("authorization")
        if names_public_client(authorization, form):
            client = await self._named(form["client_id"])
            if client is None or client.disabled_at is not None or not _is_proved(client, request, public_too):
                raise OAuthError("invalid_client", "no client authentication", 401)
            return client
        address = self._provider.address_of(request)
        assertion = client_assertion(authorization, form)
        if assertion is not None:
            return await self._asserted(assertion, form.get("client_id"), address)
        name, secret = client_credentials(authorization, form)
        now = self._provider.clock()
        self._limiter.require_allowance(name, address, now)
        found = await self._provider.store.read(partial(check_secret, name=name, secret=secret))
        if found is None:
            await self._failed(name, address, now)
            raise OAuthError("invalid_client", "unknown client or wrong secret", 401)
        return found

    async def _asserted(self, assertion: str, named: str | None, address: str) -> Client:
        """The client whose key signed the assertion, which is spent by it. Errors: OAuthError."""
        now = self._provider.clock()
        try:
            token = split_unverified(assertion)
        except JoseError as error:
            raise _not_accepted(error) from error
        if named not in (None, token.issuer):
            raise OAuthError("invalid_request", "client_id differs from the authenticated client")
        self._limiter.require_allowance(token.issuer, address, now)
        try:
            return await self._proved(token, now)
        except JoseError as error:
            await self._failed(token.issuer, address, now)
            raise _not_accepted(error) from error
        except OAuthError:
            await self._failed(token.issuer, address, now)
            raise

    async def _proved(self, token: UnverifiedToken, now: float) -> Client:
        client = await self._named(token.issuer)
        if client is None or client.disabled_at is not None or client.authentication != "private_key_jwt":
            raise OAuthError("invalid_client", "no client that proves itself by an assertion", 401)
        key = await self._keys.find(
            client.name, client.jwks, client.jwks_uri, lambda keys: chosen_key(token, keys), now=now
        )
        judged = judge_assertion(token, key, issuer=self._provider.settings.issuer, client=client.name, now=now)

        def is_first(connection: Connection) -> bool:
            # with the client's name: nobody can use up the ids of another one
            name = f"client assertion {client.name} {judged.id}"
            return claim(connection, Purpose.PROOF_ID, name, now=now, lifetime_s=judged.expires_at - now)

        if not await self._provider.store.write(is_first):
            raise JoseError("claims", "the assertion was used before")
        return client

    async def _named(self, name: str) -> Client | None:
        return await self._provider.store.read(partial(client_named, name=name))

    async def _failed(self, name: str, address: str, now: float) -> None:
        self._limiter.failed(name, address, now)
        subject = name if await self._named(name) is not None else ""
        floods, store = self._provider.verifier.floods, self._provider.store
        await run_in_threadpool(floods.note, store, "client.fail", subject, now=now, address=address)


def certificate_thumbprint(request: Request) -> str | None:
    """That of the certificate of the request's connection; None without one."""
    shown = _shown(request)
    return None if shown is None else shown.thumbprint


def _shown(request: Request) -> ShownCertificate | None:
    found = request.scope.get(SCOPE_KEY)
    return found if isinstance(found, ShownCertificate) else None


def _is_proved(client: Client, request: Request, public_too: bool) -> bool:
    """Whether a client that only says its name is who it says: a public one, or one with its certificate."""
    if client.authentication in CERTIFICATE_METHODS:
        shown = _shown(request)
        return shown is not None and fits(shown, client.authentication, client.jwks, client.tls_name)
    return public_too and client.is_public


def _not_accepted(error: JoseError) -> OAuthError:
    return OAuthError("invalid_client", f"the assertion was not accepted: {error.reason}", 401)


def refusal(error: OAuthError) -> Response:
    """The answer to a request that is refused."""
    body = {"error": error.code, "error_description": error.description}
    return JSONResponse(body, error.status, headers=error.headers)


def answer(body: Mapping[str, object], *, status: int = 200) -> Response:
    """An answer nobody may keep."""
    return JSONResponse(dict(body), status, headers=dict(NO_STORE))


def allow_origin(response: Response, request: Request, client: Client) -> Response:
    """The response, readable by scripts of a public client's own origin and by no others (ID-16)."""
    origin = request.headers.get("origin")
    if origin is not None and client.is_public and origin in {_origin(uri) for uri in client.redirect_uris}:
        response.headers["access-control-allow-origin"] = origin
    response.headers["vary"] = "Origin"
    return response


def _origin(uri: str) -> str:
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}"
