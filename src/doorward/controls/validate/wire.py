"""Text on the wire as typed values: percent-decoding and the types of the description, without generosity."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import unquote_to_bytes

from doorward.operation import Schema

Resolve: TypeAlias = Callable[[Schema], Schema]

_BAD_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,63})")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,63})(?:\.[0-9]{1,64})?(?:[eE][-+]?[0-9]{1,3})?")
_DEPTH: Final = 32
_ALL_TYPES: Final = ("integer", "number", "boolean", "string")


class NotText(ValueError):
    """The wire text is no percent-encoded UTF-8, or no value of the declared type."""


def percent_decoded(text: str, *, plus_is_space: bool = False) -> str:
    """The text decoded once. Errors: NotText for a stray percent sign and for what is not UTF-8.

    >>> percent_decoded("a%20b+c", plus_is_space=True)
    'a b c'
    """
    if plus_is_space and "+" in text:
        text = text.replace("+", " ")
    if "%" not in text:
        return text
    if _BAD_PERCENT.search(text):
        raise NotText("has a percent sign that encodes nothing")
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise NotText("is not UTF-8") from None


def types_of(schema: Schema, resolve: Resolve) -> tuple[str, ...]:
    """The JSON types a schema allows, in the order in which wire text is tried; without a word, all of them.

    >>> types_of({"anyOf": [{"type": "string"}, {"type": "integer"}]}, lambda schema: schema)
    ('integer', 'string')
    """
    found = _types(schema, resolve, 0)
    order = ("array", "object", *_ALL_TYPES)
    return tuple(kind for kind in order if kind in found) if found else ("string",)


def _types(schema: Any, resolve: Resolve, depth: int) -> set[str]:
    if not isinstance(schema, Mapping) or depth > _DEPTH:
        return set()
    schema = resolve(schema)
    kind = schema.get("type")
    if isinstance(kind, str):
        return {kind}
    if isinstance(kind, list):
        return set(kind) - {"null"}
    values = [schema["const"]] if "const" in schema else schema.get("enum", [])
    found = {name for value in values for name in [_type_of_value(value)] if name}
    for union in ("oneOf", "anyOf", "allOf"):
        for part in schema.get(union, ()):
            found |= _types(part, resolve, depth + 1)
    if not found and ("properties" in schema or "additionalProperties" in schema):
        return {"object"}
    return {"array"} if not found and "items" in schema else found


def _type_of_value(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    return "string" if isinstance(value, str) else ""


def scalar(text: str, types: Iterable[str]) -> object:
    """The text as the first type that it spells. Errors: NotText when it spells none of them.

    A number is written as JSON writes it: no sign in front but minus, no leading zero, ASCII digits only.

    >>> scalar("12", ("integer", "string")), scalar("012", ("integer", "string")), scalar("true", ("boolean",))
    (12, '012', True)
    """
    for kind in types:
        if kind == "integer" and _INTEGER.fullmatch(text):
            return int(text)
        if kind == "number" and _NUMBER.fullmatch(text):
            if _INTEGER.fullmatch(text):
                return int(text)
            number = float(text)
            if math.isfinite(number):
                return number
        elif kind == "boolean" and text in {"true", "false"}:
            return text == "true"
        elif kind == "string":
            return text
    raise NotText(f"must be of type {' or '.join(types)}")


class Shape:
    """What the wire text of one value becomes: a scalar, a list of scalars or an object of scalars."""

    __slots__ = ("kind", "others", "properties", "types")

    def __init__(self, schema: Schema, resolve: Resolve) -> None:
        types = types_of(schema, resolve)
        self.kind = types[0] if types[0] in {"array", "object"} else "scalar"
        self.types = types
        """Types of the value itself, or of an array's items."""
        self.properties: dict[str, Shape] = {}
        self.others: tuple[str, ...] | None = None
        """Types of members that an object does not name; None when it takes none."""
        if self.kind == "array":
            items = _member(schema, "items", resolve)
            self.types = tuple(kind for kind in types_of(items or {}, resolve) if kind in _ALL_TYPES) or ("string",)
        elif self.kind == "object":
            for name, part in properties_of(schema, resolve, 0).items():
                # One level: deeper nesting has no wire form in OpenAPI.
                inner = types_of(part, resolve)
                self.properties[name] = _ScalarShape(inner) if inner[0] != "array" else Shape(part, resolve)
            others = _member(schema, "additionalProperties", resolve)
            if others is not None and others != {"not": {}}:
                self.others = types_of(others, resolve)

    def scalar(self, text: str) -> object:
        """The text as a scalar (an array's item, for an array). Errors: NotText."""
        return scalar(text, self.types)

    def member(self, name: str, text: str) -> object:
        """The text as a member of the object. Errors: NotText."""
        shape = self.properties.get(name)
        if shape is not None:
            return [shape.scalar(item) for item in text.split(",")] if shape.kind == "array" else shape.scalar(text)
        return scalar(text, self.others or ("string",))


class _ScalarShape(Shape):
    __slots__ = ()

    def __init__(self, types: tuple[str, ...]) -> None:
        self.kind, self.types, self.properties, self.others = "scalar", types, {}, None


def _member(schema: Schema, key: str, resolve: Resolve, depth: int = 0) -> Schema | None:
    schema = resolve(schema)
    value = schema.get(key)
    if isinstance(value, Mapping):
        return resolve(value)
    if value is True:
        return {}
    if value is False:
        return {"not": {}}
    if depth < _DEPTH:
        for union in ("allOf", "oneOf", "anyOf"):
            for part in schema.get(union, ()):
                found = _member(part, key, resolve, depth + 1) if isinstance(part, Mapping) else None
                if found is not None:
                    return found
    return None


def properties_of(schema: Any, resolve: Resolve, depth: int = 0) -> dict[str, Schema]:
    """The members a schema names, those of what it is combined of included."""
    if not isinstance(schema, Mapping) or depth > _DEPTH:
        return {}
    schema = resolve(schema)
    found: dict[str, Schema] = {}
    for union in ("allOf", "oneOf", "anyOf"):
        for part in schema.get(union, ()):
            found.update(properties_of(part, resolve, depth + 1))
    properties = schema.get("properties", {})
    found.update({name: part for name, part in properties.items() if isinstance(part, Mapping)})
    return found
