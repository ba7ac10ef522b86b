"""Who asks the token endpoint and its neighbours: a client that proves itself, or a public one that only has a name."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from doorward.identity.client_auth import FailureLimiter, client_credentials, names_public_client
from doorward.identity.clients import Client, check_secret, find_client
from doorward.identity.oauth_errors import NO_STORE, OAuthError
from doorward.identity.provider import Provider

AUTHENTICATION_METHODS: Final = ("client_secret_basic", "client_secret_post", "none")


class Askers:
    """Authenticates clients; one for all endpoints, so that guesses are counted together."""

    __slots__ = ("_limiter", "_provider")

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._limiter = FailureLimiter()

    async def client(self, request: Request, form: Mapping[str, str], *, public_too: bool = True) -> Client:
        """The client that asks. Each proves itself in the one way it is registered for.

        Errors: OAuthError `invalid_client`, `invalid_request`.
        """
        authorization = request.headers.getlist("authorization")
        if names_public_client(authorization, form):
            client = await run_in_threadpool(find_client, self._provider.store, form["client_id"])
            if client is None or not public_too or not client.is_public or client.disabled_at is not None:
                raise OAuthError("invalid_client", "no client authentication", 401)
            return client
        name, secret = client_credentials(authorization, form)
        address = self._provider.address_of(request)
        now = self._provider.clock()
        self._limiter.require_allowance(name, address, now)
        found = await run_in_threadpool(check_secret, self._provider.store, name, secret)
        if found is None:
            self._limiter.failed(name, address, now)
            raise OAuthError("invalid_client", "unknown client or wrong secret", 401)
        return found


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
