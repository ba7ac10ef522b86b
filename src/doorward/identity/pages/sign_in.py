"""Signing in: password, then second factor where there is one, then a new session. Signing out."""

import math
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from doorward.identity.clients import find_client
from doorward.identity.credentials import Attempt, CodeKind, Proved, Refused
from doorward.identity.devices import LIFETIME_S as DEVICE_S
from doorward.identity.devices import remember_device
from doorward.identity.enrolling import list_factors, reset_password
from doorward.identity.factors.totp import DIGITS
from doorward.identity.forms import parse_fields, unique
from doorward.identity.oauth.codes import frozen
from doorward.identity.oauth.families import end_families
from doorward.identity.oauth_errors import OAuthError
from doorward.identity.pages.browser import DEVICE, SESSION, STEP, Browser, Forged, drop_cookie, set_cookie
from doorward.identity.pages.entering import enter
from doorward.identity.pages.own_forms import own_form
from doorward.identity.pages.phone import step_binding
from doorward.identity.pages.rendering import page
from doorward.identity.pages.returning import is_ticket
from doorward.identity.pages.stepping import FACTOR_AMR, PASSWORD_AMR, LoginStep, begin_step, end_step, login_step
from doorward.identity.passwords import WeakPassword
from doorward.identity.provider import Provider
from doorward.identity.sessions import end_session, end_sessions
from doorward.identity.turns import Busy
from doorward.store import token_families
from doorward.store.single_use import Purpose, peek

_WRONG: Final = "This did not work. Check what you typed."
_LOCKED: Final = (
    "There were too many failed attempts at this account. Use a browser you have signed in with before, "
    "or ask whoever runs this service."
)
_CHALLENGED: Final = (
    "There are many failed attempts at the moment. From a browser you have not used before, "
    "a code of your authenticator app or a recovery code is needed together with the password."
)


class SignIn:
    """The pages of signing in and out."""

    __slots__ = ("_provider",)

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def show(self, request: Request) -> Response:
        """`GET /auth/login`."""
        browser = Browser(self._provider, request)
        asked = unique(parse_fields(request.url.query.encode()))
        work = partial(self._page, browser, tx=asked.get("tx", ""), challenged="code" in asked)
        return browser.settle(await run_in_threadpool(work))

    async def check(self, request: Request) -> Response:
        """`POST /auth/login`."""
        browser, form = await own_form(self._provider, request)
        return await self._provider.hashing(browser.address, self._check, browser, form)

    async def show_factor(self, request: Request) -> Response:
        """`GET /auth/factor`."""
        browser = Browser(self._provider, request)
        return browser.settle(await run_in_threadpool(self._show_factor, browser))

    async def check_factor(self, request: Request) -> Response:
        """`POST /auth/factor`."""
        browser, form = await own_form(self._provider, request)
        return await run_in_threadpool(self._check_factor, browser, form)

    async def sign_out(self, request: Request) -> Response:
        """`POST /auth/logout`: the session, and what was issued in it, ends at once."""
        browser, _ = await own_form(self._provider, request)
        return await run_in_threadpool(self._sign_out, browser)

    async def show_reset(self, request: Request) -> Response:
        """`GET /auth/reset`: where a link made at the command line leads."""
        browser = Browser(self._provider, request)
        ticket = unique(parse_fields(request.url.query.encode())).get("ticket", "")
        return browser.settle(await run_in_threadpool(self._reset_page, browser, ticket))

    async def reset(self, request: Request) -> Response:
        """`POST /auth/reset`."""
        browser, form = await own_form(self._provider, request)
        ticket = form.get("ticket", "")
        user = await run_in_threadpool(self._ticket_user, ticket, self._provider.clock())
        if user is not None:
            try:
                await self._provider.look_up(user, form.get("password", ""), address=browser.address)
            except WeakPassword as error:
                return await run_in_threadpool(self._reset_page, browser, ticket, error.problem)
        return await self._provider.hashing(browser.address, self._reset, browser, form)

    def _check(self, browser: Browser, form: Mapping[str, str]) -> Response:
        attempt = Attempt(
            name=form.get("name", ""),
            secret=form.get("password", ""),
            address=browser.address,
            device=browser.cookie(DEVICE),
        )
        tx, now = form.get("tx", ""), self._provider.clock()
        if "code" in form:
            code = code_of(form)
            kind = _kind(code)
            if kind == "recovery_code" and code.isdigit():
                kind = "mail_code"
            found = self._provider.verifier.both_at_once(attempt, kind, code, visit=browser.visit_hash, now=now)
            if isinstance(found, Proved):
                return enter(self._provider, browser, found.user, (*PASSWORD_AMR, *FACTOR_AMR[kind]), tx, now)
            return self._refusal(browser, found, tx, attempt.name, challenged=True)
        found = self._provider.verifier.password(attempt, now=now)
        if isinstance(found, Refused):
            return self._refusal(browser, found, tx, attempt.name)
        if not found.factors:
            return enter(self._provider, browser, found.user, PASSWORD_AMR, tx, now)
        return begin_step(self._provider, browser, found.user, found.factors, tx, now=now)

    def _show_factor(self, browser: Browser) -> Response:
        step = login_step(self._provider, browser)
        if step is None:
            return RedirectResponse(f"{self._provider.settings.base}/auth/login", 303)
        return self._factor_page(browser, step)

    def _check_factor(self, browser: Browser, form: Mapping[str, str]) -> Response:
        step = login_step(self._provider, browser)
        if step is None:
            return RedirectResponse(f"{self._provider.settings.base}/auth/login", 303)
        now, code = self._provider.clock(), code_of(form)
        kind = _kind(code)
        if kind == "recovery_code" and code.isdigit():
            kind = "sms"
        found = self._provider.verifier.second_factor(
            step.user,
            kind,
            code,
            address=browser.address,
            device=browser.cookie(DEVICE),
            visit=step_binding(browser),
            now=now,
        )
        if isinstance(found, Refused):
            return self._factor_page(browser, step, found)
        if not end_step(self._provider, browser, now=now):
            return RedirectResponse(f"{self._provider.settings.base}/auth/login", 303)
        amr = step.completed_by(FACTOR_AMR[kind])
        return enter(self._provider, browser, step.user, amr, step.tx, now, raises=step.session)

    def _sign_out(self, browser: Browser) -> Response:
        now = self._provider.clock()
        session = browser.session(now)
        if session is not None:
            with self._provider.store.begin() as connection:
                end_session(connection, session.user, session.id, now=now)
                end_families(connection, token_families.c.session == session.id, now=now)
        response = self._message("Signed out", "You are signed out in this browser.", link="/auth/login")
        for name in (SESSION, STEP):
            drop_cookie(response, name)
        return response

    def _reset(self, browser: Browser, form: Mapping[str, str]) -> Response:
        now, ticket = self._provider.clock(), form.get("ticket", "")
        user = self._ticket_user(ticket, now)
        if user is None:
            return self._reset_page(browser, ticket)
        if self._lacks_factor(browser, ticket, user, now):
            # a link never stands for a factor (ID-72)
            code = code_of(form)
            found = self._provider.verifier.second_factor(
                user, _kind(code), code, address=browser.address, completes=False, now=now
            )
            if isinstance(found, Refused):
                return self._reset_page(browser, ticket, error=said(found))
        password = form.get("password", "")
        try:
            done = reset_password(
                self._provider.store,
                ticket,
                user,
                password,
                context=self._context(),
                pepper=self._provider.secret,
                now=now,
                profile=self._provider.settings.profile,
            )
        except WeakPassword as error:
            return self._reset_page(browser, ticket, error=error.problem)
        if not done:
            return self._reset_page(browser, ticket)
        self._provider.verifier.password_was_set(user, password, now=now)
        with self._provider.store.begin() as connection:
            end_sessions(connection, user, now=now)
            end_families(connection, token_families.c.user == user, now=now)
            # whoever held the link is the user as much as a full login would show
            device = remember_device(connection, user, now=now)
        response = self._message("Password set", "You can sign in with it now.", link="/auth/login")
        set_cookie(response, DEVICE, device, life_s=DEVICE_S)
        return response

    def _ticket_user(self, ticket: str, now: float) -> str | None:
        with self._provider.store.begin() as connection:
            found = peek(connection, Purpose.PASSWORD_RESET, ticket, now=now)
        return None if found is None else found.subject

    def _lacks_factor(self, browser: Browser, ticket: str, user: str, now: float) -> bool:
        """Whether a second factor is to be shown still: there is one, and no passkey was shown in this browser."""
        with self._provider.store.begin() as connection:
            found = peek(connection, Purpose.PASSWORD_RESET, ticket, now=now)
        if found is not None and found.payload.get("factor_shown_in") == browser.visit_hash:
            return False
        return bool(list_factors(self._provider.store, user))

    def _reset_page(self, browser: Browser, ticket: str, error: str = "") -> Response:
        now = self._provider.clock()
        user = self._ticket_user(ticket, now)
        if user is None:
            return self._message("This link is void", "It was used, or is too old. Ask for a new one.", status=400)
        values = {
            **browser.values(),
            "user": user,
            "ticket": ticket,
            "error": error,
            "has_factor": self._lacks_factor(browser, ticket, user, now),
            "has_passkey": self._provider.passkeys is not None
            and any(factor.kind == "passkey" for factor in list_factors(self._provider.store, user)),
        }
        return page("reset", values, status=400 if error else 200)

    def _page(
        self, browser: Browser, *, tx: str, name: str = "", error: str = "", challenged: bool = False, **more: Any
    ) -> Response:
        waits = is_ticket(tx)
        waiting = None
        if waits:
            waiting = frozen(self._provider.store, tx, visit=browser.visit_hash, now=self._provider.clock())
        if waits and waiting is None:
            return self._message("Start again", "Go back to the application and sign in from there.", status=400)
        client = find_client(self._provider.store, waiting.request.client) if waiting else None
        values = {
            **browser.values(),
            "tx": tx,
            "name": name,
            "error": error,
            "challenged": challenged,
            "passkeys": self._provider.passkeys is not None,
            "sends_mail": self._provider.settings.sends_mail(),
            "client": client.title if client else "",
            "federation": self._provider.settings.federation(),
        }
        return page("sign_in", values, leads_to=waiting.request.redirect_uri if waiting else None, **more)

    def _refusal(self, browser: Browser, refused: Refused, tx: str, name: str, *, challenged: bool = False) -> Response:
        more: dict[str, Any] = {"status": 429 if refused.kind == "wait" else 403}
        if refused.kind == "wait":
            more["headers"] = {"retry-after": str(math.ceil(refused.wait_s))}
        challenged = challenged or refused.kind == "challenge"
        return browser.settle(self._page(browser, tx=tx, name=name, error=said(refused), challenged=challenged, **more))

    def _factor_page(self, browser: Browser, step: LoginStep, refused: Refused | None = None) -> Response:
        factors = self._provider.verifier.factors_of(step.user)
        values = {
            **browser.values(),
            "error": said(refused) if refused else "",
            "has_passkey": self._provider.passkeys is not None and "passkey" in factors,
            "has_sms": "sms" in factors,
        }
        status = 200 if refused is None else 429 if refused.kind == "wait" else 403
        # the waiting request's client: the redirect at the end of it is one of this form's
        waiting = None
        if step.tx:
            waiting = frozen(self._provider.store, step.tx, visit=browser.visit_hash, now=self._provider.clock())
        return page("factor", values, status=status, leads_to=waiting.request.redirect_uri if waiting else None)

    def _message(self, title: str, text: str, *, link: str = "", status: int = 200) -> Response:
        values = {
            "base": self._provider.settings.base,
            "title": title,
            "text": text,
            "link": link,
            "link_text": "Sign in",
        }
        return page("message", values, status=status)

    def _context(self) -> tuple[str, ...]:
        return (self._provider.settings.host,)


def explained(provider: Provider, error: Forged | Busy | OAuthError) -> Response:
    """The page for a form that is malformed, forged, or comes while too many others wait."""
    status, title, text = 400, "This did not work", "Go back and try again."
    headers: dict[str, str] = {}
    if isinstance(error, Forged):
        status, title, text = (
            403,
            "This form is not ours",
            "Open the page again in this browser and send it from there.",
        )
    elif isinstance(error, Busy):
        status, title, text = 503, "Too busy", "Many people are signing in. Try again in a moment."
        headers["retry-after"] = "5"
    else:
        status = error.status
    values = {"base": provider.settings.base, "title": title, "text": text, "link": "", "link_text": ""}
    return page("message", values, status=status, headers=headers)


def code_of(form: Mapping[str, str]) -> str:
    """The code in a form, as people type it: with spaces between."""
    return "".join(form.get("code", "").split())


def _kind(code: str) -> CodeKind:
    return "totp" if len(code) <= DIGITS else "recovery_code"


def said(refused: Refused) -> str:
    """What a refusal says to whoever tried."""
    match refused.kind:
        case "wait":
            return f"Too many attempts. Try again in {_duration(refused.wait_s)}."
        case "challenge":
            return _CHALLENGED
        case "locked":
            return _LOCKED
    return _WRONG


def _duration(seconds: float) -> str:
    return f"{math.ceil(seconds)} seconds" if seconds <= 120 else f"{math.ceil(seconds / 60)} minutes"
