"""Where people allow a device what it asks for (RFC 8628 section 3.3).

Threat: somebody far away starts the flow and talks a person into allowing it (device phishing, section 5.4); guessed
codes. So: signing in first, the code typed or confirmed by its reader, who asked and from where, a warning, and always
the question, whatever was allowed before. A code in the address only fills in the form.
"""

from collections.abc import Mapping
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from doorward.identity.clients import find_client
from doorward.identity.forms import parse_fields, unique
from doorward.identity.guessing import Allowance
from doorward.identity.oauth import device
from doorward.identity.oauth.device import Asked, normal_code
from doorward.identity.oauth.requests import OFFLINE
from doorward.identity.pages.browser import Browser
from doorward.identity.pages.own_forms import own_form
from doorward.identity.pages.rendering import page
from doorward.identity.pages.returning import to_device
from doorward.identity.pages.stepping import lacks_factor, raise_or_enrol
from doorward.identity.provider import Provider
from doorward.identity.sessions import Session

GUESSES_COUNT: Final = 10
"""Wrong codes of one user in the life of a code."""
GUESSES_ALL: Final = 1_000
"""Wrong codes of everybody together in that time: it bounds what many accounts can guess."""
_UNKNOWN: Final = "No device waits with this code. Check what it shows; a code is good for ten minutes and once."
_TOO_MANY: Final = "There were too many wrong codes. Try again in ten minutes."
_EVERYBODY: Final = ""


class DevicePage:
    """The page and its forms."""

    __slots__ = ("_all_guesses", "_guesses", "_provider")

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._guesses = Allowance(GUESSES_COUNT, device.LIFETIME_S)
        self._all_guesses = Allowance(GUESSES_ALL, device.LIFETIME_S)

    async def show(self, request: Request) -> Response:
        """`GET /auth/device`."""
        browser = Browser(self._provider, request)
        typed = unique(parse_fields(request.url.query.encode())).get("user_code", "")
        return browser.settle(await run_in_threadpool(self._show, browser, normal_code(typed)))

    async def check(self, request: Request) -> Response:
        """`POST /auth/device`: a code was typed."""
        return await self._act(request, answers=False)

    async def answer(self, request: Request) -> Response:
        """`POST /auth/device/answer`: allowed or denied."""
        return await self._act(request, answers=True)

    async def _act(self, request: Request, *, answers: bool) -> Response:
        browser, form = await own_form(self._provider, request)
        return await run_in_threadpool(self._acted, browser, form, answers)

    def _show(self, browser: Browser, code: str, error: str = "", status: int = 200) -> Response:
        now = self._provider.clock()
        session = browser.session(now)
        if session is None:
            return self._sign_in(code)
        if lacks_factor(self._provider, session):
            return raise_or_enrol(self._provider, browser, session, to_device(code), now=now)
        values = {**browser.values(), "user": session.user, "code": code, "error": error}
        return page("device", values, status=status)

    def _acted(self, browser: Browser, form: Mapping[str, str], answers: bool) -> Response:
        now, code = self._provider.clock(), normal_code(form.get("code", ""))
        session = browser.session(now)
        if session is None or lacks_factor(self._provider, session):
            return self._sign_in(code) if session is None else self._show(browser, code)
        if not (self._guesses.take(session.user, now) and self._all_guesses.take(_EVERYBODY, now)):
            return self._show(browser, "", _TOO_MANY, 429)
        found = (
            self._decided(code, session, form.get("answer") == "allow", now)
            if answers
            else device.asked_by(self._provider.store, self._provider.secret, code, now=now)
        )
        if found is None:
            return self._show(browser, "", _UNKNOWN, 400)
        self._guesses.give_back(session.user)
        self._all_guesses.give_back(_EVERYBODY)
        return self._done(form.get("answer") == "allow") if answers else self._question(browser, session, code, found)

    def _decided(self, code: str, session: Session, allows: bool, now: float) -> Asked | None:
        with self._provider.store.begin() as connection:
            return device.decide(connection, self._provider.secret, code, session, allows=allows, now=now)

    def _question(self, browser: Browser, session: Session, code: str, asked: Asked) -> Response:
        values = {
            **browser.values(),
            "code": code,
            "shown_code": f"{code[:4]}-{code[4:]}",
            "client": find_client(self._provider.store, asked.client),
            "user": session.user,
            "scopes": asked.scopes,
            "resource": self._provider.settings.audience,
            "lifetime": "up to 30 days" if OFFLINE in asked.scopes else "10 minutes",
            "asked": asked,
            "is_elsewhere": asked.address != browser.address,
            "address": browser.address,
        }
        return page("device_question", values)

    def _done(self, allowed: bool) -> Response:
        text = "The device goes on by itself in a moment." if allowed else "The device gets nothing."
        values = {"title": "Allowed" if allowed else "Denied", "text": text, "link": "/account"}
        return page("message", {"base": self._provider.settings.base, **values, "link_text": "Your account"})

    def _sign_in(self, code: str) -> Response:
        return RedirectResponse(f"{self._provider.settings.base}/auth/login?tx={to_device(code)}", 303)
