"""Revocation, introspection, userinfo, metadata: statements ID-14, ID-17, ID-18, ID-33 to ID-35, ID-59 of the reference."""

from typing import Any

import pytest
from tests.identity.lab import ISSUER, KEY, Lab

from doorward.identity import revoking
from doorward.identity.revoking import revoked
from doorward.identity.users import disable_user
from doorward.jose import generate_key, sign_jwt, split_unverified, verify_signature
from doorward.store import Store


@pytest.fixture
def lab(store: Store) -> Lab:
    return Lab(store)


def introspect(lab: Lab, token: str, client: str = "web") -> Any:
    return lab.post("/oauth/introspect", **lab.authenticated(client), token=token)


def revoke(lab: Lab, token: str, client: str = "web") -> int:
    return lab.post("/oauth/revoke", **lab.authenticated(client), token=token).status_code


def userinfo(lab: Lab, token: str) -> Any:
    return lab.ask("GET", "/oauth/userinfo", headers={"authorization": f"Bearer {token}"})


def test_a_client_sees_its_own_tokens(lab: Lab) -> None:
    tokens = lab.tokens()
    found = introspect(lab, tokens["access_token"]).json()
    assert (found["active"], found["sub"], found["client_id"]) == (True, "alice", "web")
    assert introspect(lab, tokens["refresh_token"]).json()["active"] is True


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_tokens_of_others_made_up_expired_and_revoked_ones_are_inactive_and_nothing_else_is_said(
    lab: Lab, kind: str
) -> None:
    """ID-33, ID-34."""
    inactive = {"active": False}
    token = lab.tokens()[kind]
    assert introspect(lab, token, "own").json() == inactive
    assert introspect(lab, token[:-3] + "AAA").json() == inactive
    assert introspect(lab, "").json() == inactive
    assert revoke(lab, token) == 200
    assert introspect(lab, token).json() == inactive
    token = lab.tokens()[kind]
    lab.now += 31 * 86_400
    assert introspect(lab, token).json() == inactive


def test_only_a_client_that_proves_itself_may_introspect(lab: Lab) -> None:
    """ID-33."""
    token = lab.tokens("spa")["access_token"]
    assert introspect(lab, token, "spa").json()["error"] == "invalid_client"
    assert lab.post("/oauth/introspect", token=token).json()["error"] == "invalid_client"


def test_revoking_a_refresh_token_kills_its_access_tokens(lab: Lab) -> None:
    """ID-35."""
    tokens = lab.tokens()
    assert revoke(lab, tokens["refresh_token"]) == 200
    jti = verify_signature(split_unverified(tokens["access_token"]), KEY.public)["jti"]
    assert ("token", ISSUER, jti) in revoked(lab.store, ISSUER, now=lab.now)
    assert userinfo(lab, tokens["access_token"]).status_code == 401


def test_revoking_what_is_unknown_or_anothers_changes_nothing_and_says_so_to_nobody(lab: Lab) -> None:
    """ID-35."""
    tokens = lab.tokens()
    assert revoke(lab, "unknown") == revoke(lab, tokens["refresh_token"], "own") == 200
    assert revoke(lab, tokens["access_token"], "own") == 200
    assert introspect(lab, tokens["access_token"]).json()["active"] is True
    assert lab.refresh(tokens["refresh_token"]).status_code == 200


def test_revoking_a_spent_refresh_token_ends_its_family_too(lab: Lab) -> None:
    first = lab.tokens("spa")["refresh_token"]
    second = lab.refresh(first, "spa").json()["refresh_token"]
    assert revoke(lab, first, "web") == 200
    assert lab.refresh(second, "spa").status_code == 200
    assert revoke(lab, first, "spa") == 200
    assert lab.refresh(second, "spa").json()["error"] == "invalid_grant"


def test_tokens_signed_by_a_revoked_key_are_void_here_too(lab: Lab) -> None:
    """As at the gateway: whoever has the key could make more of them."""
    token = lab.tokens()["access_token"]
    revoking.revoke(lab.store, "key", "https://other.example", KEY.id, now=lab.now)
    assert (introspect(lab, token).json()["active"], userinfo(lab, token).status_code) == (True, 200)
    revoking.revoke(lab.store, "key", ISSUER, KEY.id, now=lab.now)
    assert introspect(lab, token).json() == {"active": False}
    assert userinfo(lab, token).status_code == 401


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke", "/oauth/par", "/oauth/introspect", "/auth/login"])
def test_a_form_with_a_nul_is_malformed(lab: Lab, path: str) -> None:
    assert lab.post(path, **lab.authenticated("web"), token="\x00", grant_type="refresh_token").status_code == 400


def test_userinfo_says_the_same_subject_by_get_header_and_body(lab: Lab) -> None:
    """ID-59."""
    tokens = lab.tokens(scope="openid profile")
    token = tokens["access_token"]
    subject = verify_signature(split_unverified(tokens["id_token"]), KEY.public)["sub"]
    answers = [
        userinfo(lab, token),
        lab.ask("POST", "/oauth/userinfo", headers={"authorization": f"Bearer {token}"}),
        lab.post("/oauth/userinfo", access_token=token),
    ]
    assert [answer.json() for answer in answers] == [{"sub": subject, "preferred_username": "alice"}] * 3
    assert "preferred_username" not in userinfo(lab, lab.tokens()["access_token"]).json()


def test_userinfo_takes_no_token_from_a_url_and_not_two(lab: Lab) -> None:
    """ID-14."""
    token = lab.tokens()["access_token"]
    assert lab.ask("GET", f"/oauth/userinfo?access_token={token}").status_code == 400
    assert lab.post("/oauth/userinfo", {"authorization": f"Bearer {token}"}, access_token=token).status_code == 401
    assert lab.ask("GET", "/oauth/userinfo").headers["www-authenticate"].startswith("Bearer")


def test_userinfo_wants_openid_and_a_user_who_may_call(lab: Lab) -> None:
    assert userinfo(lab, lab.tokens(scope="orders:read")["access_token"]).status_code == 403
    token = lab.tokens()["access_token"]
    disable_user(lab.store, "alice", now=lab.now)
    assert userinfo(lab, token).status_code == 401


def test_a_token_of_another_key_or_type_is_void(lab: Lab) -> None:
    claims = dict(verify_signature(split_unverified(lab.tokens()["access_token"]), KEY.public))
    assert userinfo(lab, sign_jwt(KEY, claims, "at+jwt")).status_code == 200
    assert userinfo(lab, sign_jwt(generate_key("ES256"), claims, "at+jwt")).status_code == 401
    assert userinfo(lab, sign_jwt(KEY, claims, "JWT")).status_code == 401
    assert userinfo(lab, sign_jwt(KEY, {**claims, "iss": "https://other.example"}, "at+jwt")).status_code == 401


@pytest.mark.parametrize("issuer", [ISSUER, "https://issuer.example/door"])
def test_both_well_known_paths_say_the_configured_issuer(store: Store, issuer: str) -> None:
    """ID-17."""
    lab = Lab(store, issuer)
    path = issuer.removeprefix(ISSUER)
    for well_known in (f"/.well-known/oauth-authorization-server{path}", f"{path}/.well-known/openid-configuration"):
        answer = lab.ask("GET", f"{ISSUER}{well_known}")
        assert answer.json()["issuer"] == issuer


def test_the_metadata_list_what_the_code_takes(lab: Lab) -> None:
    """ID-18."""
    document = lab.ask("GET", "/.well-known/openid-configuration").json()
    for grant in document["grant_types_supported"]:
        assert lab.token(grant_type=grant).json().get("error") != "unsupported_grant_type"
    visitor = lab.visitor().signed_in()
    for name, values in (("response_type", "response_types"), ("code_challenge_method", "code_challenge_methods")):
        for value in document[f"{values}_supported"]:
            assert visitor.ask_authorization(**{name: value}).status_code == 200
    for prompt in document["prompt_values_supported"]:
        assert visitor.ask_authorization(prompt=prompt).status_code in (200, 303)
    for name, url in document.items():
        if name.endswith("_endpoint") or name == "jwks_uri":
            method = "GET" if name in ("authorization_endpoint", "jwks_uri", "userinfo_endpoint") else "POST"
            assert lab.ask(method, url).status_code not in (404, 405), name
    algorithms = {split_unverified(lab.tokens()["id_token"]).jws.algorithm}
    assert algorithms == set(document["id_token_signing_alg_values_supported"])


def test_userinfo_takes_no_bound_token_as_a_bearer_token(lab: Lab) -> None:
    """ID-46."""
    claims = dict(verify_signature(split_unverified(lab.tokens()["access_token"]), KEY.public))
    assert userinfo(lab, sign_jwt(KEY, claims | {"cnf": {"jkt": "x"}}, "at+jwt")).status_code == 401
