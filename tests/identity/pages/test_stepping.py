"""More asked for than a session shows: `acr_values`; statement ID-57 of the reference, RFC 9470."""

import pytest
from tests.identity.authenticator import Authenticator
from tests.identity.lab import ISSUER, KEY, NOW, PASSWORD, Lab, Visitor, sent_back

from doorward.identity.enrolling import remove_all_factors
from doorward.identity.events import events_of
from doorward.identity.factors.totp import hotp, step_at
from doorward.identity.sessions import list_sessions, start_session
from doorward.identity.users import add_user
from doorward.jose import Expected, split_unverified, verify_jwt
from doorward.store import Store

ONE, TWO = "urn:doorward:acr:1", "urn:doorward:acr:2"


@pytest.fixture
def lab(store: Store) -> Lab:
    return Lab(store)


def claims(lab: Lab, code: str) -> dict[str, object]:
    token = lab.redeem(code).json()["id_token"]
    expected = Expected(issuer=ISSUER, audience="web", types=frozenset({"jwt"}))
    return dict(verify_jwt(split_unverified(token), KEY.public, expected, now=lab.now))


def weak_session(lab: Lab) -> tuple[Visitor, bytes]:
    """A browser signed in by password before its user, elsewhere, added an app; and the app's seed."""
    visitor = lab.visitor().signed_in()
    seed, _ = lab.visitor().signed_in().add_totp()
    return visitor, seed


def test_a_client_that_wants_a_second_factor_gets_one(lab: Lab) -> None:
    visitor, seed = weak_session(lab)
    since = lab.now - 60
    assert visitor.ask_authorization(acr_values=TWO).headers["location"] == "/auth/factor"
    visitor.get("/auth/factor")
    answer = visitor.follow(visitor.send("/auth/factor", code=hotp(seed, step_at(lab.now))))
    assert "asks for access as" in answer.text
    found = claims(lab, sent_back(visitor.send("/auth/consent", answer="allow"))["code"])
    assert (found["acr"], found["amr"]) == (TWO, ["pwd", "otp", "mfa"])
    assert found["auth_time"] == since


def test_what_was_shown_once_is_not_asked_again(lab: Lab) -> None:
    visitor, seed = weak_session(lab)
    visitor.ask_authorization(acr_values=TWO)
    visitor.get("/auth/factor")
    visitor.follow(visitor.send("/auth/factor", code=hotp(seed, step_at(lab.now))))
    assert "asks for access as" in visitor.ask_authorization(acr_values=TWO).text


def test_a_passkey_raises_a_session_too(lab: Lab) -> None:
    visitor, key = lab.visitor().signed_in(), Authenticator()
    lab.visitor().signed_in().add_passkey(key)
    assert visitor.ask_authorization(acr_values=TWO).headers["location"] == "/auth/factor/passkey"
    visitor.follow(visitor.use_passkey(key, "/auth/factor/passkey"))
    found = claims(lab, sent_back(visitor.send("/auth/consent", answer="allow"))["code"])
    assert (found["acr"], found["amr"]) == (TWO, ["pwd", "pop", "user", "mfa"])


def test_raising_a_session_makes_it_no_younger(lab: Lab) -> None:
    """Otherwise the second factor alone would open what needs a fresh login, and keep a session for ever."""
    visitor, seed = weak_session(lab)
    lab.now += 700
    visitor.ask_authorization(acr_values=TWO)
    visitor.get("/auth/factor")
    visitor.follow(visitor.send("/auth/factor", code=hotp(seed, step_at(lab.now))))
    visitor.get("/account")
    assert visitor.send("/account/recovery").headers["location"] == "/auth/login"
    assert visitor.ask_authorization(acr_values=TWO, max_age="600").headers["location"].startswith("/auth/login")


def test_the_cookie_of_before_is_void_once_the_session_is_raised(lab: Lab) -> None:
    """ID-73: a new id at each change of privilege."""
    visitor, seed = weak_session(lab)
    before = visitor.cookies["__Host-doorward-session"]
    visitor.ask_authorization(acr_values=TWO)
    visitor.get("/auth/factor")
    visitor.send("/auth/factor", code=hotp(seed, step_at(lab.now)))
    assert visitor.cookies["__Host-doorward-session"] != before
    thief = lab.visitor(cookie=f"__Host-doorward-session={before}")
    assert thief.get("/account").status_code == 303


@pytest.mark.parametrize("acr_values", [f"{ONE} {TWO}", ONE, "gold", "", None, f"{TWO} {ONE}"])
def test_who_has_no_second_factor_goes_on_where_one_is_not_required(lab: Lab, acr_values: str | None) -> None:
    visitor = lab.visitor().signed_in()
    assert "asks for access as" in visitor.ask_authorization(acr_values=acr_values).text


def test_where_one_is_required_who_has_none_is_sent_back(lab: Lab) -> None:
    visitor = lab.visitor().signed_in()
    assert sent_back(visitor.ask_authorization(acr_values=TWO))["error"] == "unmet_authentication_requirements"


def test_what_a_client_would_like_is_asked_of_who_has_it(lab: Lab) -> None:
    visitor, _ = weak_session(lab)
    assert visitor.ask_authorization(acr_values=f"{TWO} {ONE}").headers["location"] == "/auth/factor"
    assert "asks for access as" in visitor.ask_authorization(acr_values=f"{ONE} {TWO}").text


def test_nobody_is_asked_anything_where_nothing_may_be_shown(lab: Lab) -> None:
    """ID-58."""
    visitor, _ = weak_session(lab)
    assert sent_back(visitor.ask_authorization(acr_values=TWO, prompt="none"))["error"] == "interaction_required"


def test_consent_given_past_the_second_factor_gives_nothing(lab: Lab) -> None:
    visitor = lab.visitor().signed_in()
    visitor.ask_authorization(acr_values=f"{TWO} {ONE}")
    hidden = visitor.hidden("/auth/consent")
    lab.visitor().signed_in().add_totp()
    answer = visitor.post("/auth/consent", **hidden, answer="allow")
    assert answer.headers["location"] == "/auth/factor"


def test_a_step_raises_the_session_it_was_begun_in_alone(lab: Lab) -> None:
    add_user(lab.store, "bob", now=lab.now, password=PASSWORD)
    visitor, seed = weak_session(lab)
    visitor.ask_authorization(acr_values=TWO)
    visitor.get("/auth/factor")
    form = visitor.hidden("/auth/factor")
    step = visitor.cookies["__Host-doorward-step"]
    visitor.get("/auth/login")
    visitor.signed_in(name="bob")
    visitor.cookies.set("__Host-doorward-step", step, domain="issuer.example", path="/")
    answer = visitor.post("/auth/factor", **form, code=hotp(seed, step_at(lab.now)))
    assert answer.headers["location"] == "/auth/login"
    assert "Signed in as <strong>bob" in visitor.get("/account").text


def test_a_step_does_not_survive_its_session(lab: Lab) -> None:
    visitor, seed = weak_session(lab)
    visitor.ask_authorization(acr_values=TWO)
    visitor.get("/auth/factor")
    form = visitor.hidden("/auth/factor")
    other = lab.visitor()
    other.follow(other.sign_in())
    other.send("/auth/factor", code=hotp(seed, step_at(lab.now)))
    other.get("/account")
    other.post("/account/sessions", **{**other.hidden("/auth/logout"), "session": "others"})
    lab.now += 60
    answer = visitor.post("/auth/factor", **form, code=hotp(seed, step_at(lab.now)))
    assert answer.headers["location"] == "/auth/login"
    assert visitor.get("/account").status_code == 303


def test_a_pushed_request_asks_for_it_too(lab: Lab) -> None:
    visitor, _ = weak_session(lab)
    from tests.identity.lab import CALLBACK, CHALLENGE

    fields = {"redirect_uri": CALLBACK, "response_type": "code", "scope": "openid", "acr_values": TWO}
    fields |= {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    pushed = lab.post("/oauth/par", **lab.authenticated("web"), **fields).json()["request_uri"]
    answer = visitor.get("/oauth/authorize", client_id="web", request_uri=pushed)
    assert answer.headers["location"] == "/auth/factor"


CHANGES: dict[str, dict[str, str]] = {
    "/account/factors/start": {},
    "/account/factors/finish": {"ticket": "t", "code": "000000"},
    "/account/factors/remove": {"factor": "f"},
    "/account/recovery": {},
    "/account/password": {"current": PASSWORD, "password": "another sentence nobody said"},
    "/account/email": {"email": "thief@mail.example"},
    "/account/email/held": {"answer": "use"},
    "/account/passkeys/add": {"answer": "{}"},
    "/account/passkeys/rename": {"factor": "f", "label": "l"},
    "/account/phone": {"number": "+4915123456789"},
    "/account/phone/prove": {"code": "00000000"},
    "/account/phone/remove": {},
    "/account/external": {"issuer": "https://login.example.org", "subject": "s"},
    "/account/external/corporate": {},
}
"""All forms of the account page that need a login of the last ten minutes."""


def form_token(visitor: Visitor) -> str:
    visitor.get("/account")
    return visitor.hidden("/auth/logout")["csrf"]


@pytest.mark.parametrize("path", CHANGES)
def test_a_session_of_before_the_first_factor_shows_it_before_it_changes_anything(lab: Lab, path: str) -> None:
    """A thief's session must not outlive what its user did against thieves, not for ten minutes either."""
    visitor, seed = weak_session(lab)
    events_before = len(events_of(lab.store, "alice"))
    token = form_token(visitor)
    assert visitor.post(path, csrf=token, **CHANGES[path]).headers["location"] == "/auth/factor"
    assert len(events_of(lab.store, "alice")) == events_before
    visitor.get("/auth/factor")
    assert visitor.send("/auth/factor", code=hotp(seed, step_at(lab.now))).headers["location"] == "/account"
    answer = visitor.post(path, csrf=form_token(visitor), **CHANGES[path])
    assert answer.headers.get("location") not in {"/auth/factor", "/auth/login"}


def test_a_passkey_is_such_a_factor_too(lab: Lab) -> None:
    older, owner, key = lab.visitor().signed_in(), lab.visitor().signed_in(), Authenticator()
    owner.add_passkey(key)
    assert owner.post("/account/recovery", csrf=form_token(owner)).status_code == 200
    assert older.post("/account/recovery", csrf=form_token(older)).headers["location"] == "/auth/factor/passkey"
    older.follow(older.use_passkey(key, "/auth/factor/passkey"))
    assert older.post("/account/recovery", csrf=form_token(older)).status_code == 200


def test_its_page_of_passkeys_asks_too(lab: Lab) -> None:
    visitor, _ = weak_session(lab)
    assert visitor.get("/account/passkeys/add").headers["location"] == "/auth/factor"


def test_the_session_that_the_factor_was_added_in_goes_on(lab: Lab) -> None:
    visitor = lab.visitor().signed_in()
    before = visitor.cookies["__Host-doorward-session"]
    visitor.add_totp()
    assert visitor.cookies["__Host-doorward-session"] != before
    assert visitor.add_passkey(Authenticator()).headers["location"] == "/account"
    assert visitor.post("/account/recovery", csrf=form_token(visitor)).status_code == 200
    (session,) = list_sessions(lab.store, "alice", now=lab.now)
    assert (session.amr, session.acr) == (("pwd", "otp", "pop", "user"), ONE)
    assert session.auth_time == NOW


def test_ten_minutes_after_the_login_it_goes_on_no_longer(lab: Lab) -> None:
    visitor = lab.visitor().signed_in()
    visitor.add_totp()
    lab.now = NOW + 601
    visitor.get("/account")
    assert visitor.send("/account/recovery").headers["location"] == "/auth/login"


def test_a_session_that_showed_a_factor_that_is_gone_shows_the_new_one(lab: Lab) -> None:
    owner = lab.visitor().signed_in()
    owner.add_totp()
    remove_all_factors(lab.store, "alice", now=lab.now)
    lab.visitor().signed_in().add_totp()
    assert owner.post("/account/recovery", csrf=form_token(owner)).headers["location"] == "/auth/factor"


def test_a_login_that_was_under_way_when_the_factor_came_shows_it(lab: Lab) -> None:
    """Its password was checked before, its session begins after."""
    visitor = lab.visitor().signed_in()
    lab.visitor().signed_in().add_totp()
    with lab.store.begin() as connection:
        cookie = start_session(
            connection, "alice", amr=["pwd"], now=lab.now, address="192.0.2.1", agent="python-httpx/1"
        )
    late = lab.visitor()
    late.get("/auth/login")
    late.cookies.set("__Host-doorward-session", cookie)
    assert late.post("/account/recovery", csrf=form_token(late)).headers["location"] == "/auth/factor"
    assert visitor.get("/account").status_code == 200
