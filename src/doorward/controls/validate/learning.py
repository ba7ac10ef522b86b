"""What a request that nobody described looks like: names and types of its query and body, never a value.

For `doorward learn`, which drafts a description from what such requests have in common.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

import jiter
import orjson

from doorward.controls.validate.media import reader_of
from doorward.exchange import Exchange
from doorward.media_types import is_json

NOTE: Final = "validate.shape:"
"""In front of the findings that hold a shape, piece by piece: a finding is short."""
_PIECE_CHARS: Final = 100
_PIECES: Final = 9
_NAMES: Final = 32
"""An object with more members is a map: its names are data."""
_DEPTH: Final = 8
_READ_BYTES: Final = 65_536
"""Longest body looked at."""
_TYPES: Final = (
    ("boolean", re.compile(r"true|false")),
    ("integer", re.compile(r"-?[0-9]{1,18}")),
    ("number", re.compile(r"-?[0-9]{1,18}\.[0-9]{1,18}")),
    ("uuid", re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")),
    ("date", re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")),
    ("date-time", re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,15}(?:Z|[-+][0-9:]{5})")),
)
_MEDIA_TYPE: Final = re.compile(rb"[a-z0-9.+-]{1,40}/[a-z0-9.+-]{1,40}")
_NAME: Final = re.compile(r"[A-Za-z_$@][\w$.-]{0,63}(?:\[\])?", re.ASCII)
"""What may be a name. Anything else that stands in its place is somebody's data."""


def note_shape(exchange: Exchange) -> None:
    """Nothing; what the request looks like is among the findings."""
    request = exchange.request
    shape: dict[str, object] = {}
    if request.query:
        query = {}
        for pair in request.query.decode("latin-1").split("&")[:_NAMES]:
            name, _, value = pair.partition("=")
            if _NAME.fullmatch(name):
                query[name] = _type_of_text(value)
        shape["query"] = query
    if request.body:
        media_type = (request.headers.get(b"content-type") or b"").partition(b";")[0].strip(b" \t").lower()
        if _MEDIA_TYPE.fullmatch(media_type):
            shape["type"] = media_type.decode("ascii")
        body = _body(media_type.decode("latin-1"), request.body)
        if body is not None:
            shape["body"] = body
    exchange.findings.extend(notes_of(shape))


def notes_of(shape: Mapping[str, object]) -> list[str]:
    """The shape as findings; without the body, or nothing at all, where it would be too long."""
    for kept in (shape, {name: value for name, value in shape.items() if name != "body"}):
        text = orjson.dumps(kept).decode()
        if len(text) <= _PIECE_CHARS * _PIECES:
            return [NOTE + text[start : start + _PIECE_CHARS] for start in range(0, len(text), _PIECE_CHARS)]
    return []


def noted_shape(findings: Iterable[str]) -> str:
    """The shape that the findings of one record hold, as JSON; empty where they hold none."""
    return "".join(finding.removeprefix(NOTE) for finding in findings if finding.startswith(NOTE))


def _body(media_type: str, body: bytes) -> object:
    if len(body) > _READ_BYTES:
        return None
    if is_json(media_type):
        try:
            return shape_of(jiter.from_json(body))
        except ValueError:
            return None
    if reader_of(media_type) == "form":
        pairs = (pair.partition("=") for pair in body.decode("latin-1").split("&")[:_NAMES])
        return {name: _type_of_text(value) for name, _, value in pairs if _NAME.fullmatch(name)}
    return None


def shape_of(value: object, depth: int = 0) -> object:
    """The value with types for values: an object as an object, a list as one of its elements' shapes.

    >>> shape_of({"id": 7, "tags": ["a"], "at": "2026-11-29"})
    {'id': 'integer', 'tags': ['string'], 'at': 'date'}
    """
    if isinstance(value, dict):
        if depth >= _DEPTH or len(value) > _NAMES or not all(_NAME.fullmatch(name) for name in value):
            return {}
        return {name: shape_of(member, depth + 1) for name, member in value.items()}
    if isinstance(value, list):
        return [shape_of(value[0], depth + 1)] if value and depth < _DEPTH else []
    if isinstance(value, str):
        found = _type_of_text(value)
        return found if found in {"uuid", "date", "date-time"} else "string"
    if value is None:
        return "null"
    return "boolean" if isinstance(value, bool) else "integer" if isinstance(value, int) else "number"


def _type_of_text(text: str) -> str:
    return next((name for name, pattern in _TYPES if pattern.fullmatch(text)), "string")
