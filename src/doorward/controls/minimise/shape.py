"""The declared shape of a JSON answer, compiled into a tree that drops what is not declared."""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Any, Final

import jsonschema_rs

from doorward.controls.minimise.discriminator import discriminator_of
from doorward.denial import Denied
from doorward.operation import ApiDescription, Schema
from doorward.property_roles import roles_of

_CONTAINER_TYPES: Final = frozenset({"object", "array"})
_DEPTH: Final = 64
"""Deepest answer filtered. Deeper ones are refused: the description may be recursive, our stack is not endless."""
_LINEAR: Final = jsonschema_rs.RegexOptions()
"""The engine for `patternProperties`: it never backtracks, so a hostile member name costs its length."""


class Shape:
    """What may stand in one place of an answer. `keep` changes the value in place."""

    __slots__ = (
        "_compiler",
        "_containers",
        "_discriminator",
        "_guarded",
        "_hidden",
        "_is_open",
        "_items",
        "_known",
        "_members",
        "_others",
        "_patterns",
        "_schemas",
        "formats",
        "is_free",
        "takes",
    )

    def __init__(self, schemas: tuple[Schema, ...], compiler: "ShapeCompiler", *, is_chosen: bool = False) -> None:
        """`is_chosen`: a discriminator has led here already."""
        self._schemas, self._compiler = schemas, compiler
        branches = list(compiler.branches(schemas))
        names = {name for branch in branches for name in branch.get("properties", ())}
        self._hidden: frozenset[str] = frozenset(name for branch in branches for name in compiler.hidden_names(branch))
        """The members marked `writeOnly` in any branch: they never leave, whatever else allows them."""
        self._guarded: tuple[tuple[str, frozenset[str]], ...] = tuple(
            guarded for branch in branches for guarded in compiler.guarded_names(branch)
        )
        """The members that only some roles may see, with those roles."""
        self._is_open = any(compiler.is_free(schema) for schema in schemas)
        """One of the schemas says nothing about members: all but the hidden ones may stand there."""
        self._discriminator = None if is_chosen else discriminator_of(schemas, compiler)
        self.is_free = self._is_open and not self._hidden and not self._guarded and self._discriminator is None
        """Everything may stand there."""
        self._known: frozenset[str] = frozenset(names) - self._hidden
        self._patterns = tuple(_patterns(branches))
        self._containers: tuple[tuple[str, Shape], ...] | None = None
        self._others: tuple[Schema, ...] | None = _others(branches)
        """Schemas of members with any other name; None: such members are not declared."""
        self._items: Shape | None = None
        self._members: dict[str, Shape] = {}
        self.formats: frozenset[str] = frozenset(
            branch["format"] for branch in branches if isinstance(branch.get("format"), str)
        )
        """What a text that stands here is said to be (`email`, `date`)."""
        self.takes: frozenset[type] = frozenset(_takes(branches))
        """The containers, `dict` and `list`, that may stand here."""

    def keep(self, value: Any, depth: int = 0) -> int:
        """How many undeclared members were dropped from `value`, at any depth.

        Errors: Denied `minimise.response_schema` when an object or a list stands where the description has neither.
        """
        if self.is_free:
            return 0
        kind = type(value)
        if kind is not dict and kind is not list:
            return 0
        if self._discriminator is not None and kind is dict:
            chosen = self._discriminator.shape(value)
            if chosen is not None:
                # What any alternative hides stays hidden, whichever one the object says it is.
                hidden = self._drop(value, self._hidden & value.keys())
                return hidden + (self._guard(value) if self._guarded else 0) + chosen.keep(value, depth)
        if self._is_open:
            return self._drop(value, self._hidden & value.keys()) + self._guard(value) if kind is dict else 0
        if kind not in self.takes:
            what = "an object" if kind is dict else "a list"
            raise Denied("minimise.response_schema", f"{what} stands where the description declares none")
        if depth > _DEPTH:
            raise Denied("minimise.response_schema", f"the answer is nested deeper than {_DEPTH} levels")
        if kind is list:
            items = self.element()
            if items.is_free:
                return 0
            dropped = 0
            for item in value:
                if type(item) is dict or type(item) is list:
                    dropped += items.keep(item, depth + 1)
            return dropped
        return self._keep_members(value, depth)

    def _guard(self, value: dict[str, Any]) -> int:
        roles = self._compiler.roles
        return self._drop(value, {name for name, allowed in self._guarded if name in value and not allowed & roles})

    def of_each(self) -> "Shape | None":
        """The shape of one value of a sequence declared here: by an object schema, or as the items of a list.

        None when no object is declared for the values: there is nothing to filter by.
        """
        if self.is_free:
            return None
        if dict in self.takes:
            return self
        items = self.element() if list in self.takes else None
        return items if items is not None and not items.is_free and dict in items.takes else None

    def member(self, name: str) -> "Shape | None":
        """The shape of the member of that name; None when no `properties` speaks of it."""
        if name not in self._known:
            return None
        found = self._members.get(name)
        if found is None:
            found = self._members[name] = self._compiled_member(name)
        return found

    def element(self) -> "Shape":
        """The shape of each element of a list that stands here."""
        return self._items or self._compiled_items()

    def _keep_members(self, value: dict[str, Any], depth: int) -> int:
        dropped = self._guard(value) if self._guarded else 0
        if not value.keys() <= self._known:
            dropped += self._keep_others(value, depth)
        containers = self._containers
        if containers is None:
            containers = self._compiled_containers()
        for name, shape in containers:
            member = value.get(name)
            if type(member) is dict or type(member) is list:
                dropped += shape.keep(member, depth + 1)
        return dropped

    def _keep_others(self, value: dict[str, Any], depth: int) -> int:
        """The same for the members that no `properties` makes readable."""
        others = value.keys() - self._known
        if self._others is None and not self._patterns:
            return self._drop(value, others)
        undeclared = others & self._hidden
        dropped = 0
        for name in others - self._hidden:
            schemas = [schema for pattern, schema in self._patterns if pattern.is_valid(name)]
            schemas.extend(self._others or ())
            if schemas:
                dropped += self._compiler.shape(tuple(schemas)).keep(value[name], depth + 1)
            else:
                undeclared.add(name)
        return dropped + self._drop(value, undeclared)

    @staticmethod
    def _drop(value: dict[str, Any], names: AbstractSet[str]) -> int:
        for name in names:
            del value[name]
        return len(names)

    def _compiled_containers(self) -> "tuple[tuple[str, Shape], ...]":
        """The shapes of the members that need a look inside, or that must not hold an object or list."""
        found: list[tuple[str, Shape]] = []
        for name in sorted(self._known):
            shape = self._compiled_member(name)
            if not shape.is_free:
                found.append((name, shape))
        self._containers = tuple(found)
        return self._containers

    def _compiled_member(self, name: str) -> "Shape":
        branches = self._compiler.branches(self._schemas)
        return self._compiler.shape(
            tuple(branch["properties"][name] for branch in branches if name in branch.get("properties", ()))
        )

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

    __slots__ = ("_made", "resolve", "roles")

    def __init__(self, description: ApiDescription) -> None:
        self.resolve = description.resolve
        """Follows a schema's references."""
        self._made: dict[tuple[bool, tuple[int, ...]], Shape] = {}
        self.roles: frozenset[str] = frozenset()
        """Of the caller whose answer is being filtered."""

    def shape(self, schemas: tuple[Schema, ...], *, is_chosen: bool = False) -> Shape:
        """The shape of a place that any of the schemas may describe."""
        resolved = tuple(self.resolve(_as_schema(schema)) for schema in schemas)
        key = is_chosen, tuple(sorted({id(schema) for schema in resolved}))
        found = self._made.get(key)
        if found is None:
            # The shape holds the schemas, so their ids stay theirs.
            found = self._made[key] = Shape(resolved, self, is_chosen=is_chosen)
        return found

    def branches(self, schemas: Iterable[Schema]) -> Iterator[Schema]:
        """The schemas and everything they are combined of, resolved, each once."""
        seen: set[int] = set()
        waiting = [_as_schema(schema) for schema in schemas]
        while waiting:
            schema = self.resolve(waiting.pop())
            if id(schema) in seen:
                continue
            seen.add(id(schema))
            yield schema
            for keyword in ("allOf", "anyOf", "oneOf"):
                waiting.extend(_as_schema(part) for part in schema.get(keyword, ()))
            waiting.extend(_as_schema(schema[keyword]) for keyword in ("then", "else") if keyword in schema)

    def is_free(self, schema: Schema, depth: int = 0) -> bool:
        """Whether the schema says nothing about members: `{}`, `true`, `{type: object}`, a choice with such a one."""
        schema = self.resolve(_as_schema(schema))
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

    def guarded_names(self, schema: Schema) -> Iterator[tuple[str, frozenset[str]]]:
        """The declared members that only some roles may see, by each rule that says so."""
        for name, member in schema.get("properties", {}).items():
            for part in (_as_schema(member), *self.branches((member,))):
                roles = roles_of(part).read
                if roles is not None:
                    yield name, roles

    def hidden_names(self, schema: Schema) -> Iterator[str]:
        """The declared members marked `writeOnly`, on themselves or in what they are combined of."""
        for name, member in schema.get("properties", {}).items():
            if _as_schema(member).get("writeOnly") or any(part.get("writeOnly") for part in self.branches((member,))):
                yield name


def _others(branches: list[Schema]) -> tuple[Schema, ...] | None:
    schemas: list[Schema] = []
    for branch in branches:
        for keyword in ("additionalProperties", "unevaluatedProperties"):
            allowed = branch.get(keyword, False)
            schemas.extend([] if allowed is False else [_as_schema(allowed)])
    return tuple(schemas) or None


def _patterns(branches: list[Schema]) -> Iterator[tuple[jsonschema_rs.Draft202012Validator, Schema]]:
    """The name patterns that declare members. One that the linear engine cannot take declares none."""
    for branch in branches:
        for pattern, schema in branch.get("patternProperties", {}).items():
            if schema is False:
                continue
            try:
                names = jsonschema_rs.Draft202012Validator({"pattern": pattern}, pattern_options=_LINEAR)
            except ValueError:
                continue
            yield names, _as_schema(schema)


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
