"""Between what was proved and the second factor: after a right password, or when a client wants more than was shown."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.responses import RedirectResponse, Response

from doorward.identity.acr import ACR_TWO
from doorward.identity.credentials import CodeKind, FactorKind
from doorward.identity.pages.browser import STEP, Browser, set_cookie
from doorward.identity.pages.rendering import page
from doorward.identity.provider import Provider
from doorward.identity.sessions import Session
from doorward.store.single_use import LONGEST_LIFE_S, Purpose, consume, issue, peek

PASSWORD_AMR = ("pwd",)
FACTOR_AMR: Final[Mapping[CodeKind, tuple[str, ...]]] = {
    "totp": ("otp", "mfa"),
    "recovery_code": ("mfa",),
    "sms": ("sms", "mfa"),
    # reading mail proves nothing beyond the password (ID-70)
    "mail_code": (),
}
ALONE_AMR: Final = ("pop", "user", "mfa")
"""A key was proved and its user was there and known to the authenticator. `pop` (RFC 8176), not `hwk`: nothing proves
hardware."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginStep:
    """Somebody in this browser whose second factor is waited for."""

    user: str
    tx: str
    """The authorization request that waits, if there is one."""
    amr: tuple[str, ...]
    """What was proved before, in this browser and not by this factor."""
    session: str
    """Id of the session that is raised; empty for a login that has none yet."""

    def completed_by(self, amr: Sequence[str]) -> tuple[str, ...]:
        """What is proved once the factor is too (RFC 8176): true also where the first step was no password."""
        return tuple(dict.fromkeys([*self.amr, *amr]))


def begin_step(
    provider: Provider,
    browser: Browser,
    user: str,
    factors: Iterable[FactorKind],
    tx: str,
    *,
    raised: Session | None = None,
    first: Sequence[str] = PASSWORD_AMR,
    now: float,
) -> Response:
    """The way to the page of the second factor.

    `raised`: the session it is shown in addition to. `first`: what a login without one has proved so far.
    """
    amr = first if raised is None else raised.amr
    payload = {"tx": tx, "visit": browser.visit_hash, "amr": list(amr), "session": raised.id if raised else ""}
    lifetime_s = LONGEST_LIFE_S[Purpose.LOGIN_STEP]
    with provider.store.begin() as connection:
        step = issue(connection, Purpose.LOGIN_STEP, now=now, lifetime_s=lifetime_s, subject=user, payload=payload)
    only_passkeys = not {"totp", "sms"} & set(factors) and provider.passkeys is not None
    path = "/auth/factor/passkey" if only_passkeys else "/auth/factor"
    response = RedirectResponse(f"{provider.settings.base}{path}", 303)
    set_cookie(response, STEP, step, life_s=lifetime_s)
    return response


def lacks_factor(provider: Provider, session: Session) -> bool:
    """Whether the session opens nothing but the account page: the profile wants a second factor of everybody."""
    return provider.settings.profile.second_factor_always and session.acr != ACR_TWO


def raise_or_enrol(provider: Provider, browser: Browser, session: Session, tx: str, *, now: float) -> Response:
    """The way to the page of the second factor; for a user who has none, a page that says where to add one."""
    factors = provider.verifier.factors_of(session.user)
    if factors:
        return begin_step(provider, browser, session.user, factors, tx, raised=session, now=now)
    text = "Everybody needs a second factor here. Add one on your account page, then begin again."
    values = {"title": "A second factor is missing", "text": text, "link": "/account", "link_text": "Your account"}
    return page("message", {"base": provider.settings.base, **values}, status=403)


def login_step(provider: Provider, browser: Browser) -> LoginStep | None:
    """The step that waits in this browser; None for none, or when the session that it would raise is over."""
    now = provider.clock()
    with provider.store.begin() as connection:
        found = peek(connection, Purpose.LOGIN_STEP, browser.cookie(STEP) or "", now=now)
    if found is None or found.subject is None or found.payload["visit"] != browser.visit_hash:
        return None
    step = LoginStep(
        user=found.subject,
        tx=str(found.payload["tx"]),
        amr=tuple(found.payload.get("amr", PASSWORD_AMR)),
        session=str(found.payload.get("session", "")),
    )
    if step.session:
        session = browser.session(now)
        if session is None or (session.id, session.user) != (step.session, step.user):
            return None
    return step


def end_step(provider: Provider, browser: Browser, *, now: float) -> bool:
    """Whether the step still waited; it is done now."""
    with provider.store.begin() as connection:
        return consume(connection, Purpose.LOGIN_STEP, browser.cookie(STEP) or "", now=now) is not None
