"""The authorization endpoint: statements ID-1 to ID-5, ID-9, ID-10, ID-15, ID-16, ID-19, ID-20, ID-36 to ID-40, ID-58,
ID-62 of the reference, and the attacks of its section 9."""

from functools import partial
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.identity.lab import CALLBACK, CHALLENGE, ISSUER, VERIFIER, Lab, sent_back
from tests.identity.oauth.test_refresh import at_once

from doorward.errors import PolicyError
from doorward.identity.clients import add_client, disable_client
from doorward.identity.oauth.codes import consented, withdraw_consent
from doorward.identity.redirects import is_registered, require_redirect_uri
from doorward.store import Store


@pytest.fixture
def lab(store: Store) -> Lab:
    return Lab(store)


def test_a_user_signs_in_agrees_and_the_client_gets_a_code_with_state_and_issuer(lab: Lab) -> None:
    """ID-9, ID-15."""
    visitor = lab.visitor()
    answer = visitor.follow(visitor.ask_authorization())
    assert "to continue to <strong>The web</strong>" in answer.text
    assert "form-action 'self' https://app.example;" in answer.headers["content-security-policy"]
    answer = visitor.follow(visitor.sign_in())
    assert "Allow access?" in answer.text
    assert "orders:read" in answer.text
    answer = visitor.send("/auth/consent", answer="allow")
    back = sent_back(answer)
    assert set(back) == {"code", "state", "iss"}
    assert (back["state"], back["iss"]) == ("s-1", ISSUER)


def test_a_user_who_says_no_is_sent_back_and_nobody_is_asked_twice_for_what_was_allowed(lab: Lab) -> None:
    visitor = lab.visitor().signed_in()
    visitor.ask_authorization()
    back = sent_back(visitor.send("/auth/consent", answer="deny"))
    assert (back["error"], back["iss"], back["state"]) == ("access_denied", ISSUER, "s-1")
    visitor.authorized()
    assert "code" in sent_back(visitor.ask_authorization())
    assert visitor.ask_authorization(scope="openid orders:write").status_code == 200
    assert visitor.ask_authorization(prompt="consent").status_code == 200


def test_the_operators_own_client_needs_no_consent(lab: Lab) -> None:
    assert "code" in sent_back(lab.visitor().signed_in().ask_authorization("own"))


REDIRECTS = [
    "",
    "https://evil.example/callback",
    "https://app.example/callback/",
    "https://app.example/callback?x=1",
    "https://app.example/callback#x",
    "https://app.example/Callback",
    "https://app.example:443/callback",
    "https://app.example/./callback",
    "https://app.example/x/../callback",
    "https://app.example/callback%2F..%2Fevil",
    "https://app.example/%63allback",
    "https://app.example@evil.example/callback",
    "https://app.example.evil.example/callback",
    "https://app.example\\@evil.example/callback",
    "https://\u0430pp.example/callback",
    "https://app.example/callback\r\nx: y",
    "http://app.example/callback",
    "https://127.0.0.1@evil.example/callback",
    "javascript:alert(1)",
    "data:text/html,x",
    "//app.example/callback",
]


@pytest.mark.parametrize("uri", REDIRECTS)
def test_a_redirect_uri_that_is_not_the_registered_one_shows_a_page(lab: Lab, uri: str) -> None:
    """ID-1, ID-2."""
    answer = lab.visitor().ask_authorization(redirect_uri=uri)
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert "not one this client" in answer.text


@pytest.mark.parametrize("client", ["nobody", "", "web\x00", "x" * 2_000])
def test_an_unknown_client_shows_a_page(lab: Lab, client: str) -> None:
    """ID-2."""
    answer = lab.visitor().ask_authorization(client)
    assert (answer.status_code, "location" in answer.headers) == (400, False)


def test_a_disabled_client_gets_nobody_sent_back(lab: Lab) -> None:
    disable_client(lab.store, "web", now=lab.now)
    assert lab.visitor().ask_authorization().status_code == 400


def test_on_loopback_any_port_is_the_same_and_nothing_else_is() -> None:
    """ID-1 (RFC 8252 section 7.3)."""
    registered = ["http://127.0.0.1/cb", "http://[::1]:80/cb"]
    good = ["http://127.0.0.1:49152/cb", "http://127.0.0.1/cb", "http://[::1]:5000/cb"]
    bad = [
        "http://127.0.0.1:49152/cb2",
        "https://127.0.0.1:49152/cb",
        "http://127.0.0.2/cb",
        "http://localhost:49152/cb",
        "http://127.0.0.1:1@evil.example/cb",
        "http://127.0.0.1.evil.example/cb",
        "http://127.0.0.1:49152/cb?x",
        "http://127.0.0.1:/cb",
        "http://127.1/cb",
    ]
    assert [is_registered(uri, registered) for uri in good] == [True] * len(good)
    assert [is_registered(uri, registered) for uri in bad] == [False] * len(bad)


@pytest.mark.parametrize(
    "uri",
    [
        "http://app.example/cb",
        "https://*.example/cb",
        "https://app.example/cb#x",
        "https://user@app.example/cb",
        "http://localhost/cb",
        "app:/cb",
        "javascript:alert(1)",
        "https://app.example/a/../cb",
        "https://app.example/c b",
        "https:///cb",
        "x" * 600,
    ],
)
def test_a_redirect_uri_that_is_open_to_others_cannot_be_registered(uri: str) -> None:
    with pytest.raises(PolicyError):
        require_redirect_uri(uri)


@pytest.mark.parametrize("uri", [CALLBACK, "http://127.0.0.1/cb", "http://[::1]/cb", "com.example.app:/cb"])
def test_a_redirect_uri_that_is_one_apps_alone_can_be_registered(uri: str) -> None:
    assert require_redirect_uri(uri) == uri


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code token"}, "unsupported_response_type"),
        ({"response_type": "id_token"}, "unsupported_response_type"),
        ({"response_type": None}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"response_mode": "form_post"}, "invalid_request"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge": CHALLENGE + "="}, "invalid_request"),
        ({"scope": "openid admin"}, "invalid_scope"),
        ({"resource": "https://other.example"}, "invalid_target"),
        ({"resource": "https://api.example/other"}, "invalid_target"),
        ({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "select_account"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "x"}, "invalid_request"),
        ({"nonce": "n" * 1_025}, "invalid_request"),
    ],
)
def test_everything_else_that_is_wrong_is_sent_back_with_the_issuer(
    lab: Lab, fields: dict[str, Any], error: str
) -> None:
    """ID-3, ID-4, ID-9, ID-19, ID-20."""
    back = sent_back(lab.visitor().signed_in().ask_authorization(**fields))
    assert (back["error"], back["iss"], back["state"]) == (error, ISSUER, "s-1")
    assert "code" not in back


@pytest.mark.parametrize("resource", ["https://api.example", "https://api.example/", "urn:doorward:api"])
def test_the_api_may_be_asked_for_by_the_name_its_metadata_tell(lab: Lab, resource: str) -> None:
    """ID-20: RFC 8707 with RFC 9728."""
    code = lab.code(resource=resource)
    assert lab.redeem(code, resource="https://api.example.evil/").json()["error"] == "invalid_target"
    assert lab.redeem(code, resource=resource).status_code == 200


BASE = {
    "client_id": "web",
    "redirect_uri": CALLBACK,
    "response_type": "code",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_a_second_client_or_redirect_uri_shows_a_page(lab: Lab, name: str) -> None:
    """ID-10: parameter pollution."""
    for second in (BASE[name], "https://evil.example"):
        query = urlencode([*BASE.items(), (name, second)])
        answer = lab.visitor().get(f"/oauth/authorize?{query}")
        assert (answer.status_code, "location" in answer.headers) == (400, False)


@pytest.mark.parametrize("name", ["scope", "state", "response_type", "code_challenge", "unknown"])
def test_any_other_second_parameter_is_sent_back(lab: Lab, name: str) -> None:
    """ID-10."""
    query = urlencode([*BASE.items(), (name, "a"), (name, "b")])
    assert sent_back(lab.visitor().get(f"/oauth/authorize?{query}"))["error"] == "invalid_request"


def test_long_state_and_nonce_and_unknown_parameters_are_taken(lab: Lab) -> None:
    """ID-62."""
    state = "s/+ &=" * 100
    answer = (
        lab.visitor().signed_in().ask_authorization("own", state=state, nonce="n" * 500, claims="{}", ui_locales="de")
    )
    assert sent_back(answer)["state"] == state


def test_a_request_may_come_by_post(lab: Lab) -> None:
    visitor = lab.visitor().signed_in()
    answer = visitor.post("/oauth/authorize", headers={"origin": "https://app.example"}, **{**BASE, "client_id": "own"})
    assert "code" in sent_back(answer)


@pytest.mark.parametrize("query", ["%FF=1", "a", "a=" + "x" * 9_000, "&".join(f"a{n}=1" for n in range(60))])
def test_a_malformed_query_shows_a_page(lab: Lab, query: str) -> None:
    assert lab.visitor().get(f"/oauth/authorize?{query}").status_code == 400


def test_without_a_session_prompt_none_says_so_and_with_one_it_is_silent(lab: Lab) -> None:
    """ID-58."""
    assert sent_back(lab.visitor().ask_authorization(prompt="none"))["error"] == "login_required"
    visitor = lab.visitor().signed_in()
    assert sent_back(visitor.ask_authorization(prompt="none"))["error"] == "consent_required"
    visitor.authorized()
    assert "code" in sent_back(visitor.ask_authorization(prompt="none"))


def test_prompt_login_and_max_age_sign_in_again_and_nothing_the_browser_says_skips_it(lab: Lab) -> None:
    """ID-58: prompt bypass."""
    visitor = lab.visitor().signed_in()
    for fields in ({"prompt": "login"}, {"max_age": "60"}):
        lab.now += 61
        answer = visitor.ask_authorization("own", **fields)
        location = answer.headers["location"]
        assert location.startswith("/auth/login?tx=")
        again = visitor.get(location.replace("/auth/login", "/oauth/continue"))
        assert again.headers["location"] == location
        visitor.get(location)
        assert "code" in sent_back(visitor.follow(visitor.sign_in()))
        assert "code" in sent_back(visitor.ask_authorization("own", max_age="60"))


@pytest.mark.parametrize("max_age", ["0", "1"])
def test_a_login_for_a_request_is_recent_enough_for_it_however_slow_its_user_is(lab: Lab, max_age: str) -> None:
    """ID-58: the user would be asked for the password for ever."""
    visitor = lab.visitor().signed_in()
    lab.now += 5
    location = visitor.ask_authorization(max_age=max_age).headers["location"]
    assert location.startswith("/auth/login?tx=")
    visitor.get(location)
    signed_in = visitor.sign_in()
    lab.now += 5
    assert visitor.follow(signed_in).status_code == 200
    lab.now += 5
    assert "code" in sent_back(visitor.send("/auth/consent", answer="allow"))
    assert visitor.ask_authorization(max_age=max_age).headers["location"].startswith("/auth/login?tx=")


def test_a_request_waits_in_the_browser_it_came_from_alone(lab: Lab) -> None:
    """State fixation, consent phishing: a link to somebody else's half-done request leads nowhere."""
    attacker, victim = lab.visitor(), lab.visitor().signed_in()
    location = attacker.ask_authorization().headers["location"]
    assert victim.get(location).status_code == 400
    assert victim.get(location.replace("/auth/login", "/oauth/continue")).status_code == 400


def test_a_request_is_answered_once(lab: Lab) -> None:
    visitor = lab.visitor().signed_in()
    visitor.ask_authorization()
    fields = visitor.hidden("/auth/consent")
    assert "code" in sent_back(visitor.post("/auth/consent", **fields, answer="allow"))
    assert visitor.post("/auth/consent", **fields, answer="allow").status_code == 400


def test_what_the_browser_sends_with_its_consent_changes_nothing(lab: Lab) -> None:
    """The request is frozen (Keycloak CVE-2026-7571, CVE-2026-9689)."""
    visitor = lab.visitor().signed_in()
    visitor.ask_authorization(scope="openid orders:read")
    answer = visitor.send(
        "/auth/consent", answer="allow", scope="orders:write", redirect_uri="https://evil.example", client_id="own"
    )
    tokens = lab.redeem(sent_back(answer)["code"]).json()
    assert tokens["scope"] == "openid orders:read"


def test_consent_cannot_be_given_from_another_site_or_without_signing_in(lab: Lab) -> None:
    visitor = lab.visitor().signed_in()
    visitor.ask_authorization()
    fields = visitor.hidden("/auth/consent")
    assert (
        visitor.post("/auth/consent", {"origin": "https://evil.example"}, **fields, answer="allow").status_code == 403
    )
    del visitor.cookies["__Host-doorward-session"]
    answer = visitor.post("/auth/consent", **fields, answer="allow")
    assert answer.headers["location"].startswith("/auth/login")


def test_a_request_that_waited_half_an_hour_is_over(lab: Lab) -> None:
    visitor = lab.visitor()
    location = visitor.ask_authorization().headers["location"]
    lab.now += 1_800
    assert visitor.get(location).status_code == 400


def test_an_app_that_anybody_could_be_is_asked_about_every_time(lab: Lab) -> None:
    """OAuth 2.1 section 7.3.1."""
    add_client(lab.store, "cli", now=lab.now, redirect_uris=["http://127.0.0.1/cb"], is_public=True)
    visitor = lab.visitor().signed_in()
    fields = {"redirect_uri": "http://127.0.0.1:50123/cb", "scope": "openid"}
    for _ in range(2):
        answer = visitor.ask_authorization("cli", **fields)
        assert "Allow access?" in answer.text
        assert "http://127.0.0.1:50123" in answer.headers["content-security-policy"]
        answer = visitor.send("/auth/consent", answer="allow")
        assert answer.headers["location"].startswith("http://127.0.0.1:50123/cb?code=")


def push(lab: Lab, client: str = "web", **fields: str) -> str:
    given = {**BASE, "client_id": client, "scope": "openid", "state": "pushed", **fields}
    answer = lab.post("/oauth/par", **{**given, **lab.authenticated(client)})
    assert answer.status_code == 201, answer.text
    assert answer.json()["expires_in"] == 60
    return str(answer.json()["request_uri"])


def test_a_pushed_request_counts_and_what_stands_beside_it_does_not(lab: Lab) -> None:
    """ID-39."""
    uri = push(lab, "own")
    answer = (
        lab.visitor()
        .signed_in()
        .get("/oauth/authorize", client_id="own", request_uri=uri, state="other", redirect_uri="https://evil.example")
    )
    assert sent_back(answer)["state"] == "pushed"


def test_a_pushed_request_is_good_for_one_authorization_of_its_client_within_a_minute(lab: Lab) -> None:
    """ID-38, A1."""
    visitor = lab.visitor().signed_in()
    uri = push(lab, "own")
    assert visitor.get("/oauth/authorize", client_id="web", request_uri=uri).status_code == 400
    assert "code" in sent_back(visitor.get("/oauth/authorize", client_id="own", request_uri=uri))
    assert visitor.get("/oauth/authorize", client_id="own", request_uri=uri).status_code == 400
    late = push(lab, "own")
    lab.now += 60
    assert visitor.get("/oauth/authorize", client_id="own", request_uri=late).status_code == 400


def test_opening_a_pushed_request_twice_before_signing_in_works_and_signing_in_may_take_longer(lab: Lab) -> None:
    """A1."""
    visitor = lab.visitor()
    uri = push(lab, "own")
    tickets = [visitor.get("/oauth/authorize", client_id="own", request_uri=uri).headers["location"] for _ in range(2)]
    lab.now += 120
    visitor.get(tickets[0])
    assert "code" in sent_back(visitor.follow(visitor.sign_in()))
    assert visitor.get(tickets[1].replace("/auth/login", "/oauth/continue")).status_code == 400


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "invalid_request"),
        ({"redirect_uri": "https://evil.example"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"scope": "admin"}, "invalid_scope"),
        ({"client_secret": "wrong"}, "invalid_client"),
    ],
)
def test_a_request_that_is_not_in_order_cannot_be_pushed(lab: Lab, fields: dict[str, str], error: str) -> None:
    """ID-36, ID-37."""
    answer = lab.post("/oauth/par", **{**BASE, **lab.authenticated("web"), **fields})
    assert answer.json()["error"] == error


def test_a_client_that_pushes_only_cannot_ask_otherwise(lab: Lab) -> None:
    """ID-40."""
    lab.secrets["strict"] = add_client(
        lab.store, "strict", now=lab.now, redirect_uris=[CALLBACK], pushes_only=True, is_trusted=True
    )[1]
    visitor = lab.visitor().signed_in()
    assert sent_back(visitor.ask_authorization("strict", scope="openid"))["error"] == "invalid_request"
    assert "code" in sent_back(visitor.get("/oauth/authorize", client_id="strict", request_uri=push(lab, "strict")))
    assert VERIFIER


def test_consent_given_in_several_windows_at_once_is_kept_whole(lab: Lab) -> None:
    wishes = ("orders:read", "orders:write", "openid", "openid orders:read")
    windows = [lab.visitor().signed_in() for _ in wishes]
    for _ in range(3):
        forms = []
        for window, scope in zip(windows, wishes, strict=True):
            assert window.ask_authorization(scope=scope, prompt="consent").status_code == 200
            forms.append(window.hidden("/auth/consent"))
        sends = [
            partial(window.post, "/auth/consent", **form, answer="allow")
            for window, form in zip(windows, forms, strict=True)
        ]
        assert all("code" in sent_back(answer) for answer in at_once(*sends))
        assert consented(lab.store, "alice", "web") == ("openid", "orders:read", "orders:write")
        with lab.store.begin() as connection:
            withdraw_consent(connection, "alice", "web", now=lab.now)
