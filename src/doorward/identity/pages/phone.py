"""The pages around text messages: a code as second factor asked for, a number proved and removed."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from doorward.identity.credentials import Refused
from doorward.identity.mail.asking import Asking
from doorward.identity.pages.browser import DEVICE, STEP, Browser
from doorward.identity.pages.entering import proved_too
from doorward.identity.pages.own_forms import act, own_form
from doorward.identity.pages.rendering import page
from doorward.identity.pages.stepping import FACTOR_AMR, login_step
from doorward.identity.provider import Provider
from doorward.identity.sessions import Session
from doorward.identity.sms.numbers import parse_number, proved_number, remove_number
from doorward.identity.sms.sending import Binding, ask_code

_TOO_MANY: Final = "No message can be sent now. Use a recovery code, or try again in an hour."


class PhonePages:
    """What sends text messages, and what comes of the codes in them."""

    __slots__ = ("_asking", "_provider")

    def __init__(self, provider: Provider) -> None:
        self._provider, self._asking = provider, Asking()

    async def send_code(self, request: Request) -> Response:
        """`POST /auth/factor/sms`: after a right password alone, so nobody else makes us send anything."""
        browser, _ = await own_form(self._provider, request)

        def send() -> Response:
            now, step = self._provider.clock(), login_step(self._provider, browser)
            base = self._provider.settings.base
            if step is None or "sms" not in self._provider.verifier.factors_of(step.user):
                return RedirectResponse(f"{base}/auth/login", 303)
            binding = Binding(user=step.user, transaction=step_binding(browser))
            with self._provider.store.begin() as connection:
                number = proved_number(connection, step.user)
            if number is None or not self._ask(browser, binding, number, now):
                return self._message("Too many messages", _TOO_MANY, link="/auth/factor", status=429)
            return RedirectResponse(f"{base}/auth/factor", 303)

        return await run_in_threadpool(send)

    async def add(self, request: Request) -> Response:
        """`POST /account/phone`: a code goes to the number; it counts once that comes back."""
        return await act(self._provider, request, self._add)

    async def prove(self, request: Request) -> Response:
        """`POST /account/phone/prove`."""
        return await act(self._provider, request, self._prove)

    async def remove(self, request: Request) -> Response:
        """`POST /account/phone/remove`."""
        return await act(self._provider, request, self._remove)

    def _add(self, browser: Browser, session: Session, form: Mapping[str, str], now: float) -> Response:
        number = parse_number(form.get("number", ""))
        if self._provider.settings.sms() is None or number is None:
            return self._message("No number", "Write it with its country: +49 151 ...", link="/account", status=400)
        if not self._ask(browser, _proof(session), number, now):
            return self._message("Too many messages", _TOO_MANY, link="/account", status=429)
        return self._prove_page(browser)

    def _prove(self, browser: Browser, session: Session, form: Mapping[str, str], now: float) -> Response:
        found = self._provider.verifier.second_factor(
            session.user,
            "sms_proof",
            "".join(form.get("code", "").split()),
            address=browser.address,
            device=browser.cookie(DEVICE),
            completes=False,
            visit=_proof(session).transaction,
            now=now,
        )
        if isinstance(found, Refused):
            return self._prove_page(browser, error="This did not work. Check what you typed.")
        answered = RedirectResponse(f"{self._provider.settings.base}/account", 303)
        if "sms" not in self._provider.verifier.factors_of(session.user):
            return answered
        return proved_too(self._provider, browser, session, FACTOR_AMR["sms"], answered, now)

    def _remove(self, _browser: Browser, session: Session, _form: Mapping[str, str], now: float) -> Response:
        with self._provider.store.begin() as connection:
            remove_number(connection, session.user, now=now)
        return RedirectResponse(f"{self._provider.settings.base}/account", 303)

    def _ask(self, browser: Browser, binding: Binding, number: str, now: float) -> bool:
        if not self._asking.may(browser.address, now):
            return False
        with self._provider.store.begin() as connection:
            return ask_code(connection, self._provider.secret, binding, number, now=now)

    def _prove_page(self, browser: Browser, error: str = "") -> Response:
        return page("phone", {**browser.values(), "error": error}, status=403 if error else 200)

    def _message(self, title: str, text: str, *, link: str, status: int) -> Response:
        values: dict[str, Any] = {"title": title, "text": text, "link": link, "link_text": "Back"}
        return page("message", {"base": self._provider.settings.base, **values}, status=status)


def step_binding(browser: Browser) -> str:
    """What a code for the login that waits in this browser is bound to."""
    return hashlib.sha256(f"step\n{browser.cookie(STEP) or ''}".encode("utf-8", "surrogatepass")).hexdigest()


def _proof(session: Session) -> Binding:
    return Binding(user=session.user, transaction=f"proof/{session.id}")
