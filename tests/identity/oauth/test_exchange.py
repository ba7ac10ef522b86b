"""Token exchange: statements ID-54 to ID-56 of the reference (RFC 8693)."""

from functools import partial
from typing import Any

import httpx
import pytest
from tests.identity.lab import ISSUER, KEY, Lab
from tests.identity.oauth.test_bound import KEY as DEVICE_KEY
from tests.identity.oauth.test_bound import OTHER, Client
from tests.identity.oauth.test_refresh import at_once

from doorward.controls.authenticate import LOCAL_AUDIENCE
from doorward.errors import PolicyError
from doorward.identity.changing import ClientChange, UserChange, change_client, change_user
from doorward.identity.clients import add_client, disable_client
from doorward.identity.events import events_of
from doorward.identity.oauth.exchange import ACCESS_TOKEN, ACTORS_COUNT, GRANT_TYPE
from doorward.identity.revoking import revoke, revoked
from doorward.identity.users import disable_user
from doorward.jose import generate_key, sign_jwt, split_unverified, verify_signature
from doorward.store import Store


@pytest.fixture
def lab(store: Store) -> Lab:
    """`orders` may exchange for `inventory`, `inventory` for `billing` and `orders`."""
    found = Lab(store)
    for name, audiences in (("orders", ["inventory"]), ("inventory", ["billing", "orders"])):
        found.secrets[name] = add_client(
            store, name, now=found.now, scopes=["orders:read", "offline_access"], exchange_audiences=audiences
        )[1]
    return found


def exchanged(lab: Lab, token: str, client: str = "orders", headers: Any = None, **fields: Any) -> httpx.Response:
    form = {
        "grant_type": GRANT_TYPE,
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN,
        "audience": "inventory",
        **fields,
    }
    form = {name: value for name, value in form.items() if value is not None}
    return lab.post("/oauth/token", headers, **lab.authenticated(client), **form)


def claims_of(token: str) -> dict[str, Any]:
    return dict(verify_signature(split_unverified(token), KEY.public))


def error(answer: httpx.Response) -> str:
    assert (answer.status_code, answer.headers["cache-control"]) == (400, "no-store")
    return str(answer.json()["error"])


def access(lab: Lab, client: str = "web", **fields: str) -> str:
    return str(lab.tokens(client, **fields)["access_token"])


def test_a_service_gets_a_narrower_token_for_the_next_one_in_its_users_name(lab: Lab) -> None:
    """ID-54, ID-55."""
    token = access(lab, scope="openid orders:read orders:write offline_access")
    lab.now += 400
    answer = exchanged(lab, token)
    body, found = answer.json(), claims_of(answer.json()["access_token"])
    assert set(body) == {"access_token", "issued_token_type", "token_type", "expires_in", "scope"}
    assert (body["issued_token_type"], body["token_type"]) == (ACCESS_TOKEN, "Bearer")
    wanted = {
        "sub": "alice",
        "aud": "inventory",
        "client_id": "orders",
        "act": {"sub": "orders"},
        "scope": "orders:read",
        "roles": ["reader"],
        "account_id": "a-1",
    }
    assert {name: found[name] for name in wanted} == wanted
    assert found["exp"] == claims_of(token)["exp"]
    assert body["expires_in"] == 200
    assert split_unverified(body["access_token"]).jws.type == "at+jwt"
    (event,) = [event for event in events_of(lab.store, "alice") if event.kind == "token.exchanged"]
    assert event.detail == {"client": "orders", "audience": "inventory"}


@pytest.mark.parametrize("scope", ["orders:write", "orders:read orders:write", "offline_access", "openid", "admin"])
def test_a_scope_that_token_or_client_lacks_is_refused(lab: Lab, scope: str) -> None:
    """ID-54."""
    token = access(lab, scope="openid orders:read offline_access")
    assert error(exchanged(lab, token, scope=scope)) == "invalid_scope"
    assert exchanged(lab, token, scope="orders:read").json()["scope"] == "orders:read"
    assert exchanged(lab, token, scope="").json()["scope"] == ""
    assert exchanged(lab, access(lab, scope="openid")).json()["scope"] == ""


@pytest.mark.parametrize(
    "target",
    [
        {"audience": "billing"},
        {"audience": LOCAL_AUDIENCE},
        {"audience": ""},
        {"audience": "Inventory"},
        {"audience": None, "resource": "https://other.example/"},
        {"audience": "inventory", "resource": "billing"},
        {"audience": "inventory", "resource": LOCAL_AUDIENCE},
    ],
)
def test_an_audience_that_is_not_on_the_clients_list_is_refused(lab: Lab, target: dict[str, Any]) -> None:
    """ID-54."""
    assert error(exchanged(lab, access(lab), **target)) == "invalid_target"


def test_no_client_may_exchange_that_was_not_registered_for_it(lab: Lab) -> None:
    token = access(lab)
    for client in ("web", "spa", "own"):
        assert error(exchanged(lab, token, client)) == "unauthorized_client"
    with pytest.raises(PolicyError):
        add_client(lab.store, "x", now=lab.now, is_public=True, uses_devices=True, exchange_audiences=["y"])
    for name in ("", "a b", "a\nb", "x" * 257):
        with pytest.raises(PolicyError):
            add_client(lab.store, "x", now=lab.now, exchange_audiences=[name])


@pytest.mark.parametrize(
    "fields",
    [
        {"audience": None},
        {"subject_token": None},
        {"subject_token_type": None},
        {"subject_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        {"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"},
        {"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        {"actor_token": "x", "actor_token_type": ACCESS_TOKEN},
        {"audience": ["inventory", "inventory"]},
    ],
)
def test_what_is_malformed_or_not_supported_is_told(lab: Lab, fields: dict[str, Any]) -> None:
    assert error(exchanged(lab, access(lab), **fields)) == "invalid_request"


def test_only_living_access_tokens_of_ours_are_taken(lab: Lab) -> None:
    tokens = lab.tokens()
    claims = claims_of(tokens["access_token"])
    forged = [
        tokens["id_token"],
        tokens["refresh_token"],
        "",
        "a.b.c",
        sign_jwt(generate_key("ES256"), claims, "at+jwt"),
        sign_jwt(KEY, claims, "JWT"),
        sign_jwt(KEY, claims, "logout+jwt"),
        sign_jwt(KEY, claims | {"iss": "https://other.example"}, "at+jwt"),
        sign_jwt(KEY, claims | {"aud": "billing"}, "at+jwt"),
        sign_jwt(KEY, claims | {"aud": [LOCAL_AUDIENCE, "billing"]}, "at+jwt"),
    ]
    for token in forged:
        assert error(exchanged(lab, token)) == "invalid_request"
    lab.now += 600
    assert error(exchanged(lab, tokens["access_token"])) == "invalid_request"


def _sign_out(lab: Lab, visitor: Any, _tokens: dict[str, Any]) -> None:
    visitor.get("/account")
    visitor.send("/auth/logout")


def _disable_user(lab: Lab, _visitor: Any, _tokens: dict[str, Any]) -> None:
    disable_user(lab.store, "alice", now=lab.now)


def _revoke_subject(lab: Lab, _visitor: Any, _tokens: dict[str, Any]) -> None:
    revoke(lab.store, "subject", ISSUER, "alice", now=lab.now)


def _revoke_key(lab: Lab, _visitor: Any, _tokens: dict[str, Any]) -> None:
    revoke(lab.store, "key", ISSUER, KEY.id, now=lab.now)


def _revoke_refresh_token(lab: Lab, _visitor: Any, tokens: dict[str, Any]) -> None:
    lab.post("/oauth/revoke", token=tokens["refresh_token"], **lab.authenticated("web"))


def _disable_client(lab: Lab, _visitor: Any, _tokens: dict[str, Any]) -> None:
    disable_client(lab.store, "web", now=lab.now)


ENDS = [_sign_out, _disable_user, _revoke_subject, _revoke_key, _revoke_refresh_token, _disable_client]


@pytest.mark.parametrize("end", ENDS)
def test_a_token_of_something_ended_is_not_taken_and_what_was_made_of_it_ends_too(lab: Lab, end: Any) -> None:
    """ID-54: an exchange is no way to outlive a revocation."""
    visitor = lab.visitor().signed_in()
    tokens = lab.redeem(visitor.authorized("web")).json()
    first = exchanged(lab, tokens["access_token"]).json()["access_token"]
    second = exchanged(lab, first, "inventory", audience="billing").json()["access_token"]
    end(lab, visitor, tokens)
    assert error(exchanged(lab, tokens["access_token"])) == "invalid_request"
    assert error(exchanged(lab, first, "inventory", audience="billing")) == "invalid_request"
    gone = {(kind, name) for kind, _, name in revoked(lab.store, ISSUER, now=lab.now)}
    for token in (first, second):
        assert gone & {("token", claims_of(token)["jti"]), ("subject", "alice"), ("key", KEY.id)}


def test_a_revoked_token_is_not_taken(lab: Lab) -> None:
    token = access(lab)
    lab.post("/oauth/revoke", token=token, **lab.authenticated("web"))
    assert error(exchanged(lab, token)) == "invalid_request"


def test_the_chain_of_actors_is_kept_and_its_length_is_limited(lab: Lab) -> None:
    """ID-55."""
    token, client = exchanged(lab, access(lab)).json()["access_token"], "inventory"
    seen = ["orders"]
    while True:
        target = "orders" if client == "inventory" else "inventory"
        answer = exchanged(lab, token, client, audience=target)
        if answer.status_code != 200:
            break
        token, seen, client = answer.json()["access_token"], [client, *seen], target
        act, chain = claims_of(token)["act"], []
        while act:
            chain.append(act["sub"])
            act = act.get("act")
        assert chain == seen
    assert error(answer) == "invalid_request"
    assert len(seen) == ACTORS_COUNT


def test_a_token_for_another_service_is_not_taken_from_this_one(lab: Lab) -> None:
    """Mixed clients: what `inventory` was called with is of no use to `orders`."""
    token = exchanged(lab, access(lab)).json()["access_token"]
    assert error(exchanged(lab, token, "orders")) == "invalid_request"
    assert exchanged(lab, token, "inventory", audience="billing").status_code == 200


def test_an_exchanged_token_opens_nothing_that_is_not_its_audience(lab: Lab) -> None:
    token = exchanged(lab, access(lab)).json()["access_token"]
    assert lab.ask("GET", "/oauth/userinfo", headers={"authorization": f"Bearer {token}"}).status_code == 401


def test_a_bound_token_needs_its_keys_proof_and_what_comes_of_it_is_bound_too(lab: Lab) -> None:
    """ID-56."""
    lab.now += 60
    token = Client(lab, "web").redeem(DEVICE_KEY)["access_token"]
    asker = Client(lab, "orders")
    asker.count = 100
    fields = {"grant_type": GRANT_TYPE, "subject_token": token, "subject_token_type": ACCESS_TOKEN}
    for key in (None, OTHER):
        assert error(asker.ask(key, **fields, audience="inventory")) == "invalid_request"
    body = asker.ask(DEVICE_KEY, **fields, audience="inventory").json()
    assert (body["token_type"], body["issued_token_type"]) == ("DPoP", ACCESS_TOKEN)
    assert claims_of(body["access_token"])["cnf"] == {"jkt": DEVICE_KEY.public.thumbprint}
    certified = claims_of(token) | {"cnf": {"x5t#S256": "x" * 43}}
    fields["subject_token"] = sign_jwt(KEY, certified, "at+jwt")
    for key in (None, DEVICE_KEY):
        assert error(asker.ask(key, **fields, audience="inventory")) == "invalid_request"


def test_a_clients_own_token_is_exchanged_without_a_family(lab: Lab) -> None:
    token = lab.token("web", grant_type="client_credentials", scope="orders:read").json()["access_token"]
    found = claims_of(exchanged(lab, token).json()["access_token"])
    assert (found["sub"], found["client_id"], found["act"]) == ("web", "orders", {"sub": "orders"})


def test_exchanging_while_it_is_revoked_leaves_nothing_valid(lab: Lab) -> None:
    for _ in range(4):
        tokens = lab.tokens("web")
        revoke_it = partial(lab.post, "/oauth/revoke", token=tokens["refresh_token"], **lab.authenticated("web"))
        answers = at_once(revoke_it, *[partial(exchanged, lab, tokens["access_token"])] * 4)[1:]
        gone = {name for kind, _, name in revoked(lab.store, ISSUER, now=lab.now) if kind == "token"}
        for answer in answers:
            assert answer.status_code in (200, 400)
            if answer.status_code == 200:
                assert claims_of(answer.json()["access_token"])["jti"] in gone


def test_what_the_subject_lost_since_is_not_in_the_new_token(lab: Lab) -> None:
    """The gateway takes no token that says more than is true by now; `inventory` cannot tell."""
    token = access(lab, scope="orders:read")
    change_user(lab.store, "alice", UserChange(roles=["guest"], claims={"account_id": "a-2"}), now=lab.now)
    found = claims_of(exchanged(lab, token).json()["access_token"])
    assert (found["roles"], found["scope"]) == ([], "orders:read")
    assert "account_id" not in found
    own = lab.token("web", grant_type="client_credentials", scope="orders:read").json()["access_token"]
    change_client(lab.store, "web", ClientChange(scopes=["orders:write"]), now=lab.now)
    assert exchanged(lab, own).json()["scope"] == ""


def test_the_client_can_revoke_and_introspect_what_it_got_in_exchange_and_nobody_else(lab: Lab) -> None:
    """RFC 7009: an answer 200 must not leave the token in force."""
    token = exchanged(lab, access(lab)).json()["access_token"]

    def active(client: str) -> bool:
        return bool(lab.post("/oauth/introspect", token=token, **lab.authenticated(client)).json()["active"])

    for other in ("web", "inventory"):
        assert lab.post("/oauth/revoke", token=token, **lab.authenticated(other)).status_code == 200
        assert not active(other)
    assert active("orders")
    assert lab.post("/oauth/revoke", token=token, **lab.authenticated("orders")).status_code == 200
    assert not active("orders")
    assert error(exchanged(lab, token, "inventory", audience="billing")) == "invalid_request"
