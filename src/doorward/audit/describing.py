"""A record as plain data for people and programs, safe to print wherever it came from."""

import datetime as dt
from typing import Any, Final

from doorward.audit.reading import Located
from doorward.controls.audit.records import Kind, Outcome, UnreadableRecord, decode

_BINARY: Final = frozenset({"request_id", "last_request_id", "content_tag", "credential_tag", "event_id"})


def describe(located: Located) -> dict[str, Any]:
    """The record's fields by name, with where and when it was written; `problem` when it does not decode."""
    known = {kind.value: kind.name.lower() for kind in Kind}
    described: dict[str, Any] = {
        "time": iso_time(located.time_ns),
        "kind": known.get(located.kind, f"kind {located.kind}"),
        "shard": located.shard,
        "seq": located.seq,
        "segment": located.segment,
    }
    try:
        entry = decode(located.kind, located.payload)
    except UnreadableRecord as error:
        return {**described, "problem": printable(str(error))}
    for name in entry.__struct_fields__:
        value = getattr(entry, name)
        if name in _BINARY:
            value = value.hex()
        elif name == "at_ms":
            name, value = "at", iso_time(value * 1_000_000)  # noqa: PLW2901  one name and value go out
        elif name == "until_ms":
            name, value = "until", iso_time(value * 1_000_000)  # noqa: PLW2901  as above
        elif isinstance(value, str):
            value = printable(value)
        elif isinstance(value, dict):
            value = {printable(key): printable(text) for key, text in value.items()}
        elif isinstance(value, tuple):
            value = [item.hex() if isinstance(item, bytes) else printable(item) for item in value]
        described[name] = value
    if isinstance(entry, Outcome):
        described["total_ms"] = round(located.time_ns / 1_000_000 - entry.at_ms, 3)
    return described


def iso_time(time_ns: int) -> str:
    """UTC to the millisecond; the number itself when no calendar holds it.

    >>> iso_time(1_700_000_000_123_456_789)
    '2023-11-14T22:13:20.123Z'
    """
    try:
        moment = dt.datetime.fromtimestamp(time_ns // 1_000_000 / 1000, dt.UTC)
    except (ValueError, OverflowError, OSError):
        return str(time_ns)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def printable(text: str) -> str:
    r"""The text with nothing in it that moves a terminal: records are clean, but a trail may have been tampered with.

    >>> printable("a\x1b[31m")
    'a\\x1b[31m'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
