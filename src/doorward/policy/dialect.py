"""OpenAPI 3.0 schemas as JSON Schema 2020-12, in place, so that everything after it knows one dialect.

Converting twice changes nothing more: a converted document may be stored and loaded again.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from doorward.controls.inspect.contents import KEY, KINDS
from doorward.errors import PolicyError
from doorward.policy import pointer as json_pointer
from doorward.policy.messages import did_you_mean

METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")
_ONE: Final = frozenset(
    {
        *("additionalProperties", "additionalItems", "unevaluatedProperties", "unevaluatedItems", "items", "contains"),
        *("propertyNames", "not", "if", "then", "else", "contentSchema"),
    }
)
_LIST: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_MAP: Final = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})


def operations_of(item: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The operations of a path item, each with its place below it; the method is the place's last word.

    Source: OpenAPI 3.2 section 4.9 (`query`, `additionalOperations`).
    """
    for method in METHODS:
        if item.get(method) is not None:
            yield (method,), item[method]
    for method, operation in _members(item.get("additionalOperations")).items():
        yield ("additionalOperations", method), operation


class SchemaWalk:
    """Every schema that operations can reach, each once; dead references are found on the way."""

    def __init__(self, document: Mapping[str, Any], change: Callable[[dict[str, Any]], None]) -> None:
        self.document, self.change = document, change
        self.seen: set[int] = set()
        self.waiting: list[tuple[Any, str]] = []

    def run(self) -> None:
        """Visits all. Errors: PolicyError for a `$ref` that points at nothing."""
        components = self.document.get("components")
        for name, schema in _members(_members(components).get("schemas")).items():
            self.waiting.append((schema, json_pointer.joined("#/components/schemas", name)))
        for path, item in _members(self.document.get("paths")).items():
            self._path_item(item, json_pointer.joined("#/paths", path))
        while self.waiting:
            self._schema(*self.waiting.pop())

    def _new(self, value: Any, pointer: str) -> tuple[dict[str, Any], str]:
        """The object behind a reference; an empty one when it was visited already."""
        value, pointer = json_pointer.followed(self.document, value, pointer)
        if not isinstance(value, dict) or id(value) in self.seen:
            return {}, pointer
        self.seen.add(id(value))
        return value, pointer

    def _path_item(self, value: Any, pointer: str) -> None:
        item, pointer = self._new(value, pointer)
        self._parameters(item.get("parameters"), json_pointer.joined(pointer, "parameters"))
        for place, operation in operations_of(item):
            if isinstance(operation, dict):
                below = json_pointer.joined(pointer, *place)
                self._parameters(operation.get("parameters"), json_pointer.joined(below, "parameters"))
                body, at = self._new(operation.get("requestBody"), json_pointer.joined(below, "requestBody"))
                self._content(body.get("content"), json_pointer.joined(at, "content"))
                for status, described in _members(operation.get("responses")).items():
                    self._response(described, json_pointer.joined(below, "responses", status))

    def _response(self, value: Any, pointer: str) -> None:
        response, pointer = self._new(value, pointer)
        self._content(response.get("content"), json_pointer.joined(pointer, "content"))
        for name, header in _members(response.get("headers")).items():
            self._parameter(header, json_pointer.joined(pointer, "headers", name))

    def _parameters(self, values: Any, pointer: str) -> None:
        for index, value in enumerate(values if isinstance(values, list) else ()):
            self._parameter(value, json_pointer.joined(pointer, index))

    def _parameter(self, value: Any, pointer: str) -> None:
        parameter, pointer = self._new(value, pointer)
        if "schema" in parameter:
            self.waiting.append((parameter["schema"], json_pointer.joined(pointer, "schema")))
        self._content(parameter.get("content"), json_pointer.joined(pointer, "content"))

    def _content(self, content: Any, pointer: str) -> None:
        for name, described in _members(content).items():
            media, at = self._new(described, json_pointer.joined(pointer, name))
            self.waiting.extend((media[key], f"{at}/{key}") for key in ("schema", "itemSchema") if key in media)

    def _schema(self, schema: Any, pointer: str) -> None:
        if not isinstance(schema, dict) or id(schema) in self.seen:
            return
        self.seen.add(id(schema))
        check_contents(schema, pointer)
        self.change(schema)
        reference = schema.get("$ref")
        if isinstance(reference, str) and not reference.startswith("#/") and reference != "#":
            problem = f"$ref {reference!r} is not a JSON pointer into the document"
            raise PolicyError(problem, key=pointer, hint="write #/components/schemas/Name")
        if isinstance(reference, str):
            self.waiting.append(json_pointer.followed(self.document, schema, pointer))
        for key, value in schema.items():
            at = json_pointer.joined(pointer, key)
            if key in _ONE:
                self.waiting.append((value, at))
            elif key in _LIST and isinstance(value, list):
                self.waiting.extend((item, json_pointer.joined(at, index)) for index, item in enumerate(value))
            elif key in _MAP:
                self.waiting.extend((item, json_pointer.joined(at, name)) for name, item in _members(value).items())


def check_contents(schema: Mapping[str, Any], pointer: str) -> None:
    """Nothing, when what the schema says under `x-doorward` is understood. Errors: PolicyError."""
    extension = schema.get(KEY)
    if extension is None:
        return
    at = json_pointer.joined(pointer, KEY)
    if not isinstance(extension, dict) or extension.keys() - {"contains"}:
        raise PolicyError(
            "a schema says here what its text contains", key=at, hint="write x-doorward: {contains: code}"
        )
    word = extension.get("contains")
    if word not in KINDS:
        hint = did_you_mean(str(word), KINDS)
        raise PolicyError(f"{word!r} is no kind of text", key=json_pointer.joined(at, "contains"), hint=hint)


def modernise(schema: dict[str, Any]) -> None:
    """One OpenAPI 3.0 schema object as JSON Schema 2020-12, in place; the schemas below it are not touched.

    >>> schema = {"type": "integer", "nullable": True, "minimum": 1, "exclusiveMinimum": True}
    >>> modernise(schema)
    >>> schema
    {'type': ['integer', 'null'], 'exclusiveMinimum': 1}

    Source: OpenAPI 3.0.4 section 4.7.24 (nullable, exclusiveMinimum), JSON Schema 2020-12 release notes.
    """
    if isinstance(schema.get("$ref"), str):
        # 3.0 ignores what stands beside $ref. We keep readOnly and writeOnly: whoever wrote them there meant them.
        for key in schema.keys() - {"$ref", "readOnly", "writeOnly", "description", "definitions"}:
            del schema[key]
        return
    for exclusive, inclusive in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(schema.get(exclusive), bool):
            excludes = schema.pop(exclusive)
            if excludes and inclusive in schema:
                schema[exclusive] = schema.pop(inclusive)
    if isinstance(schema.get("items"), list):
        schema["prefixItems"] = schema.pop("items")
        if "additionalItems" in schema:
            schema["items"] = schema.pop("additionalItems")
    schema.pop("additionalItems", None)
    _split_dependencies(schema)
    if isinstance(schema.get("id"), str):
        del schema["id"]
    if schema.pop("nullable", False) is True:
        _allow_null(schema)


def _split_dependencies(schema: dict[str, Any]) -> None:
    dependencies = schema.get("dependencies")
    if not isinstance(dependencies, dict) or "type" in dependencies:
        return
    del schema["dependencies"]
    schema["dependentRequired"] = {name: value for name, value in dependencies.items() if isinstance(value, list)}
    schema["dependentSchemas"] = {name: value for name, value in dependencies.items() if not isinstance(value, list)}


def _allow_null(schema: dict[str, Any]) -> None:
    kind = schema.get("type")
    if isinstance(kind, str):
        schema["type"] = [kind, "null"]
        # The letter of 3.0.3 wants null in the enum too; nearly nobody writes it, and upstreams do send it.
        if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
            schema["enum"] = [*schema["enum"], None]
    elif kind is None and schema.keys() & {"allOf", "anyOf", "oneOf"}:
        # `nullable: true, allOf: [{$ref: ...}]` is how 3.0 authors make a reference nullable.
        inner = {key: schema.pop(key) for key in list(schema) if key not in {"readOnly", "writeOnly", "description"}}
        schema["anyOf"] = [inner, {"type": "null"}]


def _members(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
