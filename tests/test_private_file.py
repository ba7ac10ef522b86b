import os
from pathlib import Path

import pytest

from doorward.errors import PolicyError
from doorward.private_file import made_once, read_private, replace_private


def test_what_was_made_first_stays(tmp_path: Path) -> None:
    path = tmp_path / "key"
    assert read_private(path) is None
    assert made_once(path, b"one") == b"one"
    assert made_once(path, b"two") == b"one"
    assert [each.name for each in tmp_path.iterdir()] == ["key"]


def test_a_file_belongs_to_the_owner_of_its_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "fchown", lambda _descriptor, user, group: given.append((user, group)))
    made_once(tmp_path / "ours", b"key")
    assert given == []
    _belongs_to_somebody_else(tmp_path, monkeypatch)
    made_once(tmp_path / "theirs", b"key")
    assert given == [(4711, 4712)]


def test_who_cannot_give_it_away_makes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "fchown", refused)
    _belongs_to_somebody_else(tmp_path, monkeypatch)
    with pytest.raises(PolicyError, match="somebody else"):
        made_once(tmp_path / "key", b"key")
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []


def _belongs_to_somebody_else(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Path.stat

    def stat(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        found = plain(path, follow_symlinks=follow_symlinks)
        return os.stat_result((*found[:4], 4711, 4712, *found[6:])) if path == directory else found

    monkeypatch.setattr(Path, "stat", stat)


def test_a_file_is_replaced_whole_and_stays_private(tmp_path: Path) -> None:
    path = tmp_path / "key"
    for data in (b"one", b"two"):
        replace_private(path, data)
        assert read_private(path) == data
    assert [each.name for each in tmp_path.iterdir()] == ["key"]


def test_who_cannot_give_it_away_replaces_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    replace_private(path, b"one")

    def refused(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "fchown", refused)
    _belongs_to_somebody_else(tmp_path, monkeypatch)
    with pytest.raises(PolicyError, match="somebody else"):
        replace_private(path, b"two")
    monkeypatch.undo()
    assert read_private(path) == b"one"
    assert [each.name for each in tmp_path.iterdir()] == ["key"]
