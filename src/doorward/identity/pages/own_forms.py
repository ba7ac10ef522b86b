"""Forms of our own pages: read, held to have come from there, acted on for whoever is signed in."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from doorward.identity.forms import read_form
from doorward.identity.pages.browser import Browser
from doorward.identity.pages.stepping import begin_step
from doorward.identity.provider import Provider
from doorward.identity.sessions import Session

Handler: TypeAlias = Callable[[Browser, Session, Mapping[str, str], float], Response]
"""What a form of somebody who is signed in does: browser, session, fields, time."""


async def own_form(provider: Provider, request: Request) -> tuple[Browser, dict[str, str]]:
    """The browser, and the form that it sent from a page of ours. Errors: Forged, OAuthError."""
    browser = Browser(provider, request)
    form = await read_form(request)
    browser.require_own_form(form.get("csrf", ""))
    return browser, form


async def act(
    provider: Provider, request: Request, handler: Handler, *, fresh: bool = True, hashes: bool = False
) -> Response:
    """What the handler answers; the way to the sign-in page where nobody is signed in.

    `fresh`: only for whom `entitled` lets pass. `hashes`: it checks or sets a password.
    Errors: Forged, OAuthError, Busy.
    """
    browser, form = await own_form(provider, request)
    return await act_on(provider, browser, form, handler, fresh=fresh, hashes=hashes)


async def act_on(
    provider: Provider,
    browser: Browser,
    form: Mapping[str, str],
    handler: Handler,
    *,
    fresh: bool = True,
    hashes: bool = False,
) -> Response:
    """As `act`, for a form that was read already. Errors: Busy."""

    def acted() -> Response:
        now = provider.clock()
        session = entitled(provider, browser, now) if fresh else browser.session(now) or _to_sign_in(provider)
        if isinstance(session, Response):
            return session
        return handler(browser, session, form, now)

    return await (provider.hashing(browser.address, acted) if hashes else run_in_threadpool(acted))


def entitled(provider: Provider, browser: Browser, now: float) -> Session | Response:
    """The session of whoever may change how the account is protected; else the way to what they have to show.

    They signed in within ten minutes (OWASP ASVS 5.0 7.5.1) and, where their user has a second factor, showed one of
    those there are: a session of before the first was added is whose the password is, and no more.
    """
    session = browser.session(now)
    if session is None or not session.is_fresh(now):
        return _to_sign_in(provider)
    since = provider.verifier.has_factors_since(session.user)
    if since is None or session.shows_second_since(since):
        return session
    return begin_step(
        provider, browser, session.user, provider.verifier.factors_of(session.user), "", raised=session, now=now
    )


def fresh_session(provider: Provider, browser: Browser, now: float) -> Session | None:
    """As `entitled`; None for whoever has to show something first."""
    session = entitled(provider, browser, now)
    return None if isinstance(session, Response) else session


def _to_sign_in(provider: Provider) -> Response:
    return RedirectResponse(f"{provider.settings.base}/auth/login", 303)
