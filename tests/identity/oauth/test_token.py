"""Codes at the token endpoint: statements ID-4 to ID-8, ID-11 to ID-13, ID-16, ID-19, ID-28, ID-29, ID-57 of the
reference; code injection and PKCE downgrade of its section 9."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.identity.lab import ISSUER, KEY, VERIFIER, Lab

from doorward.controls.authenticate import LOCAL_AUDIENCE
from doorward.identity.events import events_of
from doorward.identity.factors.totp import hotp, step_at
from doorward.identity.revoking import revoked
from doorward.identity.users import disable_user
from doorward.jose import Expected, JoseError, generate_key, sign_proof, split_unverified, verify_jwt
from doorward.store import Store


@pytest.fixture
def lab(store: Store) -> Lab:
    return Lab(store)


def claims(token: str, now: float, *, audience: str = LOCAL_AUDIENCE, typ: str = "at+jwt") -> Any:
    expected = Expected(issuer=ISSUER, audience=audience, types=frozenset({typ}))
    return verify_jwt(split_unverified(token), KEY.public, expected, now=now)


def test_a_code_brings_an_access_token_of_its_user(lab: Lab) -> None:
    """ID-28."""
    answer = lab.redeem(lab.code())
    assert answer.headers["cache-control"] == "no-store"
    found = claims(answer.json()["access_token"], lab.now)
    wanted = {
        "sub": "alice",
        "client_id": "web",
        "roles": ["reader"],
        "account_id": "a-1",
        "scope": "offline_access openid orders:read",
    }
    assert {name: found[name] for name in wanted} == wanted


def test_an_id_token_says_truly_who_signed_in_when_and_how(lab: Lab) -> None:
    """ID-57."""
    found = claims(lab.tokens()["id_token"], lab.now, audience="web", typ="jwt")
    wanted = {"sub": "alice", "nonce": "n-1", "auth_time": lab.now, "amr": ["pwd"], "acr": "urn:doorward:acr:1"}
    assert {name: found[name] for name in wanted} == wanted
    visitor = lab.visitor().signed_in()
    seed, _ = visitor.add_totp()
    other = lab.visitor()
    other.follow(other.sign_in())
    other.follow(other.send("/auth/factor", code=hotp(seed, step_at(lab.now))))
    found = claims(lab.redeem(other.authorized()).json()["id_token"], lab.now, audience="web", typ="jwt")
    assert (found["amr"], found["acr"]) == (["pwd", "otp", "mfa"], "urn:doorward:acr:2")


def test_an_id_token_is_no_access_token(lab: Lab) -> None:
    """ID-29."""
    token = lab.tokens()["id_token"]
    with pytest.raises(JoseError):
        claims(token, lab.now)
    answer = lab.ask("GET", "/oauth/userinfo", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 401


def test_without_openid_there_is_no_id_token_and_without_offline_access_no_refresh_token(lab: Lab) -> None:
    assert set(lab.tokens(scope="orders:read")) == {"access_token", "token_type", "expires_in", "scope"}


@pytest.mark.parametrize(
    "verifier", ["", "w" * 43, "v" * 42, "v" * 129, "v" * 42 + "!", "v" * 42 + "\u00e9", VERIFIER + "v"]
)
def test_a_wrong_verifier_opens_nothing_and_spends_the_code(lab: Lab, verifier: str) -> None:
    """ID-5, ID-6: PKCE downgrade."""
    code = lab.code()
    assert lab.redeem(code, code_verifier=verifier).json()["error"] == "invalid_grant"
    assert lab.redeem(code).json()["error"] == "invalid_grant"


def test_a_code_without_its_verifier_opens_nothing(lab: Lab) -> None:
    """ID-5."""
    answer = lab.token(grant_type="authorization_code", code=lab.code())
    assert answer.json()["error"] == "invalid_grant"


def test_a_code_of_another_client_opens_nothing(lab: Lab) -> None:
    """ID-8: code injection."""
    assert lab.redeem(lab.code("web"), "own").json()["error"] == "invalid_grant"
    assert lab.redeem(lab.code("own"), "spa").json()["error"] == "invalid_grant"


def test_a_code_with_another_redirect_uri_opens_nothing(lab: Lab) -> None:
    """ID-8."""
    assert lab.redeem(lab.code(), redirect_uri="https://evil.example").json()["error"] == "invalid_grant"


def test_a_code_lives_less_than_a_minute(lab: Lab) -> None:
    """ID-8."""
    code, late = lab.code(), lab.code()
    lab.now += 59
    assert lab.redeem(code).status_code == 200
    lab.now += 1
    assert lab.redeem(late).json()["error"] == "invalid_grant"


def test_a_second_use_of_a_code_ends_what_came_of_the_first(lab: Lab) -> None:
    """ID-7."""
    code = lab.code()
    tokens = lab.redeem(code).json()
    jti = claims(tokens["access_token"], lab.now)["jti"]
    assert lab.redeem(code, "own").json()["error"] == "invalid_grant"
    assert lab.refresh(tokens["refresh_token"]).status_code == 200
    assert lab.redeem(code).json()["error"] == "invalid_grant"
    assert lab.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert ("token", ISSUER, jti) in revoked(lab.store, ISSUER, now=lab.now)
    assert "code.reuse_detected" in {event.kind for event in events_of(lab.store, "alice")}


def test_of_parallel_uses_of_a_code_at_most_one_gets_tokens_and_none_of_them_lasts(lab: Lab) -> None:
    """ID-7."""
    code = lab.code()
    gate = threading.Barrier(8)

    def use(_number: int) -> Any:
        gate.wait()
        return lab.redeem(code)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(use, range(8)))
    won = [answer.json() for answer in answers if answer.status_code == 200]
    assert len(won) == 1
    assert lab.refresh(won[0]["refresh_token"]).status_code == 400


def test_a_user_or_a_session_that_ended_meanwhile_gets_nothing(lab: Lab) -> None:
    visitor = lab.visitor().signed_in()
    code = visitor.authorized()
    visitor.get("/account")
    visitor.send("/auth/logout")
    assert lab.redeem(code).json()["error"] == "invalid_grant"
    code = lab.code()
    disable_user(lab.store, "alice", now=lab.now)
    assert lab.redeem(code).json()["error"] == "invalid_grant"


def test_a_public_client_has_no_secret_and_a_confidential_one_needs_its_own(lab: Lab) -> None:
    """ID-12."""
    assert lab.redeem(lab.code("spa"), "spa").status_code == 200
    assert lab.redeem(lab.code("spa"), "spa", client_secret="").json()["error"] == "invalid_client"
    assert lab.redeem(lab.code("spa"), "spa", client_secret="x").json()["error"] == "invalid_client"
    lab.secrets["web"] = ""
    assert lab.redeem(lab.code()).json()["error"] == "invalid_client"
    assert lab.token("spa", grant_type="client_credentials").json()["error"] == "unauthorized_client"


def test_only_the_page_of_a_public_client_may_read_the_answer(lab: Lab) -> None:
    """ID-16."""
    code = lab.code("spa")
    fields = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
    for client, origin, allowed in (
        ("spa", "https://evil.example", None),
        ("web", "https://app.example", None),
        ("spa", "https://app.example", "https://app.example"),
    ):
        answer = lab.post("/oauth/token", {"origin": origin}, **lab.authenticated(client), **fields)
        assert answer.headers.get("access-control-allow-origin") == allowed


@pytest.mark.parametrize("grant", ["password", "implicit", "urn:ietf:params:oauth:grant-type:saml2-bearer", ""])
def test_no_other_grant_is_taken(lab: Lab, grant: str) -> None:
    """ID-3."""
    assert lab.token(grant_type=grant).json()["error"] == "unsupported_grant_type"


@pytest.mark.parametrize("name", ["grant_type", "code", "client_id", "code_verifier"])
def test_no_parameter_may_come_twice(lab: Lab, name: str) -> None:
    """ID-10."""
    fields = {
        "grant_type": "authorization_code",
        "code": lab.code("spa"),
        "code_verifier": VERIFIER,
        "client_id": "spa",
    }
    body = "&".join(f"{key}={value}" for key, value in fields.items())
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = lab.ask("POST", "/oauth/token", content=f"{body}&{name}={fields[name]}", headers=headers)
    assert answer.json()["error"] == "invalid_request"
    assert lab.ask("POST", "/oauth/token", content=body, headers=headers).status_code == 200


def test_with_a_proof_a_users_token_is_bound_to_its_key(lab: Lab) -> None:
    lab.now += 60  # the provider has to be older than a proof may be
    key = generate_key("ES256")
    proof = sign_proof(key, {"htm": "POST", "htu": f"{ISSUER}/oauth/token", "iat": lab.now, "jti": "p-1"})
    fields = {"grant_type": "authorization_code", "code": lab.code("spa"), "code_verifier": VERIFIER}
    answer = lab.post("/oauth/token", {"dpop": proof}, **lab.authenticated("spa"), **fields)
    assert answer.json()["token_type"] == "DPoP", answer.text
    assert claims(answer.json()["access_token"], lab.now)["cnf"] == {"jkt": key.public.thumbprint}
    again = lab.post("/oauth/token", {"dpop": proof}, **lab.authenticated("spa"), **fields)
    assert again.json()["error"] == "invalid_dpop_proof"
