"""Signing out because a client asked for it (OpenID Connect RP-Initiated Logout 1.0).

A client that shows an ID token of the very session ends it at once. Everybody else gets a page with a button: a link
or a form on another site must not sign people out. The browser is sent on only to what the client registered, byte for
byte, and never when anything about the request is wrong.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from doorward.identity.clients import Client, find_client
from doorward.identity.forms import parse_fields, read_fields, unique
from doorward.identity.oauth.families import end_families
from doorward.identity.oauth.id_tokens import Hint, read_hint
from doorward.identity.oauth_errors import OAuthError
from doorward.identity.pages.browser import SESSION, STEP, Browser, drop_cookie
from doorward.identity.pages.own_forms import own_form
from doorward.identity.pages.rendering import page
from doorward.identity.provider import Provider
from doorward.identity.redirects import with_parameters
from doorward.identity.sessions import Session, end_session
from doorward.store import token_families

_STATE_MOST: Final = 1_024
_NOT_SENT_ON: Final = "The application asked for something it may not. You can still sign out here."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What a client asks for, as far as it is in order."""

    client: Client | None = None
    hint: Hint | None = None
    destination: str = ""
    """Where to go afterwards; one of the client's own."""
    state: str | None = None
    is_wrong: bool = False
    """Something was not in order: nobody is sent anywhere."""


class Logout:
    """The end-session endpoint and its page."""

    __slots__ = ("_provider",)

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def begin(self, request: Request) -> Response:
        """`GET` and `POST /oauth/logout`."""
        browser = Browser(self._provider, request)
        if request.method == "POST":
            # browsers leave the session's cookie (SameSite=Lax) out of a form from another site, not out of a GET
            fields = unique(await read_fields(request))
            return RedirectResponse(f"{self._provider.settings.base}/oauth/logout?{urlencode(fields)}", 303)
        fields = unique(parse_fields(request.url.query.encode()))
        return browser.settle(await run_in_threadpool(self._begin, browser, fields))

    async def confirm(self, request: Request) -> Response:
        """`POST /auth/end-session`: the button was pressed."""
        browser, form = await own_form(self._provider, request)
        return await run_in_threadpool(self._confirm, browser, form)

    def _begin(self, browser: Browser, fields: Mapping[str, str]) -> Response:
        now = self._provider.clock()
        wish = self._wish(fields)
        session = browser.session(now)
        if wish.is_wrong:
            return self._page(browser, _Wish(), session, error=_NOT_SENT_ON)
        if wish.hint is None or (session is not None and not _is_of(wish.hint, session)):
            return self._page(browser, wish, session)
        return self._ended(session, wish, now)

    def _confirm(self, browser: Browser, form: Mapping[str, str]) -> Response:
        now = self._provider.clock()
        wish = self._wish(
            {
                wire: form[name]
                for name, wire in (("client", "client_id"), ("destination", "post_logout_redirect_uri"))
                if form.get(name)
            }
            | ({"state": form["state"]} if "state" in form else {})
        )
        if wish.is_wrong:
            raise OAuthError("invalid_request", "not what the page was made with")
        return self._ended(browser.session(now), wish, now)

    def _wish(self, fields: Mapping[str, str]) -> _Wish:
        hint = None
        if "id_token_hint" in fields:
            hint = read_hint(self._provider, fields["id_token_hint"])
            if hint is None or fields.get("client_id", hint.client) != hint.client:
                return _Wish(is_wrong=True)
        name = hint.client if hint is not None else fields.get("client_id")
        client = find_client(self._provider.store, name) if name is not None else None
        if name is not None and (client is None or client.disabled_at is not None):
            return _Wish(is_wrong=True)
        destination, state = fields.get("post_logout_redirect_uri", ""), fields.get("state")
        if destination and (client is None or destination not in client.post_logout_redirect_uris):
            return _Wish(is_wrong=True)
        if state is not None and len(state) > _STATE_MOST:
            return _Wish(is_wrong=True)
        return _Wish(client=client, hint=hint, destination=destination, state=state)

    def _ended(self, session: Session | None, wish: _Wish, now: float) -> Response:
        if session is not None:
            with self._provider.store.begin() as connection:
                end_session(connection, session.user, session.id, now=now)
                end_families(connection, token_families.c.session == session.id, now=now)
        if wish.destination:
            query = "" if wish.state is None else urlencode({"state": wish.state})
            target = with_parameters(wish.destination, query) if query else wish.destination
            response: Response = RedirectResponse(target, 303)
            response.headers["cache-control"] = "no-store"
        else:
            values = {"title": "Signed out", "text": "You are signed out in this browser.", "link": "/auth/login"}
            response = page("message", {"base": self._provider.settings.base, **values, "link_text": "Sign in"})
        for name in (SESSION, STEP):
            drop_cookie(response, name)
        return response

    def _page(self, browser: Browser, wish: _Wish, session: Session | None, error: str = "") -> Response:
        values: dict[str, Any] = {
            **browser.values(),
            "user": session.user if session else "",
            "client": wish.client,
            "destination": wish.destination,
            "state": wish.state,
            "error": error,
        }
        return page("logout", values, status=400 if error else 200, leads_to=wish.destination or None)


def _is_of(hint: Hint, session: Session) -> bool:
    return hint.user == session.user and hint.session == session.id
