"""Which texts of an operation are looked at: those the description leaves free."""

from collections.abc import Iterator
from typing import Any, Final

from doorward.controls.inspect.contents import ANY, Contents, contents_of
from doorward.operation import ApiDescription, Schema

_TEXTLESS: Final = frozenset({"number", "integer", "boolean", "null"})
_PINNED_FORMATS: Final = frozenset({"date", "date-time", "time", "duration", "uuid", "ipv4", "ipv6"})
_DEPTH: Final = 16
"""Nested combinators (`allOf` in `oneOf` ...) followed before a field counts as free."""


def pins_text(schema: Schema | None, description: ApiDescription, depth: int = 0) -> bool:
    """Whether a valid value can hold no text of the client's choosing: number, boolean, date, uuid, closed enum.

    What validation of such a field lets through has no room for an attack, so there is nothing to judge.
    """
    if schema is None or depth > _DEPTH:
        return False
    schema = description.resolve(schema)
    if "enum" in schema or "const" in schema:
        return True
    kind = schema.get("type")
    kinds = {kind} if isinstance(kind, str) else set(kind or ())
    if kinds and kinds <= _TEXTLESS:
        return True
    if "string" in kinds and kinds <= _TEXTLESS | {"string"} and schema.get("format") in _PINNED_FORMATS:
        return True
    if kinds == {"array"} and "items" in schema:
        return pins_text(schema["items"], description, depth + 1)
    if any(pins_text(part, description, depth + 1) for part in schema.get("allOf", ())):
        return True
    for union in (schema.get("oneOf"), schema.get("anyOf")):
        if union and all(pins_text(part, description, depth + 1) for part in union):
            return True
    return False


def holds_base64(schemas: tuple[Schema, ...], description: ApiDescription) -> bool:
    """Whether the description declares a text in base64 anywhere in the schemas: the API will decode it."""
    seen: set[int] = set()
    waiting = list(schemas)
    while waiting:
        schema = waiting.pop()
        if not isinstance(schema, dict):
            continue
        schema = description.resolve(schema)
        if id(schema) in seen:
            continue
        seen.add(id(schema))
        if schema.get("format") == "byte" or schema.get("contentEncoding") == "base64":
            return True
        waiting += schema.get("properties", {}).values()
        waiting += [schema[key] for key in ("items", "additionalProperties") if key in schema]
        waiting += [part for key in ("allOf", "anyOf", "oneOf", "prefixItems") for part in schema.get(key, ())]
    return False


def closed_values(schema: Schema | None, description: ApiDescription) -> frozenset[str]:
    """The strings of a closed enum, or nothing."""
    if schema is None:
        return frozenset()
    schema = description.resolve(schema)
    values = schema.get("enum", ())
    return frozenset(value for value in values if isinstance(value, str))


class Fields:
    """The declared shape of a JSON body, compiled as far as requests walk into it (safe for recursive schemas)."""

    __slots__ = ("_children", "_description", "_schemas", "closed", "contents")

    def __init__(self, schemas: tuple[Schema, ...], description: ApiDescription) -> None:
        self._description = description
        self._schemas = tuple(_branches(schemas, description))
        self._children: dict[str, Fields] = {}
        self.closed: frozenset[str] = frozenset()
        """Strings the description lists as values of this field: an enum member is never an attack."""
        self.contents: Contents = ANY
        """What the text of this field is said to hold."""
        for schema in self._schemas:
            self.closed |= closed_values(schema, description)
            if self.contents is ANY:
                self.contents = contents_of(schema)

    def member(self, name: str) -> "Fields":
        """The shape of a declared member. Undeclared members share one shape, so hostile names cost no memory."""
        declared = any(name in schema.get("properties", ()) for schema in self._schemas)
        key = "." + name if declared else ""
        found = self._children.get(key)
        if found is None:
            found = self._children[key] = Fields(
                tuple(self._member_schemas(name if declared else None)), self._description
            )
        return found

    def items(self) -> "Fields":
        """The shape of the list's items."""
        found = self._children.get("[]")
        if found is None:
            schemas = tuple(schema["items"] for schema in self._schemas if isinstance(schema.get("items"), dict))
            found = self._children["[]"] = Fields(schemas, self._description)
        return found

    def declares(self, name: str) -> bool:
        """Whether the member's name stands in the description (its name is then not the client's text)."""
        return any(name in schema.get("properties", ()) for schema in self._schemas)

    def _member_schemas(self, name: str | None) -> Iterator[Schema]:
        for schema in self._schemas:
            if name is not None and name in schema.get("properties", ()):
                yield schema["properties"][name]
            elif name is None and isinstance(schema.get("additionalProperties"), dict):
                yield schema["additionalProperties"]


def texts(value: Any, fields: Fields, pointer: str = "") -> Iterator[tuple[str, str, Fields | None]]:
    """Every text in a JSON value as (pointer, text, its field): strings, and member names the description lacks.

    Iterative, so that depth costs memory and not the stack.
    """
    waiting: list[tuple[Any, Fields, str]] = [(value, fields, pointer)]
    while waiting:
        current, shape, place = waiting.pop()
        if isinstance(current, str):
            yield place, current, shape
        elif isinstance(current, dict):
            for name, member in current.items():
                inner = f"{place}/{_escaped(name)}"
                if not shape.declares(name):
                    yield inner, name, None
                if isinstance(member, (str, dict, list)):
                    waiting.append((member, shape.member(name), inner))
        elif isinstance(current, list):
            shape = shape.items()
            waiting.extend((item, shape, f"{place}/*") for item in current if isinstance(item, (str, dict, list)))


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1") if "~" in name or "/" in name else name


def _branches(schemas: tuple[Schema, ...], description: ApiDescription) -> Iterator[Schema]:
    """The schemas and all they are combined of, each once."""
    seen: set[int] = set()
    waiting = list(schemas)
    while waiting:
        schema = waiting.pop()
        if not isinstance(schema, dict):
            continue
        schema = description.resolve(schema)
        if id(schema) in seen:
            continue
        seen.add(id(schema))
        yield schema
        for keyword in ("allOf", "anyOf", "oneOf"):
            waiting.extend(schema.get(keyword, ()))
