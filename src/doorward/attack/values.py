"""Valid values for a JSON Schema: what the description offers itself first, what its type needs otherwise."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from doorward.attack.pattern import matching
from doorward.operation import Schema

_FORMATS: Final[Mapping[str, str]] = {
    "date": "2025-06-01",
    "date-time": "2025-06-01T12:00:00Z",
    "time": "12:00:00Z",
    "uuid": "6f1c1f6e-3a57-4d6b-9d2e-2a4a1f0c9b11",
    "email": "ann@example.org",
    "uri": "https://example.org/",
    "url": "https://example.org/",
    "hostname": "example.org",
    "ipv4": "192.0.2.7",
    "ipv6": "2001:db8::7",
    "byte": "YWJj",
    "duration": "P1D",
}
_DEEPEST: Final = 12
_TYPES: Final[Mapping[str, type | tuple[type, ...]]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
}


class NoSampleError(Exception):
    """No valid value could be made of this schema."""


def sample(schema: Schema | bool, resolve: Callable[[Schema], Schema], depth: int = 0) -> Any:
    """A valid value, as small as possible: required members only, the fewest items.

    Errors: NoSampleError when the schema is recursive without an end, or of a kind nobody can guess.
    """
    if isinstance(schema, bool):
        # JSON Schema allows `true` (anything) and `false` (nothing) wherever a schema may stand.
        if schema:
            return "a"
        raise NoSampleError("no value is allowed here")
    schema = resolve(schema)
    if depth > _DEEPEST:
        raise NoSampleError("the schema has no end")
    examples = schema.get("examples", ())
    listed = examples if isinstance(examples, list) else ()
    if schema.get("const") is not None:
        return schema["const"]
    for offered in (schema.get("example"), *listed, schema.get("default")):
        # Some descriptions show an object as the text of its JSON, which is no valid value.
        if offered is not None and _has_type(offered, schema):
            return offered
    if schema.get("enum"):
        return schema["enum"][0]
    for combination in ("oneOf", "anyOf"):
        if schema.get(combination):
            return _first_that_works(schema, schema[combination], resolve, depth)
    if schema.get("allOf"):
        return _all_of(schema, resolve, depth)
    match kind_of(schema):
        case "object":
            return _object(schema, resolve, depth)
        case "array":
            item = schema.get("items", {})
            return [sample(item, resolve, depth + 1) for _ in range(schema.get("minItems", 0))]
        case "integer" | "number":
            return _number(schema)
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return _string(schema)


def kind_of(schema: Schema) -> str:
    """The type a value of the schema has: the first that is not null; guessed from its keywords when none is named."""
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((each for each in kind if each != "null"), "null")
    if isinstance(kind, str):
        return kind
    if "properties" in schema or "required" in schema:
        return "object"
    return "array" if "items" in schema else "string"


def is_free_text(schema: Schema, value: str) -> bool:
    """Whether a string field may hold any text, `value` among them: no closed list, form or pattern."""
    is_open = kind_of(schema) == "string" and not {"enum", "const", "format", "pattern"} & set(schema)
    return is_open and schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))


def another(value: Any) -> Any:
    """A value of the same shape that names another object: the last digit or letter differs.

    >>> another("acc-1001"), another(7), another("aZ")
    ('acc-1002', 8, 'aA')
    """
    if isinstance(value, int):
        return value + 1
    text = str(value)
    for place in range(len(text) - 1, -1, -1):
        follower = {"9": "0", "z": "a", "Z": "A", "f": "e", "F": "E"}.get(text[place], chr(ord(text[place]) + 1))
        if text[place].isascii() and text[place].isalnum():
            return text[:place] + follower + text[place + 1 :]
    return text + "x"


def _has_type(value: Any, schema: Schema) -> bool:
    """Whether a value has a type that the schema names; true when it names none."""
    named = schema.get("type", [])
    kinds = [named] if isinstance(named, str) else named
    return not kinds or any(isinstance(value, _TYPES.get(kind, type(None))) for kind in kinds)


def _first_that_works(schema: Schema, choices: Any, resolve: Callable[[Schema], Schema], depth: int) -> Any:
    outside = {key: value for key, value in schema.items() if key not in {"oneOf", "anyOf"}}
    for choice in choices:
        try:
            return sample(_joined([outside, resolve(choice)]), resolve, depth + 1)
        except NoSampleError:
            continue
    raise NoSampleError("no branch has a sample")


def _all_of(schema: Schema, resolve: Callable[[Schema], Schema], depth: int) -> Any:
    outside = {key: value for key, value in schema.items() if key != "allOf"}
    return sample(_joined([outside, *(resolve(part) for part in schema["allOf"])]), resolve, depth + 1)


def _joined(schemas: list[Schema]) -> dict[str, Any]:
    joined: dict[str, Any] = {}
    for schema in schemas:
        for key, value in schema.items():
            if key == "properties":
                joined[key] = {**joined.get(key, {}), **value}
            elif key == "required":
                joined[key] = [*joined.get(key, []), *value]
            else:
                joined[key] = value
    return joined


def _object(schema: Schema, resolve: Callable[[Schema], Schema], depth: int) -> dict[str, Any]:
    properties = schema.get("properties", {})
    # Members that may stay away are left away, unless the schema wants more of them than it names.
    names = list(schema.get("required", ()))
    names += [name for name in properties if name not in names][: max(0, schema.get("minProperties", 0) - len(names))]
    return {name: sample(properties.get(name, {}), resolve, depth + 1) for name in names}


def _number(schema: Schema) -> int | float:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    # OpenAPI 3.0 writes the exclusive bounds as booleans beside minimum and maximum.
    if above is True:
        above = low
    if below is True:
        below = high
    step = schema.get("multipleOf", 1)
    if above is not None and above is not False:
        start = above + step
    elif low is not None:
        start = low
    else:
        start = min(step, *(bound for bound in (high,) if bound is not None), step)
    value = -(-start // step) * step
    if (high is not None and value > high) or (below not in {None, False} and value >= below):
        raise NoSampleError("no number fits the bounds")
    return int(value) if kind_of(schema) == "integer" else value


def _string(schema: Schema) -> str:
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    if "pattern" in schema:
        text = matching(str(schema["pattern"]), min_length=least)
        if text is None or (most is not None and len(text) > most):
            raise NoSampleError("no text could be made for the pattern")
        return text
    plain: str = _FORMATS.get(schema.get("format", ""), "a" * max(least, 1))
    return plain if most is None else plain[:most]
