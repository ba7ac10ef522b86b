"""Which texts of an operation are looked at: those the description leaves free."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from doorward.controls.inspect.contents import ANY, KINDS, PASSWORD, SECRET, Contents, contents_of
from doorward.operation import ApiDescription, Schema

_TEXTLESS: Final = frozenset({"number", "integer", "boolean", "null"})
_PINNED_FORMATS: Final = frozenset({"date", "date-time", "time", "duration", "uuid", "ipv4", "ipv6"})
_DEPTH: Final = 16
"""Nested combinators (`allOf` in `oneOf` ...) followed before a field counts as free."""

_OF_KIND: Final = {ANY.kind: ANY, PASSWORD.kind: PASSWORD, **KINDS}


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


def holds(schemas: tuple[Schema, ...], description: ApiDescription, wanted: Callable[[Schema], bool]) -> bool:
    """Whether a schema of the wanted kind stands anywhere in the schemas."""
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
        if wanted(schema):
            return True
        for key in ("properties", "patternProperties"):
            waiting += schema.get(key, {}).values()
        waiting += [schema[key] for key in ("items", "additionalProperties") if key in schema]
        waiting += [part for key in ("allOf", "anyOf", "oneOf", "prefixItems") for part in schema.get(key, ())]
    return False


def is_base64(schema: Schema) -> bool:
    """Whether a resolved schema is one of a text in base64: the API will decode it."""
    return schema.get("format") == "byte" or schema.get("contentEncoding") == "base64"


def declared_contents(schemas: Iterable[Schema], description: ApiDescription, *, pins: bool = True) -> Contents:
    """What the text of a field with these schemas holds: what all of them say that take text, else any text.

    A text that only one branch or one media type calls code may arrive through another. `pins`: the description holds.
    """
    kinds = {kind for schema in schemas for kind in _kinds(schema, description, 0)}
    if pins and len(kinds) == 1:
        return _OF_KIND[kinds.pop()]
    return SECRET if PASSWORD.kind in kinds else ANY


def _kinds(schema: Schema, description: ApiDescription, depth: int) -> frozenset[str]:
    """The kinds of text that are valid by the schema; none for a schema that takes no text of the client's choosing."""
    if depth > _DEPTH:
        return frozenset({ANY.kind})
    schema = description.resolve(schema)
    kind = schema.get("type", "string")
    if "enum" in schema or "const" in schema or "string" not in (kind if isinstance(kind, list) else [kind]):
        return frozenset()
    said = [frozenset({contents_of(schema).kind})]
    said += [_kinds(part, description, depth + 1) for part in schema.get("allOf", ())]
    for union in (schema.get("oneOf"), schema.get("anyOf")):
        if union:
            said.append(frozenset(kind for part in union for kind in _kinds(part, description, depth + 1)))
    if not all(said):
        return frozenset()
    unsaid = frozenset({ANY.kind})
    found = frozenset(kind for kinds in said if kinds != unsaid for kind in kinds)
    # All of these hold at once: where one leaves no doubt, what the others leave open is said.
    is_said = any(len(kinds) == 1 and kinds != unsaid for kinds in said)
    return (found - unsaid if is_said else found) or unsaid


def closed_values(schema: Schema | None, description: ApiDescription) -> frozenset[str]:
    """The strings of a closed enum, or nothing."""
    if schema is None:
        return frozenset()
    schema = description.resolve(schema)
    values = schema.get("enum", ())
    return frozenset(value for value in values if isinstance(value, str))


class Fields:
    """The declared shape of a JSON body, compiled as far as requests walk into it (safe for recursive schemas)."""

    __slots__ = ("_children", "_description", "_pins", "_schemas", "closed", "contents")

    def __init__(self, schemas: tuple[Schema, ...], description: ApiDescription, *, pins: bool = True) -> None:
        """`pins`: the description holds. Else it says no more than which texts are passwords."""
        self._description, self._pins = description, pins
        self._schemas = tuple(_branches(schemas, description))
        self._children: dict[str, Fields] = {}
        self.closed: frozenset[str] = frozenset()
        """Strings the description lists as values of this field: an enum member is never an attack."""
        self.contents: Contents = declared_contents(schemas, description, pins=pins)
        """What the text of this field is said to hold."""
        if pins:
            for schema in self._schemas:
                self.closed |= closed_values(schema, description)

    def member(self, name: str) -> "Fields":
        """The shape of a declared member. Undeclared members share one shape, so hostile names cost no memory."""
        declared = self._names(name)
        key = "." + name if declared else ""
        found = self._children.get(key)
        if found is None:
            schemas = tuple(self._member_schemas(name if declared else None))
            found = self._children[key] = Fields(schemas, self._description, pins=self._pins)
        return found

    def items(self) -> "Fields":
        """The shape of the list's items."""
        found = self._children.get("[]")
        if found is None:
            schemas = tuple(
                item
                for schema in self._schemas
                for item in (*schema.get("prefixItems", ()), schema.get("items"))
                if isinstance(item, dict)
            )
            found = self._children["[]"] = Fields(schemas, self._description, pins=self._pins)
        return found

    def declares(self, name: str) -> bool:
        """Whether the member's name stands in the description (its name is then not the client's text)."""
        return self._pins and self._names(name)

    def _names(self, name: str) -> bool:
        return any(name in schema.get("properties", ()) for schema in self._schemas)

    def _member_schemas(self, name: str | None) -> Iterator[Schema]:
        """Of a member; None for one that nothing lists. What one branch lists another may take as a further member."""
        for schema in self._schemas:
            if name is not None and name in schema.get("properties", ()):
                yield schema["properties"][name]
                continue
            yield from schema.get("patternProperties", {}).values()
            further = schema.get("additionalProperties")
            if isinstance(further, dict):
                yield further
            elif further is True:
                yield {}


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
