"""The pages around mail: forgotten password, a code asked for, an address proved, "this was not me".

A link that arrives by mail only shows a page: what it does happens when its button is pressed, because programs that
look through mail open links. Whether there is such a user never shows (ID-72).
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from doorward.identity.address_holds import drop, held_of, is_new_browser, use
from doorward.identity.addresses import ask_code, ask_recovery, ask_verification, confirm
from doorward.identity.devices import is_known_device
from doorward.identity.email_form import is_email
from doorward.identity.enrolling import was_not_me
from doorward.identity.forms import parse_fields, unique
from doorward.identity.mail.asking import Asking
from doorward.identity.mail.bounds import Asker
from doorward.identity.names import is_name
from doorward.identity.pages.browser import DEVICE, Browser
from doorward.identity.pages.own_forms import act, own_form
from doorward.identity.pages.rendering import page
from doorward.identity.provider import Provider
from doorward.identity.sessions import Session
from doorward.store.single_use import Purpose, peek

_SENT: Final = (
    "If there is such an account and it has a mail address that was proved, a mail is on its way. "
    "Nothing came? Look where unwanted mail goes, or ask whoever runs this service."
)
_VOID: Final = "It was used, or is too old."
_HELD: Final = (
    "The change was asked for in a browser that is new to the account {user}, so it waits for 24 hours. Until then "
    "mail goes to the address there is. In a browser that was known before, the account page can use it at once."
)
_NEW: Final = "It has been known for less than an hour. Use one you have signed in with before."


class MailPages:
    """What is asked for by mail and what links in mail lead to."""

    __slots__ = ("_asking", "_provider")

    def __init__(self, provider: Provider) -> None:
        self._provider, self._asking = provider, Asking()

    async def show_recovery(self, request: Request) -> Response:
        """`GET /auth/recovery`."""
        browser = Browser(self._provider, request)
        return browser.settle(self._asking_page(browser, "recovery"))

    async def recover(self, request: Request) -> Response:
        """`POST /auth/recovery`."""
        return await self._ask(request, "recovery")

    async def show_code(self, request: Request) -> Response:
        """`GET /auth/code`."""
        browser = Browser(self._provider, request)
        tx = unique(parse_fields(request.url.query.encode())).get("tx", "")
        return browser.settle(self._asking_page(browser, "code", tx))

    async def send_code(self, request: Request) -> Response:
        """`POST /auth/code`."""
        return await self._ask(request, "code")

    async def show_verification(self, request: Request) -> Response:
        """`GET /auth/email`."""
        return await self._show_link(request, Purpose.EMAIL_VERIFICATION)

    async def verify(self, request: Request) -> Response:
        """`POST /auth/email`."""
        browser, form = await own_form(self._provider, request)

        def answered() -> Response:
            found = confirm(self._provider.store, form.get("ticket", ""), now=self._provider.clock())
            if found is None:
                return self._message("This link is void", _VOID, status=400)
            if found.held_until is not None:
                return self._message("Address proved", _HELD.format(user=found.user))
            return self._message("Address proved", f"Mail about the account {found.user} goes there from now on.")

        return browser.settle(await run_in_threadpool(answered))

    async def show_not_me(self, request: Request) -> Response:
        """`GET /auth/not-me`."""
        return await self._show_link(request, Purpose.NOT_ME)

    async def not_me(self, request: Request) -> Response:
        """`POST /auth/not-me`."""
        browser, form = await own_form(self._provider, request)

        def answered() -> Response:
            now, profile = self._provider.clock(), self._provider.settings.profile
            if was_not_me(self._provider.store, form.get("ticket", ""), now=now, profile=profile) is None:
                return self._message("This link is void", _VOID, status=400)
            text = (
                "Every session of the account is ended, its password is void, accounts elsewhere are unlinked, a "
                "passkey alone does not sign in any more, and mail goes to the address there was. Set a new password "
                "now. If a second factor is not yours, or no mail comes, tell whoever runs this service at once."
            )
            return self._message("Locked up", text, link="/auth/recovery", link_text="Set a new password")

        return browser.settle(await run_in_threadpool(answered))

    async def change_address(self, request: Request) -> Response:
        """`POST /account/email`: a link goes to the address; it counts once that is opened."""
        return await act(self._provider, request, self._change_address)

    async def end_hold(self, request: Request) -> Response:
        """`POST /account/email/held`: a browser that was known before uses or drops the address that waits."""
        return await act(self._provider, request, self._end_hold)

    def _change_address(self, browser: Browser, session: Session, form: Mapping[str, str], now: float) -> Response:
        email = form.get("email", "").strip()
        if not self._provider.settings.sends_mail() or not is_email(email):
            return self._message("No mail address", "Mail cannot be sent there.", link="/account", status=400)
        with self._provider.store.begin() as connection:
            device = browser.cookie(DEVICE)
            sent = ask_verification(connection, self._provider.secret, session.user, email, device=device, now=now)
        if not sent:
            return self._message("Too much mail", "Try again in an hour.", link="/account", status=429)
        return self._message("Look at your mail", "Open the link in it within an hour.", link="/account")

    def _end_hold(self, browser: Browser, session: Session, form: Mapping[str, str], now: float) -> Response:
        with self._provider.store.begin() as connection:
            if is_new_browser(connection, session.user, browser.cookie(DEVICE), now=now):
                return self._message("Not from this browser yet", _NEW, link="/account", status=403)
            held = held_of(connection, session.user)
            # what was looked at, not what somebody put in its place meanwhile
            if held is None or held.email != form.get("email"):
                return self._message("Nothing waits", "Look again.", link="/account", status=400)
            end = use if form.get("answer") == "use" else drop
            end(connection, session.user, now=now)
        return RedirectResponse(f"{self._provider.settings.base}/account", 303)

    async def _ask(self, request: Request, what: str) -> Response:
        browser, form = await own_form(self._provider, request)
        now = self._provider.clock()
        if not self._provider.settings.sends_mail():
            return self._asking_page(browser, what)
        name, asker = form.get("name", ""), Asker(address=browser.address, device=browser.cookie(DEVICE))
        if not await run_in_threadpool(self._may_ask, name, asker, now):
            return self._message("Too much mail", "Try again in an hour.", status=429)

        def asked() -> None:
            store, secret = self._provider.store, self._provider.secret
            if what == "recovery":
                ask_recovery(store, secret, name, now=now, asker=asker)
            else:
                ask_code(store, secret, name, browser.visit_hash, now=now, asker=asker)

        await run_in_threadpool(asked)
        link, text = "/auth/login", "Sign in"
        if what == "code":
            link, text = f"/auth/login?code=1&tx={quote(form.get('tx', ''), safe='')}", "Type the code"
        return self._message("Look at your mail", _SENT, link=link, link_text=text)

    def _may_ask(self, name: str, asker: Asker, now: float) -> bool:
        """Whether the network has asked seldom enough; a browser that the account knows has a share of its own there.

        Else whoever is in the same network could keep an account's owner from mail by asking for others.
        """
        with self._provider.store.begin() as connection:
            if is_known_device(connection, name if is_name(name) else "", asker.device, now=now):
                return True
        return self._asking.may(asker.address, now)

    async def _show_link(self, request: Request, purpose: Purpose) -> Response:
        browser = Browser(self._provider, request)
        ticket = unique(parse_fields(request.url.query.encode())).get("ticket", "")

        def answered() -> Response:
            with self._provider.store.begin() as connection:
                found = peek(connection, purpose, ticket, now=self._provider.clock())
            if found is None:
                return self._message("This link is void", _VOID, status=400)
            values = {**browser.values(), "ticket": ticket, "user": found.subject, **_LINK_PAGES[purpose]}
            return page("link", {**values, "email": found.payload.get("email", "")})

        return browser.settle(await run_in_threadpool(answered))

    def _asking_page(self, browser: Browser, what: str, tx: str = "") -> Response:
        if not self._provider.settings.sends_mail():
            return self._message("No mail", "This service sends no mail. Ask whoever runs it.", status=404)
        return page("ask_mail", {**browser.values(), **_ASKING_PAGES[what], "tx": tx})

    def _message(
        self, title: str, text: str, *, link: str = "", link_text: str = "Back", status: int = 200
    ) -> Response:
        values = {"title": title, "text": text, "link": link, "link_text": link_text}
        return page("message", {"base": self._provider.settings.base, **values}, status=status)


_ASKING_PAGES: Final = {
    "recovery": {
        "title": "Forgot your password?",
        "path": "/auth/recovery",
        "text": "A link with which you set a new one is sent to the mail address of your account.",
        "button": "Send a link",
    },
    "code": {
        "title": "A code by mail",
        "path": "/auth/code",
        "text": "It is sent to the mail address of your account and works in this browser, together with the password.",
        "button": "Send a code",
    },
}
_LINK_PAGES: Final = {
    Purpose.EMAIL_VERIFICATION: {
        "title": "Is this your address?",
        "path": "/auth/email",
        "text": "Mail about this account will go there:",
        "button": "Yes, use it",
    },
    Purpose.NOT_ME: {
        "title": "Was this not you?",
        "path": "/auth/not-me",
        "text": "Every session of this account ends, and nothing that signs in alone counts any more:",
        "button": "It was not me",
    },
}
