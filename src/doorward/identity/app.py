"""The identity provider's HTTP face: every path and what answers it. Runs in the control process."""

import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
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
from doorward.identity.oauth_errors import OAuthError
from doorward.identity.pages.account import Account
from doorward.identity.pages.authorize import Authorize
from doorward.identity.pages.browser import Forged
from doorward.identity.pages.device import DevicePage
from doorward.identity.pages.external import External
from doorward.identity.pages.logout import Logout
from doorward.identity.pages.mail import MailPages
from doorward.identity.pages.passkeys import PasskeyPages
from doorward.identity.pages.phone import PhonePages
from doorward.identity.pages.rendering import SCRIPT, STYLE, asset
from doorward.identity.pages.sign_in import SignIn, explained
from doorward.identity.provider import Busy, IdentitySettings, Provider
from doorward.identity.sealing import ServerSecret
from doorward.jose import PrivateKey, public_jwks
from doorward.store import Store

__all__ = ["IdentitySettings", "create_app"]

_CACHED_S: Final = 300
_CACHED: Final = {"cache-control": f"public, max-age={_CACHED_S}"}
_Endpoint = Callable[[Request], Awaitable[Response]]


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
    return Starlette(
        routes=[
            *_oauth_routes(provider),
            *_registration_routes(provider),
            *_page_routes(provider),
            *ca_routes(provider),
        ]
    )


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


def _page_routes(provider: Provider) -> list[Route]:
    base = provider.settings.base
    sign_in, authorize, account = SignIn(provider), Authorize(provider), Account(provider)
    logout, device = Logout(provider), DevicePage(provider)
    passkeys, mail, external = PasskeyPages(provider), MailPages(provider), External(provider)
    phone = PhonePages(provider)

    def guarded(endpoint: _Endpoint) -> _Endpoint:
        async def answer(request: Request) -> Response:
            try:
                return await endpoint(request)
            except (Forged, Busy, OAuthError) as error:
                return explained(provider, error)

        return answer

    def show(name: str, media_type: str) -> _Endpoint:
        async def answer(_request: Request) -> Response:
            headers = {**_CACHED, "x-content-type-options": "nosniff"}
            return Response(asset(name), media_type=media_type, headers=headers)

        return answer

    async def show_change_password(_request: Request) -> Response:
        return RedirectResponse(f"{base}/account", 303)

    pages: list[tuple[str, str, _Endpoint]] = [
        ("GET", "/auth/login", sign_in.show),
        ("POST", "/auth/login", sign_in.check),
        ("GET", "/auth/factor", sign_in.show_factor),
        ("POST", "/auth/factor", sign_in.check_factor),
        ("GET", "/auth/passkey", passkeys.show),
        ("POST", "/auth/passkey", passkeys.sign_in),
        ("GET", "/auth/factor/passkey", passkeys.show_factor),
        ("POST", "/auth/factor/passkey", passkeys.factor),
        ("GET", "/auth/recovery", mail.show_recovery),
        ("POST", "/auth/recovery", mail.recover),
        ("GET", "/auth/code", mail.show_code),
        ("POST", "/auth/code", mail.send_code),
        ("GET", "/auth/email", mail.show_verification),
        ("POST", "/auth/email", mail.verify),
        ("GET", "/auth/reset/passkey", passkeys.show_reset),
        ("POST", "/auth/reset/passkey", passkeys.reset),
        ("GET", "/auth/not-me", mail.show_not_me),
        ("POST", "/auth/not-me", mail.not_me),
        ("POST", "/account/email", mail.change_address),
        ("POST", "/account/email/held", mail.end_hold),
        ("POST", "/auth/factor/sms", phone.send_code),
        ("POST", "/account/phone", phone.add),
        ("POST", "/account/phone/prove", phone.prove),
        ("POST", "/account/phone/remove", phone.remove),
        ("GET", "/auth/external/{name}", external.begin),
        ("GET", "/auth/external/{name}/callback", external.back),
        ("POST", "/auth/logout", sign_in.sign_out),
        ("GET", "/auth/reset", sign_in.show_reset),
        ("POST", "/auth/reset", sign_in.reset),
        ("POST", "/auth/consent", authorize.consent),
        ("GET", "/oauth/authorize", authorize.begin),
        ("POST", "/oauth/authorize", authorize.begin),
        ("GET", "/oauth/continue", authorize.go_on),
        ("GET", "/oauth/logout", logout.begin),
        ("POST", "/oauth/logout", logout.begin),
        ("POST", "/auth/end-session", logout.confirm),
        ("GET", "/auth/device", device.show),
        ("POST", "/auth/device", device.check),
        ("POST", "/auth/device/answer", device.answer),
        ("GET", "/account", account.show),
        ("POST", "/account/sessions", account.end_session),
        ("POST", "/account/devices", account.forget_device),
        ("POST", "/account/factors/start", account.start_factor),
        ("POST", "/account/factors/finish", account.finish_factor),
        ("POST", "/account/factors/remove", account.remove_factor),
        ("GET", "/account/passkeys/add", passkeys.show_add),
        ("POST", "/account/passkeys/add", passkeys.add),
        ("POST", "/account/passkeys/rename", passkeys.rename),
        ("POST", "/account/external", external.unlink),
        ("POST", "/account/external/{name}", external.link),
        ("POST", "/account/recovery", account.new_codes),
        ("POST", "/account/password", account.change_password),
        ("POST", "/account/consents", account.withdraw),
    ]
    return [
        *(Route(f"{base}{path}", guarded(endpoint), methods=[method]) for method, path, endpoint in pages),
        Route(f"{base}{STYLE}", show("style.css", "text/css"), methods=["GET"]),
        Route(f"{base}{SCRIPT}", show("passkey.js", "text/javascript"), methods=["GET"]),
        Route("/.well-known/change-password", show_change_password, methods=["GET"]),
    ]
