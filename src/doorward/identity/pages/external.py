"""Signing in with another provider: the way there, the way back, and linking from the account page."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from doorward.errors import PolicyError
from doorward.identity.federation.asking import Asking
from doorward.identity.federation.judging import Untrusted, judge_age, judge_answer, judge_id_token
from doorward.identity.federation.links import add_link, is_linked, linked_user, make_account, remove_link, take_over
from doorward.identity.federation.policy import FederationPolicy
from doorward.identity.forms import parse_fields, unique
from doorward.identity.networks import network_of
from doorward.identity.oauth.codes import frozen
from doorward.identity.pages.browser import Browser
from doorward.identity.pages.entering import enter
from doorward.identity.pages.own_forms import act, entitled, fresh_session, own_form
from doorward.identity.pages.rendering import page
from doorward.identity.pages.returning import is_ticket
from doorward.identity.pages.stepping import begin_step
from doorward.identity.provider import Provider
from doorward.identity.redirects import with_parameters
from doorward.identity.sessions import Session
from doorward.outbound import OutboundRefused
from doorward.store.single_use import LONGEST_LIFE_S, Purpose, consume, issue

AMR: Final = ("fed",)
"""What a login elsewhere proves here: that somebody else knows them. It never stands for a second factor of ours."""
_NOT_LINKED: Final = (
    "knows you, but your account there is not linked with one here. Sign in here and link it on your account page"
)
_TX_MOST: Final = 128
_log = structlog.get_logger()


class External:
    """The pages of logins elsewhere."""

    __slots__ = ("_known", "_provider")

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._known: dict[FederationPolicy, Asking] = {}

    async def begin(self, request: Request) -> Response:
        """`GET /auth/external/{name}`: to the provider of that name."""
        browser = Browser(self._provider, request)
        asking = self._asking(request)
        if asking is None:
            return self._message("There is no such provider", status=404)
        tx = unique(parse_fields(request.url.query.encode())).get("tx", "")[:_TX_MOST]
        age_s = await run_in_threadpool(self._oldest_s, browser, tx)
        url = await self._started(browser, asking, {"tx": tx} if age_s is None else {"tx": tx, "max_age": age_s})
        return browser.settle(self._unreachable() if url is None else RedirectResponse(url, 303))

    async def link(self, request: Request) -> Response:
        """`POST /account/external/{name}`: shows the way there, for an account that is to be linked."""
        browser, _ = await own_form(self._provider, request)
        now, asking = self._provider.clock(), self._asking(request)
        session = await run_in_threadpool(entitled, self._provider, browser, now)
        if isinstance(session, Response):
            return session
        if asking is None:
            return self._message("There is no such provider", status=404)
        url = await self._started(browser, asking, {"tx": "", "links": session.id})
        if url is None:
            return self._unreachable()
        # a link, not a redirect: `form-action` holds for where a form's redirects lead
        values = {"base": self._provider.settings.base, "url": url, "title": asking.policy.title}
        return page("external", values)

    async def unlink(self, request: Request) -> Response:
        """`POST /account/external`: the account elsewhere is no way in any more."""
        return await act(self._provider, request, self._unlink)

    async def back(self, request: Request) -> Response:
        """`GET /auth/external/{name}/callback`."""
        browser = Browser(self._provider, request)
        asking = self._asking(request)
        fields = unique(parse_fields(request.url.query.encode()))
        if asking is None:
            return self._message("There is no such provider", status=404)
        now = self._provider.clock()
        begun = await run_in_threadpool(self._begun, browser, asking.policy, fields.get("state", ""), now)
        if begun is None:
            return self._message("Start again: this login was finished, is too old, or began in another browser")
        try:
            code = judge_answer(fields, await asking.metadata(now), asking.policy)
            verifier, nonce = (self._derived(what, fields["state"]) for what in ("verifier", "nonce"))
            place, network = self._redirect_uri(asking.policy), network_of(browser.address) or browser.address
            token = await asking.id_token(code, verifier, place, now, network=network)
            keys = await asking.keys(token, now)
            claims = judge_id_token(token, keys, asking.policy, nonce=nonce, now=now)
            if "max_age" in begun:
                judge_age(claims, oldest=begun["at"] - begun["max_age"])
        except (Untrusted, OutboundRefused, OSError) as error:
            _log.warning("a login elsewhere was refused", provider=asking.policy.name, reason=str(error))
            return self._message(f"{asking.policy.title} did not sign you in")
        return await run_in_threadpool(self._arrived, browser, asking.policy, claims, begun, now)

    async def _started(self, browser: Browser, asking: Asking, more: Mapping[str, str | int]) -> str | None:
        """Where the browser goes; None when the provider cannot be reached or is not who it should be."""
        policy, now = asking.policy, self._provider.clock()
        try:
            place = (await asking.metadata(now)).authorization_endpoint
        except (OutboundRefused, Untrusted) as error:
            _log.error("a provider for logins cannot be used", provider=policy.name, reason=str(error))
            return None
        kept = {"provider": policy.name, "issuer": policy.issuer, "visit": browser.visit_hash, "at": now, **more}
        state = await run_in_threadpool(self._keep, kept, now)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self._derived("verifier", state).encode()).digest())
        asked = {
            "response_type": "code",
            "client_id": policy.client_id,
            "redirect_uri": self._redirect_uri(policy),
            "scope": " ".join(policy.scopes),
            "state": state,
            "nonce": self._derived("nonce", state),
            "code_challenge": challenge.decode("ascii").rstrip("="),
            "code_challenge_method": "S256",
        }
        if "max_age" in more:
            asked |= {"max_age": str(more["max_age"])} | ({} if more["max_age"] else {"prompt": "login"})
        return with_parameters(place, urlencode(asked))

    def _oldest_s(self, browser: Browser, tx: str) -> int | None:
        """How old a login there may be for the request that waits, in seconds; None where it does not matter."""
        now = self._provider.clock()
        waiting = frozen(self._provider.store, tx, visit=browser.visit_hash, now=now) if is_ticket(tx) else None
        if waiting is None:
            return None
        return 0 if "login" in waiting.request.prompt else waiting.request.max_age_s

    def _derived(self, what: str, state: str) -> str:
        """Verifier and nonce come of the state, of which the store has the hash alone: reading it gives nothing."""
        return self._provider.secret.mac(f"external {what}", state.encode()).hex()

    def _keep(self, payload: Mapping[str, Any], now: float) -> str:
        with self._provider.store.begin() as connection:
            life_s = LONGEST_LIFE_S[Purpose.EXTERNAL_LOGIN]
            return issue(connection, Purpose.EXTERNAL_LOGIN, now=now, lifetime_s=life_s, payload=dict(payload))

    def _begun(self, browser: Browser, policy: FederationPolicy, state: str, now: float) -> Mapping[str, Any] | None:
        """The login that this answer is to; it is over now. None unless this browser began it at this provider."""
        with self._provider.store.begin() as connection:
            spent = consume(connection, Purpose.EXTERNAL_LOGIN, state, now=now)
        if spent is None or not hmac.compare_digest(str(spent.payload["visit"]), browser.visit_hash):
            return None
        same = spent.payload["provider"] == policy.name and spent.payload["issuer"] == policy.issuer
        return spent.payload if same else None

    def _arrived(
        self,
        browser: Browser,
        policy: FederationPolicy,
        claims: Mapping[str, Any],
        begun: Mapping[str, Any],
        now: float,
    ) -> Response:
        if "links" in begun:
            return self._linked(fresh_session(self._provider, browser, now), policy, claims, str(begun["links"]), now)
        try:
            with self._provider.store.begin() as connection:
                user = linked_user(connection, policy.issuer, claims["sub"], now=now)
                if user is not None:
                    take_over(connection, policy, claims, user, now)
                elif policy.accounts == "created" and not is_linked(connection, policy.issuer, claims["sub"]):
                    user = make_account(connection, policy, claims, now=now)
        except PolicyError as error:
            _log.warning("no account was made", provider=policy.name, reason=error.problem)
            user = None
        if user is None:
            return self._message(f"{policy.title} {_NOT_LINKED}")
        tx, factors = str(begun["tx"]), self._provider.verifier.factors_of(user)
        if factors:
            # a login elsewhere is a first factor, whatever it was made of (ID-78)
            return begin_step(self._provider, browser, user, factors, tx, first=AMR, now=now)
        return enter(self._provider, browser, user, AMR, tx, now)

    def _linked(
        self, session: Session | None, policy: FederationPolicy, claims: Mapping[str, Any], begun_by: str, now: float
    ) -> Response:
        # whoever began it is who comes back: nobody links their own account elsewhere with another's here
        if session is None or session.id != begun_by:
            return self._message("Sign in again, then link")
        with self._provider.store.begin() as connection:
            done = add_link(connection, policy.issuer, claims["sub"], session.user, now=now)
        if not done:
            return self._message("That account is linked already")
        return RedirectResponse(f"{self._provider.settings.base}/account", 303)

    def _unlink(self, _browser: Browser, session: Session, form: Mapping[str, str], now: float) -> Response:
        with self._provider.store.begin() as connection:
            remove_link(connection, session.user, form.get("issuer", ""), form.get("subject", ""), now=now)
        return RedirectResponse(f"{self._provider.settings.base}/account", 303)

    def _asking(self, request: Request) -> Asking | None:
        name = request.path_params["name"]
        policy = next((found for found in self._provider.settings.federation() if found.name == name), None)
        if policy is None:
            return None
        known = self._known.get(policy)
        if known is None:
            # a reloaded policy may say something else of the same name: that is another provider
            self._known = {old: asking for old, asking in self._known.items() if old.name != name}
            known = self._known[policy] = Asking(policy, self._provider.settings.outbound)
        return known

    def _redirect_uri(self, policy: FederationPolicy) -> str:
        return self._provider.settings.url(f"/auth/external/{policy.name}/callback")

    def _unreachable(self) -> Response:
        return self._message("That provider cannot be reached now", status=502)

    def _message(self, text: str, *, status: int = 400) -> Response:
        values = {"base": self._provider.settings.base, "title": "Sign in", "text": f"{text}."}
        return page("message", {**values, "link": "/auth/login", "link_text": "Sign in"}, status=status)
