import hashlib
import json

import pytest
from tests.identity.test_publishing import ask

from doorward.errors import PolicyError
from doorward.identity.api_keys import add_api_key, list_api_keys, revoke_api_key
from doorward.identity.events import events_of
from doorward.identity.key_import import ImportedKey, ImportGrant, import_api_keys, read_csv, read_json
from doorward.store import Store

NOW = 1_800_000_000.0
KEY = "kong_4f6b2c1d9e8a7b6c5d4e3f2a1b0c9d8e"
GRANT = ImportGrant(random_bits=128, prefix="kong_", roles=["reader"])


def sha256(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def sha512(key: str) -> str:
    return hashlib.sha512(key.encode()).hexdigest()


@pytest.mark.parametrize("hashed", [sha256, sha512])
def test_a_key_known_by_its_hash_opens_as_if_it_were_ours(store: Store, hashed: object) -> None:
    assert callable(hashed)
    (kept,) = import_api_keys(store, [ImportedKey(name="partner", hash=hashed(KEY))], GRANT, now=NOW)
    found = ask(store, "x-api-key", KEY)
    assert found is not None
    assert (found.subject, found.kind, found.roles) == ("partner", "api_key", frozenset({"reader"}))
    assert found.credential_id == kept.id
    for wrong in (KEY[:-1], KEY + "0", KEY.upper(), hashed(KEY), kept.id, "", "kong_"):
        assert ask(store, "x-api-key", wrong) is None
    revoke_api_key(store, kept.id, now=NOW)
    assert ask(store, "x-api-key", KEY) is None


def test_a_hash_of_a_hash_opens_nothing(store: Store) -> None:
    import_api_keys(store, [ImportedKey(name="partner", hash=sha512(KEY))], ImportGrant(random_bits=128), now=NOW)
    kept = hashlib.sha512(KEY.encode()).digest()
    assert ask(store, "x-api-key", kept.decode("latin-1")) is None, "what is kept is no key"


def test_a_key_without_the_prefix_of_its_file_opens_nothing(store: Store) -> None:
    import_api_keys(store, [ImportedKey(name="partner", hash=sha256("other_" + "k" * 40))], GRANT, now=NOW)
    assert ask(store, "x-api-key", "other_" + "k" * 40) is None


def test_own_and_foreign_keys_work_side_by_side(store: Store) -> None:
    _, own = add_api_key(store, "own", now=NOW)
    import_api_keys(store, [ImportedKey(name="foreign", hash=sha256(KEY))], GRANT, now=NOW)
    callers = [ask(store, "x-api-key", key) for key in (own, KEY)]
    assert [found and found.subject for found in callers] == ["own", "foreign"]


def test_a_csv_file_names_its_columns(store: Store) -> None:
    text = f"name,hash,roles,networks\npartner,{sha256(KEY)},reader writer,10.0.0.0/8\nshop,{sha512(KEY)},,\n"
    first, second = read_csv(text)
    assert first == ImportedKey(name="partner", hash=sha256(KEY), roles=("reader", "writer"), networks=("10.0.0.0/8",))
    assert second == ImportedKey(name="shop", hash=sha512(KEY))
    keys = import_api_keys(store, [first, second], GRANT, now=NOW)
    assert {key.name: (key.form, key.roles, key.networks) for key in keys} == {
        "partner": ("sha256", ("reader", "writer"), ("10.0.0.0/8",)),
        "shop": ("sha512", ("reader",), ()),
    }


def test_a_json_file_is_a_list_of_entries() -> None:
    entry = {"name": "partner", "hash": sha256(KEY), "scopes": ["a"], "claims": {"account_id": "a-1"}}
    assert read_json(json.dumps([entry])) == [
        ImportedKey(name="partner", hash=sha256(KEY), scopes=("a",), claims={"account_id": "a-1"})
    ]


@pytest.mark.parametrize(
    "text",
    ["name,key\npartner,secret\n", "name\npartner\n", 'name,hash\n"partner', "name,hash\na,b,c\n"],
)
def test_a_csv_file_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(PolicyError, match="not as expected"):
        read_csv(text)


def test_what_stands_twice_is_refused_and_not_the_last_one_taken() -> None:
    with pytest.raises(PolicyError, match="line 1 twice"):
        read_csv(f"name,hash,roles,roles\npartner,{sha256(KEY)},reader,admin\n")
    with pytest.raises(PolicyError, match=r"not as expected.*roles"):
        read_json(f'[{{"name": "a", "hash": "{sha256(KEY)}", "roles": ["reader"], "roles": ["admin"]}}]')
    with pytest.raises(PolicyError, match="not as expected"):
        read_json("[" * 100_000)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[{"name": "a"}]', '[{"name": "a", "hash": "b", "key": "c"}]'])
def test_a_json_file_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(PolicyError, match="not as expected"):
        read_json(text)


@pytest.mark.parametrize("wrong", ["", "abc", KEY, "g" * 64, sha256(KEY)[:-1], sha256(KEY)[:-2] + "  ", "0" * 40])
def test_what_is_no_hash_is_refused_and_nothing_is_taken(store: Store, wrong: str) -> None:
    entries = [ImportedKey(name="good", hash=sha256("x" * 40)), ImportedKey(name="bad", hash=wrong)]
    with pytest.raises(PolicyError, match="neither SHA-256 nor SHA-512"):
        import_api_keys(store, entries, GRANT, now=NOW)
    assert list_api_keys(store) == []


def test_a_key_of_few_random_bits_is_refused(store: Store) -> None:
    with pytest.raises(PolicyError, match="can be found from their hashes"):
        import_api_keys(store, [ImportedKey(name="a", hash=sha256(KEY))], ImportGrant(random_bits=127), now=NOW)


def test_a_key_is_never_two_callers(store: Store) -> None:
    once = ImportedKey(name="one", hash=sha256(KEY))
    with pytest.raises(PolicyError, match="twice"):
        import_api_keys(store, [once, ImportedKey(name="two", hash=sha256(KEY).upper())], GRANT, now=NOW)
    import_api_keys(store, [once], GRANT, now=NOW)
    with pytest.raises(PolicyError, match="known already"):
        import_api_keys(
            store,
            [ImportedKey(name="b", hash=sha256("n" * 40)), ImportedKey(name="c", hash=sha256(KEY))],
            GRANT,
            now=NOW,
        )
    assert [key.name for key in list_api_keys(store)] == ["one"]


@pytest.mark.parametrize("prefix", ["dw_", "x" * 33, "tab\t", "ü"])
def test_a_prefix_is_short_and_not_ours(store: Store, prefix: str) -> None:
    with pytest.raises(PolicyError):
        import_api_keys(
            store, [ImportedKey(name="a", hash=sha256(KEY))], ImportGrant(random_bits=128, prefix=prefix), now=NOW
        )


def test_a_name_of_a_user_or_a_network_that_is_none_is_refused(store: Store) -> None:
    for entry in (
        ImportedKey(name="not a name", hash=sha256(KEY)),
        ImportedKey(name="a", hash=sha256(KEY), networks=("10.0.0.1/8",)),
    ):
        with pytest.raises(PolicyError):
            import_api_keys(store, [entry], GRANT, now=NOW)
    assert import_api_keys(store, [], GRANT, now=NOW) == []


def test_what_was_imported_is_told_of_and_what_was_refused_is_not(store: Store) -> None:
    (kept,) = import_api_keys(store, [ImportedKey(name="partner", hash=sha256(KEY))], GRANT, now=NOW)
    with pytest.raises(PolicyError):
        import_api_keys(store, [ImportedKey(name="partner", hash=sha256(KEY))], GRANT, now=NOW)
    (event,) = events_of(store, "partner")
    assert (event.kind, event.detail["key"], event.detail["roles"]) == ("key.added", kept.id, ["reader"])
    assert sha256(KEY) not in repr(event)
