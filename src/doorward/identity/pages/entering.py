"""The end of every way to sign in: a new session, a known browser, and back to where one came from."""

from collections.abc import Sequence

from starlette.responses import RedirectResponse, Response

from doorward.identity import events
from doorward.identity.devices import LIFETIME_S as DEVICE_S
from doorward.identity.devices import is_known_device, remember_device
from doorward.identity.oauth.families import end_families
from doorward.identity.pages.browser import DEVICE, SESSION, STEP, Browser, drop_cookie, set_cookie
from doorward.identity.pages.returning import after_sign_in
from doorward.identity.provider import Provider
from doorward.identity.sessions import Session, end_session, renew_session, start_session
from doorward.store import token_families


def enter(
    provider: Provider,
    browser: Browser,
    user: str,
    amr: Sequence[str],
    tx: str,
    now: float,
    *,
    raises: str = "",
) -> Response:
    """The redirect of a user who has proved themselves in the ways of `amr` (RFC 8176), all that they must.

    `tx`: the authorization request that waits for them, if there is one. The session before is over, or
    goes on under a new id when it was the same user's (no fixation).
    `raises`: the session that a second factor was added to; nothing else was proved anew, so it stays as old as it is.
    """
    absolute_s = provider.settings.profile.session_s
    before = browser.session(now)
    with provider.store.begin() as connection:
        cookie = None
        if before is not None and before.user == user:
            cookie = renew_session(
                connection,
                before,
                amr=amr,
                now=now,
                address=browser.address,
                is_whole_login=not raises,
                absolute_s=absolute_s,
            )
        elif before is not None:
            end_session(connection, before.user, before.id, now=now)
            end_families(connection, token_families.c.session == before.id, now=now)
        if cookie is None and raises:
            return RedirectResponse(f"{provider.settings.base}/auth/login", 303)
        if cookie is None:
            cookie = start_session(
                connection,
                user,
                amr=amr,
                now=now,
                address=browser.address,
                agent=browser.agent,
                absolute_s=absolute_s,
            )
        known = is_known_device(connection, user, browser.cookie(DEVICE), now=now)
        device = None if known else remember_device(connection, user, now=now)
        if not known:
            events.record(connection, "login.new_device", user, now=now, address=browser.address)
        events.record(connection, "login.ok", user, now=now, address=browser.address, amr=list(amr))
    response = RedirectResponse(after_sign_in(provider.settings.base, tx), 303)
    set_cookie(response, SESSION, cookie, life_s=absolute_s)
    if device is not None:
        set_cookie(response, DEVICE, device, life_s=DEVICE_S)
    drop_cookie(response, STEP)
    return response


def proved_too(
    provider: Provider, browser: Browser, session: Session, amr: Sequence[str], answered: Response, now: float
) -> Response:
    """The answer to whoever added a second factor in a session: it was shown there, which gives it a new cookie.

    Not `mfa`: adding a factor raises no `acr`. For that it is asked for, as by `acr_values`.
    """
    absolute_s = provider.settings.profile.session_s
    shown = tuple(dict.fromkeys([*session.amr, *(way for way in amr if way != "mfa")]))
    with provider.store.begin() as connection:
        cookie = renew_session(connection, session, amr=shown, now=now, address=browser.address, is_whole_login=False)
    if cookie is not None:
        set_cookie(answered, SESSION, cookie, life_s=absolute_s)
    return answered
