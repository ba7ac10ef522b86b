"""Changing how an account is protected: statement ID-75 of the reference."""

import pytest
from tests.identity.lab import PASSWORD, Lab, Visitor

from doorward.identity.devices import list_devices
from doorward.identity.enrolling import list_factors
from doorward.identity.events import events_of
from doorward.identity.factors.totp import hotp, step_at
from doorward.store import Store

NEW = "seven purple kettles hum"


@pytest.fixture
def lab(store: Store) -> Lab:
    return Lab(store)


def test_an_app_is_added_and_removed_and_its_user_can_see_it(lab: Lab) -> None:
    visitor = lab.visitor().signed_in()
    visitor.add_totp()
    assert "10 recovery codes left" in visitor.get("/account").text
    (factor,) = list_factors(lab.store, "alice")
    visitor.send("/account/factors/remove", factor=factor.id)
    assert list_factors(lab.store, "alice") == []
    assert {"factor.added", "factor.removed"} <= {event.kind for event in events_of(lab.store, "alice")}


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/account/factors/start", {}),
        ("/account/factors/finish", {"ticket": "x", "code": "000000"}),
        ("/account/factors/remove", {"factor": "x"}),
        ("/account/recovery", {}),
        ("/account/password", {"current": PASSWORD, "password": NEW}),
    ],
)
def test_ten_minutes_after_signing_in_a_change_needs_signing_in_again(
    lab: Lab, path: str, fields: dict[str, str]
) -> None:
    visitor = lab.visitor().signed_in()
    csrf = visitor.hidden("/auth/logout")
    lab.now += 601
    answer = visitor.post(path, **csrf, **fields)
    assert (answer.status_code, answer.headers["location"]) == (303, "/auth/login")
    assert lab.visitor().sign_in().status_code == 303


@pytest.mark.parametrize(
    "path", ["/account/factors/start", "/account/password", "/account/sessions", "/account/consents"]
)
def test_nothing_changes_without_a_session(lab: Lab, path: str) -> None:
    visitor = lab.visitor()
    visitor.get("/auth/login")
    answer = visitor.post(path, **visitor.hidden("/auth/login"))
    assert answer.headers["location"] == "/auth/login"


def test_a_password_is_changed_with_the_current_one_and_other_sessions_end(lab: Lab) -> None:
    visitor, other = lab.visitor().signed_in(), lab.visitor().signed_in()
    assert visitor.send("/account/password", current="wrong", password=NEW).status_code == 400
    assert "easy to guess" in visitor.send("/account/password", current=PASSWORD, password="password" * 2).text
    assert "is changed" in visitor.send("/account/password", current=PASSWORD, password=NEW).text
    assert other.get("/account").status_code == 303
    assert lab.visitor().sign_in(NEW).status_code == 303
    assert lab.visitor().sign_in().status_code == 403


def test_guessing_the_current_password_in_a_stolen_session_is_slowed_down_like_anywhere(lab: Lab) -> None:
    visitor = lab.visitor().signed_in()
    del visitor.cookies["__Host-doorward-device"]
    for number in range(3):
        visitor.send("/account/password", current=f"guess number {number}", password=NEW)
    assert visitor.send("/account/password", current=PASSWORD, password=NEW).status_code == 400
    assert lab.visitor().sign_in().status_code == 429


def test_an_enrolment_is_its_users_alone(lab: Lab) -> None:
    from doorward.identity.users import add_user

    add_user(lab.store, "bob", now=lab.now, password=PASSWORD)
    alice, bob = lab.visitor().signed_in(), lab.visitor().signed_in(name="bob")
    alice.send("/account/factors/start")
    ticket = alice.hidden("/account/factors/finish")["ticket"]
    bob.get("/account")
    bob.post("/account/factors/finish", **bob.hidden("/auth/logout"), ticket=ticket, code="000000")
    assert "took too long" in (bob.page.text if bob.page else "")


def test_new_recovery_codes_void_the_old_ones(lab: Lab) -> None:
    visitor = lab.visitor().signed_in()
    seed, codes = visitor.add_totp()
    visitor.get("/account")
    visitor.send("/account/recovery")
    again = lab.visitor()
    again.follow(again.sign_in())
    assert again.send("/auth/factor", code=codes[0]).status_code == 403
    assert again.send("/auth/factor", code=hotp(seed, step_at(lab.now))).status_code == 303


def test_a_consent_can_be_taken_back_and_what_came_of_it_ends(lab: Lab) -> None:
    tokens = lab.tokens()
    visitor = lab.visitor().signed_in()
    visitor.send("/account/consents", client="web")
    assert lab.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert visitor.ask_authorization().status_code == 200


def test_known_browsers_are_listed_and_forgotten(lab: Lab) -> None:
    here, there = lab.visitor().signed_in(), lab.visitor().signed_in()
    page = here.get("/account")
    assert page.text.count("Another browser<br>") == 1
    assert page.text.count("This browser<br>") == 1
    (other,) = [found for found in _devices(lab, here) if not found[1]]
    here.post("/account/devices", **{**here.hidden("/auth/logout"), "device": other[0]})
    assert [is_this for _, is_this in _devices(lab, here)] == [True]
    assert "Another browser<br>" not in here.get("/account").text
    there.get("/account")
    there.post("/account/devices", **{**there.hidden("/auth/logout"), "device": "all"})
    assert _devices(lab, here) == []


def test_nobody_forgets_another_users_browser(lab: Lab) -> None:
    from doorward.identity.users import add_user

    add_user(lab.store, "bob", now=lab.now, password=PASSWORD)
    alice, bob = lab.visitor().signed_in(), lab.visitor().signed_in(name="bob")
    ((device, _),) = _devices(lab, alice)
    bob.post("/account/devices", **{**bob.hidden("/auth/logout"), "device": device})
    assert _devices(lab, alice) == [(device, True)]


def _devices(lab: Lab, visitor: Visitor) -> list[tuple[str, bool]]:
    with lab.store.begin() as connection:
        found = list_devices(connection, "alice", visitor.cookies.get("__Host-doorward-device"), now=lab.now)
    return [(device.id, device.is_this) for device in found]
