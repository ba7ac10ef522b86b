"""What many requests had in common, as schemas: members and types that were seen, required where none lacked them."""

import json
from collections.abc import Mapping
from typing import Any, Final

_FORMATS: Final = frozenset({"uuid", "date", "date-time"})
_OPEN: Final[dict[str, Any]] = {}


class Shapes:
    """The shapes of the requests to one operation."""

    __slots__ = ("bodies", "count", "query", "seen")

    def __init__(self) -> None:
        self.count = 0
        self.query: dict[str, set[str]] = {}
        """Types by name."""
        self.seen: dict[str, int] = {}
        """In how many requests each query parameter stood."""
        self.bodies: dict[str, Any] = {}
        """The merged body by media type."""

    def add(self, note: str) -> None:
        """Add what the record of one request says; one that says nothing, or was cut, is passed over."""
        try:
            shape = json.loads(note)
        except ValueError:
            return
        self.count += 1
        for name, kind in shape.get("query", {}).items():
            self.query.setdefault(name, set()).add(kind)
            self.seen[name] = self.seen.get(name, 0) + 1
        media_type = shape.get("type")
        if media_type:
            known = self.bodies.get(media_type)
            made = _counted(shape["body"]) if "body" in shape else None
            self.bodies[media_type] = made if known is None else known if made is None else merged(known, made)


def merged(one: Any, other: Any) -> Any:
    """Both in one: `{"members": {name: ...}, "counts": {name: n}, "count": n}`, `{"items": ...}`, `{"types": [...]}`.

    Where they are of different kinds, an open one.
    """
    if not one or not other:
        return one or other
    if one.keys() != other.keys():
        return {}
    if "types" in one:
        return {"types": sorted({*one["types"], *other["types"]})}
    if "items" in one:
        return {"items": merged(one["items"], other["items"])}
    names = {*one["members"], *other["members"]}
    members, counts = {}, {}
    for name in sorted(names):
        found = [each["members"][name] for each in (one, other) if name in each["members"]]
        members[name] = found[0] if len(found) == 1 else merged(*found)
        counts[name] = one["counts"].get(name, 0) + other["counts"].get(name, 0)
    return {"members": members, "counts": counts, "count": one["count"] + other["count"]}


def _counted(shape: Any) -> Any:
    if isinstance(shape, dict):
        if not shape:
            return {}
        members = {name: _counted(member) for name, member in shape.items()}
        return {"members": members, "counts": dict.fromkeys(members, 1), "count": 1}
    if isinstance(shape, list):
        return {"items": _counted(shape[0]) if shape else {}}
    return {"types": [shape]}


def json_schema(shape: Any) -> dict[str, Any]:
    """The merged shape as a JSON Schema.

    >>> json_schema(merged(_counted({"id": "integer", "note": "string"}), _counted({"id": "integer"})))
    {'type': 'object', 'required': ['id'], 'properties': {'id': {'type': 'integer'}, 'note': {'type': 'string'}}}
    """
    if not shape:
        return {**_OPEN}
    if "members" in shape:
        required = [name for name, count in shape["counts"].items() if count == shape["count"]]
        properties = {name: json_schema(member) for name, member in shape["members"].items()}
        return {"type": "object", **({"required": required} if required else {}), "properties": properties}
    if "items" in shape:
        return {"type": "array", "items": json_schema(shape["items"])}
    return _scalar(shape["types"])


def form_schema(shape: Any) -> dict[str, Any]:
    """The same for a form: every field may be repeated or left out there as far as anybody knows."""
    schema = json_schema(shape)
    schema.pop("required", None)
    return schema or {"type": "object"}


def query_parameters(shapes: Shapes) -> list[dict[str, Any]]:
    """The query parameters, required where no request lacked them."""
    return [
        {
            "name": name,
            "in": "query",
            **({"required": True} if shapes.seen[name] == shapes.count else {}),
            "schema": _scalar(sorted(kinds)),
        }
        for name, kinds in sorted(shapes.query.items())
    ]


def _scalar(kinds: list[str]) -> dict[str, Any]:
    """One type; an integer seen among numbers is a number, anything else mixed is text."""
    found = set(kinds)
    nullable = "null" in found
    found -= {"null"}
    kind: Mapping[str, Any]
    if found == {"integer", "number"}:
        kind = {"type": "number"}
    elif len(found) == 1:
        (name,) = found
        kind = {"type": "string", "format": name} if name in _FORMATS else {"type": name}
    elif found:
        kind = {"type": "string", "maxLength": 256} if found <= {"string", *_FORMATS} else {}
    else:
        return {"type": "null"}
    return {**kind, "type": [kind["type"], "null"]} if nullable and "type" in kind else {**kind}
