import errno
import json
import os
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from tests.cli.test_callers import Place
from tests.identity.ca.authorities import request_for

from doorward.errors import PolicyError


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path)


@pytest.fixture
def passphrase(place: Place) -> str:
    words = ("certificate", "init", "--root-key", "root.key", "--permit", "example.internal", "--permit", "10.0.0.0/8")
    return place.run(*words).stdout.strip()


def mode(path: str) -> int:
    return stat.S_IMODE(Path(path).stat().st_mode)


def test_the_root_key_leaves_with_a_passphrase_that_is_shown_once(place: Place, passphrase: str) -> None:
    assert mode("root.key") == 0o600
    serialization.load_pem_private_key(Path("root.key").read_bytes(), passphrase.encode())
    Path("passphrase").write_text(passphrase + "\n")
    words = ("--root-key", "root.key", "--passphrase-file", "passphrase")
    rotated = place.json("certificate", "rotate", *words)
    assert rotated["generation"] == 2
    assert place.run("certificate", "rotate", "--root-key", "root.key", stdin=passphrase + "\n").exit_code == 0
    listed = place.json("certificate", "authorities")
    assert [each["kind"] for each in listed] == ["root", "issuing", "issuing", "issuing"]
    assert passphrase not in json.dumps(listed)
    pem = place.run("certificate", "authorities").stdout.encode()
    assert len(x509.load_pem_x509_certificates(pem)) == 4
    with pytest.raises(PolicyError, match="already"):
        place.run("certificate", "init", "--root-key", "another.key")
    assert not Path("another.key").exists()


def test_no_authority_is_made_whose_root_key_the_disk_does_not_take(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    words = ("certificate", "init", "--root-key", "root.key", "--permit", "example.internal")
    with pytest.raises(PolicyError, match="no certificate authority"):
        place.run("certificate", "issue", "partner")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(PolicyError, match="no space left"):
            place.run(*words)
    assert not Path("root.key").exists()
    assert place.json("certificate", "authorities") == []
    assert place.run(*words).exit_code == 0


def test_a_certificate_is_issued_renewed_listed_and_revoked(place: Place, passphrase: str) -> None:
    made = place.json("certificate", "issue", "partner", "--role", "reader", "--expires", "12h")
    assert (made["file"], made["roles"], mode("partner.pem")) == ("partner.pem", ["reader"], 0o600)
    renewed = place.json("certificate", "renew", "partner.pem", "--out", "new.pem")
    assert renewed["roles"] == ["reader"]
    assert "partner" in place.run("certificate", "list").stdout
    revoked = place.json("certificate", "revoke", made["serial"], "--reason", "keyCompromise")
    assert {each["serial"] for each in revoked} == {made["serial"], renewed["serial"]}
    place.run("certificate", "revocations", "--out", "list.crl")
    assert len(x509.load_der_x509_crl(Path("list.crl").read_bytes())) == 2


def test_pkcs12_opens_with_the_password_shown(place: Place, passphrase: str) -> None:
    shown = place.run("certificate", "issue", "alice", "--pkcs12")
    loaded = pkcs12.load_pkcs12(Path("alice.p12").read_bytes(), shown.stdout.strip().encode())
    assert loaded.key is not None
    assert mode("alice.p12") == 0o600


def test_a_request_is_signed_and_the_key_stays_where_it_is(place: Place, passphrase: str) -> None:
    Path("a.csr").write_bytes(request_for(subject="partner"))
    place.run("certificate", "sign", "partner", "a.csr", "--role", "reader")
    assert b"PRIVATE" not in Path("partner.pem").read_bytes()
    Path("b.csr").write_bytes(request_for())
    place.run("certificate", "renew", "partner.pem", "--request", "b.csr", "--out", "next.pem")
    new = x509.load_pem_x509_certificates(Path("next.pem").read_bytes())[0]
    assert new.public_key() == x509.load_pem_x509_csr(Path("b.csr").read_bytes()).public_key()


def test_a_servers_certificate_has_its_names(place: Place, passphrase: str) -> None:
    made = place.json("certificate", "issue", "api", "--server", "--dns", "api.example.internal", "--dns", "10.1.1.1")
    assert (made["kind"], made["names"]) == ("server", ["api.example.internal", "10.1.1.1"])


@pytest.mark.parametrize(
    "words",
    [
        ("issue", "partner", "--role", "unknown"),
        ("issue", "partner", "--expires", "31d"),
        ("issue", "partner", "--out", "openapi.yaml"),
        ("issue", "api", "--server", "--dns", "api.example.com"),
        ("sign", "partner", "absent.csr"),
        ("sign", "partner", "openapi.yaml"),
        ("renew", "openapi.yaml"),
        ("renew", "00"),
        ("revoke", "nobody"),
        ("init", "--root-key", "x.key", "--permit", "*.example.com"),
        ("init", "--root-key", "openapi.yaml"),
        ("rotate", "--root-key", "absent.key"),
    ],
    ids=lambda words: "-".join(words).replace("/", ""),
)
def test_what_cannot_be_is_said_and_leaves_nothing_behind(
    place: Place, passphrase: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.*") if path.is_file()}
    with pytest.raises(PolicyError):
        place.run("certificate", *words)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.*") if path.is_file()} == before
    assert place.json("certificate", "list") == []


def test_without_an_authority_the_first_step_is_named(place: Place) -> None:
    for words in (("issue", "partner"), ("revocations", "--out", "x.crl")):
        with pytest.raises(PolicyError) as caught:
            place.run("certificate", *words)
        assert caught.value.hint == "doorward certificate init --root-key FILE"
