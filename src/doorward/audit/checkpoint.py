"""The signed head of a shard: what makes a cut end, or a log that was rewritten as a whole, show.

A C2SP signed note (c2sp.org/signed-note): origin, newest record, value of the hash chain behind it, and an Ed25519
signature. It proves against everybody who does not hold the key; who holds it, or puts an older copy of the whole trail
back together with its older head, is seen by an outside witness only.
"""

import base64
import binascii
import contextlib
import hashlib
import os
import re
from pathlib import Path
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from doorward.audit.fileio import FileIo

FILE_NAME: Final = "checkpoint"
_KEY_NAME: Final = "doorward"
_ED25519: Final = b"\x01"
_NOTE_BYTES: Final = 4096
_SEQ: Final = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)


class Checkpoint(NamedTuple):
    """What was signed."""

    shard: str
    seq: int
    """The newest record then."""
    link: bytes
    """The chain's value behind it."""


class BadCheckpoint(Exception):
    """The note cannot be read, or its signature is not by the expected key."""


def ensure_key(path: Path) -> None:
    """The private key is at `path` (PEM, 0600) and its public half beside it as `.pub`; both are made if missing.

    Errors: OSError; ValueError when the file holds something else than an Ed25519 key.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        pem = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        unfinished = path.with_suffix(f".{os.getpid()}.tmp")
        fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(pem)
        with contextlib.suppress(FileExistsError):  # another worker was faster: its key counts
            os.link(unfinished, path)
        unfinished.unlink()
    public_path = path.with_suffix(".pub")
    public = load_private_key(path).public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    if not public_path.exists():
        public_path.write_bytes(pem)


def load_private_key(path: Path) -> Ed25519PrivateKey:
    """The key that signs. Errors: OSError; ValueError when it is not an Ed25519 key in PEM."""
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{path} is not an Ed25519 key")  # noqa: TRY004  the file is wrong, not a type
    return key


def load_public_key(path: Path) -> Ed25519PublicKey:
    """The key that verifies. Errors: OSError; ValueError when it is not an Ed25519 key in PEM."""
    key = serialization.load_pem_public_key(path.read_bytes())
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError(f"{path} is not an Ed25519 public key")  # noqa: TRY004  the file is wrong, not a type
    return key


class CheckpointWriter:
    """Signs heads and puts them where the verifier looks for them."""

    __slots__ = ("_io", "_key", "_key_id", "_written")

    def __init__(self, key: Ed25519PrivateKey, io: FileIo) -> None:
        self._key, self._io = key, io
        self._key_id = _key_id(key.public_key())
        self._written: tuple[str, int] = ("", 0)

    def write(self, directory: Path, shard: str, seq: int, link: bytes) -> None:
        """The head is signed in `directory`, unless it is already. Errors: OSError."""
        if self._written == (shard, seq):
            return
        text = _text(Checkpoint(shard, seq, link))
        signature = base64.b64encode(self._key_id + self._key.sign(text)).decode()
        note = text + f"\n\u2014 {_KEY_NAME} {signature}\n".encode()
        path = directory / FILE_NAME
        unfinished = path.with_suffix(".tmp")
        fd = self._io.create(unfinished)
        try:
            self._io.write_all(fd, note, 0)
            self._io.sync(fd)
        finally:
            self._io.close(fd)
        self._io.rename(unfinished, path)
        self._written = (shard, seq)


def read_checkpoint(path: Path, public_key: Ed25519PublicKey | None) -> Checkpoint:
    """What the note says; its signature is checked when a key is given.

    Errors: OSError; BadCheckpoint.
    """
    with path.open("rb") as file:
        note = file.read(_NOTE_BYTES + 1)
    text, separator, signatures = note.partition(b"\n\n")
    text += b"\n"
    lines = text.split(b"\n")
    if not separator or len(lines) != 4 or len(note) > _NOTE_BYTES:
        raise BadCheckpoint("the signed head is not a note of three lines")
    try:
        origin, seq = lines[0].decode(), lines[1].decode()
        link = base64.b64decode(lines[2], validate=True)
    except (UnicodeDecodeError, binascii.Error):
        raise BadCheckpoint("the signed head does not decode") from None
    prefix = f"{_KEY_NAME}/chain/"
    if not origin.startswith(prefix) or not _SEQ.fullmatch(seq) or len(link) != 32:
        raise BadCheckpoint("the signed head holds values that are never written")
    checkpoint = Checkpoint(origin.removeprefix(prefix), int(seq), link)
    if public_key is not None and (_text(checkpoint) != text or not _is_signed(text, signatures, public_key)):
        raise BadCheckpoint("the signed head is not signed by the expected key")
    return checkpoint


def _text(checkpoint: Checkpoint) -> bytes:
    link = base64.b64encode(checkpoint.link).decode()
    return f"{_KEY_NAME}/chain/{checkpoint.shard}\n{checkpoint.seq}\n{link}\n".encode()


def _is_signed(text: bytes, signatures: bytes, public_key: Ed25519PublicKey) -> bool:
    expected = _key_id(public_key)
    start = f"\u2014 {_KEY_NAME} ".encode()
    for line in signatures.split(b"\n"):
        if not line.startswith(start):
            continue
        encoded = line.removeprefix(start)
        try:
            signature = base64.b64decode(encoded, validate=True)
            # only one way of writing it: the unused bits of the last character are zero (RFC 4648 section 3.5)
            if signature[:4] == expected and base64.b64encode(signature) == encoded:
                public_key.verify(signature[4:], text)
                return True
        except (binascii.Error, InvalidSignature):
            return False
    return False


def _key_id(public_key: Ed25519PublicKey) -> bytes:
    raw = public_key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(_KEY_NAME.encode() + b"\n" + _ED25519 + raw).digest()[:4]
