import hashlib
import json
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from typer.testing import CliRunner, Result

from doorward.cli import admin, callers, certificate, client, key, sms, token, user
from doorward.errors import PolicyError
from doorward.identity.credentials import Attempt, Proved, Verifier
from doorward.identity.sealing import ServerSecret
from doorward.jose import generate_key, save_private_keys, split_unverified, verify_signature
from doorward.store import open_store

POLICY = """
api: openapi.yaml
upstream: http://127.0.0.1:8000
insecure_plain_http: true
roles:
  reader: [GET *]
  admin: ["*"]
"""
DEVELOPMENT = POLICY + "issuer: {insecure_development_tokens: true}\n"


class Place:
    """A directory as `doorward init` leaves it, and the commands run in it."""

    def __init__(self, directory: Path) -> None:
        self.policy = directory / "doorward.yaml"
        self.state = directory / ".doorward"
        (self.state / "keys").mkdir(parents=True, mode=0o700)
        self.signing_key = generate_key("ES256")
        save_private_keys(self.state / "keys" / "issuer.json", [self.signing_key])
        (directory / "openapi.yaml").write_text("openapi: 3.1.0\n")
        self.write(POLICY)

    def write(self, policy: str) -> None:
        self.policy.write_text(policy)

    def run(self, *words: str, stdin: str = "") -> Result:
        import typer

        app = typer.Typer()
        app.callback()(lambda: None)
        for module in (admin, user, client, key, certificate, sms, token):
            module.register(app)
        result = CliRunner().invoke(app, [*words, "--policy", str(self.policy)], input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def json(self, *words: str, stdin: str = "") -> Any:
        return json.loads(self.run(*words, "--json", stdin=stdin).stdout)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_user_has_a_mail_address_that_has_the_form_of_one(place: Place) -> None:
    added = place.json("user", "add", "alice", "--email", "alice@mail.example")
    assert added["email"] == "alice@mail.example"
    with pytest.raises(PolicyError):
        place.run("user", "add", "bob", "--email", "bob at home")


def test_a_user_is_added_listed_and_disabled(place: Place) -> None:
    place.run("user", "add", "alice", "--role", "reader", "--claim", "account_id=a-1")
    assert "account_id=a-1" in place.run("user", "list").stdout
    (listed,) = place.json("user", "list")
    assert (listed["name"], listed["roles"], listed["claims"]) == ("alice", ["reader"], {"account_id": "a-1"})
    assert place.json("user", "revoke", "alice")["disabled_at"] is not None


def test_a_claim_given_twice_is_a_list(place: Place) -> None:
    added = place.json("user", "add", "alice", "--claim", "team=red", "--claim", "team=blue")
    assert added["claims"] == {"team": ["red", "blue"]}


def test_a_password_is_read_from_standard_input_and_never_shown(place: Place) -> None:
    result = place.run("user", "add", "alice", "--password-stdin", stdin="correct horse battery staple\n")
    assert "correct" not in result.output
    store = open_store(f"sqlite:///{place.state / 'store.db'}")
    attempt = Attempt(name="alice", secret="correct horse battery staple", address="")
    assert isinstance(Verifier(store, ServerSecret(bytes(32))).password(attempt, now=0.0), Proved)


def test_the_store_lies_in_the_state_directory_and_is_private(place: Place) -> None:
    place.run("user", "list")
    assert (place.state / "store.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("words", [("user", "add", "x"), ("client", "add", "x"), ("key", "add", "x")])
def test_a_role_the_policy_does_not_have_is_refused_with_a_hint(place: Place, words: tuple[str, ...]) -> None:
    with pytest.raises(PolicyError) as mistake:
        place.run(*words, "--role", "reeder")
    assert mistake.value.hint == "did you mean 'reader'?"


@pytest.mark.parametrize("words", [("user", "list"), ("client", "list"), ("key", "list")])
def test_an_empty_list_is_said_to_the_person_and_is_empty_data(place: Place, words: tuple[str, ...]) -> None:
    assert place.run(*words).stdout == ""
    assert place.json(*words) == []


def test_without_a_state_directory_the_hint_is_to_make_one(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.write(POLICY + "state: elsewhere\n")
    with pytest.raises(PolicyError) as mistake:
        place.run("user", "list")
    assert "doorward init" in mistake.value.hint
    assert not (tmp_path / "elsewhere").exists()


# -- clients -------------------------------------------------------------------------------------------------------


def test_a_clients_secret_is_shown_once(place: Place) -> None:
    added = place.run("client", "add", "batch", "--role", "reader", "--scope", "read")
    secret = added.stdout.strip()
    assert len(secret) == 52
    assert secret not in place.run("client", "list").output + place.run("client", "list", "--json").output
    assert place.json("client", "revoke", "batch")["disabled_at"] is not None


# -- keys ----------------------------------------------------------------------------------------------------------


def test_a_key_is_shown_once(place: Place) -> None:
    made = place.json("key", "add", "partner", "--role", "reader", "--scope", "read", "--expires", "30d")
    assert made["key"].startswith(f"dw_{made['id']}_")
    assert made["expires_at"] - made["created_at"] == 30 * 86_400
    secret = made["key"].split("_")[2]
    assert secret not in place.run("key", "list").output + place.run("key", "list", "--json").output
    assert made["id"] in place.run("key", "list").stdout


def test_a_key_is_all_there_is_on_standard_output(place: Place) -> None:
    assert place.run("key", "add", "partner").stdout.strip().startswith("dw_")


def test_a_rotated_key_and_its_successor_overlap(place: Place) -> None:
    old = place.json("key", "add", "partner", "--role", "reader", "--from", "10.0.0.0/8")
    done = place.json("key", "rotate", "partner", "--overlap", "24h")
    assert done["key"].startswith(f"dw_{done['id']}_")
    assert (done["roles"], done["networks"]) == (["reader"], ["10.0.0.0/8"])
    (replaced,) = done["replaces"]
    assert replaced["id"] == old["id"]
    assert 0 < replaced["expires_at"] - done["created_at"] <= 24 * 3600
    shown = place.run("key", "rotate", done["id"], "--expires", "30d")
    assert shown.stdout.strip().startswith("dw_")
    assert done["id"] in shown.stderr


def test_keys_of_another_system_come_by_their_hashes(place: Place) -> None:
    hashes = [hashlib.sha256(f"{number}".encode() * 40).hexdigest() for number in (1, 2)]
    table, document = place.policy.parent / "keys.csv", place.policy.parent / "keys.json"
    table.write_text(f"name,hash,roles\npartner,{hashes[0]},reader\n")
    document.write_text(json.dumps([{"name": "shop", "hash": hashes[1]}]))
    (first,) = place.json("key", "import", str(table), "--random-bits", "160")
    (second,) = place.json("key", "import", str(document), "--random-bits", "160", "--role", "reader", "--prefix", "k_")
    assert [(key["name"], key["roles"], key["prefix"]) for key in (first, second)] == [
        ("partner", ["reader"], ""),
        ("shop", ["reader"], "k_"),
    ]
    assert "sha256" in place.run("key", "list").stdout
    table.write_text(f"name,hash,roles\nother,{hashes[0]},king\n")
    with pytest.raises(PolicyError, match="no role"):
        place.run("key", "import", str(table), "--random-bits", "160")
    with pytest.raises(PolicyError, match="can be found"):
        place.run("key", "import", str(document), "--random-bits", "64")
    assert place.run("key", "import", str(document)).exit_code == 2, "how random they are must be said"


def test_keys_that_end_soon_are_pointed_out(place: Place) -> None:
    soon, _ = (place.json("key", "add", name, "--expires", life) for name, life in (("soon", "5d"), ("late", "90d")))
    listed = place.run("key", "list")
    assert f"doorward key rotate {soon['id']}" in listed.stderr
    assert [key["name"] for key in place.json("key", "list", "--ending", "14d")] == ["soon"]
    assert place.json("key", "list", "--ending", "1d") == []


def test_keys_end_by_id_or_by_name(place: Place) -> None:
    one, _ = (place.json("key", "add", "partner") for _ in range(2))
    assert [revoked["id"] for revoked in place.json("key", "revoke", one["id"])] == [one["id"]]
    assert len(place.json("key", "revoke", "partner")) == 2


@pytest.mark.parametrize("duration", ["90", "d", "-1d", "1y", "0d", "999d"])
def test_a_key_needs_a_sane_end(place: Place, duration: str) -> None:
    with pytest.raises(PolicyError):
        place.run("key", "add", "partner", "--expires", duration)


# -- tokens --------------------------------------------------------------------------------------------------------


def test_a_development_token_is_the_users(place: Place) -> None:
    place.write(DEVELOPMENT)
    place.run("user", "add", "alice", "--role", "reader", "--claim", "account_id=a-1")
    text = place.run("token", "--user", "alice", "--minutes", "5", "--scope", "read").stdout.strip()
    claims = verify_signature(split_unverified(text), place.signing_key.public)
    assert (claims["sub"], claims["roles"], claims["scope"], claims["account_id"]) == (
        "alice",
        ["reader"],
        "read",
        "a-1",
    )
    assert claims["exp"] - claims["iat"] == 300
    assert claims["client_id"] == "doorward-development"


def test_without_the_relaxation_there_is_no_token(place: Place) -> None:
    place.run("user", "add", "alice")
    with pytest.raises(PolicyError, match="without a login"):
        place.run("token", "--user", "alice")


def test_neither_an_unknown_nor_a_disabled_user_gets_a_token(place: Place) -> None:
    place.write(DEVELOPMENT)
    place.run("user", "add", "alice")
    place.run("user", "revoke", "alice")
    for name, problem in (("alice", "disabled"), ("nobody", "no user")):
        with pytest.raises(PolicyError, match=problem):
            place.run("token", "--user", name)


def test_a_key_file_others_can_read_signs_nothing(place: Place) -> None:
    place.write(DEVELOPMENT)
    place.run("user", "add", "alice")
    (place.state / "keys" / "issuer.json").chmod(0o644)
    with pytest.raises(PolicyError, match="read by others"):
        place.run("token", "--user", "alice")


def test_a_store_that_cannot_be_written_is_told_with_a_hint(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_: Any, **__: Any) -> None:
        raise OperationalError("INSERT ...", {}, sqlite3.OperationalError("database is locked"))

    monkeypatch.setattr(user, "add_user", locked)
    with pytest.raises(PolicyError, match="database is locked; nothing was changed") as raised:
        place.run("user", "add", "alice")
    assert "try again" in raised.value.hint


def test_a_network_with_an_address_in_it_gets_the_network_as_a_hint(place: Place) -> None:
    with pytest.raises(PolicyError) as raised:
        place.run("key", "add", "partner", "--from", "10.1.2.3/8")
    assert raised.value.hint == "10.0.0.0/8, or that address alone"


def test_columns_that_say_nothing_are_left_out_and_a_narrow_terminal_gets_blocks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"name": "a" * 30, "roles": "-", "used": "x" * 60}, {"name": "b", "roles": "-", "used": "-"}]
    callers.show_table(rows, "")
    assert capsys.readouterr().out.splitlines()[0].split() == ["name", "used"]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    callers.show_table(rows, "")
    assert capsys.readouterr().out == f"name  {'a' * 30}\nused  {'x' * 60}\n\nname  b\n"


def test_what_prints_keys_prints_them_for_machines_too(place: Place, tmp_path: Path) -> None:
    assert "BEGIN PUBLIC KEY" in place.json("key", "answers")["public_key"]
    assert place.json("key", "encryption")["keys"]
    place.json("certificate", "init", "--root-key", str(tmp_path / "root.key"))
    written = place.json("certificate", "revocations", "--out", str(tmp_path / "list.crl"))
    assert written["bytes"] == (tmp_path / "list.crl").stat().st_size


def test_no_key_that_ends_soon_is_not_no_key(place: Place) -> None:
    place.run("key", "add", "partner")
    assert "no key ends within 14d" in place.run("key", "list", "--ending", "14d").stderr
