"""DPoP with the grants that people take part in: ID-25 and ID-46 of the reference."""

from typing import Any

import httpx
import pytest
from tests.identity.lab import CALLBACK, ISSUER, VERIFIER, Lab

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

    def refresh(self, key: PrivateKey | None, token: str) -> httpx.Response:
        return self.ask(key, grant_type="refresh_token", refresh_token=token)


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
