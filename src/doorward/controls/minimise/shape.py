"""The declared shape of a JSON answer, compiled into a tree that drops what is not declared."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from doorward.denial import Denied
from doorward.operation import ApiDescription, Schema

_CONTAINER_TYPES: Final = frozenset({"object", "array"})
_DEPTH: Final = 64
"""Deepest answer filtered. Deeper ones are refused: the description may be recursive, our stack is not endless."""


class Shape:
    """What may stand in one place of an answer. `keep` changes the value in place."""

    __slots__ = ("_compiler", "_containers", "_items", "_known", "_others", "_schemas", "_takes", "is_free")

    def __init__(self, schemas: tuple[Schema, ...], compiler: "ShapeCompiler") -> None:
        self._schemas, self._compiler = schemas, compiler
        branches = list(compiler.branches(schemas))
        self.is_free = any(compiler.is_free(schema) for schema in schemas)
        """Nothing is declared about the members: everything may stand there."""
        names = {name for branch in branches for name in compiler.readable_names(branch)}
        self._known: frozenset[str] = frozenset(names)
        self._containers: tuple[tuple[str, Shape], ...] | None = None
        self._others: tuple[Schema, ...] | None = _others(branches)
        """Schemas of members that are not named one by one; None: such members are not declared."""
        self._items: Shape | None = None
        self._takes: frozenset[type] = frozenset(_takes(branches))

    def keep(self, value: Any, depth: int = 0) -> int:
        """How many undeclared members were dropped from `value`, at any depth.

        Errors: Denied `minimise.response_schema` when an object or a list stands where the description has neither.
        """
        if self.is_free:
            return 0
        kind = type(value)
        if kind is not dict and kind is not list:
            return 0
        if kind not in self._takes:
            what = "an object" if kind is dict else "a list"
            raise Denied("minimise.response_schema", f"{what} stands where the description declares none")
        if depth > _DEPTH:
            raise Denied("minimise.response_schema", f"the answer is nested deeper than {_DEPTH} levels")
        if kind is list:
            items = self._items or self._compiled_items()
            if items.is_free:
                return 0
            dropped = 0
            for item in value:
                if type(item) is dict or type(item) is list:
                    dropped += items.keep(item, depth + 1)
            return dropped
        return self._keep_members(value, depth)

    def _keep_members(self, value: dict[str, Any], depth: int) -> int:
        dropped = 0
        others: Iterable[str] = ()
        if not value.keys() <= self._known:
            others = value.keys() - self._known
            if self._others is None:
                for name in others:
                    del value[name]
                dropped, others = len(others), ()
        containers = self._containers
        if containers is None:
            containers = self._compiled_containers()
        for name, shape in containers:
            member = value.get(name)
            if type(member) is dict or type(member) is list:
                dropped += shape.keep(member, depth + 1)
        if others and self._others:
            shape = self._compiler.shape(self._others)
            for name in others:
                dropped += shape.keep(value[name], depth + 1)
        return dropped

    def _compiled_containers(self) -> "tuple[tuple[str, Shape], ...]":
        """The shapes of the members that need a look inside, or that must not hold an object or list."""
        found: list[tuple[str, Shape]] = []
        branches = list(self._compiler.branches(self._schemas))
        for name in sorted(self._known):
            schemas = tuple(branch["properties"][name] for branch in branches if name in branch.get("properties", ()))
            shape = self._compiler.shape(schemas)
            if not shape.is_free:
                found.append((name, shape))
        self._containers = tuple(found)
        return self._containers

    def _compiled_items(self) -> "Shape":
        schemas: list[Schema] = []
        for branch in self._compiler.branches(self._schemas):
            items = branch.get("items")
            if isinstance(items, (dict, bool)):
                schemas.append(_as_schema(items))
            schemas.extend(_as_schema(item) for item in branch.get("prefixItems", ()))
            if "items" not in branch and "prefixItems" not in branch and "array" in _types(branch):
                schemas.append({})
        self._items = self._compiler.shape(tuple(schemas) or ({},))
        return self._items


class ShapeCompiler:
    """Makes shapes on demand, each once: a recursive description ends where the answer ends."""

    __slots__ = ("_made", "_resolve")

    def __init__(self, description: ApiDescription) -> None:
        self._resolve = description.resolve
        self._made: dict[tuple[int, ...], Shape] = {}

    def shape(self, schemas: tuple[Schema, ...]) -> Shape:
        """The shape of a place that any of the schemas may describe."""
        resolved = tuple(self._resolve(_as_schema(schema)) for schema in schemas)
        key = tuple(sorted({id(schema) for schema in resolved}))
        found = self._made.get(key)
        if found is None:
            # The shape holds the schemas, so their ids stay theirs.
            found = self._made[key] = Shape(resolved, self)
        return found

    def branches(self, schemas: Iterable[Schema]) -> Iterator[Schema]:
        """The schemas and everything they are combined of, resolved, each once."""
        seen: set[int] = set()
        waiting = [_as_schema(schema) for schema in schemas]
        while waiting:
            schema = self._resolve(waiting.pop())
            if id(schema) in seen:
                continue
            seen.add(id(schema))
            yield schema
            for keyword in ("allOf", "anyOf", "oneOf"):
                waiting.extend(_as_schema(part) for part in schema.get(keyword, ()))
            waiting.extend(_as_schema(schema[keyword]) for keyword in ("then", "else") if keyword in schema)

    def is_free(self, schema: Schema, depth: int = 0) -> bool:
        """Whether the schema says nothing about members: `{}`, `true`, `{type: object}`, a choice with such a one."""
        schema = self._resolve(_as_schema(schema))
        if depth > _DEPTH:
            return False
        if any(schema.get(keyword) for keyword in ("properties", "patternProperties", "items", "prefixItems")):
            return False
        if schema.get("additionalProperties", True) not in (True, {}):
            return False
        kinds = _types(schema)
        if not kinds and any(keyword in schema for keyword in ("enum", "const", "format", "pattern")):
            return False
        if kinds and "object" not in kinds and kinds != {"array"}:
            return False
        alternatives = [*schema.get("oneOf", ()), *schema.get("anyOf", ())]
        if alternatives and not any(self.is_free(part, depth + 1) for part in alternatives):
            return False
        return all(self.is_free(part, depth + 1) for part in schema.get("allOf", ()))

    def readable_names(self, schema: Schema) -> Iterator[str]:
        """The declared members that may leave: all but those marked `writeOnly`."""
        for name, member in schema.get("properties", {}).items():
            resolved = self._resolve(_as_schema(member))
            if not resolved.get("writeOnly") and not _as_schema(member).get("writeOnly"):
                yield name


def _others(branches: list[Schema]) -> tuple[Schema, ...] | None:
    schemas: list[Schema] = []
    for branch in branches:
        for keyword in ("additionalProperties", "unevaluatedProperties"):
            allowed = branch.get(keyword, False)
            schemas.extend([] if allowed is False else [_as_schema(allowed)])
        schemas.extend(_as_schema(pattern) for pattern in branch.get("patternProperties", {}).values())
    return tuple(schemas) or None


def _takes(branches: list[Schema]) -> Iterator[type]:
    """The container types that may stand here; a branch that names no type takes what its keywords speak of."""
    for branch in branches:
        kinds = _types(branch)
        is_mute = not kinds and not any(
            keyword in branch for keyword in ("allOf", "anyOf", "oneOf", "enum", "const", "format")
        )
        if "object" in kinds or "properties" in branch or "additionalProperties" in branch or is_mute:
            yield dict
        if "array" in kinds or "items" in branch or (is_mute and "properties" not in branch):
            yield list


def _types(schema: Schema) -> set[str]:
    kind = schema.get("type")
    return {kind} if isinstance(kind, str) else set(kind or ())


def _as_schema(schema: Any) -> Schema:
    """A schema as a mapping: `true` is `{}`, `false` one that declares nothing."""
    if isinstance(schema, bool):
        return {} if schema else {"additionalProperties": False, "type": "null"}
    return schema if isinstance(schema, dict) else {}
