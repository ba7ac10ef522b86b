from __future__ import annotations

import base64
import hashlib
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doorward.audit.checkpoint import (
    BadCheckpoint,
    Checkpoint,
    CheckpointWriter,
    ensure_key,
    load_private_key,
    load_public_key,
    read_checkpoint,
)
from doorward.audit.fileio import FileIo

LINK = bytes(range(32))


@pytest.fixture
def key(tmp_path: Path) -> Path:
    ensure_key(tmp_path / "keys" / "audit.key")
    return tmp_path / "keys" / "audit.key"


def test_a_key_is_made_once_and_is_for_its_owner_alone(key: Path) -> None:
    made = key.read_bytes()
    ensure_key(key)
    assert key.read_bytes() == made
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert [path.name for path in sorted(key.parent.iterdir())] == ["audit.key", "audit.pub"]


def test_what_is_no_ed25519_key_is_refused(key: Path) -> None:
    with pytest.raises(ValueError, match=r".*"):
        load_public_key(key)
    with pytest.raises(ValueError, match=r".*"):
        load_private_key(key.with_suffix(".pub"))


def test_a_head_is_a_signed_note_as_c2sp_describes_it(key: Path, tmp_path: Path) -> None:
    private = load_private_key(key)
    CheckpointWriter(private, FileIo()).write(tmp_path, "worker-0", 42, LINK)
    text, signature = (tmp_path / "checkpoint").read_bytes().split(b"\n\n")
    assert text.split(b"\n") == [b"doorward/chain/worker-0", b"42", base64.b64encode(LINK)]
    dash, name, encoded = signature.decode().rstrip("\n").split(" ")
    assert (dash, name) == ("\u2014", "doorward")
    raw = private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    decoded = base64.b64decode(encoded)
    assert decoded[:4] == hashlib.sha256(b"doorward\n\x01" + raw).digest()[:4]
    private.public_key().verify(decoded[4:], text + b"\n")


def test_a_head_reads_back_as_it_was_written(key: Path, tmp_path: Path) -> None:
    CheckpointWriter(load_private_key(key), FileIo()).write(tmp_path, "worker-0.1", 7, LINK)
    public = load_public_key(key.with_suffix(".pub"))
    assert read_checkpoint(tmp_path / "checkpoint", public) == Checkpoint("worker-0.1", 7, LINK)


def test_signatures_by_others_may_stand_beside_ours(key: Path, tmp_path: Path) -> None:
    CheckpointWriter(load_private_key(key), FileIo()).write(tmp_path, "worker-0", 7, LINK)
    path = tmp_path / "checkpoint"
    text, signature = path.read_bytes().split(b"\n\n")
    path.write_bytes(text + b"\n\n" + "\u2014 witness.example AAAA\n".encode() + signature)
    assert read_checkpoint(path, load_public_key(key.with_suffix(".pub"))).seq == 7


def test_the_same_head_is_not_signed_twice(key: Path, tmp_path: Path) -> None:
    writer = CheckpointWriter(load_private_key(key), FileIo())
    writer.write(tmp_path, "worker-0", 7, LINK)
    (tmp_path / "checkpoint").unlink()
    writer.write(tmp_path, "worker-0", 7, LINK)
    assert not (tmp_path / "checkpoint").exists()


@given(st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_bytes_of_any_kind_are_refused_without_another_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "checkpoint"
    path.write_bytes(content)
    with pytest.raises(BadCheckpoint):
        read_checkpoint(path, None)


def test_a_note_that_is_too_long_is_refused(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").write_bytes(b"doorward/chain/w\n1\n" + base64.b64encode(LINK) + b"\n\n" + b"x" * 5000)
    with pytest.raises(BadCheckpoint):
        read_checkpoint(tmp_path / "checkpoint", None)
