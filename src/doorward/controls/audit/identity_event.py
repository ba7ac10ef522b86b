"""From an event of the identity provider to its record: every field escaped and capped, values as text."""

import json
from collections.abc import Mapping
from typing import Any, Final

from doorward.controls.audit.record import Record, encode
from doorward.controls.audit.records import Identity, Kind
from doorward.controls.audit.sanitise import clean

_KIND: Final = int(Kind.IDENTITY)
_WORD_BYTES: Final = 64
_NAME_BYTES: Final = 256
_VALUE_BYTES: Final = 512
_VALUES_MOST: Final = 16
"""Values kept of one event: together with their names they stay well below the bound of a payload."""


def identity_record(
    uid: str, at: float, event: str, *, subject: str, actor: str, address: str, detail: Mapping[str, Any]
) -> Record:
    """The record. `uid` is the event's id, 32 hexadecimal digits; `at` Unix seconds."""
    kept = list(detail.items())[:_VALUES_MOST]
    return encode(
        _KIND,
        Identity(
            bytes.fromhex(uid),
            int(at * 1000),
            clean(event, _WORD_BYTES),
            clean(subject, _NAME_BYTES),
            clean(actor, _NAME_BYTES),
            clean(address, _WORD_BYTES),
            {clean(name, _WORD_BYTES): _text(value) for name, value in kept},
        ),
    )


def _text(value: Any) -> str:
    if isinstance(value, str):
        return clean(value, _VALUE_BYTES)
    return clean(json.dumps(value, ensure_ascii=False, separators=(",", ":")), _VALUE_BYTES)
