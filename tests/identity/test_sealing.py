import stat
from pathlib import Path

import pytest

from doorward.errors import PolicyError
from doorward.identity.sealing import ServerSecret, load_or_make_secret
from doorward.sealing import SealBroken

SECRET = ServerSecret(b"s" * 32)


def test_what_is_sealed_opens_in_its_place_alone() -> None:
    sealed = SECRET.seal(b"seed", "totp/1")
    assert SECRET.open(sealed, "totp/1") == b"seed"
    for secret, text, place in (
        (SECRET, sealed, "totp/2"),
        (ServerSecret(b"t" * 32), sealed, "totp/1"),
        (SECRET, ("A" if sealed[0] != "A" else "B") + sealed[1:], "totp/1"),
        (SECRET, "not base64", "totp/1"),
        (SECRET, "", "totp/1"),
    ):
        with pytest.raises(SealBroken):
            secret.open(text, place)


def test_sealing_twice_gives_two_texts() -> None:
    assert SECRET.seal(b"seed", "p") != SECRET.seal(b"seed", "p")


def test_every_use_has_a_key_of_its_own_and_none_shows() -> None:
    assert len({SECRET.derive(use) for use in ("a", "b")}) == 2
    assert SECRET.mac("a", b"x") != SECRET.mac("b", b"x")
    assert "s" * 8 not in repr(SECRET)


def test_the_file_is_made_private_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "identity.key"
    made = load_or_make_secret(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_make_secret(path).derive("a") == made.derive("a")


@pytest.mark.parametrize("spoil", ["mode", "length"])
def test_a_file_that_others_may_read_or_that_is_cut_off_is_not_used(tmp_path: Path, spoil: str) -> None:
    path = tmp_path / "identity.key"
    load_or_make_secret(path)
    if spoil == "mode":
        path.chmod(0o640)
    else:
        path.write_bytes(b"short")
    with pytest.raises(PolicyError, match=r"read by others|32 bytes"):
        load_or_make_secret(path)
