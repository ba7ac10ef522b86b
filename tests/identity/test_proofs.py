"""DPoP at the token endpoint: statements ID-41 to ID-44 and ID-46 of the reference, at the authorization server."""

import json
from typing import Any

import httpx
import pytest
from tests.identity.test_app import ISSUER, NOW, Provider, ask

from doorward.controls.authenticate.nonces import LIFE_S
from doorward.controls.authenticate.proof_claims import AHEAD_S
from doorward.identity.clients import add_client
from doorward.jose import ALGORITHM_NAMES, generate_key, sign_proof, split_unverified
from doorward.store import Store

KEY = generate_key("ES256")
ENDPOINT = f"{ISSUER}/oauth/token"


class Client:
    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.count = 0
        provider.now = NOW + 60

    def proof(self, **changes: Any) -> str:
        self.count += 1
        claims = {"jti": f"j-{self.count}", "htm": "POST", "htu": ENDPOINT, "iat": self.provider.now} | changes
        return sign_proof(KEY, {name: value for name, value in claims.items() if value is not None})

    def post(self, proof: str | None = None) -> httpx.Response:
        answer: httpx.Response = self.provider.post(dpop=proof or self.proof())
        return answer

    def error(self, proof: str) -> str:
        answer = self.post(proof)
        assert answer.status_code == 400
        assert answer.headers["cache-control"] == "no-store"
        assert "dpop-nonce" in answer.headers
        return str(answer.json()["error"])


@pytest.fixture
def client(store: Store) -> Client:
    return Client(Provider(store))


def claims_of(answer: httpx.Response) -> dict[str, Any]:
    claims: dict[str, Any] = split_unverified(answer.json()["access_token"])._claims
    return claims


def test_a_request_with_a_proof_gets_a_token_bound_to_its_key(client: Client) -> None:
    answer = client.post()
    assert answer.json()["token_type"] == "DPoP"
    assert claims_of(answer)["cnf"] == {"jkt": KEY.public.thumbprint}


def test_a_request_without_one_gets_a_bearer_token(client: Client) -> None:
    answer = client.provider.post()
    assert answer.json()["token_type"] == "Bearer"
    assert "cnf" not in claims_of(answer)


@pytest.mark.parametrize(
    "changes",
    [
        {"htm": "GET"},
        {"htu": "https://api.example/oauth/token"},
        {"htu": f"{ISSUER}/oauth/jwks"},
        {"htu": None},
        {"jti": None},
        {"iat": None},
        {"iat": NOW - 1},
        {"iat": NOW + 71},
    ],
)
def test_a_proof_for_something_else_is_refused_and_no_bearer_token_given_instead(client: Client, changes: Any) -> None:
    assert client.error(client.proof(**changes)) == "invalid_dpop_proof"


def test_two_proofs_are_refused(client: Client) -> None:
    two = httpx.Headers([("dpop", client.proof()), ("dpop", client.proof())])
    answer = client.provider.post(x="y")
    assert answer.status_code == 200
    body = {"content": "grant_type=client_credentials"}
    form = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("authorization", answer.request.headers["authorization"]),
    ]
    refused = ask(
        client.provider.app, "POST", "/oauth/token", headers=httpx.Headers([*form, *two.multi_items()]), **body
    )
    assert refused.json()["error"] == "invalid_dpop_proof"


def test_a_proof_is_used_once(client: Client) -> None:
    proof = client.proof()
    assert client.post(proof).status_code == 200
    assert client.error(proof) == "invalid_dpop_proof"


def test_a_nonce_that_was_given_out_is_taken_and_another_is_not(client: Client) -> None:
    assert client.error(client.proof(nonce="A" * 30)) == "use_dpop_nonce"
    nonce = client.post(client.proof(htm="GET")).headers["dpop-nonce"]
    assert client.post(client.proof(nonce=nonce, iat=5)).status_code == 200
    client.provider.now += LIFE_S
    assert client.error(client.proof(nonce=nonce)) == "use_dpop_nonce"


def test_right_after_a_start_a_nonce_is_asked_for(store: Store) -> None:
    client = Client(Provider(store))
    client.provider.now = NOW + 1
    refused = client.post()
    assert refused.json()["error"] == "use_dpop_nonce"
    assert client.post(client.proof(nonce=refused.headers["dpop-nonce"])).status_code == 200
    client.provider.now = NOW + AHEAD_S + 1
    assert client.post().status_code == 200


def test_a_client_that_cannot_prove_itself_learns_nothing_of_its_proof(client: Client) -> None:
    answer = client.provider.post(basic="batch:wrong", dpop="nonsense")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_a_claim_of_the_client_binds_nothing(store: Store) -> None:
    from doorward.errors import PolicyError

    with pytest.raises(PolicyError, match="cnf"):
        add_client(store, "sly", now=NOW, claims={"cnf": {"jkt": "x"}})


def test_the_metadata_name_the_algorithms(client: Client) -> None:
    metadata = ask(client.provider.app, "GET", "/.well-known/oauth-authorization-server").json()
    assert metadata["dpop_signing_alg_values_supported"] == list(ALGORITHM_NAMES)
    assert json.dumps(metadata)
