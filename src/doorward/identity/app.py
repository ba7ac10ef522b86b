"""The identity provider's HTTP face: every path and what answers it. Runs in the control process."""

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from doorward.identity.ca.routes import ca_routes
from doorward.identity.key_ring import KeyRing
from doorward.identity.oauth.asking import Askers
from doorward.identity.oauth.device_endpoint import DeviceEndpoint
from doorward.identity.oauth.endpoints import Endpoints
from doorward.identity.oauth.metadata import metadata
from doorward.identity.oauth.register import PATH, Register
from doorward.identity.oauth.token import TokenEndpoint
from doorward.identity.oauth.userinfo import UserInfo
from doorward.identity.pages.rendering import page
from doorward.identity.pages.routes import page_routes
from doorward.identity.provider import IdentitySettings, Provider
from doorward.identity.sealing import ServerSecret
from doorward.identity.unserved import explains_itself
from doorward.jose import PrivateKey, public_jwks
from doorward.store import Store

__all__ = ["IdentitySettings", "create_app"]

_CACHED: Final = {"cache-control": "public, max-age=300"}


def create_app(
    store: Store,
    keys: Iterable[PrivateKey] | Callable[[], KeyRing],
    settings: IdentitySettings,
    *,
    secret: ServerSecret,
    clock: Callable[[], float] = time.time,
) -> Starlette:
    """The provider as an ASGI application. `keys`: the first signs, all are published; or what tells the ring of now.

    Everything stands below the path of the issuer URL, the metadata also where RFC 8414 section 3.1 puts them.
    """
    ring = keys if callable(keys) else partial(KeyRing.of, tuple(keys))
    provider = Provider(store=store, ring=ring, settings=settings, secret=secret, clock=clock)
    app = Starlette(
        routes=[
            *_oauth_routes(provider),
            *_registration_routes(provider),
            *page_routes(provider),
            *ca_routes(provider),
        ],
        exception_handlers={404: partial(_nothing_here, base=provider.settings.base)},
    )
    return explains_itself(app, settings.base)


async def _nothing_here(request: Request, _error: Exception, *, base: str) -> Response:
    """A page for people, who come with a browser; programs get two words."""
    if "text/html" not in request.headers.get("accept", ""):
        return PlainTextResponse("Not Found", 404)
    values = {
        "base": base,
        "title": "There is no such page",
        "text": "Perhaps the address was cut off where you found it",
        "link": "/account",
        "link_text": "Your account",
    }
    return page("message", values, status=404)


def _oauth_routes(provider: Provider) -> list[Route]:
    askers = Askers(provider)
    endpoints = Endpoints(provider, askers)
    base = provider.settings.base

    async def show_keys(_request: Request) -> Response:
        return JSONResponse(public_jwks(provider.keys), headers=_CACHED)

    async def show_metadata(_request: Request) -> Response:
        return JSONResponse(metadata(provider), headers=_CACHED)

    return [
        Route(f"{base}/oauth/token", TokenEndpoint(provider, askers).answer, methods=["POST"]),
        Route(f"{base}/oauth/par", endpoints.push, methods=["POST"]),
        Route(f"{base}/oauth/device_authorization", DeviceEndpoint(provider, askers).authorize, methods=["POST"]),
        Route(f"{base}/oauth/revoke", endpoints.revoke, methods=["POST"]),
        Route(f"{base}/oauth/introspect", endpoints.introspect, methods=["POST"]),
        Route(f"{base}/oauth/userinfo", UserInfo(provider).answer, methods=["GET", "POST"]),
        Route(f"{base}/oauth/jwks", show_keys, methods=["GET"]),
        Route(f"/.well-known/oauth-authorization-server{base}", show_metadata, methods=["GET"]),
        Route(f"{base}/.well-known/openid-configuration", show_metadata, methods=["GET"]),
    ]


def _registration_routes(provider: Provider) -> list[Route]:
    rules = provider.settings.registration
    if rules is None:
        return []
    register, path = Register(provider, rules), f"{provider.settings.base}{PATH}"
    return [
        Route(path, register.register, methods=["POST"]),
        Route(f"{path}/{{client_id}}", register.manage, methods=["GET", "PUT", "DELETE"]),
    ]
