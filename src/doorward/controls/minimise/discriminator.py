"""Which of the declared alternatives an object says it is."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from doorward.errors import PolicyError
from doorward.operation import Schema

if TYPE_CHECKING:
    from doorward.controls.minimise.shape import Shape, ShapeCompiler

_UNIONS: Final = ("oneOf", "anyOf")
_COMPONENTS: Final = "#/components/schemas/"
_KEPT: Final = 256
"""Most names remembered: an upstream that invents them must not fill the memory."""


class Discriminator:
    """The shapes of the alternatives, by the value that tells them apart.

    Source: OpenAPI 3.1 section 4.8.25; `defaultMapping` OpenAPI 3.2 section 4.25.
    """

    __slots__ = ("_branches", "_compiler", "_default", "_made", "_member", "_rest", "_schema")

    def __init__(self, schema: Schema, compiler: "ShapeCompiler") -> None:
        described: Mapping[str, Any] = schema["discriminator"]
        self._schema, self._compiler = schema, compiler
        self._member = str(described.get("propertyName", ""))
        self._rest = {key: value for key, value in schema.items() if key not in {*_UNIONS, "discriminator"}}
        self._branches: dict[str, Schema] = dict(_named(schema))
        mapping = described.get("mapping")
        for name, target in (mapping if isinstance(mapping, dict) else {}).items():
            self._branches[name] = self._branches.get(str(target)) or {"$ref": _reference(str(target))}
        self._default = described.get("defaultMapping")
        self._made: dict[str, Shape | None] = {}

    def shape(self, value: dict[str, Any]) -> "Shape | None":
        """The shape of the alternative that the object names; None when it names none: then any may be meant."""
        name = value.get(self._member, self._default)
        if type(name) is not str:
            return None
        if name not in self._made:
            if len(self._made) >= _KEPT:
                return None
            self._made[name] = self._compiled(name)
        return self._made[name]

    def _compiled(self, name: str) -> "Shape | None":
        branch = self._branches.get(name)
        if branch is None and not any(self._schema.get(union) for union in _UNIONS):
            branch = {"$ref": _reference(name)}
        if branch is None:
            return None
        try:
            target = self._compiler.resolve(branch)
        except PolicyError:
            return None
        if self._is_child(target):  # the child holds the parent's members, and its discriminator with them
            return self._compiler.shape(({**target, "allOf": [*self._parts_but_parent(target), self._rest]},))
        if not any(self._schema.get(union) for union in _UNIONS):
            return None  # some other schema of that name
        return self._compiler.shape(({**self._rest, "allOf": [*self._rest.get("allOf", ()), branch]},))

    def _is_child(self, target: Schema) -> bool:
        return any(self._compiler.resolve(part) is self._schema for part in target.get("allOf", ()))

    def _parts_but_parent(self, target: Schema) -> Iterator[Schema]:
        return (part for part in target["allOf"] if self._compiler.resolve(part) is not self._schema)


def discriminator_of(schemas: tuple[Schema, ...], compiler: "ShapeCompiler") -> Discriminator | None:
    """What tells the alternatives of a place apart; None where nothing does, or where several schemas describe it."""
    if len(schemas) != 1 or not isinstance(schemas[0].get("discriminator"), dict):
        return None
    return Discriminator(schemas[0], compiler)


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
