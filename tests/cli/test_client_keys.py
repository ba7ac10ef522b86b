"""`doorward client add --jwks`, `--jwks-uri` and `doorward client keys`."""

import json
from pathlib import Path

import pytest
from tests.cli.test_callers import Place

from doorward.errors import PolicyError
from doorward.jose import PrivateKey, generate_key, public_jwks


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def written(place: Place, key: PrivateKey) -> str:
    path = place.policy.parent / f"{key.id}.json"
    path.write_text(json.dumps(public_jwks([key])))
    return str(path)


def test_a_client_with_keys_is_given_no_secret(place: Place) -> None:
    key = generate_key("ES256")
    added = place.json("client", "add", "bank", "--jwks", written(place, key))
    assert (added["authentication"], added["secret"], added["jwks"]) == ("private_key_jwt", "", [key.public.jwk()])
    told = place.run("client", "add", "shop", "--jwks-uri", "https://shop.example/jwks")
    assert told.stdout == ""
    assert "https://127.0.0.1:8444" in told.stderr
    assert [each["authentication"] for each in place.json("client", "list")] == ["private_key_jwt", "private_key_jwt"]


def test_keys_are_replaced_by_others(place: Place) -> None:
    old, new = generate_key("ES256"), generate_key("EdDSA")
    place.json("client", "add", "bank", "--jwks", written(place, old))
    changed = place.json("client", "keys", "bank", "--jwks", written(place, new))
    assert changed["jwks"] == [new.public.jwk()]
    assert new.id in place.run("client", "keys", "bank", "--jwks", written(place, new)).stderr


@pytest.mark.parametrize(
    "words",
    [
        ("client", "add", "x", "--jwks", "absent.json"),
        ("client", "add", "x", "--jwks-uri", "http://shop.example/jwks"),
        ("client", "add", "x", "--public", "--redirect", "https://a.example/cb", "--jwks-uri", "https://a.example/j"),
        ("client", "keys", "nobody", "--jwks-uri", "https://a.example/j"),
    ],
)
def test_what_cannot_be_is_said(place: Place, words: tuple[str, ...]) -> None:
    with pytest.raises(PolicyError):
        place.run(*words)


def test_keys_are_registered_or_fetched(place: Place) -> None:
    with pytest.raises(PolicyError, match="one way"):
        place.run(
            "client", "add", "x", "--jwks", written(place, generate_key("ES256")), "--jwks-uri", "https://a.example/j"
        )


def test_whoever_adds_a_client_is_told_where_it_begins(place: Place) -> None:
    shop = place.run("client", "add", "shop", "--redirect", "https://shop.example/callback").stderr
    tv = place.run("client", "add", "tv", "--public", "--device").stderr
    batch = place.run("client", "add", "batch", "--role", "reader").stderr
    assert ("/oauth/authorize" in shop, "client_credentials" in shop) == (True, False)
    assert ("/oauth/device_authorization" in tv, "/oauth/authorize" in tv) == (True, False)
    assert "client_credentials" in batch
