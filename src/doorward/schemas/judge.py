"""A compiled schema, and what it finds wrong: pointers and keywords, never the values a client sent."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import jsonschema_rs

from doorward.errors import PolicyError
from doorward.operation import Schema
from doorward.schemas.closing import Closer, OneWay
from doorward.schemas.pattern import LINEAR
from doorward.schemas.recursion import explains_exponentially

FAILURES: Final = 8
"""Most failures told at once."""
_POINTER_CHARS: Final = 200
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]*={0,2}")


class Failure(NamedTuple):
    """One place of a value that does not fit."""

    pointer: str
    """JSON pointer in fragment form; holds member names the client sent, never a value."""
    detail: str
    is_undeclared: bool
    """A member that the description does not declare, or does not let clients set."""


class Judge:
    """Says whether a value fits a schema of the description."""

    __slots__ = ("_explains", "_validator", "fits")

    def __init__(
        self,
        schema: Schema,
        document: Mapping[str, Any],
        pointer: str,
        *,
        closes: bool,
        excused: OneWay | None = None,
        refuses_excused: bool = False,
        loosens: bool = False,
    ) -> None:
        """A judge of values; see `Closer` for what the named ones say.

        Errors: PolicyError, its key the JSON pointer of what does not compile.
        """
        closer = Closer(document, closes=closes, excused=excused, refuses_excused=refuses_excused, loosens=loosens)
        built = closer.build(schema, pointer)
        try:
            self._validator = jsonschema_rs.Draft202012Validator(
                built, validate_formats=True, formats=_FORMATS, pattern_options=LINEAR, offline=True
            )
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
            raise _not_a_schema(error, closer, pointer) from None
        self._explains = not explains_exponentially(built)
        self.fits = self._validator.is_valid
        """Whether the value fits."""

    def failures(self, value: object, *, is_small: bool) -> list[Failure]:
        """What does not fit: up to `FAILURES` places of a small value, of a large one the first.

        Collecting every error of a large value would cost far more than reading it. Of a schema whose unions lead back
        to themselves only the value as a whole is told.
        """
        if not self._explains:
            return [Failure("#", "does not fit the declared schema", False)]
        if is_small:
            found = [_failure(error) for error in self._validator.iter_errors(value)]
            return sorted(set(found))[:FAILURES]
        try:
            self._validator.validate(value)
        except jsonschema_rs.ValidationError as error:
            return [_failure(error)]
        return []


def _is_base64(text: str) -> bool:
    return len(text) % 4 == 0 and _BASE64.fullmatch(text) is not None


_FORMATS: Final = {"byte": _is_base64}


def _not_a_schema(error: Exception, closer: Closer, pointer: str) -> PolicyError:
    path = list(getattr(error, "instance_path", []))
    if len(path) > 1 and path[0] == "$defs":
        pointer, path = closer.pointers.get(str(path[1]), pointer), path[2:]
    key = _pointer(path, start=pointer)
    message = str(getattr(error, "message", error)).split("\n", maxsplit=1)[0][:200]
    return PolicyError(f"is not a valid schema: {message}", key=key, hint="see JSON Schema 2020-12")


def _failure(error: jsonschema_rs.ValidationError) -> Failure:
    kind, path = error.kind, list(error.instance_path)
    name = kind.name
    if name in {"additionalProperties", "unevaluatedProperties"}:
        return Failure(_pointer([*path, *kind.as_dict()["unexpected"][:1]]), "is not declared", True)
    if name in {"oneOf", "anyOf"}:
        return _union_failure(kind, path)
    described = _DETAILS.get(name)
    if described is not None:
        return Failure(_pointer(path), described, name == "falseSchema")
    return Failure(_pointer(path), _limit_detail(name, kind), False)


def _union_failure(kind: Any, path: list[str | int]) -> Failure:
    # When undeclared members alone keep every branch from fitting, the nearest branch tells what the client got wrong.
    branches = sorted(getattr(kind, "context", ()), key=len)
    if branches and all(0 < len(branch) <= FAILURES for branch in branches):
        failures = [_failure(error) for branch in branches for error in branch]
        if all(failure.is_undeclared for failure in failures):
            return failures[0]
    return Failure(_pointer(path), "must fit exactly one of the declared alternatives", False)


def _limit_detail(name: str, kind: Any) -> str:
    if name == "type":
        return f"must be of type {' or '.join(kind.types)}"
    if name == "required":
        return f"the member {kind.property!r} is required"
    if name == "format":
        return f"must be a valid {kind.format}"
    words = _LIMITS.get(name)
    limit = getattr(kind, "limit", None)
    return f"{words} {limit}" if words and limit is not None else f"does not satisfy {name}"


_DETAILS: Final = {
    "enum": "must be one of the declared values",
    "const": "must have the declared value",
    "pattern": "must match the declared pattern",
    "falseSchema": "may not be sent",
    "uniqueItems": "must not repeat an item",
    "contains": "lacks an item that must be there",
    "not": "has a form that is excluded",
}
_LIMITS: Final = {
    "minimum": "must be at least",
    "maximum": "must be at most",
    "exclusiveMinimum": "must be above",
    "exclusiveMaximum": "must be below",
    "minLength": "must have at least this many characters:",
    "maxLength": "must have at most this many characters:",
    "minItems": "must have at least this many items:",
    "maxItems": "must have at most this many items:",
    "minProperties": "must have at least this many members:",
    "maxProperties": "must have at most this many members:",
}


def _pointer(path: Iterable[str | int], start: str = "#") -> str:
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in path)
    return "/".join([start, *parts])[:_POINTER_CHARS]
