"""`/oauth/register`: programs register themselves as clients (RFC 7591) and look after what they registered (RFC 7592).

Off unless the policy says otherwise, and never without an initial access token of the operator's.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from doorward.identity.clients import Client, disable_client
from doorward.identity.forms import read_body
from doorward.identity.oauth import registering
from doorward.identity.oauth.asking import answer, refusal
from doorward.identity.oauth.client_metadata import METADATA_BYTES, Metadata, described, read_metadata
from doorward.identity.oauth_errors import NO_STORE, OAuthError
from doorward.identity.provider import Provider, Registration
from doorward.identity.registration_tokens import give_back, use_token

PATH: Final = "/oauth/register"


class Register:
    """One method an operation."""

    __slots__ = ("_provider", "_rules")

    def __init__(self, provider: Provider, rules: Registration) -> None:
        self._provider, self._rules = provider, rules

    async def register(self, request: Request) -> Response:
        """`POST /oauth/register`."""

        async def act() -> Response:
            token = _bearer(request)
            data = await _body(request)
            return await run_in_threadpool(self._register, token, data)

        return await _answered(act)

    async def manage(self, request: Request) -> Response:
        """`GET`, `PUT` and `DELETE /oauth/register/<client_id>`."""

        async def act() -> Response:
            token = _bearer(request)
            data = await _body(request) if request.method == "PUT" else b""
            name = request.path_params["client_id"]
            return await run_in_threadpool(self._manage, request.method, name, token, data)

        return await _answered(act)

    def _register(self, token: str, data: bytes) -> Response:
        store, now = self._provider.store, self._provider.clock()
        used = use_token(store, token, now=now)
        if used is None:
            raise OAuthError("invalid_token", "the initial access token is void", 401)
        try:
            client, secret, own = registering.register(store, self._read(data), self._rules, now=now)
        except OAuthError:
            give_back(store, used)
            raise
        return answer(self._told(client, own, secret), status=201)

    def _manage(self, method: str, name: str, token: str, data: bytes) -> Response:
        store, now = self._provider.store, self._provider.clock()
        client = registering.find_registered(store, name, token)
        if client is None:
            # one answer for a wrong token and a client that is not, or not any more
            raise OAuthError("invalid_token", "the registration access token is void", 401)
        if method == "DELETE":
            disable_client(store, client.name, now=now)
            return Response(status_code=204, headers=dict(NO_STORE))
        if method == "PUT":
            client = registering.replace(store, client, self._read(data), self._rules, now=now)
        return answer(self._told(client, token))

    def _read(self, data: bytes) -> Metadata:
        return read_metadata(data, self._provider.ring().algorithms)

    def _told(self, client: Client, token: str, secret: str = "") -> dict[str, Any]:
        given: dict[str, Any] = {
            "registration_access_token": token,
            "registration_client_uri": self._provider.settings.url(f"{PATH}/{client.name}"),
        }
        if secret:
            given |= {"client_secret": secret, "client_secret_expires_at": 0}
        return described(client, self._provider.ring().algorithms) | given


async def _answered(act: Callable[[], Awaitable[Response]]) -> Response:
    try:
        return await act()
    except OAuthError as error:
        response = refusal(error)
        if error.status == 401:
            response.headers["www-authenticate"] = f'Bearer error="{error.code}"'
        return response


def _bearer(request: Request) -> str:
    given = request.headers.getlist("authorization")
    scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    if request.url.query:
        raise OAuthError("invalid_request", "a token never stands in a URL")
    if scheme.lower() != "bearer" or not token.strip(" "):
        raise OAuthError("invalid_token", "one access token is needed", 401)
    return token.strip(" ")


async def _body(request: Request) -> bytes:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise OAuthError("invalid_client_metadata", "the body must be application/json")
    data = await read_body(request, METADATA_BYTES)
    if data is None:
        raise OAuthError("invalid_client_metadata", "the document is too long", 413)
    return data
