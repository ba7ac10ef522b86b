"""The gateway's keys for encrypted bodies: made once, exchanged with an overlap, published without their private part."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from doorward.encryption_key import (
    KEY_NAME,
    add_encryption_key,
    encryption_keys_for,
    load_encryption_keys,
    public_encryption_jwks,
    remove_encryption_key,
)
from doorward.errors import PolicyError
from doorward.jose import decrypt, encrypt, encryption_key_from_jwk, split_jwe

NOW = 1_800_000_000.0


def test_the_first_key_is_made_once_and_is_private(tmp_path: Path) -> None:
    assert load_encryption_keys(tmp_path) == ()
    (first,) = encryption_keys_for(tmp_path)
    assert [each.key.id for each in encryption_keys_for(tmp_path)] == [first.key.id]
    assert stat.S_IMODE((tmp_path / KEY_NAME).stat().st_mode) == 0o600


def test_what_is_published_is_enough_to_encrypt_and_nothing_more(tmp_path: Path) -> None:
    (own,) = encryption_keys_for(tmp_path)
    (jwk,) = public_encryption_jwks((own,))["keys"]
    assert set(jwk) == {"kty", "crv", "x", "y", "kid", "alg", "use"}
    message = encrypt(b"hi", encryption_key_from_jwk(jwk), typ="x")
    assert decrypt(split_jwe(message), load_encryption_keys(tmp_path)[0].key).content == b"hi"


def test_an_exchanged_key_opens_messages_for_a_while_and_is_published_no_more(tmp_path: Path) -> None:
    (first,) = encryption_keys_for(tmp_path)
    second = add_encryption_key(tmp_path, "ECDH-ES+A256KW", now=NOW, overlap_s=60.0)
    found = load_encryption_keys(tmp_path)
    assert [(each.key.id, each.until) for each in found] == [(second.id, float("inf")), (first.key.id, NOW + 60)]
    assert [jwk["kid"] for jwk in public_encryption_jwks(found)["keys"]] == [second.id]
    third = add_encryption_key(tmp_path, "ECDH-ES+A256KW", now=NOW + 50, overlap_s=60.0)
    assert [each.until for each in load_encryption_keys(tmp_path)] == [float("inf"), NOW + 110, NOW + 60]
    add_encryption_key(tmp_path, "ECDH-ES+A256KW", now=NOW + 200, overlap_s=60.0)
    kept = [each.key.id for each in load_encryption_keys(tmp_path)][1:]
    assert kept == [third.id], "what opens nothing any more is not kept"


def test_a_key_of_another_kind_stands_beside(tmp_path: Path) -> None:
    (first,) = encryption_keys_for(tmp_path)
    rsa = add_encryption_key(tmp_path, "RSA-OAEP-256", now=NOW, overlap_s=60.0)
    published = public_encryption_jwks(load_encryption_keys(tmp_path))["keys"]
    assert {jwk["kid"]: jwk["alg"] for jwk in published} == {rsa.id: "RSA-OAEP-256", first.key.id: "ECDH-ES+A256KW"}
    assert all("d" not in jwk and "p" not in jwk for jwk in published)


def test_a_key_that_leaked_is_removed_but_never_the_last(tmp_path: Path) -> None:
    (first,) = encryption_keys_for(tmp_path)
    with pytest.raises(PolicyError, match="no key to encrypt to"):
        remove_encryption_key(tmp_path, first.key.id)
    second = add_encryption_key(tmp_path, "ECDH-ES+A256KW", now=NOW, overlap_s=60.0)
    remove_encryption_key(tmp_path, first.key.id)
    assert [each.key.id for each in load_encryption_keys(tmp_path)] == [second.id]
    with pytest.raises(PolicyError, match="no encryption key"):
        remove_encryption_key(tmp_path, first.key.id)


def test_of_keys_made_at_the_same_time_none_is_lost(tmp_path: Path) -> None:
    encryption_keys_for(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        made = list(
            pool.map(lambda _: add_encryption_key(tmp_path, "ECDH-ES+A256KW", now=NOW, overlap_s=60.0).id, range(16))
        )
    assert set(made) <= {each.key.id for each in load_encryption_keys(tmp_path)}


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[{"key":{"kty":"EC"},"until":null}]', '[{"until":1}]'])
def test_a_file_that_holds_no_keys_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / KEY_NAME
    path.write_text(text)
    path.chmod(0o600)
    if text == "{}":
        assert load_encryption_keys(tmp_path) == ()
        return
    with pytest.raises(PolicyError, match="does not hold keys"):
        load_encryption_keys(tmp_path)


def test_no_private_part_shows(tmp_path: Path) -> None:
    (own,) = encryption_keys_for(tmp_path)
    private = json.loads((tmp_path / KEY_NAME).read_text())[0]["key"]["d"]
    assert private not in repr(own)
