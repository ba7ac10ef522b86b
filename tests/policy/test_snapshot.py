import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.errors import PolicyError
from doorward.policy.snapshot import KEY_BYTES, Snapshot, SnapshotRefused

SNAPSHOT = Snapshot(
    number=7,
    policy_file="/srv/doorward.yaml",
    policy={"upstream": "http://127.0.0.1:8000", "workers": 2},
    description={"openapi": "3.1.0", "info": {"title": "Café"}},
    credentials={"issuers": [], "api_keys": [{"id": "k1"}], "revoked": ["a", "b"]},
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "snapshot.key").write_bytes(bytes(range(KEY_BYTES)))
    return tmp_path / "snapshot.json"


def test_what_was_written_is_read(path: Path) -> None:
    SNAPSHOT.write(path)
    assert Snapshot.read(path) == SNAPSHOT


def test_the_file_is_readable_by_its_owner_only(path: Path) -> None:
    SNAPSHOT.write(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_version_depends_on_policy_and_description_alone() -> None:
    same = Snapshot(
        number=8,
        policy_file="/elsewhere/doorward.yaml",
        policy=dict(reversed(SNAPSHOT.policy.items())),
        description=SNAPSHOT.description,
        credentials={},
    )
    other = Snapshot(number=7, policy_file="", policy={}, description=SNAPSHOT.description, credentials={})
    assert same.version == SNAPSHOT.version
    assert other.version != SNAPSHOT.version


def test_a_write_that_fails_leaves_the_old_snapshot_and_no_litter(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SNAPSHOT.write(path)
    before = sorted(path.parent.iterdir())

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        Snapshot(number=8, policy_file="", policy={}, description={}, credentials={}).write(path)
    assert Snapshot.read(path) == SNAPSHOT
    assert sorted(path.parent.iterdir()) == before


def test_a_snapshot_made_with_another_key_is_refused(path: Path) -> None:
    SNAPSHOT.write(path)
    (path.parent / "keys" / "snapshot.key").write_bytes(bytes(KEY_BYTES))
    with pytest.raises(SnapshotRefused, match="snapshot key"):
        Snapshot.read(path)


def test_an_edited_snapshot_is_refused(path: Path) -> None:
    SNAPSHOT.write(path)
    envelope = json.loads(path.read_bytes())
    envelope["snapshot"]["credentials"]["revoked"] = []
    path.write_text(json.dumps(envelope, separators=(",", ":")))
    with pytest.raises(SnapshotRefused, match="snapshot key"):
        Snapshot.read(path)


def test_another_format_is_refused(path: Path) -> None:
    SNAPSHOT.write(path)
    path.write_bytes(path.read_bytes().replace(b'"format":1', b'"format":2'))
    with pytest.raises(SnapshotRefused, match="format 2"):
        Snapshot.read(path)


def test_a_missing_snapshot_is_refused(path: Path) -> None:
    with pytest.raises(SnapshotRefused, match="does not exist"):
        Snapshot.read(path)


@pytest.mark.parametrize("key", [None, b"", b"short", bytes(KEY_BYTES + 1)])
def test_without_a_whole_key_nothing_is_read_or_written(path: Path, key: bytes | None) -> None:
    SNAPSHOT.write(path)
    file = path.parent / "keys" / "snapshot.key"
    file.unlink() if key is None else file.write_bytes(key)
    with pytest.raises(PolicyError):
        Snapshot.read(path)
    with pytest.raises(PolicyError):
        SNAPSHOT.write(path)


@given(data=st.data())
def test_no_cut_and_no_flipped_bit_is_taken_for_a_snapshot(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("state")
    (directory / "keys").mkdir()
    (directory / "keys" / "snapshot.key").write_bytes(bytes(KEY_BYTES))
    path = directory / "snapshot.json"
    SNAPSHOT.write(path)
    whole = path.read_bytes()
    position = data.draw(st.integers(0, len(whole) - 1))
    bit = data.draw(st.integers(0, 7))
    damaged = bytearray(whole)
    damaged[position] ^= 1 << bit
    for content in (whole[:position], bytes(damaged)):
        path.write_bytes(content)
        with pytest.raises(SnapshotRefused):
            Snapshot.read(path)
