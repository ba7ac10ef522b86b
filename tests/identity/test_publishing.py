import json
from pathlib import Path

import pytest

from doorward.controls.authenticate import (
    LOCAL_AUDIENCE,
    AuthenticatePolicy,
    Credentials,
    compile_check,
    local_issuer,
)
from doorward.denial import Denied
from doorward.exchange import Caller, Exchange, Headers, Request, Source
from doorward.identity.api_keys import add_api_key, revoke_api_key
from doorward.identity.clients import add_client, disable_client
from doorward.identity.publishing import published_credentials
from doorward.identity.revoking import revoke
from doorward.identity.tokens import Minter
from doorward.identity.users import add_user, disable_user
from doorward.jose import generate_key
from doorward.operation import Operation
from doorward.store import Store

NOW = 1_800_000_000.0
ISSUER = "https://issuer.example"
KEY = generate_key("ES256")
MINTER = Minter(key=KEY, issuer=ISSUER, audience=LOCAL_AUDIENCE)
POLICY = AuthenticatePolicy(issuers=(local_issuer(ISSUER),))


def ask(store: Store, name: str, value: str) -> Caller | None:
    """Who the gateway takes the caller for, from the snapshot as it would be published now; None: refused."""
    data = json.loads(json.dumps(published_credentials(store, [KEY], issuer=ISSUER, now=NOW)))
    request = Request("GET", b"/x", b"/x", b"", Headers([(name.encode(), value.encode())]))
    exchange = Exchange(id="0" * 32, now=NOW, ticks=0.0, source=Source(address="192.0.2.1"), request=request)
    operation = Operation(id="o", method="GET", path="/x", template="/x")
    try:
        compile_check(operation, POLICY, Credentials.from_data(data))(exchange)
    except Denied:
        return None
    return exchange.caller


def test_a_users_token_opens_until_the_user_is_disabled(store: Store) -> None:
    user = add_user(store, "alice", now=NOW, roles=["reader"], claims={"account_id": "a-1"})
    token = MINTER.mint(user.name, client_id="web", now=NOW, roles=user.roles, claims=user.claims)
    found = ask(store, "authorization", f"Bearer {token.text}")
    assert found is not None
    assert (found.subject, found.kind, found.roles) == ("alice", "user", frozenset({"reader"}))
    assert found.claims["account_id"] == "a-1"
    disable_user(store, "alice", now=NOW)
    assert ask(store, "authorization", f"Bearer {token.text}") is None


def test_a_disabled_clients_tokens_open_nothing_whoever_they_name(store: Store) -> None:
    add_client(store, "web", now=NOW)
    tokens = [MINTER.mint(name, client_id="web", now=NOW).text for name in ("alice", "web")]
    assert all(ask(store, "authorization", f"Bearer {token}") for token in tokens)
    disable_client(store, "web", now=NOW)
    assert not any(ask(store, "authorization", f"Bearer {token}") for token in tokens)


def test_one_token_can_be_revoked(store: Store) -> None:
    one, other = (MINTER.mint("alice", client_id="web", now=NOW) for _ in range(2))
    revoke(store, "token", ISSUER, one.id, now=NOW, expires_at=one.expires_at)
    revoke(store, "token", ISSUER, one.id, now=NOW)
    assert ask(store, "authorization", f"Bearer {one.text}") is None
    assert ask(store, "authorization", f"Bearer {other.text}") is not None


def test_a_revocation_is_published_until_the_thing_is_void_by_itself(store: Store) -> None:
    revoke(store, "token", ISSUER, "t-1", now=NOW, expires_at=NOW + 10)
    revoke(store, "key", ISSUER, "k-1", now=NOW)
    for now, kinds in ((NOW, ["key", "token"]), (NOW + 10, ["key"])):
        published = published_credentials(store, [KEY], issuer=ISSUER, now=now)
        assert [kind for kind, _, _ in published["revoked"]] == kinds


def test_what_is_revoked_again_stays_revoked_until_the_later_end(store: Store) -> None:
    def is_revoked(now: float) -> bool:
        published = published_credentials(store, [KEY], issuer=ISSUER, now=now)
        return ["subject", ISSUER, "alice"] in published["revoked"]

    revoke(store, "subject", ISSUER, "alice", now=NOW, expires_at=NOW + 10)
    assert [is_revoked(NOW + later) for later in (5, 20)] == [True, False]
    revoke(store, "subject", ISSUER, "alice", now=NOW + 20, expires_at=NOW + 40)
    assert [is_revoked(NOW + later) for later in (30, 40)] == [True, False]
    for end in (None, NOW + 60):
        revoke(store, "subject", ISSUER, "alice", now=NOW + 50, expires_at=end)
    assert is_revoked(NOW + 1_000)


def test_an_api_key_opens_until_it_is_revoked(store: Store) -> None:
    record, key = add_api_key(store, "partner", now=NOW, scopes=["read"], networks=["192.0.2.0/24"])
    found = ask(store, "x-api-key", key)
    assert found is not None
    assert (found.subject, found.kind, found.scopes) == ("partner", "api_key", frozenset({"read"}))
    revoke_api_key(store, record.id, now=NOW)
    assert ask(store, "x-api-key", key) is None


def test_a_key_that_has_expired_is_not_published(store: Store) -> None:
    add_api_key(store, "partner", now=NOW - 100, lifetime_s=50)
    assert published_credentials(store, [KEY], issuer=ISSUER, now=NOW)["api_keys"] == []


def test_no_secret_is_published(store: Store, tmp_path: Path) -> None:
    _, key = add_api_key(store, "partner", now=NOW)
    _, secret = add_client(store, "batch", now=NOW)
    text = json.dumps(published_credentials(store, [KEY], issuer=ISSUER, now=NOW))
    assert not [value for value in (key.split("_")[2], secret, KEY.jwk()["d"]) if value in text]


@pytest.mark.parametrize("name", ["sub", "iss", "exp", "roles", "aud"])
def test_a_callers_claims_never_replace_what_the_issuer_says(name: str) -> None:
    from doorward.jose import split_unverified, verify_signature

    token = MINTER.mint("alice", client_id="web", now=NOW, claims={name: "forged"})
    assert verify_signature(split_unverified(token.text), KEY.public)[name] != "forged"


def test_a_minted_token_does_not_show_in_a_repr() -> None:
    token = MINTER.mint("alice", client_id="web", now=NOW)
    assert token.text not in repr(token)
