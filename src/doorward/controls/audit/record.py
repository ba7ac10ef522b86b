"""One record as bytes, and what can be told from them without decoding. What records hold is in `records`.

A file of its own because every request comes by here, so that it is compiled (`records` cannot be).
"""

from typing import Final

import msgspec

from doorward.controls.audit.records import Entry, Kind

_encoder: Final = msgspec.msgpack.Encoder()
_ENDS: Final = frozenset({int(Kind.OUTCOME), int(Kind.REFUSED), int(Kind.RECOVERED)})


class Record:
    """One record, ready to be written."""

    __slots__ = ("kind", "payload")

    def __init__(self, kind: int, payload: bytes) -> None:
        self.kind = kind
        self.payload = payload


def encode(kind: int, entry: Entry) -> Record:
    """The entry as a record."""
    return Record(kind, _encoder.encode(entry))


def request_id_of(payload: bytes) -> bytes:
    """The first field of a record that names a request, without decoding the rest; empty when it is not there.

    >>> from doorward.controls.audit.records import Recovered
    >>> request_id_of(encode(Kind.RECOVERED, Recovered(b"0123456789abcdef", "")).payload)
    b'0123456789abcdef'
    """
    # an array of up to 15 fields has a header of one byte, a longer one of three (MessagePack: fixarray, array 16)
    start = 3 if payload[:1] == b"\xdc" else 1
    return payload[start + 2 : start + 18] if payload[start : start + 2] == b"\xc4\x10" else b""


def finishes(kind: int) -> bool:
    """Whether a record of this kind ends what an intent began."""
    return kind in _ENDS
