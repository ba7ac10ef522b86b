"""A schema of the description as the one a value is judged by: closed against what it does not declare.

JSON Schema lets everything pass that it does not mention; a gateway must not. An object that declares properties and
says nothing of others refuses them. Composition needs care: the branches of `allOf` each see the whole object, so they
stay open and the composition is closed as a whole, by `unevaluatedProperties`.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal
from urllib.parse import unquote

from doorward.errors import PolicyError
from doorward.schemas.pattern import linear_pattern

OneWay = Literal["readOnly", "writeOnly"]
"""How a description marks a member that travels in one direction only."""
_Mode = Literal["closed", "open", "raw"]
"""`closed`: a value of its own. `open`: part of a composition that is closed around it. `raw`: inside a condition
(`not`, `if`), where making a schema stricter would make the whole laxer."""

_KEPT: Final = frozenset(
    {
        *("type", "enum", "const", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"),
        *("maxLength", "minLength", "maxItems", "minItems", "uniqueItems", "maxContains", "minContains"),
        *("maxProperties", "minProperties", "dependentRequired", "format"),
    }
)
_UNIONS: Final = ("oneOf", "anyOf")
_IN_PLACE: Final = frozenset(
    {"$ref", "allOf", "anyOf", "oneOf", "if", "then", "else", "dependentSchemas", "not", "$dynamicRef"}
)
_WHOLE_NUMBERS: Final = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}
_HOPS: Final = 64


class Closer:
    """Builds one self-contained schema out of a description's document."""

    def __init__(
        self,
        document: Mapping[str, Any],
        *,
        closes: bool,
        excused: OneWay | None = None,
        refuses_excused: bool = False,
        loosens: bool = False,
    ) -> None:
        """`closes`: members that nothing declares are refused.

        `loosens`: one of a `oneOf` must fit, and others may: where members are not refused that nothing declares, what
        tells the alternatives apart is often just that.
        `excused`: members so marked need not be there, although required; `refuses_excused`: they may not be there.
        """
        self._document, self._closes = document, closes
        self._excused, self._refuses, self._loosens = excused, refuses_excused, loosens
        self._names: dict[tuple[str, _Mode, frozenset[str]], str] = {}
        self._waiting: list[tuple[str, _Mode, frozenset[str], str]] = []
        self.pointers: dict[str, str] = {}
        """Where in the document each of the built definitions comes from."""

    def build(self, schema: Any, pointer: str) -> dict[str, Any] | bool:
        """The schema and all it refers to. Errors: PolicyError, its key the JSON pointer of the place."""
        built = self._schema(schema, "closed", frozenset(), pointer)
        definitions: dict[str, Any] = {}
        while self._waiting:
            reference, mode, excused, name = self._waiting.pop()
            definitions[name] = self._schema(found(self._document, reference), mode, excused, reference)
        if isinstance(built, dict) and definitions:
            built["$defs"] = definitions
        return built

    def _schema(self, schema: Any, mode: _Mode, excused: frozenset[str], pointer: str) -> dict[str, Any] | bool:
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, Mapping):
            raise PolicyError("is not a schema", key=pointer, hint="expected an object")
        if "$dynamicRef" in schema or "$recursiveRef" in schema:
            raise PolicyError("a dynamic reference cannot be closed", key=pointer, hint="use $ref")
        built: dict[str, Any] = {key: schema[key] for key in schema.keys() & _KEPT}
        _bound_whole_numbers(built)
        if mode == "closed":
            excused = self._excused_names(schema)
        if _is_only_a_wrapper(schema):
            # Nothing beside the branches sees the object, so each branch can be closed by itself: the refusal is
            # then precise, and branches that differ by their properties alone can be told apart.
            branch_mode: _Mode = mode
            closes_here = False
        else:
            branch_mode = "raw" if mode == "raw" else "open"
            closes_here = mode == "closed" and self._closes
        self._in_place(schema, built, branch_mode, excused, pointer)
        self._below(schema, built, mode, pointer)
        required = schema.get("required")
        if required is not None:
            built["required"] = (
                [name for name in required if name not in excused] if isinstance(required, list) else required
            )
        if closes_here:
            self._close(schema, built)
        return built

    def _in_place(
        self, schema: Mapping[str, Any], built: dict[str, Any], mode: _Mode, excused: frozenset[str], pointer: str
    ) -> None:
        reference = schema.get("$ref")
        if isinstance(reference, str):
            built["$ref"] = self._reference(reference, mode, excused, pointer)
        for key in ("allOf", "anyOf", "oneOf"):
            if key in schema:
                built[key] = self._list(schema[key], mode, excused, f"{pointer}/{key}")
        if self._loosens and mode != "raw" and "oneOf" in built:
            built.setdefault("allOf", []).append({"anyOf": built.pop("oneOf")})
        for key in ("then", "else"):
            if key in schema:
                built[key] = self._schema(schema[key], mode, excused, f"{pointer}/{key}")
        for key in ("not", "if", "contains", "propertyNames"):
            if key in schema:
                built[key] = self._schema(schema[key], "raw", frozenset(), f"{pointer}/{key}")
        if "dependentSchemas" in schema:
            at = f"{pointer}/dependentSchemas"
            built["dependentSchemas"] = {
                name: self._schema(value, mode, excused, f"{at}/{_escaped(name)}")
                for name, value in _mapping(schema["dependentSchemas"], at).items()
            }

    def _below(self, schema: Mapping[str, Any], built: dict[str, Any], mode: _Mode, pointer: str) -> None:
        """What describes values inside this one: each is judged by itself."""
        inner: _Mode = "raw" if mode == "raw" else "closed"
        if "properties" in schema:
            at = f"{pointer}/properties"
            built["properties"] = {
                name: False
                if mode != "raw" and self._refuses and self._is_excused(value)
                else self._schema(value, inner, frozenset(), f"{at}/{_escaped(name)}")
                for name, value in _mapping(schema["properties"], at).items()
            }
        if "patternProperties" in schema:
            at = f"{pointer}/patternProperties"
            built["patternProperties"] = {
                linear_pattern(name, f"{at}/{_escaped(name)}"): self._schema(
                    value, inner, frozenset(), f"{at}/{_escaped(name)}"
                )
                for name, value in _mapping(schema["patternProperties"], at).items()
            }
        for key in ("additionalProperties", "unevaluatedProperties", "items", "unevaluatedItems"):
            if key in schema:
                built[key] = self._schema(schema[key], inner, frozenset(), f"{pointer}/{key}")
        if "prefixItems" in schema:
            built["prefixItems"] = self._list(schema["prefixItems"], inner, frozenset(), f"{pointer}/prefixItems")
        if "pattern" in schema:
            built["pattern"] = linear_pattern(schema["pattern"], f"{pointer}/pattern")

    def _list(self, values: Any, mode: _Mode, excused: frozenset[str], pointer: str) -> list[Any]:
        if not isinstance(values, list):
            raise PolicyError("is not a list", key=pointer, hint="expected a list of schemas")
        return [self._schema(value, mode, excused, f"{pointer}/{index}") for index, value in enumerate(values)]

    def _reference(self, reference: str, mode: _Mode, excused: frozenset[str], pointer: str) -> str:
        key = (reference, mode, frozenset() if mode == "closed" else excused)
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = str(len(self._names))
            self.pointers[name] = reference
            self._waiting.append((*key, name))
            try:
                found(self._document, reference)
            except PolicyError as error:
                raise PolicyError(error.problem, key=pointer) from None
        return f"#/$defs/{name}"

    def _close(self, schema: Mapping[str, Any], built: dict[str, Any]) -> None:
        if "additionalProperties" in schema or "unevaluatedProperties" in schema:
            return  # the author said what becomes of others
        if not any("properties" in part or "patternProperties" in part for part in self._composition(schema)):
            return  # a free-form object; `doorward check` points it out
        # `additionalProperties` is half as dear, and enough where nothing is composed.
        simple = not (schema.keys() & _IN_PLACE)
        built["additionalProperties" if simple else "unevaluatedProperties"] = False

    def _is_excused(self, schema: Any) -> bool:
        mark = self._excused
        if mark is None:
            return False
        for _ in range(_HOPS):
            if not isinstance(schema, Mapping):
                return False
            if schema.get(mark) is True:
                return True
            if not isinstance(schema.get("$ref"), str):
                return False
            schema = self._target(schema["$ref"])
        return False

    def _excused_names(self, schema: Mapping[str, Any]) -> frozenset[str]:
        """Properties of the other direction, which cannot be required in this one (OpenAPI 3.0 section 4.7.24.2)."""
        return frozenset(
            name
            for part in self._composition(schema)
            if isinstance(part.get("properties"), Mapping)
            for name, value in part["properties"].items()
            if self._is_excused(value)
        )

    def _target(self, reference: str) -> Any:
        """What a reference names; None for a dead one, which is reported where it is built."""
        try:
            return found(self._document, reference)
        except PolicyError:
            return None

    def _composition(self, schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """The schema and all others that judge the same object."""
        seen: set[int] = set()
        waiting: list[Any] = [schema]
        while waiting:
            part = waiting.pop()
            if not isinstance(part, Mapping) or id(part) in seen:
                continue
            seen.add(id(part))
            yield part
            if isinstance(part.get("$ref"), str):
                waiting.append(self._target(part["$ref"]))
            for key in ("allOf", "anyOf", "oneOf"):
                if isinstance(part.get(key), list):
                    waiting.extend(part[key])
            waiting.extend(part[key] for key in ("then", "else") if key in part)
            if isinstance(part.get("dependentSchemas"), Mapping):
                waiting.extend(part["dependentSchemas"].values())


def _is_only_a_wrapper(schema: Mapping[str, Any]) -> bool:
    """One reference, one union, or an `allOf` of one, and nothing beside it that declares properties."""
    if schema.keys() & {"properties", "patternProperties", "additionalProperties", "unevaluatedProperties"}:
        return False
    applicators = schema.keys() & _IN_PLACE
    if applicators == {"allOf"}:
        return isinstance(schema["allOf"], list) and len(schema["allOf"]) == 1
    return applicators in ({"$ref"}, *({union} for union in _UNIONS))


def _bound_whole_numbers(built: dict[str, Any]) -> None:
    bounds = _WHOLE_NUMBERS.get(built.get("format", "")) if isinstance(built.get("format"), str) else None
    if bounds and built.get("type") in ("integer", ["integer", "null"]):
        low, high = bounds
        if not isinstance(built.get("minimum"), int) or built["minimum"] < low:
            built["minimum"] = low
        if not isinstance(built.get("maximum"), int) or built["maximum"] > high:
            built["maximum"] = high


def found(document: Mapping[str, Any], reference: str) -> Any:
    """What a `$ref` into the document names. Errors: PolicyError when there is nothing."""
    value: Any = document
    if reference != "#":
        if not reference.startswith("#/"):
            raise PolicyError(f"$ref {reference!r} is not a JSON pointer into the document", key=reference)
        for part in reference[2:].split("/"):
            key = _unquoted(part).replace("~1", "/").replace("~0", "~")
            if isinstance(value, Mapping) and key in value:
                value = value[key]
            elif isinstance(value, list) and key.isascii() and key.isdigit() and int(key) < len(value):
                value = value[int(key)]
            else:
                raise PolicyError(f"$ref {reference!r} points at nothing", key=reference)
    return value


def _unquoted(text: str) -> str:
    return unquote(text) if "%" in text else text


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _mapping(value: Any, pointer: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise PolicyError("is not an object", key=pointer, hint="expected an object")
    return value
