"""Devices without a browser: statements ID-51 to ID-53 of the reference (RFC 8628), device phishing of its section 9."""

import re
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text
from tests.identity.lab import CALLBACK, ISSUER, KEY, Lab, Visitor
from tests.identity.oauth.test_bound import Client
from tests.identity.oauth.test_refresh import at_once

from doorward.errors import PolicyError
from doorward.identity.clients import add_client, disable_client
from doorward.identity.events import events_of
from doorward.identity.oauth.device import CODE_LETTERS, GRANT_TYPE, LETTERS
from doorward.identity.pages.device import GUESSES_ALL, GUESSES_COUNT
from doorward.identity.revoking import revoked
from doorward.identity.tidying import tidy
from doorward.identity.users import add_user, disable_user
from doorward.jose import generate_key, split_unverified, verify_signature
from doorward.store import Store

ENDPOINT = "/oauth/device_authorization"
SCOPE = "openid orders:read offline_access"


@pytest.fixture
def lab(store: Store) -> Lab:
    """`tv` is public, `box` confidential."""
    found = Lab(store)
    scopes = ["orders:read", "offline_access"]
    for name, is_public in (("tv", True), ("box", False)):
        found.secrets[name] = add_client(
            store, name, now=found.now, scopes=scopes, title=f"The {name}", is_public=is_public, uses_devices=True
        )[1]
    return found


def asked(lab: Lab, client: str = "tv", address: str = "198.51.100.7", **fields: str) -> dict[str, Any]:
    form = {**lab.authenticated(client), "scope": SCOPE, **fields}
    answer = lab.ask("POST", ENDPOINT, data=form, address=address)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return dict(answer.json())


def poll(lab: Lab, device: dict[str, Any], client: str = "tv", **more: Any) -> Any:
    form = {**lab.authenticated(client), "grant_type": GRANT_TYPE, "device_code": device["device_code"]}
    return lab.post("/oauth/token", **form, **more)


def error(lab: Lab, device: dict[str, Any], client: str = "tv") -> str:
    answer = poll(lab, device, client)
    assert (answer.status_code, answer.headers["cache-control"]) == (400, "no-store")
    return str(answer.json()["error"])


def typed(lab: Lab, code: str, visitor: Visitor | None = None) -> Visitor:
    chosen = visitor or lab.visitor().signed_in()
    chosen.get("/auth/device")
    chosen.send("/auth/device", code=code)
    return chosen


def allowed(lab: Lab, device: dict[str, Any], visitor: Visitor | None = None, answer: str = "allow") -> Visitor:
    chosen = typed(lab, device["user_code"], visitor)
    chosen.send("/auth/device/answer", answer=answer)
    return chosen


def test_a_device_gets_its_users_tokens_once_they_allowed_it(lab: Lab) -> None:
    """ID-52, ID-53."""
    device = asked(lab)
    assert device["verification_uri"] == f"{ISSUER}/auth/device"
    assert device["verification_uri_complete"] == f"{ISSUER}/auth/device?user_code={device['user_code']}"
    assert (device["expires_in"], device["interval"]) == (600, 5)
    assert error(lab, device) == "authorization_pending"
    visitor = allowed(lab, device)
    assert visitor.page is not None
    assert "Allowed" in visitor.page.text
    lab.now += 5
    body = poll(lab, device).json()
    claims = verify_signature(split_unverified(body["access_token"]), KEY.public)
    assert (claims["sub"], claims["client_id"], claims["account_id"]) == ("alice", "tv", "a-1")
    assert body["scope"] == "offline_access openid orders:read"
    told = verify_signature(split_unverified(body["id_token"]), KEY.public)
    assert (told["aud"], told["amr"], told["auth_time"]) == ("tv", ["pwd"], lab.now - 5)
    assert lab.refresh(body["refresh_token"], "tv").status_code == 200


def test_a_user_code_has_enough_letters_that_nobody_confuses(lab: Lab) -> None:
    """ID-51: 20 letters, 8 of them: 34 bits, more than 20 left after 1,000 guesses at 20 open codes."""
    codes = {asked(lab)["user_code"] for _ in range(20)}
    assert len(codes) == 20
    assert all(re.fullmatch(f"[{LETTERS}]{{4}}-[{LETTERS}]{{4}}", code) for code in codes)
    assert set(LETTERS).isdisjoint("AEIOUY0123456789")
    assert len(LETTERS) ** CODE_LETTERS / (GUESSES_ALL * 20) > 2**20


def test_polling_too_soon_makes_the_wait_five_seconds_longer_each_time(lab: Lab) -> None:
    """ID-52."""
    device = asked(lab)
    assert error(lab, device) == "authorization_pending"
    lab.now += 4.9
    assert error(lab, device) == "slow_down"
    lab.now += 9.9
    assert error(lab, device) == "slow_down"
    lab.now += 15
    assert error(lab, device) == "authorization_pending"
    allowed(lab, device)
    lab.now += 14
    assert error(lab, device) == "slow_down"
    lab.now += 20
    assert poll(lab, device).status_code == 200


def test_a_denial_is_told_and_final(lab: Lab) -> None:
    """ID-52."""
    device = asked(lab)
    visitor = allowed(lab, device, answer="deny")
    assert error(lab, device) == "access_denied"
    answer = visitor.post("/auth/device/answer", **visitor_form(visitor), code=device["user_code"], answer="allow")
    assert answer.status_code == 400
    lab.now += 5
    assert error(lab, device) == "invalid_grant"
    assert "device.denied" in {event.kind for event in events_of(lab.store, "alice")}


def visitor_form(visitor: Visitor) -> dict[str, str]:
    visitor.get("/auth/device")
    return visitor.hidden("/auth/device")


def test_both_codes_end_after_ten_minutes(lab: Lab) -> None:
    """ID-52, ID-53."""
    device, late = asked(lab), asked(lab)
    visitor = lab.visitor().signed_in()
    lab.now += 599
    allowed(lab, late, visitor)
    lab.now += 1
    assert error(lab, device) == "expired_token"
    assert error(lab, late) == "expired_token"
    assert "No device waits" in (typed(lab, device["user_code"], visitor).page or _none()).text


def _none() -> Any:
    raise AssertionError("no page")


def test_a_device_code_works_once_and_its_second_use_ends_what_came_of_it(lab: Lab) -> None:
    """ID-53: replay."""
    device = asked(lab)
    allowed(lab, device)
    body = poll(lab, device).json()
    lab.now += 5
    assert error(lab, device) == "invalid_grant"
    assert lab.refresh(body["refresh_token"], "tv").json()["error"] == "invalid_grant"
    jti = verify_signature(split_unverified(body["access_token"]), KEY.public)["jti"]
    assert ("token", ISSUER, jti) in revoked(lab.store, ISSUER, now=lab.now)
    assert "code.reuse_detected" in {event.kind for event in events_of(lab.store, "alice")}


def test_parallel_polls_bring_tokens_once(lab: Lab) -> None:
    """ID-53."""
    for _ in range(3):
        device = asked(lab)
        allowed(lab, device)
        answers = [answer.json() for answer in at_once(*[partial(poll, lab, device)] * 8)]
        assert sum("access_token" in body for body in answers) == 1
        assert {body["error"] for body in answers if "error" in body} <= {"slow_down", "invalid_grant"}


def test_parallel_answers_decide_once(lab: Lab) -> None:
    device = asked(lab)
    visitors = [typed(lab, device["user_code"]) for _ in range(8)]
    answers = at_once(
        *(
            partial(visitor.send, "/auth/device/answer", answer=word)
            for visitor, word in zip(visitors, ["allow", "deny"] * 4, strict=True)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 7
    kinds = [event.kind for event in events_of(lab.store, "alice") if event.kind.startswith("device.")]
    assert len(kinds) == 1
    assert ("access_token" in poll(lab, device).json()) == (kinds == ["device.allowed"])


def test_a_device_code_is_its_clients_alone_and_trying_another_does_not_harm_it(lab: Lab) -> None:
    """Mixed clients."""
    device = asked(lab)
    allowed(lab, device)
    for _ in range(2):
        assert error(lab, device, "box") == "invalid_grant"
    assert poll(lab, device).status_code == 200


def test_a_client_that_is_not_registered_for_devices_gets_nothing(lab: Lab) -> None:
    for client in ("web", "spa"):
        form = lab.authenticated(client)
        assert lab.post(ENDPOINT, **form).json()["error"] == "unauthorized_client"
        answer = lab.post("/oauth/token", **form, grant_type=GRANT_TYPE, device_code="x")
        assert answer.json()["error"] == "unauthorized_client"
    disable_client(lab.store, "tv", now=lab.now)
    assert lab.post(ENDPOINT, client_id="tv").status_code == 401
    assert lab.post(ENDPOINT, client_id="box").status_code == 401
    assert lab.post(ENDPOINT, client_id="box", client_secret="x").status_code == 401


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"scope": "orders:write"}, "invalid_scope"),
        ({"resource": "https://other.example/"}, "invalid_target"),
        ({"scope": ["a", "b"]}, "invalid_request"),
    ],
)
def test_what_is_wrong_with_a_request_is_told(lab: Lab, fields: dict[str, Any], expected: str) -> None:
    assert lab.post(ENDPOINT, client_id="tv", **fields).json()["error"] == expected


def test_the_page_says_who_asks_from_where_for_what_and_warns(lab: Lab) -> None:
    """ID-53: device phishing."""
    device = asked(lab, address="203.0.113.66")
    visitor = lab.visitor().signed_in()
    page = visitor.get("/auth/device")
    assert "wants to get into your account" in page.text
    page = visitor.send("/auth/device", code=device["user_code"].lower().replace("-", " "))
    for words in ("The tv", "alice", "203.0.113.66", "another address than yours, which is 192.0.2.1", "orders:read"):
        assert words in page.text
    assert device["user_code"] in page.text
    assert "wants to get into your account" in page.text
    assert "<script" not in page.text
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


def test_asked_from_the_same_address_there_is_no_alarm(lab: Lab) -> None:
    page = typed(lab, asked(lab, address="192.0.2.1")["user_code"]).page
    assert page is not None
    assert "another address" not in page.text


def test_a_link_with_the_code_allows_nothing_by_itself_and_asks_every_time(lab: Lab) -> None:
    """Device phishing: neither opening the link nor an earlier consent answers the question."""
    allowed(lab, asked(lab))
    device = asked(lab)
    visitor = lab.visitor().signed_in()
    page = visitor.get("/auth/device", user_code=device["user_code"])
    assert device["user_code"].replace("-", "") in page.text
    assert error(lab, device) == "authorization_pending"
    page = visitor.send("/auth/device", code=device["user_code"])
    assert "Allow this device?" in page.text
    lab.now += 5
    assert error(lab, device) == "authorization_pending"


def test_without_a_session_people_sign_in_first_and_come_back_to_the_code(lab: Lab) -> None:
    device = asked(lab)
    visitor = lab.visitor()
    answer = visitor.get("/auth/device", user_code=device["user_code"])
    assert answer.headers["location"].startswith("/auth/login?tx=device.")
    visitor.follow(answer)
    page = visitor.follow(visitor.sign_in())
    assert "Connect a device" in page.text
    assert device["user_code"].replace("-", "") in page.text


@pytest.mark.parametrize("tx", ["device.//evil.example", "device.https://evil.example", "device.%0d%0aX: y", "device."])
def test_nobody_is_led_away_after_signing_in(lab: Lab, tx: str) -> None:
    visitor = lab.visitor()
    visitor.get("/auth/login", tx=tx)
    assert re.fullmatch(r"/auth/device(\?user_code=[A-Z]+)?", visitor.sign_in().headers["location"])


def test_guesses_are_limited_for_each_user_and_a_right_code_is_none(lab: Lab) -> None:
    """ID-51."""
    device = asked(lab)
    visitor = lab.visitor().signed_in()
    for _ in range(GUESSES_COUNT):
        typed(lab, device["user_code"], visitor)
    for number in range(GUESSES_COUNT):
        guess = "".join(LETTERS[(number + place) % 20] for place in range(8))
        assert "No device waits" in (typed(lab, guess, visitor).page or _none()).text
    page = typed(lab, device["user_code"], visitor).page
    assert page is not None
    assert (page.status_code, "too many wrong codes" in page.text) == (429, True)
    visitor.post("/auth/device/answer", **visitor_form(visitor), code=device["user_code"], answer="allow")
    assert error(lab, device) == "authorization_pending"
    add_user(lab.store, "bob", now=lab.now, password="correct horse battery staple")
    other = lab.visitor()
    other.follow(other.sign_in(name="bob"))
    assert "Allow this device?" in (typed(lab, device["user_code"], other).page or _none()).text
    lab.now += 600
    fresh = asked(lab)
    assert "Allow this device?" in (typed(lab, fresh["user_code"], visitor).page or _none()).text


def test_parallel_guesses_do_not_overtake_the_limit(lab: Lab) -> None:
    visitor = lab.visitor().signed_in()
    form = visitor_form(visitor)
    answers = at_once(*[partial(visitor.post, "/auth/device", **form, code="BBBB-BBBB")] * (GUESSES_COUNT + 6))
    assert sorted(answer.status_code for answer in answers) == [400] * GUESSES_COUNT + [429] * 6


def test_one_address_asks_for_so_many_codes_only(lab: Lab) -> None:
    for _ in range(60):
        asked(lab)
    answer = lab.ask("POST", ENDPOINT, data={"client_id": "tv"}, address="198.51.100.7")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "600")
    assert asked(lab, address="198.51.100.8")


def test_the_answer_cannot_come_from_another_site(lab: Lab) -> None:
    device = asked(lab)
    visitor = typed(lab, device["user_code"])
    form = visitor.hidden("/auth/device/answer")
    for path in ("/auth/device", "/auth/device/answer"):
        for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}, {}):
            assert visitor.post(path, headers=headers, **form, answer="allow").status_code == 403
    stranger = lab.visitor()
    stranger.get("/auth/login")
    own = stranger.hidden("/auth/login")
    answer = stranger.post("/auth/device/answer", csrf=own["csrf"], code=device["user_code"], answer="allow")
    assert answer.headers["location"].startswith("/auth/login")
    assert error(lab, device) == "authorization_pending"


def _disable(lab: Lab, _visitor: Visitor) -> None:
    disable_user(lab.store, "alice", now=lab.now)


def _take_back(_lab: Lab, visitor: Visitor) -> None:
    visitor.get("/account")
    visitor.post("/account/consents", **visitor.hidden("/auth/logout"), client="tv")


def _end_session(lab: Lab, _visitor: Visitor) -> None:
    lab.visitor().signed_in().send("/account/sessions", session="others")


@pytest.mark.parametrize("undo", [_disable, _take_back, _end_session])
def test_what_is_taken_back_before_the_device_comes_is_taken_back(lab: Lab, undo: Any) -> None:
    device = asked(lab)
    undo(lab, allowed(lab, device))
    assert error(lab, device) == "access_denied"


@pytest.mark.parametrize("undo", [_disable, _take_back, _end_session])
def test_what_a_device_has_ends_with_the_users_other_access(lab: Lab, undo: Any) -> None:
    device = asked(lab)
    visitor = allowed(lab, device)
    token = poll(lab, device).json()["refresh_token"]
    undo(lab, visitor)
    assert lab.refresh(token, "tv").json()["error"] == "invalid_grant"


def test_a_device_stays_when_its_user_signs_out_of_the_browser(lab: Lab) -> None:
    device = asked(lab)
    visitor = allowed(lab, device)
    token = poll(lab, device).json()["refresh_token"]
    visitor.get("/account")
    visitor.send("/auth/logout")
    assert lab.refresh(token, "tv").status_code == 200


def test_a_device_with_a_key_gets_tokens_bound_to_it(lab: Lab) -> None:
    device = asked(lab, "box")
    allowed(lab, device)
    lab.now += 60
    client = Client(lab, "box")
    body = client.ask(KEY, grant_type=GRANT_TYPE, device_code=device["device_code"]).json()
    assert body["token_type"] == "DPoP"
    for key in (None, generate_key("ES256")):
        assert client.refresh(key, body["refresh_token"]).json()["error"] == "invalid_grant"
    assert client.refresh(KEY, body["refresh_token"]).status_code == 200


@pytest.mark.parametrize("code", ["", "x", "\u00e9" * 50, "B" * 5_000, "\ufffd"])
def test_codes_that_were_made_up_are_void(lab: Lab, code: str) -> None:
    assert error(lab, {"device_code": code}) == "invalid_grant"
    assert "No device waits" in (typed(lab, code).page or _none()).text


def test_no_code_is_stored(lab: Lab) -> None:
    device = asked(lab)
    with lab.store.begin() as connection:
        rows = "".join(
            repr(connection.execute(text(f"SELECT * FROM {name}")).all())
            for name in ("single_use", "device_grants", "events")
        )
    assert device["device_code"] not in rows
    assert device["user_code"] not in rows
    assert device["user_code"].replace("-", "") not in rows


def test_tidying_removes_what_is_over_and_a_spent_code_stays_recognised(lab: Lab) -> None:
    device = asked(lab)
    allowed(lab, device)
    token = poll(lab, device).json()["refresh_token"]
    lab.now += 3_600
    tidy(lab.store, now=lab.now)
    with lab.store.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM device_grants")).scalar_one() == 0
    assert error(lab, device) == "invalid_grant"
    assert lab.refresh(token, "tv").json()["error"] == "invalid_grant"


def test_a_public_client_needs_no_redirect_uri_for_devices_and_cannot_send_people_to_sign_in(lab: Lab) -> None:
    answer = lab.visitor().ask_authorization("tv", redirect_uri=CALLBACK)
    assert answer.status_code == 400
    with pytest.raises(PolicyError):
        add_client(lab.store, "other", now=lab.now, is_public=True)
