import base64
import json
from pathlib import Path

import pytest
from tests.cli.test_callers import Place

from doorward.errors import PolicyError
from doorward.identity.encryption_keys import published_encryption_keys
from doorward.jose import generate_decryption_key
from doorward.sealing import load_sealer
from doorward.store import open_store

OWN = generate_decryption_key("ECDH-ES+A256KW")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_callers_public_key_is_registered_listed_and_revoked(place: Place, tmp_path: Path) -> None:
    (tmp_path / "partner.pem").write_bytes(OWN.material.as_pem(private=False))  # type: ignore[union-attr]
    words = ("key", "add-encryption", "partner", "--public-key", str(tmp_path / "partner.pem"), "--id", "p-1", "--json")
    made = json.loads(place.run(*words).stdout)
    assert (made["id"], made["algorithm"], made["name"]) == ("p-1", "ECDH-ES+A256KW", "partner")
    listed = place.run("key", "list-encryption").stdout
    assert "p-1" in listed
    revoked = json.loads(place.run("key", "revoke", "p-1", "--json").stdout)
    assert [each["id"] for each in revoked] == ["p-1"]
    (again,) = json.loads(place.run("key", "list-encryption", "--json").stdout)
    assert again["revoked_at"] is not None


def test_a_shared_secret_is_shown_once(place: Place) -> None:
    shown = place.run("key", "add-encryption", "partner").stdout.strip()
    store = open_store(f"sqlite:///{place.state / 'store.db'}")
    (record,) = published_encryption_keys(store, now=0.0)
    store.close()
    sealer = load_sealer(place.state / "keys")
    assert sealer is not None
    secret = sealer.open(f"encryption_keys/sealed_secret/{record['id']}", record["sealed"])
    assert secret == base64.urlsafe_b64decode(shown + "=")
    assert shown not in place.run("key", "list-encryption", "--json").stdout


def test_the_gateways_keys_are_exchanged_and_shown_without_their_private_part(place: Place) -> None:
    (first,) = json.loads(place.run("key", "encryption").stdout)["keys"]
    assert "d" not in first
    (second,) = json.loads(place.run("key", "encryption", "--rotate", "--overlap", "12h").stdout)["keys"]
    assert second["kid"] != first["kid"]
    both = json.loads(place.run("key", "encryption", "--rotate", "--algorithm", "RSA-OAEP-256").stdout)["keys"]
    assert {key["alg"] for key in both} == {"ECDH-ES+A256KW", "RSA-OAEP-256"}
    place.run("key", "encryption", "--remove", first["kid"])
    with pytest.raises(PolicyError):
        place.run("key", "encryption", "--remove", first["kid"])
    with pytest.raises(PolicyError, match="algorithm"):
        place.run("key", "encryption", "--rotate", "--algorithm", "RSA1_5")
