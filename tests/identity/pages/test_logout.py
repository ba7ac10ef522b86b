"""Signing out at a client's wish: statement ID-60 of the reference, and OpenID Connect RP-Initiated Logout 1.0."""

from typing import Any

import pytest
from sqlalchemy import update
from tests.identity.lab import ISSUER, KEY, Lab, Visitor

from doorward.errors import PolicyError
from doorward.identity.clients import add_client
from doorward.jose import generate_key, sign_jwt, split_unverified, verify_signature
from doorward.store import Store, clients

BYE = "https://app.example/bye"


@pytest.fixture
def lab(store: Store) -> Lab:
    found = Lab(store)
    with store.begin() as connection:
        connection.execute(update(clients).values(post_logout_redirect_uris=[]))
        mine = {"web": [BYE, f"{BYE}?x=1"], "own": ["https://own.example/"]}
        for name, uris in mine.items():
            connection.execute(update(clients).where(clients.c.name == name).values(post_logout_redirect_uris=uris))
    return found


def hinted(lab: Lab) -> tuple[Visitor, str]:
    visitor = lab.visitor().signed_in()
    return visitor, lab.redeem(visitor.authorized("web")).json()["id_token"]


def is_signed_in(visitor: Visitor) -> bool:
    return visitor.get("/account").status_code == 200


def test_the_sessions_own_id_token_ends_it_at_once_and_leads_back(lab: Lab) -> None:
    visitor, hint = hinted(lab)
    answer = visitor.get("/oauth/logout", id_token_hint=hint, post_logout_redirect_uri=BYE, state="s&=1")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{BYE}?state=s%26%3D1")
    assert not is_signed_in(visitor)
    visitor, hint = hinted(lab)
    answer = visitor.get("/oauth/logout", id_token_hint=hint, post_logout_redirect_uri=f"{BYE}?x=1", state="s")
    assert answer.headers["location"] == f"{BYE}?x=1&state=s"
    visitor, hint = hinted(lab)
    assert "Signed out" in visitor.get("/oauth/logout", id_token_hint=hint).text
    assert not is_signed_in(visitor)


def test_an_expired_id_token_still_says_whose_session_it_was(lab: Lab) -> None:
    visitor, hint = hinted(lab)
    lab.now += 3_000
    assert visitor.get("/oauth/logout", id_token_hint=hint, post_logout_redirect_uri=BYE).headers["location"] == BYE
    assert not is_signed_in(visitor)


def test_a_form_from_another_site_comes_without_the_cookie_so_it_is_sent_on_as_a_get(lab: Lab) -> None:
    visitor, hint = hinted(lab)
    answer = lab.ask("POST", "/oauth/logout", data={"id_token_hint": hint, "post_logout_redirect_uri": BYE})
    assert answer.status_code == 303
    assert visitor.follow(answer).headers["location"] == BYE
    assert not is_signed_in(visitor)


def _foreign(claims: dict[str, Any]) -> str:
    return sign_jwt(generate_key("ES256"), claims, "JWT")


def _other_type(claims: dict[str, Any]) -> str:
    return sign_jwt(KEY, claims, "at+jwt")


def _other_issuer(claims: dict[str, Any]) -> str:
    return sign_jwt(KEY, claims | {"iss": "https://other.example"}, "JWT")


def _unknown_client(claims: dict[str, Any]) -> str:
    return sign_jwt(KEY, claims | {"aud": "nobody"}, "JWT")


def _many_clients(claims: dict[str, Any]) -> str:
    return sign_jwt(KEY, claims | {"aud": ["web", "own"]}, "JWT")


def _rubbish(_claims: dict[str, Any]) -> str:
    return "a.b.c"


@pytest.mark.parametrize("forge", [_foreign, _other_type, _other_issuer, _unknown_client, _many_clients, _rubbish])
def test_a_bad_hint_never_redirects_and_ends_nothing(lab: Lab, forge: Any) -> None:
    """ID-60."""
    visitor, hint = hinted(lab)
    claims = dict(verify_signature(split_unverified(hint), KEY.public))
    answer = visitor.get("/oauth/logout", id_token_hint=forge(claims), post_logout_redirect_uri=BYE, state="s")
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert "app.example" not in answer.text + answer.headers["content-security-policy"]
    assert is_signed_in(visitor)
    visitor.page = answer
    assert "Signed out" in visitor.send("/auth/end-session").text
    assert not is_signed_in(visitor)


def test_a_hint_of_one_client_and_the_name_of_another_never_redirect(lab: Lab) -> None:
    """ID-60: mixed clients."""
    visitor, hint = hinted(lab)
    for client, uri in (("own", BYE), ("own", "https://own.example/")):
        answer = visitor.get("/oauth/logout", id_token_hint=hint, client_id=client, post_logout_redirect_uri=uri)
        assert (answer.status_code, "location" in answer.headers) == (400, False)
    answer = visitor.get("/oauth/logout", id_token_hint=hint, post_logout_redirect_uri="https://own.example/")
    assert (answer.status_code, "location" in answer.headers) == (400, False)


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/",
        f"{BYE}/",
        f"{BYE}?y=1",
        f"{BYE}#",
        "https://app.example/BYE",
        "https://app.example:443/bye",
        "https://app.example/./bye",
        "https://app.example\\@evil.example/bye",
        "//app.example/bye",
        "javascript:alert(1)",
        "https://app.example/callback",
    ],
)
def test_what_is_not_registered_byte_for_byte_never_redirects(lab: Lab, uri: str) -> None:
    """ID-60."""
    visitor, hint = hinted(lab)
    for fields in ({"id_token_hint": hint}, {"client_id": "web"}, {}):
        answer = visitor.get("/oauth/logout", **fields, post_logout_redirect_uri=uri)
        assert (answer.status_code, "location" in answer.headers) == (400, False)
    assert is_signed_in(visitor)


def test_without_a_hint_somebody_has_to_press_the_button(lab: Lab) -> None:
    visitor, _ = hinted(lab)
    answer = visitor.get("/oauth/logout", client_id="web", post_logout_redirect_uri=BYE, state='"><b>')
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert "The web" in answer.text
    assert "<b>" not in answer.text
    assert "<script" not in answer.text
    assert is_signed_in(visitor)
    visitor.page = answer
    answer = visitor.send("/auth/end-session")
    assert answer.headers["location"] == f"{BYE}?state=%22%3E%3Cb%3E"
    assert not is_signed_in(visitor)


def test_the_id_token_of_another_session_asks_first(lab: Lab) -> None:
    _, hint = hinted(lab)
    visitor = lab.visitor().signed_in()
    assert visitor.get("/oauth/logout", id_token_hint=hint, post_logout_redirect_uri=BYE).status_code == 200
    assert is_signed_in(visitor)


def test_a_stolen_id_token_ends_no_session_without_its_browser(lab: Lab) -> None:
    visitor, hint = hinted(lab)
    assert lab.visitor().get("/oauth/logout", id_token_hint=hint).status_code == 200
    assert is_signed_in(visitor)


def test_the_button_cannot_be_pressed_from_another_site(lab: Lab) -> None:
    visitor, _ = hinted(lab)
    visitor.get("/oauth/logout", client_id="web", post_logout_redirect_uri=BYE)
    form = visitor.hidden("/auth/end-session")
    forged: list[tuple[dict[str, str], dict[str, str]]] = [
        (form, {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}),
        (form, {}),
        ({**form, "csrf": "x"}, {"origin": ISSUER}),
    ]
    for fields, headers in forged:
        assert visitor.post("/auth/end-session", headers=headers, **fields).status_code == 403
    assert is_signed_in(visitor)


def test_what_is_changed_in_the_page_leads_nowhere_else(lab: Lab) -> None:
    visitor, _ = hinted(lab)
    visitor.get("/oauth/logout", client_id="web", post_logout_redirect_uri=BYE)
    form = visitor.hidden("/auth/end-session")
    for changed in ({"destination": "https://evil.example/"}, {"client": "own"}, {"client": ""}):
        answer = visitor.post("/auth/end-session", **{**form, **changed})
        assert (answer.status_code, "location" in answer.headers) == (400, False)
    assert is_signed_in(visitor)


@pytest.mark.parametrize("query", ["state=1&state=2", "client_id=web&client_id=own", "a=%ff", "x" * 9_000])
def test_a_malformed_query_shows_a_page(lab: Lab, query: str) -> None:
    """ID-10."""
    answer = lab.ask("GET", f"/oauth/logout?{query}")
    assert answer.status_code in (400, 414)
    assert "text/html" in answer.headers["content-type"]


@pytest.mark.parametrize(
    "uri", ["https://*.example/", "http://app.example/", "https://u@app.example/", "//x", "data:x"]
)
def test_a_place_that_is_open_to_others_cannot_be_registered(lab: Lab, uri: str) -> None:
    with pytest.raises(PolicyError):
        add_client(lab.store, "other", now=lab.now, post_logout_redirect_uris=[uri])
