"""What is known of the browser that asks: its cookies, its address, and whether a form really came from our page."""

import hashlib
import hmac
import secrets
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from doorward.identity.provider import Provider
from doorward.identity.session_theft import kind_of, note_other_browser, note_replaced
from doorward.identity.sessions import Session, find_session, kept_of

VISIT: Final = "__Host-doorward-visit"
"""Binds forms and authorization requests to one browser, before anybody signed in."""
SESSION: Final = "__Host-doorward-session"
STEP: Final = "__Host-doorward-step"
"""Between a right password and the second factor."""
DEVICE: Final = "__Host-doorward-device"
_VISIT_CHARACTERS: Final = 43
_COOKIE_CHARACTERS: Final = 128


class Forged(Exception):
    """A form that did not come from our own page in this browser."""


class Browser:
    """One request's browser."""

    __slots__ = ("_is_suspect", "_new_visit", "_provider", "_request", "visit")

    def __init__(self, provider: Provider, request: Request) -> None:
        self._provider, self._request = provider, request
        visit = self.cookie(VISIT)
        self._is_suspect = False
        self._new_visit = visit is None or len(visit) != _VISIT_CHARACTERS
        self.visit = secrets.token_urlsafe(32) if visit is None or self._new_visit else visit

    def cookie(self, name: str) -> str | None:
        """The cookie's value; None for none, and for one that is none of ours by its length."""
        value = self._request.cookies.get(name)
        return value if value and len(value) <= _COOKIE_CHARACTERS else None

    @property
    def address(self) -> str:
        """The address it comes from."""
        return self._provider.address_of(self._request)

    @property
    def agent(self) -> str:
        """What it calls itself."""
        return self._request.headers.get("user-agent", "")

    @property
    def visit_hash(self) -> str:
        """By which an authorization request is bound to this browser."""
        return hashlib.sha256(self.visit.encode()).hexdigest()

    def session(self, now: float) -> Session | None:
        """The valid session of its cookie; None also for a cookie that seems to be somebody else's."""
        store, cookie = self._provider.store, self.cookie(SESSION)
        if cookie is None or self._is_suspect:
            return None
        session = find_session(store, cookie, now=now, idle_s=self._provider.settings.profile.idle_s)
        if session is None:
            self._is_suspect = True
            note_replaced(store, cookie, now=now, address=self.address)
        elif kind_of(kept_of(self.agent)) != kind_of(session.agent):
            self._is_suspect = True
            note_other_browser(store, session.id, now=now, address=self.address)
            return None
        return session

    def csrf(self) -> str:
        """The token our forms carry in this browser."""
        return self._provider.secret.mac("csrf", self.visit.encode()).hex()

    def values(self) -> dict[str, Any]:
        """What every page with a form of ours is made of."""
        return {"base": self._provider.settings.base, "csrf": self.csrf()}

    def require_own_form(self, token: str) -> None:
        """Nothing, for a form of our own page in this browser. Errors: Forged.

        Source: OWASP ASVS 5.0 3.5.1; Fetch Metadata (Sec-Fetch-Site), Origin of RFC 6454.
        """
        site, origin = (self._request.headers.get(name) for name in ("sec-fetch-site", "origin"))
        if site is None and origin is None:
            raise Forged("neither Origin nor Sec-Fetch-Site: no browser sends a form so")
        if site not in (None, "same-origin"):
            raise Forged(f"Sec-Fetch-Site is {site!r:.40}")
        if origin not in (None, self._provider.settings.origin):
            raise Forged(f"Origin is {origin!r:.80}")
        if self._new_visit or not hmac.compare_digest(self.csrf().encode(), token.encode("utf-8", "replace")):
            raise Forged("the form's token is not this browser's")

    def settle(self, response: Response) -> Response:
        """The response, with the visit cookie when the browser has none yet."""
        if self._new_visit:
            set_cookie(response, VISIT, self.visit)
        return response


def set_cookie(response: Response, name: str, value: str, *, life_s: float | None = None) -> None:
    """Nothing; the response sets the cookie, for this host alone and out of reach of scripts."""
    response.set_cookie(
        name,
        value,
        max_age=None if life_s is None else int(life_s),
        path="/",
        secure=True,
        httponly=True,
        samesite="lax",
    )


def drop_cookie(response: Response, name: str) -> None:
    """Nothing; the browser forgets the cookie."""
    response.delete_cookie(name, path="/", secure=True, httponly=True, samesite="lax")
