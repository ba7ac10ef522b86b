from pathlib import Path

import pytest

from doorward.errors import PolicyError
from doorward.sealing import KEY_NAME, SealBroken, Sealer, load_sealer, sealer_for


def test_a_secret_is_opened_by_its_key_under_its_name_alone() -> None:
    sealed = Sealer(bytes(32)).seal("row 1", b"secret")
    assert Sealer(bytes(32)).open("row 1", sealed) == b"secret"
    assert "secret" not in sealed
    for key, name in ((bytes(32), "row 2"), (b"\1" * 32, "row 1")):
        with pytest.raises(SealBroken):
            Sealer(key).open(name, sealed)


def test_two_seals_of_one_secret_differ() -> None:
    sealer = Sealer(bytes(32))
    assert sealer.seal("row", b"secret") != sealer.seal("row", b"secret")


@pytest.mark.parametrize("text", ["", "AAAA", "not base64", "é"])
def test_what_was_never_sealed_is_not_opened(text: str) -> None:
    with pytest.raises(SealBroken):
        Sealer(bytes(32)).open("row", text)


def test_a_changed_byte_is_noticed() -> None:
    sealer = Sealer(bytes(32))
    sealed = sealer.seal("row", b"a secret")  # 36 bytes: every bit of the base64 counts
    for place in range(0, len(sealed) - 2, 3):
        changed = sealed[:place] + ("A" if sealed[place] != "A" else "B") + sealed[place + 1 :]
        with pytest.raises(SealBroken):
            sealer.open("row", changed)


def test_the_key_is_made_once_readable_by_its_owner_alone(tmp_path: Path) -> None:
    assert load_sealer(tmp_path) is None
    sealed = sealer_for(tmp_path).seal("row", b"secret")
    assert sealer_for(tmp_path).open("row", sealed) == b"secret"
    found = load_sealer(tmp_path)
    assert found is not None
    assert found.open("row", sealed) == b"secret"
    assert (tmp_path / KEY_NAME).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [KEY_NAME]


def test_a_key_that_others_may_read_or_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / KEY_NAME
    path.write_bytes(bytes(32))
    path.chmod(0o640)
    with pytest.raises(PolicyError, match="read by others"):
        load_sealer(tmp_path)
    path.write_bytes(bytes(31))
    path.chmod(0o600)
    with pytest.raises(PolicyError, match="32 bytes"):
        load_sealer(tmp_path)


def test_a_sealer_shows_nothing_of_its_key() -> None:
    assert "AAAA" not in repr(Sealer(b"A" * 32))
