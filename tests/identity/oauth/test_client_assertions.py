"""private_key_jwt at every endpoint that asks who a client is: ID-12, ID-36, ID-63 to ID-65 of the reference."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlalchemy import update
from tests.identity.lab import CALLBACK, CHALLENGE, ISSUER, Lab
from tests.identity.test_client_keys import served

from doorward.errors import PolicyError
from doorward.identity.assertions import ASSERTION_TYPE
from doorward.identity.clients import Client, add_client, disable_client, replace_keys
from doorward.jose import Algorithm, PrivateKey, encode_segment, generate_key, public_jwks, sign_jwt
from doorward.outbound import OutboundClient
from doorward.store import Store, clients

KEY, OTHER = generate_key("ES256"), generate_key("ES256")
ENDPOINTS = ("/oauth/token", "/oauth/par", "/oauth/introspect", "/oauth/revoke")
GOOD = {"/oauth/token": 200, "/oauth/par": 201, "/oauth/introspect": 200, "/oauth/revoke": 200}


@pytest.fixture
def lab(store: Store) -> Lab:
    lab = Lab(store)
    for name in ("bank", "shop"):
        registered(lab, name, KEY if name == "bank" else OTHER)
    return lab


def registered(lab: Lab, name: str, *keys: PrivateKey) -> Client:
    document = json.dumps(public_jwks(keys)).encode()
    client, secret = add_client(
        lab.store, name, now=lab.now, scopes=["orders:read"], redirect_uris=[CALLBACK], jwks=document
    )
    assert secret == ""
    return client


def claims(lab: Lab, **changed: Any) -> dict[str, Any]:
    found = {"iss": "bank", "sub": "bank", "aud": ISSUER, "jti": "j-1", "iat": lab.now, "exp": lab.now + 60, **changed}
    return {name: value for name, value in found.items() if value is not None}


def assertion(lab: Lab, key: PrivateKey = KEY, typ: str = "JWT", **changed: Any) -> str:
    return sign_jwt(key, claims(lab, **changed), typ)


def ask(lab: Lab, text: str, path: str = "/oauth/token", headers: Any = None, **fields: str) -> httpx.Response:
    wanted = {
        "/oauth/token": {"grant_type": "client_credentials"},
        "/oauth/par": {
            "response_type": "code",
            "redirect_uri": CALLBACK,
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        },
        "/oauth/introspect": {"token": "none"},
        "/oauth/revoke": {"token": "none"},
    }[path]
    proof = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": text}
    return lab.post(path, headers=headers, **{**wanted, **proof, **fields})


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]


@pytest.mark.parametrize("path", ENDPOINTS)
def test_a_client_proves_itself_by_its_key_at_every_endpoint_once(lab: Lab, path: str) -> None:
    """ID-36."""
    text = assertion(lab)
    answer = ask(lab, text, path)
    assert answer.status_code == GOOD[path], answer.text
    assert refused(ask(lab, text, path)) == (401, "invalid_client")
    assert ask(lab, assertion(lab, jti="j-2"), path, client_id="bank").status_code == GOOD[path]


def test_an_assertion_used_at_one_endpoint_is_used_at_all(lab: Lab) -> None:
    text = assertion(lab)
    assert ask(lab, text).status_code == 200
    for path in ENDPOINTS:
        assert refused(ask(lab, text, path)) == (401, "invalid_client")


def test_the_ids_of_one_client_are_not_those_of_another(lab: Lab) -> None:
    assert ask(lab, assertion(lab)).status_code == 200
    assert ask(lab, assertion(lab, OTHER, iss="shop", sub="shop")).status_code == 200


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "PS256"])
def test_the_algorithms_of_fapi_are_taken(lab: Lab, algorithm: Algorithm) -> None:
    """ID-64."""
    key = generate_key(algorithm, rsa_bits=2048)
    registered(lab, "new", key)
    assert ask(lab, assertion(lab, key, iss="new", sub="new")).status_code == 200


def test_no_key_of_another_algorithm_or_of_few_bits_can_be_registered(lab: Lab) -> None:
    """ID-64."""
    with pytest.raises(PolicyError, match="no usable key: no allowed algorithm"):
        registered(lab, "new", generate_key("RS256", rsa_bits=2048))
    short = {"kty": "RSA", "e": "AQAB", "n": encode_segment(b"\xff" * 255).decode()}
    shared = {"kty": "oct", "k": "c2VjcmV0"}
    for jwk in (short, shared):
        with pytest.raises(PolicyError, match="no usable key"):
            add_client(lab.store, "new", now=lab.now, jwks=json.dumps({"keys": [jwk]}).encode())


def test_a_private_key_is_not_registered(lab: Lab) -> None:
    with pytest.raises(PolicyError, match="private"):
        add_client(lab.store, "new", now=lab.now, jwks=json.dumps({"keys": [KEY.jwk()]}).encode())


WRONG: dict[str, Callable[[Lab], str]] = {
    "audience is the token endpoint": lambda lab: assertion(lab, aud=f"{ISSUER}/oauth/token"),
    "audience is a list": lambda lab: assertion(lab, aud=[ISSUER]),
    "audience with a slash": lambda lab: assertion(lab, aud=f"{ISSUER}/"),
    "no audience": lambda lab: assertion(lab, aud=None),
    "another subject": lambda lab: assertion(lab, sub="shop"),
    "no subject": lambda lab: assertion(lab, sub=None),
    "no issuer": lambda lab: assertion(lab, iss=None),
    "another client's name": lambda lab: assertion(lab, iss="shop", sub="shop"),
    "another client's key": lambda lab: assertion(lab, OTHER),
    "no expiry": lambda lab: assertion(lab, exp=None),
    "expired": lambda lab: assertion(lab, exp=lab.now),
    "too long": lambda lab: assertion(lab, exp=lab.now + 601),
    "expiry is no date": lambda lab: assertion(lab, exp="1e99"),
    "issued in the future": lambda lab: assertion(lab, iat=lab.now + 61),
    "not valid yet": lambda lab: assertion(lab, nbf=lab.now + 61),
    "no id": lambda lab: assertion(lab, jti=None),
    "id is no text": lambda lab: assertion(lab, jti=7),
    "id too long": lambda lab: assertion(lab, jti="j" * 257),
    "access token": lambda lab: assertion(lab, typ="at+jwt"),
    "no signature": lambda lab: assertion(lab).rpartition(".")[0] + ".",
    "not a token": lambda _lab: "e.y.J",
    "unknown client": lambda lab: assertion(lab, iss="nobody", sub="nobody"),
    "client with a secret": lambda lab: assertion(lab, iss="web", sub="web"),
    "public client": lambda lab: assertion(lab, iss="spa", sub="spa"),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_assertion_that_does_not_hold_opens_nothing_and_spends_nothing(lab: Lab, case: str) -> None:
    """ID-63, ID-65."""
    assert refused(ask(lab, WRONG[case](lab))) == (401, "invalid_client")
    assert ask(lab, assertion(lab)).status_code == 200


@pytest.mark.parametrize("name", ["iat", "nbf"])
def test_a_clock_ten_seconds_ahead_is_bearable(lab: Lab, name: str) -> None:
    """ID-65."""
    dates: dict[str, Any] = {name: lab.now + 10}
    assert ask(lab, assertion(lab, **dates)).status_code == 200


def test_a_client_with_a_key_has_no_secret_and_no_way_without_one(lab: Lab) -> None:
    """ID-12."""
    grant = {"grant_type": "client_credentials"}
    assert refused(lab.post("/oauth/token", client_id="bank", **grant)) == (401, "invalid_client")
    for secret in ("", "s"):
        assert refused(lab.post("/oauth/token", client_id="bank", client_secret=secret, **grant)) == (
            401,
            "invalid_client",
        )


def test_two_ways_at_once_are_none(lab: Lab) -> None:
    """ID-12."""
    assert refused(ask(lab, assertion(lab), client_secret="s")) == (400, "invalid_request")
    basic = {"authorization": "Basic YmFuazpz"}
    assert refused(ask(lab, assertion(lab), headers=basic)) == (400, "invalid_request")
    assert refused(ask(lab, assertion(lab), client_id="shop")) == (400, "invalid_request")
    assert refused(ask(lab, assertion(lab), client_assertion_type="saml")) == (400, "invalid_request")
    assert ask(lab, assertion(lab)).status_code == 200


def test_a_client_that_was_revoked_proves_nothing(lab: Lab) -> None:
    disable_client(lab.store, "bank", now=lab.now)
    assert refused(ask(lab, assertion(lab))) == (401, "invalid_client")


def test_replaced_keys_prove_nothing(lab: Lab) -> None:
    replace_keys(lab.store, "bank", now=lab.now, jwks=json.dumps(public_jwks([OTHER])).encode())
    assert refused(ask(lab, assertion(lab))) == (401, "invalid_client")
    assert ask(lab, assertion(lab, OTHER)).status_code == 200
    with pytest.raises(PolicyError, match="does not prove itself by such keys"):
        replace_keys(lab.store, "web", now=lab.now, jwks=json.dumps(public_jwks([OTHER])).encode())


def test_many_wrong_assertions_of_one_address_have_to_wait(lab: Lab) -> None:
    for _ in range(10):
        assert ask(lab, assertion(lab, OTHER)).status_code == 401
    assert ask(lab, assertion(lab)).status_code == 429
    lab.now += 60
    assert ask(lab, assertion(lab)).status_code == 200


def test_of_eight_that_bring_one_assertion_at_once_one_gets_a_token(lab: Lab) -> None:
    text, gate = assertion(lab), threading.Barrier(8)

    def one(_number: int) -> int:
        gate.wait()
        return ask(lab, text).status_code

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(one, range(8))) == [200, *[401] * 7]


def test_a_restart_brings_no_assertion_back(lab: Lab, store: Store) -> None:
    text = assertion(lab)
    assert ask(lab, text).status_code == 200
    again = Lab.__new__(Lab)
    again.__dict__.update(lab.__dict__)
    again.app = lab.made_app()
    assert refused(ask(again, text)) == (401, "invalid_client")


def test_the_metadata_tell_it(lab: Lab) -> None:
    """ID-18."""
    told = lab.ask("GET", "/.well-known/oauth-authorization-server").json()
    for endpoint in ("token", "revocation", "introspection"):
        assert "private_key_jwt" in told[f"{endpoint}_endpoint_auth_methods_supported"]
        assert sorted(told[f"{endpoint}_endpoint_auth_signing_alg_values_supported"]) == ["ES256", "EdDSA", "PS256"]


def test_keys_at_a_url_are_fetched_when_they_are_needed(store: Store) -> None:
    with served() as place:
        place.publish(KEY.public)
        lab = Lab(store)
        lab.settings = replace(lab.settings, outbound=lambda: OutboundClient(insecure_loopback_http=True))
        lab.app = lab.made_app()
        add_client(store, "bank", now=lab.now, jwks_uri="https://client.example/jwks")
        with store.begin() as connection:
            # the one place where plain http to loopback is possible, so that the test needs no certificate
            connection.execute(update(clients).where(clients.c.name == "bank").values(jwks_uri=place.url))
        assert ask(lab, assertion(lab)).status_code == 200
        assert refused(ask(lab, assertion(lab, OTHER, jti="j-2"))) == (401, "invalid_client")
        assert place.asked_count == 1
