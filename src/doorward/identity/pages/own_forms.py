"""Forms of our own pages: read, held to have come from there, acted on for whoever is signed in."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from doorward.identity.forms import read_form
from doorward.identity.pages.browser import Browser
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

    `fresh`: only within ten minutes of signing in (OWASP ASVS 5.0 7.5.1). `hashes`: it checks or sets a password.
    Errors: Forged, OAuthError, Busy.
    """
    browser, form = await own_form(provider, request)

    def acted() -> Response:
        now = provider.clock()
        session = fresh_session(browser, now) if fresh else browser.session(now)
        if session is None:
            return RedirectResponse(f"{provider.settings.base}/auth/login", 303)
        return handler(browser, session, form, now)

    return await (provider.hashing(acted) if hashes else run_in_threadpool(acted))


def fresh_session(browser: Browser, now: float) -> Session | None:
    """The session of whoever signed in here a moment ago."""
    session = browser.session(now)
    return session if session is not None and session.is_fresh(now) else None
