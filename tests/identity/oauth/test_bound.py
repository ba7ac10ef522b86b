"""DPoP with the grants that people take part in: ID-25, ID-46 and ID-47 of the reference."""

import base64
import hashlib
from typing import Any

import httpx
import pytest
from tests.identity.lab import CALLBACK, CHALLENGE, ISSUER, VERIFIER, Lab, Visitor, sent_back

from doorward.jose import PrivateKey, generate_key, sign_proof, split_unverified
from doorward.store import Store

KEY, OTHER = generate_key("ES256"), generate_key("ES256")


@pytest.fixture
def lab(store: Store) -> Lab:
    lab = Lab(store)
    lab.now += 60
    return lab


class Client:
    def __init__(self, lab: Lab, name: str = "spa") -> None:
        self.lab, self.name, self.count = lab, name, 0

    def ask(self, key: PrivateKey | None, **fields: str) -> httpx.Response:
        self.count += 1
        claims = {"jti": f"j-{self.count}", "htm": "POST", "htu": f"{ISSUER}/oauth/token", "iat": self.lab.now}
        headers = {} if key is None else {"dpop": sign_proof(key, claims)}
        return self.lab.post("/oauth/token", headers=headers, **{**self.lab.authenticated(self.name), **fields})

    def redeem(self, key: PrivateKey | None) -> dict[str, Any]:
        code = self.lab.code(self.name, scope="openid offline_access")
        answer = self.ask(
            key, grant_type="authorization_code", code=code, code_verifier=VERIFIER, redirect_uri=CALLBACK
        )
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def push(self, key: PrivateKey | None, **fields: str) -> httpx.Response:
        self.count += 1
        claims = {"jti": f"p-{self.count}", "htm": "POST", "htu": f"{ISSUER}/oauth/par", "iat": self.lab.now}
        headers = {} if key is None else {"dpop": sign_proof(key, claims)}
        asked = {"redirect_uri": CALLBACK, "response_type": "code", "code_challenge": CHALLENGE, **fields}
        asked |= {"code_challenge_method": "S256", "scope": "openid offline_access"}
        return self.lab.post("/oauth/par", headers=headers, **self.lab.authenticated(self.name), **asked)

    def pushed_code(self, key: PrivateKey | None, **fields: str) -> str:
        request_uri = self.push(key, **fields).json()["request_uri"]
        visitor = self.lab.visitor().signed_in()
        return sent_back(consented(visitor, client_id=self.name, request_uri=request_uri))["code"]

    def trade(self, key: PrivateKey | None, code: str) -> httpx.Response:
        return self.ask(key, grant_type="authorization_code", code=code, code_verifier=VERIFIER, redirect_uri=CALLBACK)

    def userinfo(self, key: PrivateKey | None, token: str, method: str = "GET", **changes: Any) -> httpx.Response:
        self.count += 1
        ath = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).decode().rstrip("=")
        claims = {"jti": f"u-{self.count}", "htm": method, "htu": f"{ISSUER}/oauth/userinfo", "iat": self.lab.now}
        headers = {"authorization": f"DPoP {token}"}
        if key is not None:
            claims |= {"ath": ath, **changes}
            headers["dpop"] = sign_proof(key, claims)
        return self.lab.ask(method, "/oauth/userinfo", headers=headers)

    def refresh(self, key: PrivateKey | None, token: str) -> httpx.Response:
        return self.ask(key, grant_type="refresh_token", refresh_token=token)


def consented(visitor: Visitor, **fields: str) -> httpx.Response:
    answer = visitor.get("/oauth/authorize", **fields)
    return visitor.send("/auth/consent", answer="allow") if answer.status_code == 200 else answer


def claims_of(body: dict[str, Any]) -> dict[str, Any]:
    return dict(split_unverified(body["access_token"])._claims)


@pytest.mark.parametrize("name", ["spa", "web"])
def test_what_a_code_redeemed_with_a_proof_leads_to_stays_bound_to_its_key(lab: Lab, name: str) -> None:
    client = Client(lab, name)
    body = client.redeem(KEY)
    assert body["token_type"] == "DPoP"
    assert claims_of(body)["cnf"] == {"jkt": KEY.public.thumbprint}
    for key in (None, OTHER):
        refused = client.refresh(key, body["refresh_token"])
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    again = client.refresh(KEY, body["refresh_token"])
    assert again.json()["token_type"] == "DPoP", "who came without the key has spent nothing"
    assert claims_of(again.json())["cnf"] == {"jkt": KEY.public.thumbprint}


def test_a_refresh_token_that_is_bound_to_nothing_may_still_give_a_bound_token(lab: Lab) -> None:
    client = Client(lab)
    body = client.redeem(None)
    assert body["token_type"] == "Bearer"
    assert client.refresh(KEY, body["refresh_token"]).json()["token_type"] == "DPoP"


def test_a_bound_token_is_no_bearer_token_at_userinfo_and_is_told_for_what_it_is(lab: Lab) -> None:
    client = Client(lab, "web")
    body = client.redeem(KEY)
    answer = lab.ask("GET", "/oauth/userinfo", headers={"authorization": f"Bearer {body['access_token']}"})
    assert answer.status_code == 401
    told = lab.post("/oauth/introspect", token=body["access_token"], **lab.authenticated("web")).json()
    assert (told["token_type"], told["cnf"]) == ("DPoP", {"jkt": KEY.public.thumbprint})


def test_a_bound_token_with_a_proof_by_its_key_is_taken_at_userinfo_in_any_case_of_the_scheme(lab: Lab) -> None:
    """ID-45, ID-59."""
    client = Client(lab)
    token = client.redeem(KEY)["access_token"]
    assert client.userinfo(KEY, token).json()["sub"] == "alice"
    assert client.userinfo(KEY, token, "POST").json()["sub"] == "alice"


@pytest.mark.parametrize(
    "changes",
    [
        {"ath": "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"},
        {"ath": None},
        {"htm": "POST"},
        {"htu": f"{ISSUER}/oauth/token"},
        {"iat": 1},
    ],
    ids=["ath of another token", "no ath", "another method", "another endpoint", "long ago"],
)
def test_a_proof_for_something_else_is_refused_at_userinfo(lab: Lab, changes: dict[str, Any]) -> None:
    """ID-42, ID-44, ID-45."""
    client = Client(lab)
    refused = client.userinfo(KEY, client.redeem(KEY)["access_token"], **changes)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_dpop_proof")
    assert refused.headers["www-authenticate"].startswith('DPoP error="invalid_dpop_proof", algs="')
    assert refused.headers["dpop-nonce"]


def test_userinfo_wants_the_tokens_own_key_and_each_proof_once(lab: Lab) -> None:
    """ID-43, ID-46."""
    client = Client(lab)
    bound, bearer = client.redeem(KEY)["access_token"], client.redeem(None)["access_token"]
    for key, token in ((OTHER, bound), (None, bound), (KEY, bearer)):
        assert client.userinfo(key, token).status_code == 401
    assert client.userinfo(KEY, bound, jti="once").status_code == 200
    assert client.userinfo(KEY, bound, jti="once").status_code == 401


@pytest.mark.parametrize("by", ["proof", "dpop_jkt", "both"])
def test_a_code_asked_for_with_a_key_is_redeemed_with_that_key_alone(lab: Lab, by: str) -> None:
    """ID-8, ID-47."""
    client = Client(lab)
    proved = KEY if by != "dpop_jkt" else None
    named = {"dpop_jkt": KEY.public.thumbprint} if by != "proof" else {}
    for key in (OTHER, None):
        refused = client.trade(key, client.pushed_code(proved, **named))
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert client.trade(KEY, client.pushed_code(proved, **named)).json()["token_type"] == "DPoP"


def test_a_pushed_request_that_names_another_key_than_it_proves_is_refused(lab: Lab) -> None:
    """ID-47."""
    client = Client(lab)
    assert client.push(KEY, dpop_jkt=OTHER.public.thumbprint).json()["error"] == "invalid_dpop_proof"
    assert client.push(KEY, dpop_jkt="short").json()["error"] == "invalid_dpop_proof"
    assert client.push(None, dpop_jkt="short").json()["error"] == "invalid_request"
