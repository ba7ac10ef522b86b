"""A user's own page: sessions, second factors, password, who has access, what happened.

Whatever changes how the account is protected needs a login of the last ten minutes (OWASP ASVS 5.0 7.5.1).
"""

import base64
from collections.abc import Mapping
from functools import partial
from typing import Final

import segno
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from doorward.identity.address_holds import held_of
from doorward.identity.addresses import address_of
from doorward.identity.credentials import Attempt, Refused
from doorward.identity.devices import forget_device, forget_devices, list_devices
from doorward.identity.enrolling import (
    Enrolment,
    finish_totp,
    list_factors,
    new_recovery_codes,
    pending_totp,
    remove_factor,
    set_password,
    start_totp,
)
from doorward.identity.events import events_of
from doorward.identity.factors.totp import provisioning_uri
from doorward.identity.federation.links import links_of
from doorward.identity.oauth.codes import list_consents, withdraw_consent
from doorward.identity.oauth.families import end_families
from doorward.identity.pages.activity import said
from doorward.identity.pages.browser import DEVICE, Browser
from doorward.identity.pages.entering import proved_too
from doorward.identity.pages.own_forms import act, act_on, fresh_session, own_form
from doorward.identity.pages.rendering import page
from doorward.identity.pages.sign_in import code_of
from doorward.identity.pages.stepping import FACTOR_AMR
from doorward.identity.passwords import WeakPassword
from doorward.identity.provider import Provider
from doorward.identity.sessions import Session, end_session, end_sessions, list_sessions
from doorward.identity.sms.numbers import number_of
from doorward.store import token_families
from doorward.store.single_use import Purpose, count_unused

_NAME: Final = "Doorward"


class Account:
    """The account page and its forms."""

    __slots__ = ("_provider",)

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def show(self, request: Request) -> Response:
        """`GET /account`."""
        browser = Browser(self._provider, request)
        return browser.settle(await run_in_threadpool(self._show, browser))

    async def end_session(self, request: Request) -> Response:
        """`POST /account/sessions`."""
        return await act(self._provider, request, self._end_session, fresh=False)

    async def forget_device(self, request: Request) -> Response:
        """`POST /account/devices`."""
        return await act(self._provider, request, self._forget_device, fresh=False)

    async def start_factor(self, request: Request) -> Response:
        """`POST /account/factors/start`."""
        return await act(self._provider, request, self._start_factor)

    async def finish_factor(self, request: Request) -> Response:
        """`POST /account/factors/finish`."""
        return await act(self._provider, request, self._finish_factor)

    async def remove_factor(self, request: Request) -> Response:
        """`POST /account/factors/remove`."""
        return await act(self._provider, request, self._remove_factor)

    async def new_codes(self, request: Request) -> Response:
        """`POST /account/recovery`."""
        return await act(self._provider, request, self._new_codes)

    async def change_password(self, request: Request) -> Response:
        """`POST /account/password`."""
        browser, form = await own_form(self._provider, request)
        session = await run_in_threadpool(fresh_session, self._provider, browser, self._provider.clock())
        if session is not None:
            try:
                await self._provider.look_up(session.user, form.get("password", ""), address=browser.address)
            except WeakPassword as error:
                return await run_in_threadpool(partial(self._show, browser, error=error.problem))
        return await act_on(self._provider, browser, form, self._change_password, hashes=True)

    async def withdraw(self, request: Request) -> Response:
        """`POST /account/consents`."""
        return await act(self._provider, request, self._withdraw, fresh=False)

    def _show(self, browser: Browser, *, note: str = "", error: str = "") -> Response:
        now, store = self._provider.clock(), self._provider.store
        session = browser.session(now)
        if session is None:
            return RedirectResponse(f"{self._provider.settings.base}/auth/login", 303)
        with store.begin() as connection:
            known = list_devices(connection, session.user, browser.cookie(DEVICE), now=now)
            links = links_of(connection, session.user)
            codes_left = count_unused(connection, Purpose.RECOVERY_CODE, session.user, now=now)
            held = held_of(connection, session.user)
            phone = number_of(connection, session.user)
        values = {
            **browser.values(),
            "session": session,
            "sessions": list_sessions(store, session.user, now=now),
            "factors": list_factors(store, session.user),
            "codes_left": codes_left,
            "links": links,
            "federation": self._provider.settings.federation(),
            "devices": known,
            "passkeys": self._provider.passkeys is not None,
            "sends_mail": self._provider.settings.sends_mail(),
            "email": address_of(store, session.user),
            "held": held,
            "phone": phone,
            "sms": self._provider.settings.sms(),
            "consents": list_consents(store, session.user),
            "events": events_of(store, session.user),
            "said": said,
            "note": note,
            "error": error,
        }
        return page("account", values, status=400 if error else 200)

    def _end_session(self, browser: Browser, session: Session, form: Mapping[str, str], now: float) -> Response:
        chosen = form.get("session", "")
        with self._provider.store.begin() as connection:
            families = token_families.c.user == session.user
            if chosen == "others":
                end_sessions(connection, session.user, but=session.id, now=now)
                end_families(connection, families & (token_families.c.session != session.id), now=now)
            else:
                end_session(connection, session.user, chosen, now=now)
                end_families(connection, families & (token_families.c.session == chosen), now=now)
        return self._show(browser, note="Ended.")

    def _forget_device(self, browser: Browser, session: Session, form: Mapping[str, str], _now: float) -> Response:
        with self._provider.store.begin() as connection:
            if form.get("device") == "all":
                forget_devices(connection, session.user)
            else:
                forget_device(connection, session.user, form.get("device", ""))
        return self._show(browser, note="Forgotten.")

    def _start_factor(self, browser: Browser, session: Session, _form: Mapping[str, str], now: float) -> Response:
        enrolment = start_totp(self._provider.store, self._provider.secret, session.user, now=now)
        return self._enrol_page(browser, session, enrolment)

    def _finish_factor(self, browser: Browser, session: Session, form: Mapping[str, str], now: float) -> Response:
        store, secret = self._provider.store, self._provider.secret
        enrolment = pending_totp(store, secret, session.user, form.get("ticket", ""), now=now)
        if enrolment is None:
            return self._show(browser, error="That took too long. Start again.")
        codes = finish_totp(store, secret, session.user, enrolment, code_of(form), form.get("label", ""), now=now)
        if codes is None:
            return self._enrol_page(browser, session, enrolment, error="The app shows another code. Try the next one.")
        answered = self._codes_page(browser, codes)
        return proved_too(self._provider, browser, session, FACTOR_AMR["totp"], answered, now)

    def _remove_factor(self, browser: Browser, session: Session, form: Mapping[str, str], now: float) -> Response:
        if not remove_factor(self._provider.store, session.user, form.get("factor", ""), now=now):
            return self._show(browser, error="There is no such factor.")
        return self._show(browser, note="Removed. You may want to end your other sessions.")

    def _new_codes(self, browser: Browser, session: Session, _form: Mapping[str, str], now: float) -> Response:
        with self._provider.store.begin() as connection:
            codes = new_recovery_codes(connection, session.user, now=now)
        return self._codes_page(browser, codes)

    def _change_password(self, browser: Browser, session: Session, form: Mapping[str, str], now: float) -> Response:
        attempt = Attempt(
            name=session.user,
            secret=form.get("current", ""),
            address=browser.address,
            device=browser.cookie(DEVICE),
            challenge_passed=True,
        )
        if isinstance(self._provider.verifier.password(attempt, now=now), Refused):
            return self._show(browser, error="The current password is not right, or was tried too often.")
        password = form.get("password", "")
        context = (self._provider.settings.host,)
        try:
            set_password(
                self._provider.store,
                session.user,
                password,
                context=context,
                pepper=self._provider.secret,
                now=now,
                profile=self._provider.settings.profile,
            )
        except WeakPassword as error:
            return self._show(browser, error=error.problem)
        self._provider.verifier.password_was_set(session.user, password, now=now)
        with self._provider.store.begin() as connection:
            end_sessions(connection, session.user, but=session.id, now=now)
            others = (token_families.c.user == session.user) & (token_families.c.session != session.id)
            end_families(connection, others, now=now)
        return self._show(browser, note="The password is changed. Your other sessions are ended.")

    def _withdraw(self, browser: Browser, session: Session, form: Mapping[str, str], now: float) -> Response:
        with self._provider.store.begin() as connection:
            withdraw_consent(connection, session.user, form.get("client", ""), now=now)
        return self._show(browser, note="Taken back.")

    def _enrol_page(self, browser: Browser, session: Session, enrolment: Enrolment, error: str = "") -> Response:
        host = self._provider.settings.host
        uri = provisioning_uri(enrolment.seed, issuer=f"{_NAME} {host}", account=session.user)
        key = base64.b32encode(enrolment.seed).decode("ascii")
        values = {
            **browser.values(),
            "qr": segno.make(uri, error="m").svg_data_uri(scale=4),
            "key": " ".join(key[start : start + 4] for start in range(0, len(key), 4)),
            "ticket": enrolment.ticket,
            "error": error,
        }
        return page("enrol", values, status=400 if error else 200)

    def _codes_page(self, browser: Browser, codes: list[str]) -> Response:
        return page("codes", {**browser.values(), "codes": codes})
