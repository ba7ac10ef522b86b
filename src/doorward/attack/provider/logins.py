"""Attacks on logins: guessing, spraying, stuffing, replaying, planting, forging; and the honest people beside them."""

from typing import Final

from doorward.attack.provider.browser import Browser
from doorward.attack.provider.case import LoginAttack
from doorward.attack.provider.site import BREACHED, SPRAYED, ProviderSite, is_account
from doorward.attack.wire import Answer
from doorward.identity.pages.browser import SESSION

_ACCOUNT: Final = "a session in the account"


def _brute_force(site: ProviderSite) -> str:
    for number in range(7):
        site.signs_in(site.browser(), "guessed", f"a guess at the password {number}")
    return _ACCOUNT if site.signs_in(site.browser(), "guessed", site.passwords["guessed"]) else ""


def _typing_errors(site: ProviderSite) -> str:
    browser = site.browser()
    for number in range(2):
        site.signs_in(browser, "honest", f"{site.passwords['honest']}{number}")
    return _refused(site, browser, "honest")


def _spraying(site: ProviderSite) -> str:
    for number in range(8):
        site.signs_in(site.browser(), f"somebody{number}", SPRAYED)
    return _ACCOUNT if site.signs_in(site.browser(), "sprayed", SPRAYED) else ""


def _stuffing(site: ProviderSite) -> str:
    address = "203.0.113.66"
    for number in range(20):
        site.signs_in(site.browser(address), f"customer{number}", f"password of another site {number}")
    return _ACCOUNT if site.signs_in(site.browser(address), "stuffed", site.passwords["stuffed"]) else ""


def _new_browser(site: ProviderSite) -> str:
    return _refused(site, site.browser(), "dave")


def _another_address(site: ProviderSite) -> str:
    return _refused(site, site.browser("203.0.113.67"), "erin")


def _code_replayed(site: ProviderSite) -> str:
    code = site.one_time_code(steps_ago=1)
    _with_code(site, site.browser(), code)
    return _ACCOUNT if is_account(_with_code(site, site.browser(), code)) else ""


def _next_code(site: ProviderSite) -> str:
    answer = _with_code(site, site.browser(), site.one_time_code())
    return "" if is_account(answer) else str(answer.status)


def _with_code(site: ProviderSite, browser: Browser, code: str) -> Answer:
    site.signs_in(browser, "carol", site.passwords["carol"])
    return browser.follow(browser.send("/auth/factor", code=code))


def _without_factor(site: ProviderSite) -> str:
    browser = site.browser()
    site.signs_in(browser, "carol", site.passwords["carol"])
    return _ACCOUNT if is_account(browser.get("/account")) else ""


def _after_sign_out(site: ProviderSite) -> str:
    browser = site.signed_in("dave")
    thief = _copied(site, browser)
    browser.get("/account")
    browser.send("/auth/logout")
    return _ACCOUNT if is_account(thief.get("/account")) else ""


def _in_another_browser(site: ProviderSite) -> str:
    thief = _copied(site, site.signed_in("dave"))
    thief.agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36"
    return _ACCOUNT if is_account(thief.get("/account")) else ""


def _on_another_network(site: ProviderSite) -> str:
    answer = _copied(site, site.signed_in("dave")).get("/account")
    return "" if is_account(answer) else str(answer.status)


def _copied(site: ProviderSite, browser: Browser) -> Browser:
    """The same cookies, at another address."""
    other = site.browser()
    other.cookies = dict(browser.cookies)
    return other


def _still_signed_in(site: ProviderSite) -> str:
    browser = site.signed_in("dave")
    answer = browser.get("/account")
    return "" if is_account(answer) else str(answer.status)


def _planted(site: ProviderSite) -> str:
    victim, planted = site.browser(), "p" * 43
    victim.cookies[SESSION] = planted
    site.signs_in(victim, "erin", site.passwords["erin"])
    thief = site.browser()
    thief.cookies[SESSION] = planted
    return _ACCOUNT if is_account(thief.get("/account")) else ""


def _forged_form(site: ProviderSite) -> str:
    browser = site.signed_in("erin")
    browser.get("/account")
    browser.post("/auth/logout", browser.hidden("/auth/logout"), origin="https://evil.example")
    return "" if is_account(browser.get("/account")) else "the victim's browser under control"


def _own_form(site: ProviderSite) -> str:
    browser = site.signed_in("erin")
    browser.get("/account")
    browser.send("/auth/logout")
    return "a sign-out that is refused" if is_account(browser.get("/account")) else ""


def _older_session(site: ProviderSite) -> str:
    thief, owner = site.signed_in("frank"), site.signed_in("frank")
    site.adds_app(owner)
    return "new recovery codes" if _makes_codes(thief) else ""


def _session_of_the_factor(site: ProviderSite) -> str:
    owner = site.signed_in("grace")
    site.adds_app(owner)
    return "" if _makes_codes(owner) else "no recovery codes"


def _makes_codes(browser: Browser) -> bool:
    browser.get("/account")
    return browser.send("/account/recovery").status == 200


def _link_twice(site: ProviderSite) -> str:
    ticket = site.reset_ticket("guessed")
    _reset(site, ticket, "seven purple kettles hum")
    return "the password" if _reset(site, ticket, "eight purple kettles hum") else ""


def _link_once(site: ProviderSite) -> str:
    return "" if _reset(site, site.reset_ticket("guessed"), "nine purple kettles hum") else "a link that is refused"


def _breached(site: ProviderSite) -> str:
    return "a password everybody has" if _reset(site, site.reset_ticket("guessed"), BREACHED) else ""


def _unbreached(site: ProviderSite) -> str:
    return "" if _reset(site, site.reset_ticket("guessed"), f"{BREACHED} not") else "a password that is refused"


def _reset(site: ProviderSite, ticket: str, password: str) -> bool:
    browser = site.browser()
    browser.get("/auth/reset", ticket=ticket)
    return "Password set" in browser.send("/auth/reset", ticket=ticket, password=password).text


def _refused(site: ProviderSite, browser: Browser, name: str) -> str:
    return "" if site.signs_in(browser, name, site.passwords[name]) else f"{browser.page.status} for {name}"


LOGINS: Final = (
    LoginAttack(
        id="login.brute_force",
        name="guess one account's password from many addresses",
        earns="wait",
        source="NIST SP 800-63B-4 3.2.2; OWASP ASVS 5.0 6.3.1",
        attack=_brute_force,
        twin=_typing_errors,
    ),
    LoginAttack(
        id="login.spraying",
        name="try one password at many accounts",
        earns="challenge",
        source="MITRE ATT&CK T1110.003",
        attack=_spraying,
        twin=_new_browser,
    ),
    LoginAttack(
        id="login.stuffing",
        name="try another site's pairs of names and passwords",
        earns="challenge",
        source="MITRE ATT&CK T1110.004; OWASP Credential Stuffing",
        attack=_stuffing,
        twin=_another_address,
    ),
    LoginAttack(
        id="login.code_replay",
        name="use an app's code that was used a moment ago",
        earns="one use",
        source="RFC 6238 5.2; CVE-2022-2447",
        attack=_code_replayed,
        twin=_next_code,
    ),
    LoginAttack(
        id="login.skipped_factor",
        name="open the account after the password alone",
        earns="second factor",
        source="OWASP ASVS 5.0 6.3.3; CWE-306",
        attack=_without_factor,
        twin=_still_signed_in,
    ),
    LoginAttack(
        id="login.stolen_session",
        name="use a stolen cookie after its owner signed out",
        earns="end of session",
        source="OWASP ASVS 5.0 7.4.1; CWE-613",
        attack=_after_sign_out,
        twin=_still_signed_in,
    ),
    LoginAttack(
        id="login.session_elsewhere",
        name="use a stolen cookie while its owner is signed in",
        earns="kind of browser",
        source="MITRE ATT&CK T1539",
        attack=_in_another_browser,
        twin=_on_another_network,
    ),
    LoginAttack(
        id="login.older_session",
        name="change factors in a session of before the first one was added",
        earns="step-up",
        source="OWASP ASVS 5.0 7.5.1; NIST SP 800-63B-4 4.1.2",
        attack=_older_session,
        twin=_session_of_the_factor,
    ),
    LoginAttack(
        id="login.planted_session",
        name="plant a session id and wait for the login",
        earns="new id",
        source="CWE-384 session fixation",
        attack=_planted,
        twin=_still_signed_in,
    ),
    LoginAttack(
        id="login.forged_form",
        name="send a signed-in person's form from another site",
        earns="origin",
        source="CWE-352 cross-site request forgery",
        attack=_forged_form,
        twin=_own_form,
    ),
    LoginAttack(
        id="login.breached_password",
        name="set a password that is known from a data breach",
        earns="range service",
        source="NIST SP 800-63B-4 3.1.1.2; OWASP ASVS 5.0 6.2.12",
        attack=_breached,
        twin=_unbreached,
    ),
    LoginAttack(
        id="login.reset_link",
        name="use a reset link a second time",
        earns="one use",
        source="OWASP ASVS 5.0 6.5.1; CWE-640",
        attack=_link_twice,
        twin=_link_once,
    ),
)
