import base64
import json
from pathlib import Path

import pytest
from tests.cli.test_callers import Place

from doorward.errors import PolicyError
from doorward.identity.signature_keys import published_signature_keys
from doorward.sealing import load_sealer
from doorward.signatures.keys import generate_ed25519
from doorward.store import open_store

_, PUBLIC = generate_ed25519()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_public_key_is_registered(place: Place, tmp_path: Path) -> None:
    (tmp_path / "partner.pem").write_text(PUBLIC)
    words = ("key", "add-signature", "partner", "--public-key", str(tmp_path / "partner.pem"), "--id", "p-1")
    made = json.loads(place.run(*words, "--role", "reader", "--json").stdout)
    assert (made["id"], made["algorithm"], made["roles"]) == ("p-1", "ed25519", ["reader"])
    assert "secret" not in made
    listed = place.run("key", "list-signatures").stdout
    assert "p-1" in listed
    assert "ed25519" in listed


def test_a_shared_secret_is_shown_once_and_never_again(place: Place) -> None:
    result = place.run("key", "add-signature", "partner", "--webhook", "--role", "reader")
    secret = base64.b64decode(result.stdout.strip())
    assert len(secret) == 32
    store = open_store(f"sqlite:///{place.state / 'store.db'}")
    (record,) = published_signature_keys(store, now=0.0)
    store.close()
    sealer = load_sealer(place.state / "keys")
    assert sealer is not None
    assert sealer.open(f"signature_keys/sealed_secret/{record['id']}", record["sealed"]) == secret
    for words in (("list-signatures",), ("list-signatures", "--json")):
        assert result.stdout.strip() not in place.run("key", *words).stdout


def test_a_partners_own_secret_is_read_from_a_file(place: Place, tmp_path: Path) -> None:
    plain, encoded = tmp_path / "plain", tmp_path / "encoded"
    plain.write_text("8f742231b10e8888abcd99yyyzzz85a5\n")
    encoded.write_text("whsec_" + base64.b64encode(b"s" * 24).decode() + "\n")
    for path, more in ((plain, ()), (encoded, ("--base64",))):
        words = ("key", "add-signature", path.name, "--webhook", "--secret-file", str(path), *more, "--json")
        assert "secret" not in json.loads(place.run(*words).stdout)
    sealer = load_sealer(place.state / "keys")
    assert sealer is not None
    store = open_store(f"sqlite:///{place.state / 'store.db'}")
    secrets = {
        record["subject"]: sealer.open(f"signature_keys/sealed_secret/{record['id']}", record["sealed"])
        for record in published_signature_keys(store, now=0.0)
    }
    store.close()
    assert secrets == {"plain": b"8f742231b10e8888abcd99yyyzzz85a5", "encoded": b"s" * 24}


@pytest.mark.parametrize(
    "words",
    [
        ("--public-key", "absent.pem"),
        ("--public-key", "openapi.yaml", "--webhook"),
        ("--webhook", "--algorithm", "md5"),
        ("--webhook", "--secret-file", "openapi.yaml", "--base64"),
        ("--role", "unknown"),
    ],
)
def test_what_cannot_be_is_said(place: Place, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place.policy.parent)
    with pytest.raises(PolicyError):
        place.run("key", "add-signature", "partner", *words)


def test_revoking_ends_keys_of_both_kinds(place: Place) -> None:
    place.run("key", "add-signature", "partner", "--id", "p-1")
    assert json.loads(place.run("key", "revoke", "p-1", "--json").stdout)[0]["revoked_at"]
    place.run("key", "add", "partner")
    place.run("key", "add-signature", "partner", "--id", "p-2")
    assert len(json.loads(place.run("key", "revoke", "partner", "--json").stdout)) == 3
    with pytest.raises(PolicyError):
        place.run("key", "revoke", "nobody")
