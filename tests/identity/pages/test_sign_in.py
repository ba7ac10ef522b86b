"""Signing in and out: statements ID-72 to ID-75 and ID-78 of the reference, and forged forms."""

import re
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError
from starlette.routing import Route
from tests.identity.lab import ISSUER, PASSWORD, Lab, Visitor, every_page

from doorward.controls.transport.policy import TransportPolicy
from doorward.identity.enrolling import make_reset
from doorward.identity.events import events_of
from doorward.identity.factors.totp import hotp, step_at
from doorward.identity.sessions import find_session
from doorward.identity.turns import Turns
from doorward.identity.users import disable_user
from doorward.policy.issuer import IssuerSettings
from doorward.store import Store

SESSION, DEVICE = "__Host-doorward-session", "__Host-doorward-device"
NEW = "seven purple kettles hum"


@pytest.fixture
def lab(store: Store) -> Lab:
    return Lab(store)


def is_in(visitor: Visitor) -> bool:
    return "Signed in as" in visitor.get("/account").text


def test_a_user_signs_in_and_out(lab: Lab) -> None:
    visitor = lab.visitor().signed_in()
    cookie = visitor.cookies[SESSION]
    assert "Signed out" in visitor.send("/auth/logout").text
    assert SESSION not in visitor.cookies
    assert find_session(lab.store, cookie, now=lab.now) is None


def test_every_cookie_is_for_this_host_alone_and_out_of_reach_of_scripts(lab: Lab) -> None:
    """ID-73."""
    visitor = lab.visitor()
    set_cookies = visitor.get("/auth/login").headers.get_list("set-cookie")
    set_cookies += visitor.sign_in().headers.get_list("set-cookie")
    kept = [cookie for cookie in set_cookies if "Max-Age=0" not in cookie]
    assert len(kept) == 3
    for cookie in kept:
        assert re.match(r"__Host-doorward-(visit|session|device)=[\w-]{43};", cookie)
        for attribute in ("HttpOnly", "Secure", "Path=/", "SameSite=lax"):
            assert attribute in cookie
        assert "domain" not in cookie.lower()


def test_each_login_has_a_new_id_and_ends_the_one_before(lab: Lab) -> None:
    """ID-73: no fixation."""
    visitor = lab.visitor().signed_in()
    before = visitor.cookies[SESSION]
    visitor.get("/auth/login")
    visitor.signed_in()
    assert visitor.cookies[SESSION] != before
    assert find_session(lab.store, before, now=lab.now) is None


@pytest.mark.parametrize("cookie", ["", "x", "x" * 43, "x" * 5_000, "%00", "a b"])
def test_a_cookie_that_was_made_up_is_nobodys(lab: Lab, cookie: str) -> None:
    visitor = lab.visitor(cookie=f"{SESSION}={cookie}")
    assert visitor.get("/account").status_code == 303


def test_a_session_ends_an_hour_after_its_last_use_and_a_day_after_login(lab: Lab) -> None:
    """ID-74."""
    visitor = lab.visitor().signed_in()
    lab.now += 3_599
    assert is_in(visitor)
    lab.now += 3_601
    assert not is_in(visitor)
    visitor = lab.visitor().signed_in()
    for _ in range(28):
        lab.now += 3_000
        assert is_in(visitor)
    lab.now += 2_400
    assert not is_in(visitor)


def test_users_see_and_end_their_sessions_and_nobody_elses(lab: Lab) -> None:
    """ID-74."""
    from doorward.identity.users import add_user

    add_user(lab.store, "bob", now=lab.now, password=PASSWORD)
    here, there = lab.visitor().signed_in(), lab.visitor(**{"user-agent": "Other <b>browser</b>"}).signed_in()
    bob = lab.visitor().signed_in(name="bob")
    page = here.get("/account")
    assert "Other &lt;b&gt;browser&lt;/b&gt;" in page.text
    (other,) = re.findall(r'name="session" value="([0-9a-f]{32})"', page.text)
    bob.get("/account")
    bob.post("/account/sessions", **{**bob.hidden("/auth/logout"), "session": other})
    assert is_in(there)
    here.post("/account/sessions", **{**here.hidden("/auth/logout"), "session": other})
    assert not is_in(there)
    assert is_in(here)
    assert is_in(bob)


def test_all_other_sessions_can_be_ended_at_once(lab: Lab) -> None:
    here, *others = [lab.visitor().signed_in() for _ in range(3)]
    here.get("/account")
    here.post("/account/sessions", **{**here.hidden("/auth/logout"), "session": "others"})
    assert [is_in(visitor) for visitor in (here, *others)] == [True, False, False]


def test_a_user_has_up_to_twenty_sessions(lab: Lab) -> None:
    visitors = []
    for _ in range(21):
        lab.now += 1
        visitors.append(lab.visitor().signed_in())
    assert [is_in(visitor) for visitor in (visitors[0], visitors[1], visitors[20])] == [False, True, True]


def test_a_disabled_user_is_out_at_once(lab: Lab) -> None:
    visitor = lab.visitor().signed_in()
    disable_user(lab.store, "alice", now=lab.now)
    assert not is_in(visitor)


def test_with_a_second_factor_nothing_opens_before_it(lab: Lab) -> None:
    """ID-78."""
    seed, _ = lab.visitor().signed_in().add_totp()
    visitor = lab.visitor()
    assert visitor.sign_in().headers["location"] == "/auth/factor"
    assert SESSION not in visitor.cookies
    assert DEVICE not in visitor.cookies
    assert not is_in(visitor)
    visitor.get("/auth/factor")
    assert visitor.send("/auth/factor", code="000000").status_code == 403
    code = hotp(seed, step_at(lab.now))
    visitor.follow(visitor.send("/auth/factor", code=f"{code[:3]} {code[3:]}"))
    assert is_in(visitor)


def test_a_recovery_code_signs_in_once(lab: Lab) -> None:
    _, codes = lab.visitor().signed_in().add_totp()
    for expected in (True, False):
        visitor = lab.visitor()
        visitor.follow(visitor.sign_in())
        visitor.follow(visitor.send("/auth/factor", code=codes[0]))
        assert is_in(visitor) is expected


def test_the_step_between_the_factors_is_one_browsers_alone_and_over_after_ten_minutes(lab: Lab) -> None:
    seed, _ = lab.visitor().signed_in().add_totp()
    victim, thief = lab.visitor(), lab.visitor()
    victim.follow(victim.sign_in())
    thief.get("/auth/login")
    thief.cookies.set("__Host-doorward-step", victim.cookies["__Host-doorward-step"], domain="issuer.example")
    assert thief.get("/auth/factor").headers["location"] == "/auth/login"
    lab.now += 600
    assert victim.send("/auth/factor", code=hotp(seed, step_at(lab.now))).headers["location"] == "/auth/login"
    assert not is_in(victim)


def test_a_wrong_password_an_unknown_name_and_a_disabled_user_look_the_same(lab: Lab) -> None:
    """ID-72, keycloak and hanko#667: no enumeration."""
    pages = set()
    for name in ("alice", "nobody"):
        answer = lab.visitor().sign_in("wrong wrong wrong wrong", name)
        text = re.sub(r'value="[^"]*"', "", answer.text)
        pages.add((answer.status_code, text, tuple(sorted(set(answer.headers) - {"content-length"}))))
    assert len(pages) == 1


def test_guessing_makes_wait_and_says_how_long(lab: Lab) -> None:
    visitor = lab.visitor()
    answers = [visitor.sign_in(f"guess number {number}") for number in range(4)]
    assert [answer.status_code for answer in answers] == [403, 403, 403, 429]
    assert answers[-1].headers["retry-after"] == "5"
    lab.now += 5
    assert visitor.sign_in().status_code == 303


def test_how_many_must_fail_before_unknown_browsers_are_challenged_is_the_policys(lab: Lab) -> None:
    lab.settings = replace(lab.settings, flood_accounts=lambda: 10)
    lab.app = lab.made_app()
    for number in range(10):
        assert lab.visitor().sign_in().status_code == 303
        lab.visitor(address=f"198.51.100.{number}").sign_in(f"guess number {number}", f"user{number}")
    assert lab.visitor().sign_in().status_code == 403


@pytest.mark.parametrize("count", [9, 4_001, 60.5, None])
def test_a_bound_that_would_trouble_or_forget_everybody_does_not_load(count: Any) -> None:
    with pytest.raises(ValidationError):
        IssuerSettings(flood_accounts=count)


def test_while_many_fail_an_unknown_browser_needs_both_factors_at_once_and_a_known_one_does_not(lab: Lab) -> None:
    known = lab.visitor().signed_in()
    seed, _ = known.add_totp()
    for number in range(60):
        lab.visitor(address=f"198.51.100.{number}").sign_in(f"guess number {number}", f"user{number}")
    stranger = lab.visitor()
    answer = stranger.sign_in()
    assert answer.status_code == 403
    assert 'name="code"' in answer.text
    assert stranger.sign_in(code="000000").status_code == 403
    wrong = stranger.sign_in("wrong wrong wrong wrong", code=hotp(seed, step_at(lab.now)))
    assert wrong.status_code == 403
    lab.now += 60
    stranger.follow(stranger.sign_in(code=hotp(seed, step_at(lab.now))))
    assert is_in(stranger)
    known.get("/auth/login")
    assert known.sign_in().headers["location"] == "/auth/factor"


def test_who_has_no_second_factor_passes_a_challenge_with_a_recovery_code_or_a_link(lab: Lab) -> None:
    at_home = lab.visitor().signed_in()
    codes = re.findall(r"<li><code>([a-z2-7-]+)</code></li>", at_home.send("/account/recovery").text)
    for number in range(60):
        lab.visitor(address=f"198.51.100.{number}").sign_in(f"guess number {number}", f"user{number}")
    stranger = lab.visitor()
    assert stranger.sign_in().status_code == 403
    stranger.follow(stranger.sign_in(code=codes[0]))
    assert is_in(stranger)
    other = lab.visitor()
    assert other.sign_in(code=codes[0]).status_code == 403
    other.get("/auth/reset", ticket=make_reset(lab.store, "alice", now=lab.now))
    other.send("/auth/reset", password=NEW)
    other.get("/auth/login")
    assert other.sign_in(NEW).status_code == 303


def test_an_address_is_taken_from_a_listed_proxy_and_from_nobody_else(store: Store) -> None:
    """authentik CVE-2023-36456."""
    lab = Lab(store, proxies=TransportPolicy(trusted_proxies=("10.0.0.0/8",)).proxies())
    for peer, field, expected in (
        ("10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "192.0.2.9, 203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "1.1.1.1, " * 100, "10.0.0.1"),
        ("198.51.100.1", "203.0.113.7", "198.51.100.1"),
    ):
        lab.now += 1
        lab.visitor(address=peer, **{"x-forwarded-for": field}).signed_in()
        assert events_of(lab.store, "alice")[0].address == expected


FORGERIES = {
    "another site": {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
    "a sister host": {"origin": "https://evil.issuer.example", "sec-fetch-site": "same-site"},
    "an opaque origin": {"origin": "null"},
    "a port": {"origin": f"{ISSUER}:8443"},
    "plain http": {"origin": "http://issuer.example"},
    "no browser at all": {},
    "a lying header": {"origin": ISSUER, "sec-fetch-site": "cross-site"},
}


@pytest.mark.parametrize("headers", FORGERIES.values(), ids=FORGERIES)
def test_a_form_of_another_site_does_nothing(lab: Lab, headers: dict[str, str]) -> None:
    visitor = lab.visitor().signed_in()
    answer = visitor.post("/auth/logout", headers=headers, **visitor.hidden("/auth/logout"))
    assert answer.status_code == 403
    assert is_in(visitor)


@pytest.mark.parametrize("headers", [{"origin": ISSUER}, {"sec-fetch-site": "same-origin"}])
def test_our_own_form_works_with_either_header(lab: Lab, headers: dict[str, str]) -> None:
    visitor = lab.visitor().signed_in()
    assert visitor.post("/auth/logout", headers=headers, **visitor.hidden("/auth/logout")).status_code == 200


@pytest.mark.parametrize("csrf", ["", "0" * 64, "\u00e9"])
def test_a_form_without_this_browsers_token_does_nothing(lab: Lab, csrf: str) -> None:
    visitor = lab.visitor().signed_in()
    assert visitor.post("/auth/logout", csrf=csrf).status_code == 403
    assert is_in(visitor)


def test_no_page_takes_a_form_without_it(lab: Lab) -> None:
    routes = [route for route in lab.app.routes if isinstance(route, Route) and "POST" in (route.methods or ())]
    paths = [route.path for route in routes if route.path.startswith(("/auth/", "/account"))]
    assert len(paths) > 30
    visitor = lab.visitor().signed_in()
    for path in paths:
        answer = visitor.post(path.replace("{name}", "corp"), csrf="0" * 64)
        assert (answer.status_code, "This form is not ours" in answer.text) == (403, True), path


def test_the_token_of_another_browser_does_nothing(lab: Lab) -> None:
    visitor, other = lab.visitor().signed_in(), lab.visitor()
    other.get("/auth/login")
    assert visitor.post("/auth/logout", **other.hidden("/auth/login")).status_code == 403


def test_no_page_may_be_framed_kept_or_run_a_script(lab: Lab) -> None:
    """ID-16."""
    for answer in every_page(lab.visitor().signed_in()):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "script-src" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert "access-control-allow-origin" not in answer.headers
        assert not re.search(r"<script|<style|\son\w+=|style=|https?://", answer.text.replace("http://www.w3.org", ""))


@pytest.mark.parametrize("name", ['"><script>alert(1)</script>', "{{ 233 * 233 }}", "' onfocus=x"])
def test_what_was_typed_comes_back_as_text(lab: Lab, name: str) -> None:
    answer = lab.visitor().sign_in("x", name)
    assert name not in answer.text or name == "{{ 233 * 233 }}"
    assert "54289" not in answer.text


HOSTILE = {"host": "evil.example", "x-forwarded-host": "evil.example", "forwarded": "host=evil.example;proto=http"}


def test_no_answer_repeats_a_host_that_a_request_brought(lab: Lab) -> None:
    """Zitadel CVE-2025-64101: the public URL comes from the policy alone."""
    visitor = lab.visitor(**HOSTILE)
    for answer in (
        visitor.get("/auth/login"),
        visitor.get("/account"),
        visitor.get("/.well-known/openid-configuration"),
        visitor.ask_authorization(),
        visitor.ask_authorization(prompt="none"),
    ):
        assert "evil.example" not in answer.text + repr(answer.headers)


def test_a_link_sets_a_password_once_and_ends_every_session(lab: Lab) -> None:
    other = lab.visitor().signed_in()
    ticket = make_reset(lab.store, "alice", now=lab.now)
    visitor = lab.visitor()
    visitor.get("/auth/reset", ticket=ticket)
    weak = visitor.send("/auth/reset", password="passwordpassword1")
    assert "easy to guess" in weak.text
    assert "Password set" in visitor.send("/auth/reset", password=NEW).text
    assert not is_in(other)
    assert lab.visitor().get("/auth/reset", ticket=ticket).status_code == 400
    assert lab.visitor().sign_in(NEW).status_code == 303
    assert lab.visitor().sign_in().status_code == 403


def test_a_link_is_void_after_a_day_and_a_made_up_one_always(lab: Lab) -> None:
    ticket = make_reset(lab.store, "alice", now=lab.now)
    assert lab.visitor().get("/auth/reset", ticket="x" * 43).status_code == 400
    lab.now += 86_400
    assert lab.visitor().get("/auth/reset", ticket=ticket).status_code == 400


def test_a_link_does_not_stand_for_the_second_factor(lab: Lab) -> None:
    """ID-72."""
    seed, _ = lab.visitor().signed_in().add_totp()
    ticket = make_reset(lab.store, "alice", now=lab.now)
    visitor = lab.visitor()
    visitor.get("/auth/reset", ticket=ticket)
    assert visitor.send("/auth/reset", password=NEW).status_code == 400
    assert visitor.send("/auth/reset", password=NEW, code="000000").status_code == 400
    assert "Password set" in visitor.send("/auth/reset", password=NEW, code=hotp(seed, step_at(lab.now))).text


def test_a_reset_lifts_the_lock(lab: Lab) -> None:
    visitor = lab.visitor()
    for number in range(4):
        visitor.sign_in(f"guess number {number}")
    ticket = make_reset(lab.store, "alice", now=lab.now)
    visitor.get("/auth/reset", ticket=ticket)
    visitor.send("/auth/reset", password=NEW)
    assert lab.visitor().sign_in(NEW).status_code == 303


def test_users_see_what_happened_at_their_account(lab: Lab) -> None:
    visitor = lab.visitor()
    visitor.sign_in("wrong wrong wrong wrong")
    visitor.signed_in()
    assert {"login.fail", "login.ok", "session.created"} <= {event.kind for event in events_of(lab.store, "alice")}
    assert "login.fail" in visitor.get("/account").text


def test_more_logins_than_can_wait_are_asked_to_come_back(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("doorward.identity.provider.Turns", lambda *_: Turns(0, 0))
    answer = lab.visitor().sign_in()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
