"""Asking for authorization: the request frozen, its user found, consent asked, and the answer sent back."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from doorward.identity.acr import ACR_TWO
from doorward.identity.clients import find_client
from doorward.identity.forms import parse_fields, read_fields, unique
from doorward.identity.oauth.codes import (
    Frozen,
    consented,
    freeze,
    frozen,
    grant_consent,
    issue_code,
    pushed,
    spend_request,
)
from doorward.identity.oauth.endpoints import PUSHED_PREFIX
from doorward.identity.oauth.requests import OFFLINE, TEXT_MOST, SentBack, Shown, client_and_redirect, judge
from doorward.identity.oauth_errors import OAuthError
from doorward.identity.pages.browser import Browser
from doorward.identity.pages.own_forms import own_form
from doorward.identity.pages.rendering import page
from doorward.identity.pages.stepping import begin_step, lacks_factor, raise_or_enrol
from doorward.identity.provider import Provider
from doorward.identity.redirects import with_parameters
from doorward.identity.sessions import Session
from doorward.store import Store

_GONE: Final = "This request was answered already, is too old, or was started in another browser."


class Authorize:
    """The authorization endpoint and what follows it in the browser."""

    __slots__ = ("_provider",)

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def begin(self, request: Request) -> Response:
        """`GET` and `POST /oauth/authorize`."""
        browser = Browser(self._provider, request)
        try:
            if request.method == "POST":
                fields = await read_fields(request)
            else:
                fields = parse_fields(request.url.query.encode())
        except OAuthError:
            return self._shown("The request is malformed.")
        return browser.settle(await run_in_threadpool(self._begin, browser, fields))

    async def go_on(self, request: Request) -> Response:
        """`GET /oauth/continue`: after signing in."""
        browser = Browser(self._provider, request)
        tx = unique(parse_fields(request.url.query.encode())).get("tx", "")
        return browser.settle(await run_in_threadpool(self._go_on, browser, tx))

    async def consent(self, request: Request) -> Response:
        """`POST /auth/consent`."""
        browser, form = await own_form(self._provider, request)
        return await run_in_threadpool(self._consent, browser, form)

    def _begin(self, browser: Browser, fields: list[tuple[str, str]]) -> Response:
        now, store = self._provider.clock(), self._provider.store
        pushed_as = None
        try:
            if any(name == "request_uri" for name, _ in fields):
                found = unique(fields) if len(dict(fields)) == len(fields) else {}
                _require_pushed(store, fields, found)
                # what stands beside request_uri counts for nothing (RFC 9101 section 6.3)
                pushed_as = found.get("request_uri", "").removeprefix(PUSHED_PREFIX)
                judged = pushed(store, pushed_as, found.get("client_id", ""), now=now)
                if judged is None:
                    return self._shown("The pushed request is unknown, too old, or another client's.")
            else:
                client, redirect_uri = client_and_redirect(store, fields)
                judged = judge(fields, client, redirect_uri, self._provider.settings)
                if client.pushes_only or self._provider.settings.profile.pushed_only:
                    refused = judged.refused("invalid_request", "requests of this client are pushed")
                    return RedirectResponse(refused.location(self._provider.settings.issuer), 303)
        except Shown as error:
            return self._shown(str(error))
        except SentBack as error:
            return RedirectResponse(error.location(self._provider.settings.issuer), 303)
        tx = freeze(store, judged, visit=browser.visit_hash, pushed_as=pushed_as, now=now)
        return self._go_on(browser, tx)

    def _go_on(self, browser: Browser, tx: str) -> Response:
        now = self._provider.clock()
        waiting = frozen(self._provider.store, tx, visit=browser.visit_hash, now=now)
        if waiting is None:
            return self._shown(_GONE)
        session = browser.session(now)
        silent = "none" in waiting.request.prompt
        if session is None or not _is_recent(session, waiting, now):
            if silent:
                return self._send_back(tx, waiting, "login_required", "nobody is signed in", now)
            return RedirectResponse(f"{self._provider.settings.base}/auth/login?tx={quote(tx, safe='')}", 303)
        if lacks_factor(self._provider, session) and not silent:
            return raise_or_enrol(self._provider, browser, session, tx, now=now)
        if self._wants_more(session, waiting):
            factors = self._provider.verifier.factors_of(session.user)
            if factors and silent:
                return self._send_back(tx, waiting, "interaction_required", "a second factor was not shown yet", now)
            if factors:
                return begin_step(self._provider, browser, session.user, factors, tx, raised=session, now=now)
            text = "the user has no second factor"
            return self._send_back(tx, waiting, "unmet_authentication_requirements", text, now)
        if self._needs_consent(session, waiting):
            if silent:
                return self._send_back(tx, waiting, "consent_required", "the user was not asked yet", now)
            return self._consent_page(browser, tx, waiting, session)
        return self._answer(tx, waiting, session, now, granted=False)

    def _consent(self, browser: Browser, form: Mapping[str, str]) -> Response:
        now, tx = self._provider.clock(), form.get("tx", "")
        waiting = frozen(self._provider.store, tx, visit=browser.visit_hash, now=now)
        if waiting is None:
            return self._shown(_GONE)
        session = browser.session(now)
        if session is None or not _is_recent(session, waiting, now) or self._wants_more(session, waiting):
            return self._go_on(browser, tx)
        if form.get("answer") != "allow":
            return self._send_back(tx, waiting, "access_denied", "the user said no", now)
        return self._answer(tx, waiting, session, now, granted=True)

    def _answer(self, tx: str, waiting: Frozen, session: Session, now: float, *, granted: bool) -> Response:
        client = find_client(self._provider.store, waiting.request.client)
        if client is None or client.disabled_at is not None:
            return self._shown("there is no such client")
        with self._provider.store.begin() as connection:
            if not spend_request(connection, tx, waiting, now=now):
                return self._shown(_GONE)
            if granted:
                grant_consent(connection, session.user, client.name, waiting.request.scopes, now=now)
            code = issue_code(connection, waiting, session, now=now, lifetime_s=self._provider.settings.profile.code_s)
        answer = {"code": code, "iss": self._provider.settings.issuer}
        if waiting.request.state is not None:
            answer["state"] = waiting.request.state
        return RedirectResponse(with_parameters(waiting.request.redirect_uri, urlencode(answer)), 303)

    def _send_back(self, tx: str, waiting: Frozen, error: str, description: str, now: float) -> Response:
        with self._provider.store.begin() as connection:
            if not spend_request(connection, tx, waiting, now=now):
                return self._shown(_GONE)
        location = waiting.request.refused(error, description).location(self._provider.settings.issuer)
        return RedirectResponse(location, 303)

    def _wants_more(self, session: Session, waiting: Frozen) -> bool:
        if session.acr == ACR_TWO:
            return False
        if lacks_factor(self._provider, session):
            return True
        if waiting.request.second_factor == "as_is":
            return False
        return waiting.request.second_factor == "required" or bool(self._provider.verifier.factors_of(session.user))

    def _needs_consent(self, session: Session, waiting: Frozen) -> bool:
        request = waiting.request
        if "consent" in request.prompt:
            return True
        client = find_client(self._provider.store, request.client)
        if client is not None and client.is_trusted:
            return False
        if client is not None and client.is_public and not _is_identified(request.redirect_uri):
            # anybody can listen on loopback or register an app's scheme (OAuth 2.1 section 7.3.1)
            return True
        before = consented(self._provider.store, session.user, request.client)
        return before is None or not {*request.scopes} <= {*before}

    def _consent_page(self, browser: Browser, tx: str, waiting: Frozen, session: Session) -> Response:
        request = waiting.request
        values = {
            **browser.values(),
            "tx": tx,
            "client": find_client(self._provider.store, request.client),
            "user": session.user,
            "scopes": request.scopes,
            "resource": self._provider.settings.audience,
            "lifetime": "up to 30 days" if OFFLINE in request.scopes else "10 minutes",
            "destination": urlsplit(request.redirect_uri).netloc or f"the app {urlsplit(request.redirect_uri).scheme}",
        }
        return page("consent", values, leads_to=request.redirect_uri)

    def _shown(self, text: str) -> Response:
        values = {"base": self._provider.settings.base, "title": "This cannot go on", "text": text}
        return page("message", {**values, "link": "", "link_text": ""}, status=400)


def _require_pushed(store: Store, fields: list[tuple[str, str]], found: Mapping[str, str]) -> None:
    """Nothing, unless the request is to be fetched from somewhere. Errors: SentBack, Shown.

    Source: OpenID Connect Core section 6.2 (`request_uri_not_supported`). Nothing is ever fetched here.
    """
    if not found.get("request_uri", PUSHED_PREFIX).startswith(PUSHED_PREFIX):
        _, redirect_uri = client_and_redirect(store, fields)
        state = found.get("state", "")[:TEXT_MOST] or None
        raise SentBack("request_uri_not_supported", "requests are pushed, not fetched", redirect_uri, state)


def _is_recent(session: Session, waiting: Frozen, now: float) -> bool:
    request = waiting.request
    if session.auth_time >= waiting.arrived_at:
        # for this very request: with max_age=0 its user would be asked for ever
        return True
    if "login" in request.prompt:
        return False
    return request.max_age_s is None or now - session.auth_time <= request.max_age_s


def _is_identified(redirect_uri: str) -> bool:
    return redirect_uri.startswith("https://")
