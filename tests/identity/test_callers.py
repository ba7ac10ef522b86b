from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text
from tests.identity.lab import owner_of_secret

from doorward.errors import PolicyError
from doorward.identity.api_keys import add_api_key, list_api_keys, revoke_api_key
from doorward.identity.changing import ClientChange, change_client
from doorward.identity.clients import add_client, disable_client, list_clients
from doorward.identity.passwords import hash_password, is_password
from doorward.identity.users import add_user, disable_user, list_users
from doorward.store import Store

NOW = 1_800_000_000.0
PASSWORD = "correct horse battery staple"


def _dump(store: Store) -> str:
    with store.begin() as connection:
        tables = ("users", "clients", "api_keys", "principals")
        return "".join(repr(connection.execute(text(f"SELECT * FROM {name}")).all()) for name in tables)


def test_a_user_comes_back_as_added(store: Store) -> None:
    user = add_user(store, "alice", now=NOW, roles=["reader", "reader"], claims={"account_id": "a-1"})
    assert list_users(store) == [user]
    assert (user.roles, user.claims, user.has_password, user.disabled_at) == (
        ("reader",),
        {"account_id": "a-1"},
        False,
        None,
    )


@pytest.mark.parametrize("password", ["", "fourteen chars", "x" * 257])
def test_a_password_of_the_wrong_length_is_refused(password: str) -> None:
    with pytest.raises(PolicyError, match="15 to 256"):
        hash_password(password)


def test_a_password_is_the_same_however_its_letters_are_composed() -> None:
    kept = hash_password("caf\u00e9 au lait, bitte")
    assert is_password("cafe\u0301 au lait, bitte", kept)
    assert not is_password("cafe au lait, bitte", kept)


def test_a_hash_that_is_none_verifies_nothing() -> None:
    assert not is_password(PASSWORD, "not a hash")


def test_a_client_is_proved_by_its_own_secret_only(store: Store) -> None:
    client, secret = add_client(store, "batch", now=NOW, scopes=["b", "a"])
    _, other = add_client(store, "other", now=NOW)
    assert client.scopes == ("a", "b")
    assert owner_of_secret(store, "batch", secret) == client
    assert [
        owner_of_secret(store, name, given) for name, given in (("batch", other), ("nobody", secret), ("batch", ""))
    ] == [None] * 3


def test_a_disabled_client_has_no_valid_secret(store: Store) -> None:
    _, secret = add_client(store, "batch", now=NOW)
    disable_client(store, "batch", now=NOW)
    assert owner_of_secret(store, "batch", secret) is None
    assert list_clients(store)[0].disabled_at == NOW


def test_what_a_public_client_needs_is_the_same_when_it_is_changed(store: Store) -> None:
    add_client(store, "tv", now=NOW, is_public=True, uses_devices=True)
    assert change_client(store, "tv", ClientChange(redirect_uris=[], title="TV"), now=NOW).title == "TV"
    add_client(store, "spa", now=NOW, is_public=True, redirect_uris=["https://spa.example/cb"])
    with pytest.raises(PolicyError, match="redirect URI"):
        change_client(store, "spa", ClientChange(redirect_uris=[]), now=NOW)


def test_one_name_has_several_keys_that_end_one_by_one_or_together(store: Store) -> None:
    (first, _), (second, _) = (add_api_key(store, "partner", now=NOW + age) for age in (0, 1))
    assert [key.id for key in revoke_api_key(store, first.id, now=NOW + 5)] == [first.id]
    revoke_api_key(store, "partner", now=NOW + 9)
    assert {key.id: key.revoked_at for key in list_api_keys(store)} == {first.id: NOW + 5, second.id: NOW + 9}


def test_no_secret_is_stored_readable(store: Store) -> None:
    add_user(store, "alice", now=NOW, password=PASSWORD)
    _, secret = add_client(store, "batch", now=NOW)
    _, key = add_api_key(store, "partner", now=NOW)
    stored = _dump(store)
    assert not [text for text in (PASSWORD, secret, key, key.split("_")[2]) if text in stored]


def _add(store: Store, kind: str, name: str) -> None:
    adders: dict[str, Callable[..., object]] = {"user": add_user, "client": add_client, "key": add_api_key}
    adders[kind](store, name, now=NOW)


@pytest.mark.parametrize("first", ["user", "client", "key"])
@pytest.mark.parametrize("second", ["user", "client", "key"])
def test_a_name_is_given_once_over_all_kinds(store: Store, first: str, second: str) -> None:
    _add(store, first, "alice")
    if (first, second) == ("key", "key"):
        _add(store, second, "alice")
        return
    with pytest.raises(PolicyError, match="already"):
        _add(store, second, "alice")


def test_of_many_who_add_one_name_at_once_one_succeeds(store: Store) -> None:
    def attempt(number: int) -> bool:
        try:
            _add(store, ("user", "client")[number % 2], "alice")
        except PolicyError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(16))) == 1


@pytest.mark.parametrize("name", ["", "a b", "a\n", "-a", "é", "x" * 65, "a|b", "a/b"])
@pytest.mark.parametrize("kind", ["user", "client", "key"])
def test_a_name_that_could_be_misread_is_refused(store: Store, kind: str, name: str) -> None:
    with pytest.raises(PolicyError, match="is not a name"):
        _add(store, kind, name)


@pytest.mark.parametrize("claim", ["sub", "iss", "roles", "scope", "exp", "nonce", "subject", "", "a b"])
def test_a_claim_that_only_minting_may_set_is_refused(store: Store, claim: str) -> None:
    with pytest.raises(PolicyError, match="claim"):
        add_user(store, "alice", now=NOW, claims={claim: "x"})


@pytest.mark.parametrize("role", ["", "a b", 'a"b', "é"])
def test_a_role_that_is_not_one_word_is_refused(store: Store, role: str) -> None:
    with pytest.raises(PolicyError, match="role"):
        add_user(store, "alice", now=NOW, roles=[role])


@pytest.mark.parametrize("more", [{"lifetime_s": 0}, {"lifetime_s": 400 * 86400.0}, {"networks": ["10.1.2.3/8"]}])
def test_a_key_for_ever_or_for_no_network_is_refused(store: Store, more: dict[str, Any]) -> None:
    with pytest.raises(PolicyError):
        add_api_key(store, "partner", now=NOW, **more)


@pytest.mark.parametrize("act", [disable_user, disable_client, revoke_api_key])
def test_what_is_not_there_cannot_be_revoked(store: Store, act: Any) -> None:
    with pytest.raises(PolicyError, match="there is no"):
        act(store, "nobody", now=NOW)
