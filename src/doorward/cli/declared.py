"""Where the API description declares the field that a refusal is about."""

import re
from pathlib import Path
from typing import Any, Final

from doorward.errors import PolicyError
from doorward.operation import ApiDescription, Operation, Schema
from doorward.policy import pointer as json_pointer
from doorward.policy.bundle import Bundle
from doorward.policy.openapi import load_description

_BODY: Final = re.compile(r"(?:#|(?=/))((?:/[^:;]{0,200})?)(?:: |$)")
_INSPECTED: Final = re.compile(r"(query|path|header|cookie|form):(.{1,200}?)(?:: |$)")
_PARAMETER: Final = re.compile(r"(query|path|header|cookie) parameter '(.{1,64})' ")
_UNIONS: Final = ("allOf", "oneOf", "anyOf")


def declared_at(api: Path, operation_id: str, detail: str) -> str:
    """`openapi.yaml:42`, the line that declares the field named first in a record's detail; empty when none does.

    Errors: PolicyError for a description that does not load.
    """
    description = load_description(api)
    operation = next((each for each in description.operations if each.id == operation_id), None)
    pointer = "" if operation is None else _pointer(description, operation, detail)
    if not pointer:
        return ""
    place = Bundle(api).located(PolicyError("", key=pointer))
    return f"{place.file}:{place.line}" if place.line else str(place.file)


def _pointer(description: ApiDescription, operation: Operation, detail: str) -> str:
    named = _PARAMETER.match(detail) or _INSPECTED.match(detail)
    if named is not None and named[1] != "form":
        found = (each for each in operation.parameters if (each.location, each.name) == (named[1], named[2]))
        return next((each.pointer for each in found), operation.pointer)
    body = _BODY.match(detail)
    path = f"/{named[2]}" if named is not None else body[1] if body is not None else ""
    if not path:
        return operation.pointer
    for media in (operation.request_body.content if operation.request_body else {}).values():
        if media.schema is not None:
            names = [name.replace("~1", "/").replace("~0", "~") for name in path[1:].split("/")]
            return _member(description.document, media.schema, f"{media.pointer}/schema", names)
    return operation.pointer


def _member(document: Any, schema: Schema, pointer: str, names: list[str]) -> str:
    """The pointer of the deepest member on the way that the schema declares."""
    schema, pointer = json_pointer.followed(document, schema, pointer)
    if not isinstance(schema, dict) or not names:
        return pointer
    name = names[0]
    if name in schema.get("properties", {}):
        inner = json_pointer.joined(pointer, "properties", name)
        return _member(document, schema["properties"][name], inner, names[1:])
    if (name == "*" or name.isdigit()) and "items" in schema:
        return _member(document, schema["items"], f"{pointer}/items", names[1:])
    for union in _UNIONS:
        for index, part in enumerate(schema.get(union, ())):
            at = json_pointer.joined(pointer, union, index)
            found = _member(document, part, at, names)
            if found not in {at, json_pointer.followed(document, part, at)[1]}:
                return found
    return pointer
