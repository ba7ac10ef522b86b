"""Which of the declared alternatives an object says it is."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from doorward.errors import PolicyError
from doorward.operation import Schema

if TYPE_CHECKING:
    from doorward.controls.minimise.shape import Shape, ShapeCompiler

_UNIONS: Final = ("oneOf", "anyOf")
_COMPONENTS: Final = "#/components/schemas/"
_OWN: Final = frozenset({"properties", "patternProperties", "additionalProperties", "unevaluatedProperties", "items"})
"""Members of a schema that says something itself."""
_DEPTH: Final = 16
"""Wrappers and generations looked through."""


class Discriminator:
    """The shapes of the alternatives, by the value that tells them apart.

    Source: OpenAPI 3.1 section 4.8.25; `defaultMapping` OpenAPI 3.2 section 4.25.
    """

    __slots__ = ("_branches", "_compiler", "_default", "_is_union", "_made", "_member", "_rest", "_schema")

    def __init__(self, schema: Schema, compiler: "ShapeCompiler") -> None:
        described: Mapping[str, Any] = schema["discriminator"]
        self._schema, self._compiler = schema, compiler
        self._member = str(described.get("propertyName", ""))
        self._rest = {key: value for key, value in schema.items() if key not in {*_UNIONS, "discriminator"}}
        self._is_union = any(schema.get(union) for union in _UNIONS)
        self._branches: dict[str, Schema] = dict(_named(schema))
        mapping = described.get("mapping")
        for name, target in (mapping if isinstance(mapping, dict) else {}).items():
            self._branches[name] = self._branches.get(str(target)) or {"$ref": _reference(str(target))}
        self._default = described.get("defaultMapping")
        self._made: dict[str, Shape] = {}

    def shape(self, value: dict[str, Any]) -> "Shape | None":
        """The shape of the alternative that the object names; None when it names none: then any may be meant."""
        name = value.get(self._member, self._default)
        if type(name) is not str:
            return None
        made = self._made.get(name)
        if made is None:
            made = self._compiled(name)
            if made is not None:  # names that mean nothing are not kept: an upstream could invent any number
                self._made[name] = made
        return made

    def _compiled(self, name: str) -> "Shape | None":
        branch = self._branches.get(name)
        if branch is None and not self._is_union:
            branch = {"$ref": _reference(name)}
        if branch is None:
            return None
        try:
            target = self._compiler.resolve(branch)
        except PolicyError:
            return None
        if self._is_child(target, 0):  # the child holds the parent's members
            return self._compiler.shape((target,), is_chosen=True)
        if not self._is_union:
            return None  # some other schema of that name
        parts = [*self._rest.get("allOf", ()), branch]
        return self._compiler.shape(({**self._rest, "allOf": parts},), is_chosen=True)

    def _is_child(self, target: Schema, depth: int) -> bool:
        parts = [self._compiler.resolve(part) for part in target.get("allOf", ()) if isinstance(part, dict)]
        return depth < _DEPTH and any(part is self._schema or self._is_child(part, depth + 1) for part in parts)


def discriminator_of(schemas: tuple[Schema, ...], compiler: "ShapeCompiler") -> Discriminator | None:
    """What tells the alternatives of a place apart; None where nothing does, or where several schemas describe it.

    Looks through what only wraps another schema: an `allOf` of one, a choice between it and null.
    """
    if len(schemas) != 1:
        return None
    schema = schemas[0]
    for _ in range(_DEPTH):
        if isinstance(schema.get("discriminator"), dict):
            return Discriminator(schema, compiler)
        inner = _wrapped(schema, compiler)
        if inner is None:
            return None
        schema = inner
    return None


def _wrapped(schema: Schema, compiler: "ShapeCompiler") -> Schema | None:
    applicators = [key for key in ("allOf", *_UNIONS) if schema.get(key)]
    if len(applicators) != 1 or schema.keys() & _OWN:
        return None
    parts = [compiler.resolve(part) for part in schema[applicators[0]] if isinstance(part, dict)]
    if applicators[0] in _UNIONS:
        parts = [part for part in parts if part.get("type") != "null"]
    return parts[0] if len(parts) == 1 else None


def _named(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """The alternatives that are references, by the whole reference and by its last part."""
    for union in _UNIONS:
        for branch in schema.get(union, ()):
            reference = branch.get("$ref") if isinstance(branch, dict) else None
            if isinstance(reference, str):
                yield reference, branch
                yield reference.rpartition("/")[2], branch


def _reference(target: str) -> str:
    return target if target.startswith("#") else f"{_COMPONENTS}{target}"
