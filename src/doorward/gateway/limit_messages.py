"""What workers and the control process say to each other about shared counts: batches over a Unix socket.

A batch is an array in MessagePack behind its length (4 bytes, big-endian). Each batch of wishes is answered by a batch
of as many answers, in order.
"""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

BATCH_BYTES: Final = 4 << 20
"""No batch is larger; whoever sends a larger one is cut off."""
_LENGTH: Final = struct.Struct(">I")


class Entry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What one worker has to tell of one key, and what it wishes."""

    table: str
    """The limit, by its name."""
    key: str
    number: int
    """The number as the worker last knew it: counts that were lost come back this way."""
    spent: int
    """Let through since it was last told; negative for slots given back."""
    wish: int
    """Cost of a request that must be asked for; 0 for none."""
    interval_ns: int = 0
    """Of a rate; 0 for counts."""
    tolerance_ns: int = 0
    most: int = 0
    """Of a quota, or of slots."""
    is_slots: bool = False
    until_s: int = 0
    """Unix seconds after which the whole table is void; 0 for never."""


class Answer(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """How the count stands."""

    number: int
    is_granted: bool = False


_encoder: Final = msgspec.msgpack.Encoder()
_entries: Final = msgspec.msgpack.Decoder(list[Entry])
_answers: Final = msgspec.msgpack.Decoder(list[Answer])


def pack(batch: list[Entry] | list[Answer]) -> bytes:
    """The batch as it goes over the socket."""
    return framed(_encoder.encode(batch))


def framed(body: bytes) -> bytes:
    """A batch behind its length."""
    return _LENGTH.pack(len(body)) + body


def read_entries(body: bytes) -> list[Entry]:
    """The wishes in a batch. Errors: msgspec.DecodeError."""
    return _entries.decode(body)


def read_answers(body: bytes) -> list[Answer]:
    """The answers in a batch. Errors: msgspec.DecodeError."""
    return _answers.decode(body)


@contextmanager
def socket_address(path: Path) -> Iterator[str]:
    """The socket's path in a form short enough for the kernel, which takes 107 bytes, wherever the state is kept."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


class Batches:
    """Cuts a stream into batches."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The bodies of the batches that are complete now. Errors: ValueError for one that is too large."""
        buffer = self._buffer
        buffer += data
        bodies: list[bytes] = []
        while len(buffer) >= _LENGTH.size:
            length = _LENGTH.unpack_from(buffer)[0]
            if length > BATCH_BYTES:
                raise ValueError(f"a batch of {length} bytes")
            end = _LENGTH.size + length
            if len(buffer) < end:
                break
            bodies.append(bytes(buffer[_LENGTH.size : end]))
            del buffer[:end]
        return bodies
