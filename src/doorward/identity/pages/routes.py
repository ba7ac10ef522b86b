"""Every page: its path, and what answers it."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

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
from doorward.identity.provider import Provider
from doorward.identity.turns import Busy

_Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]
_Page: TypeAlias = tuple[str, str, _Endpoint]
"""Method, path below the issuer's own, and what answers."""
_ASSET: Final = {"cache-control": "public, max-age=300", "x-content-type-options": "nosniff"}


def page_routes(provider: Provider) -> list[Route]:
    """The pages, what they are made with, and the place where browsers look for a changed password."""
    base = provider.settings.base
    pages = [
        *_sign_in(SignIn(provider)),
        *_passkeys(PasskeyPages(provider)),
        *_mail(MailPages(provider)),
        *_phone(PhonePages(provider)),
        *_external(External(provider)),
        *_authorize(Authorize(provider)),
        *_logout(Logout(provider)),
        *_device(DevicePage(provider)),
        *_account(Account(provider)),
    ]

    async def show_change_password(_request: Request) -> Response:
        return RedirectResponse(f"{base}/account", 303)

    return [
        *(Route(f"{base}{path}", _guarded(provider, endpoint), methods=[method]) for method, path, endpoint in pages),
        Route(f"{base}{STYLE}", _shown("style.css", "text/css"), methods=["GET"]),
        Route(f"{base}{SCRIPT}", _shown("passkey.js", "text/javascript"), methods=["GET"]),
        Route("/.well-known/change-password", show_change_password, methods=["GET"]),
    ]


def _guarded(provider: Provider, endpoint: _Endpoint) -> _Endpoint:
    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except (Forged, Busy, OAuthError) as error:
            return explained(provider, error)

    return answer


def _shown(name: str, media_type: str) -> _Endpoint:
    async def answer(_request: Request) -> Response:
        return Response(asset(name), media_type=media_type, headers=_ASSET)

    return answer


def _sign_in(pages: SignIn) -> list[_Page]:
    return [
        ("GET", "/auth/login", pages.show),
        ("POST", "/auth/login", pages.check),
        ("GET", "/auth/factor", pages.show_factor),
        ("POST", "/auth/factor", pages.check_factor),
        ("POST", "/auth/logout", pages.sign_out),
        ("GET", "/auth/reset", pages.show_reset),
        ("POST", "/auth/reset", pages.reset),
    ]


def _passkeys(pages: PasskeyPages) -> list[_Page]:
    return [
        ("GET", "/auth/passkey", pages.show),
        ("POST", "/auth/passkey", pages.sign_in),
        ("GET", "/auth/factor/passkey", pages.show_factor),
        ("POST", "/auth/factor/passkey", pages.factor),
        ("GET", "/auth/reset/passkey", pages.show_reset),
        ("POST", "/auth/reset/passkey", pages.reset),
        ("GET", "/account/passkeys/add", pages.show_add),
        ("POST", "/account/passkeys/add", pages.add),
        ("POST", "/account/passkeys/rename", pages.rename),
    ]


def _mail(pages: MailPages) -> list[_Page]:
    return [
        ("GET", "/auth/recovery", pages.show_recovery),
        ("POST", "/auth/recovery", pages.recover),
        ("GET", "/auth/code", pages.show_code),
        ("POST", "/auth/code", pages.send_code),
        ("GET", "/auth/email", pages.show_verification),
        ("POST", "/auth/email", pages.verify),
        ("GET", "/auth/not-me", pages.show_not_me),
        ("POST", "/auth/not-me", pages.not_me),
        ("POST", "/account/email", pages.change_address),
        ("POST", "/account/email/held", pages.end_hold),
    ]


def _phone(pages: PhonePages) -> list[_Page]:
    return [
        ("POST", "/auth/factor/sms", pages.send_code),
        ("POST", "/account/phone", pages.add),
        ("POST", "/account/phone/prove", pages.prove),
        ("POST", "/account/phone/remove", pages.remove),
    ]


def _external(pages: External) -> list[_Page]:
    return [
        ("GET", "/auth/external/{name}", pages.begin),
        ("GET", "/auth/external/{name}/callback", pages.back),
        ("POST", "/account/external", pages.unlink),
        ("POST", "/account/external/{name}", pages.link),
    ]


def _authorize(pages: Authorize) -> list[_Page]:
    return [
        ("GET", "/oauth/authorize", pages.begin),
        ("POST", "/oauth/authorize", pages.begin),
        ("GET", "/oauth/continue", pages.go_on),
        ("POST", "/auth/consent", pages.consent),
    ]


def _logout(pages: Logout) -> list[_Page]:
    return [
        ("GET", "/oauth/logout", pages.begin),
        ("POST", "/oauth/logout", pages.begin),
        ("POST", "/auth/end-session", pages.confirm),
    ]


def _device(pages: DevicePage) -> list[_Page]:
    return [
        ("GET", "/auth/device", pages.show),
        ("POST", "/auth/device", pages.check),
        ("POST", "/auth/device/answer", pages.answer),
    ]


def _account(pages: Account) -> list[_Page]:
    return [
        ("GET", "/account", pages.show),
        ("POST", "/account/sessions", pages.end_session),
        ("POST", "/account/devices", pages.forget_device),
        ("POST", "/account/factors/start", pages.start_factor),
        ("POST", "/account/factors/finish", pages.finish_factor),
        ("POST", "/account/factors/remove", pages.remove_factor),
        ("POST", "/account/recovery", pages.new_codes),
        ("POST", "/account/password", pages.change_password),
        ("POST", "/account/consents", pages.withdraw),
    ]
