from doorward.identity.changing import ClientChange, UserChange, change_client, change_user
from doorward.identity.clients import add_client
from doorward.identity.standing import WINDOW_S, published_standing
from doorward.identity.users import add_user
from doorward.store import Store

NOW = 1_800_000_000.0
ISSUER = "https://issuer.example"


def test_who_was_changed_is_told_of_for_as_long_as_a_token_can_live(store: Store) -> None:
    add_user(store, "alice", now=NOW, roles=["admin", "reader"], claims={"team": "red", "account_id": "a-1"})
    add_user(store, "bob", now=NOW, roles=["reader"])
    assert published_standing(store, ISSUER, now=NOW) == []
    change_user(store, "alice", UserChange(roles=["reader"]), now=NOW)
    change_user(store, "alice", UserChange(claims={"account_id": "a-2"}), now=NOW + 1)
    expected = {
        "issuer": ISSUER,
        "subject": "alice",
        "roles": ["reader"],
        "scopes": None,
        "claims": {"account_id": "a-2"},
        "gone": ["team"],
    }
    assert published_standing(store, ISSUER, now=NOW + 2) == [expected]
    assert published_standing(store, ISSUER, now=NOW + WINDOW_S) == [expected | {"gone": ["team"]}]
    assert published_standing(store, ISSUER, now=NOW + 1 + WINDOW_S) == []


def test_a_claim_that_came_back_is_not_gone(store: Store) -> None:
    add_user(store, "alice", now=NOW, claims={"team": "red"})
    change_user(store, "alice", UserChange(claims={}), now=NOW)
    change_user(store, "alice", UserChange(claims={"team": "blue"}), now=NOW)
    (found,) = published_standing(store, ISSUER, now=NOW)
    assert (found["claims"], found["gone"]) == ({"team": "blue"}, [])


def test_a_clients_scopes_count_and_its_title_does_not(store: Store) -> None:
    add_client(store, "batch", now=NOW, scopes=["read", "write"])
    change_client(store, "batch", ClientChange(title="Batch"), now=NOW)
    assert published_standing(store, ISSUER, now=NOW) == []
    change_client(store, "batch", ClientChange(scopes=["read"]), now=NOW)
    (found,) = published_standing(store, ISSUER, now=NOW)
    assert (found["subject"], found["scopes"]) == ("batch", ["read"])
