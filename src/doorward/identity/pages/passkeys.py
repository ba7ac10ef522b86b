"""The pages of passkeys: signing in with one alone, or as a second factor after the password; adding, renaming one.

They are the only pages with a script, one file of ours, and no password is ever typed on them.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from doorward.identity.credentials import Proved, Refused
from doorward.identity.enrolling import add_passkey_of
from doorward.identity.factors.passkey_rows import PasskeyTaken, kept_of, passkeys_of, rename_passkey
from doorward.identity.factors.passkeys import AnswerRefused, Asked, read_answer
from doorward.identity.forms import parse_fields, unique
from doorward.identity.oauth.codes import frozen
from doorward.identity.pages.browser import DEVICE, Browser
from doorward.identity.pages.entering import enter, proved_too
from doorward.identity.pages.own_forms import act, entitled, own_form
from doorward.identity.pages.rendering import page
from doorward.identity.pages.sign_in import said
from doorward.identity.pages.stepping import ALONE_AMR, end_step, login_step
from doorward.identity.provider import Provider
from doorward.identity.sessions import Session
from doorward.store.single_use import Purpose, consume, issue, peek

PROVED_S: Final = 600.0
"""How long a passkey that was shown for a new password counts, in seconds."""
_REFUSED: Final = "This did not work. Try again, or use another way."


class PasskeyPages:
    """The pages where passkeys are used and added."""

    __slots__ = ("_provider",)

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def show(self, request: Request) -> Response:
        """`GET /auth/passkey`."""
        browser = Browser(self._provider, request)
        tx = unique(parse_fields(request.url.query.encode())).get("tx", "")
        return browser.settle(await run_in_threadpool(self._show, browser, tx))

    async def sign_in(self, request: Request) -> Response:
        """`POST /auth/passkey`."""
        browser, form = await own_form(self._provider, request)
        return await run_in_threadpool(self._sign_in, browser, form)

    async def show_factor(self, request: Request) -> Response:
        """`GET /auth/factor/passkey`."""
        browser = Browser(self._provider, request)
        return browser.settle(await run_in_threadpool(self._show_factor, browser))

    async def factor(self, request: Request) -> Response:
        """`POST /auth/factor/passkey`."""
        browser, form = await own_form(self._provider, request)
        return await run_in_threadpool(self._factor, browser, form)

    async def show_reset(self, request: Request) -> Response:
        """`GET /auth/reset/passkey`: the second factor before a password is set by a link."""
        browser = Browser(self._provider, request)
        ticket = unique(parse_fields(request.url.query.encode())).get("ticket", "")
        return browser.settle(await run_in_threadpool(self._show_reset, browser, ticket))

    async def reset(self, request: Request) -> Response:
        """`POST /auth/reset/passkey`."""
        browser, form = await own_form(self._provider, request)
        return await run_in_threadpool(self._reset, browser, form)

    async def show_add(self, request: Request) -> Response:
        """`GET /account/passkeys/add`."""
        browser = Browser(self._provider, request)
        return await run_in_threadpool(self._show_add, browser)

    async def add(self, request: Request) -> Response:
        """`POST /account/passkeys/add`."""
        return await act(self._provider, request, self._add)

    async def rename(self, request: Request) -> Response:
        """`POST /account/passkeys/rename`."""
        return await act(self._provider, request, self._rename)

    def _show(self, browser: Browser, tx: str, refused: Refused | None = None) -> Response:
        passkeys = self._provider.passkeys
        if passkeys is None:
            return self._redirect("/auth/login")
        asked = Asked(use="sign_in", visit=browser.visit_hash)
        options = passkeys.authentication_options(asked, now=self._provider.clock())
        texts = {"title": "Sign in with a passkey", "button": "Use a passkey", "link": "/auth/login"}
        return self._page(browser, "/auth/passkey", options, tx, refused, {**texts, "link_text": "Use a password"})

    def _sign_in(self, browser: Browser, form: Mapping[str, str]) -> Response:
        tx, now = form.get("tx", ""), self._provider.clock()
        found = self._checked(browser, form, Asked(use="sign_in", visit=browser.visit_hash), now)
        if isinstance(found, Refused):
            return self._show(browser, tx, found)
        return enter(self._provider, browser, found.user, ALONE_AMR, tx, now)

    def _show_factor(self, browser: Browser, refused: Refused | None = None) -> Response:
        passkeys, step = self._provider.passkeys, login_step(self._provider, browser)
        if passkeys is None or step is None:
            return self._redirect("/auth/login")
        with self._provider.store.begin() as connection:
            known = [kept_of(row) for row in passkeys_of(connection, step.user)]
        if not known:
            return self._redirect("/auth/factor")
        asked = Asked(use="factor", visit=browser.visit_hash, user=step.user)
        options = passkeys.authentication_options(asked, known, now=self._provider.clock())
        texts = {"title": "Second factor", "button": "Use a passkey", "link": "/auth/factor"}
        return self._page(
            browser, "/auth/factor/passkey", options, step.tx, refused, {**texts, "link_text": "Use a code"}
        )

    def _factor(self, browser: Browser, form: Mapping[str, str]) -> Response:
        step, now = login_step(self._provider, browser), self._provider.clock()
        if step is None:
            return self._redirect("/auth/login")
        found = self._checked(browser, form, Asked(use="factor", visit=browser.visit_hash, user=step.user), now)
        if isinstance(found, Refused):
            return self._show_factor(browser, found)
        if not end_step(self._provider, browser, now=now):
            return self._redirect("/auth/login")
        amr = step.completed_by(ALONE_AMR)
        return enter(self._provider, browser, step.user, amr, step.tx, now, raises=step.session)

    def _show_reset(self, browser: Browser, ticket: str, refused: Refused | None = None) -> Response:
        passkeys, now = self._provider.passkeys, self._provider.clock()
        back = f"/auth/reset?ticket={quote(ticket, safe='')}"
        with self._provider.store.begin() as connection:
            found = peek(connection, Purpose.PASSWORD_RESET, ticket, now=now)
            user = "" if found is None or found.subject is None else found.subject
            known = [kept_of(row) for row in passkeys_of(connection, user)]
        if passkeys is None or not known:
            return self._redirect(back)
        asked = Asked(use="reset", visit=browser.visit_hash, user=user)
        options = passkeys.authentication_options(asked, known, now=now)
        texts = {"title": "Second factor", "button": "Use a passkey", "link": back, "link_text": "Use a code"}
        return self._page(browser, "/auth/reset/passkey", options, ticket, refused, texts)

    def _reset(self, browser: Browser, form: Mapping[str, str]) -> Response:
        ticket, now = form.get("tx", ""), self._provider.clock()
        with self._provider.store.begin() as connection:
            found = peek(connection, Purpose.PASSWORD_RESET, ticket, now=now)
        if found is None or not found.subject:
            return self._redirect(f"/auth/reset?ticket={quote(ticket, safe='')}")
        asked = Asked(use="reset", visit=browser.visit_hash, user=found.subject)
        shown = self._checked(browser, form, asked, now)
        if isinstance(shown, Refused):
            return self._show_reset(browser, ticket, shown)
        with self._provider.store.begin() as connection:
            if consume(connection, Purpose.PASSWORD_RESET, ticket, now=now) is None:
                return self._redirect("/auth/reset")
            # another link, good in this browser alone: whoever reads the mail has not shown the passkey
            proved = issue(
                connection,
                Purpose.PASSWORD_RESET,
                now=now,
                lifetime_s=PROVED_S,
                subject=found.subject,
                payload={"factor_shown_in": browser.visit_hash},
            )
        return self._redirect(f"/auth/reset?ticket={proved}")

    def _checked(self, browser: Browser, form: Mapping[str, str], asked: Asked, now: float) -> Proved | Refused:
        passkeys = self._provider.passkeys
        if passkeys is None:
            return Refused(kind="wrong")
        try:
            answer = read_answer(form.get("answer", ""))
        except AnswerRefused:
            return Refused(kind="wrong")
        return self._provider.verifier.passkey(
            passkeys, answer, asked, address=browser.address, device=browser.cookie(DEVICE), now=now
        )

    def _show_add(self, browser: Browser, error: str = "") -> Response:
        passkeys, now = self._provider.passkeys, self._provider.clock()
        if passkeys is None:
            return self._redirect("/auth/login")
        session = entitled(self._provider, browser, now)
        if isinstance(session, Response):
            return session
        with self._provider.store.begin() as connection:
            known = [kept_of(row) for row in passkeys_of(connection, session.user)]
        options = passkeys.registration_options(self._registering(browser, session), known, now=now)
        values = {**browser.values(), "options": options, "error": error}
        return page("passkey_add", values, scripted=True, status=400 if error else 200)

    def _add(self, browser: Browser, session: Session, form: Mapping[str, str], now: float) -> Response:
        passkeys = self._provider.passkeys
        if passkeys is None:
            return self._redirect("/auth/login")
        try:
            answer = read_answer(form.get("answer", ""))
            asked = self._registering(browser, session)
            codes = add_passkey_of(self._provider.store, passkeys, answer, asked, form.get("label", ""), now=now)
        except AnswerRefused:
            return self._show_add(browser, _REFUSED)
        except PasskeyTaken:
            return self._show_add(browser, "This passkey is registered already, or you have as many as you may have.")
        answered = page("codes", {**browser.values(), "codes": codes}) if codes else self._redirect("/account")
        return proved_too(self._provider, browser, session, ALONE_AMR, answered, now)

    def _rename(self, _browser: Browser, session: Session, form: Mapping[str, str], _now: float) -> Response:
        with self._provider.store.begin() as connection:
            rename_passkey(connection, session.user, form.get("factor", ""), form.get("label", ""))
        return self._redirect("/account")

    def _registering(self, browser: Browser, session: Session) -> Asked:
        return Asked(use="register", visit=browser.visit_hash, user=session.user)

    def _page(
        self, browser: Browser, path: str, options: str, tx: str, refused: Refused | None, texts: Mapping[str, str]
    ) -> Response:
        values = {**browser.values(), **texts, "path": path, "options": options, "tx": tx}
        values["error"] = said(refused) if refused else ""
        status = 200 if refused is None else 429 if refused.kind == "wait" else 403
        waiting = frozen(self._provider.store, tx, visit=browser.visit_hash, now=self._provider.clock()) if tx else None
        leads_to = waiting.request.redirect_uri if waiting else None
        return page("passkey", values, status=status, leads_to=leads_to, scripted=True)

    def _redirect(self, path: str) -> Response:
        return RedirectResponse(f"{self._provider.settings.base}{path}", 303)
