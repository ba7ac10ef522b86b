"""The document as a whole: read from files, checked for its version, turned into operations."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from doorward.errors import PolicyError
from doorward.operation import ApiDescription, MediaType, Operation, RequestBody, ResponseDescription, Schema
from doorward.policy import pointer as json_pointer
from doorward.policy.bundle import Bundle
from doorward.policy.dialect import SchemaWalk, modernise
from doorward.policy.openapi.operations import operations_at
from doorward.policy.openapi.part import Part, boolean_schema
from doorward.policy.openapi.security import requirements, schemes

UNDESCRIBED: Final = "undescribed"
"""The id of the operation that stands for all that are not described."""


def load_description(path: Path) -> ApiDescription:
    """The API description of a JSON or YAML file and the local files it refers to.

    Errors: PolicyError with file, line and, as key, the JSON pointer of the place.
    """
    bundle = Bundle(path)
    try:
        return description_from_document(bundle.document)
    except PolicyError as error:
        raise bundle.located(error) from None


def undescribed(description: ApiDescription, method: str) -> Operation:
    """An operation for what the description lacks, of that method: any body, any answer, the document's security."""
    anything = {"*/*": MediaType(name="*/*", schema=None)}
    whole = Part.whole(description.document)
    return Operation(
        id=UNDESCRIBED,
        method=method,
        path="/{undescribed}",
        template="/{undescribed}",
        request_body=None if method in {"GET", "HEAD", "OPTIONS"} else RequestBody(required=False, content=anything),
        responses={"default": ResponseDescription(status="default", content=anything)},
        security=requirements(whole.member("security", []), schemes(whole)),
        pointer="#/paths",
    )


def in_description(error: PolicyError, path: Path) -> PolicyError:
    """A mistake whose key is a JSON pointer, with file and line of the description; any other one as it is."""
    if error.file or not error.key.startswith("#"):
        return error
    try:
        return Bundle(path).located(error)
    except PolicyError:
        return error.at(file=str(path))


def description_from_document(document: Mapping[str, Any]) -> ApiDescription:
    """The API description of a document in one piece; the one given is not changed.

    `ApiDescription.document` may be stored and given here again. Errors: PolicyError, its key a JSON pointer.
    """
    version = _version(document)
    try:
        own = _copied(document)
        SchemaWalk(own, modernise if version.startswith("3.0") else _as_it_is).run()
    except RecursionError:
        raise PolicyError("is nested too deep", key="#") from None
    return _description(own, version)


def _description(document: Mapping[str, Any], version: str) -> ApiDescription:
    whole = Part.whole(document)
    known = schemes(whole)
    title = str(whole.member("info", {}).mapping.get("title", ""))
    operations = [
        operation
        for template, item in whole.member("paths", {}).members()
        if not template.startswith("x-")
        for operation in operations_at(template, item, known)
    ]
    return ApiDescription(
        title=title, version=version, operations=tuple(operations), document=document, resolve=_resolver(document)
    )


def _version(document: Mapping[str, Any]) -> str:
    if "swagger" in document:
        hint = "convert it, for example with `npx swagger2openapi`"
        raise PolicyError("Swagger 2.0 is not supported: OpenAPI 3.0, 3.1 or 3.2 is needed", key="#/swagger", hint=hint)
    version = document.get("openapi")
    if not isinstance(version, str):
        hint = 'start with `openapi: "3.1.0"` (in quotes)'
        raise PolicyError("is not an OpenAPI document: the member `openapi` is missing", key="#", hint=hint)
    if not re.fullmatch(r"3\.[0-2]\.[0-9]{1,3}(?:-[0-9A-Za-z.-]+)?", version):
        hint = "OpenAPI 3.0, 3.1 and 3.2 are understood"
        raise PolicyError(f"OpenAPI version {version!r} is not supported", key="#/openapi", hint=hint)
    return version


def _as_it_is(schema: dict[str, Any]) -> None:
    """Schemas of 3.1 and 3.2 are JSON Schema 2020-12 already."""


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_copied(item) for item in value]
    return value


def _resolver(document: Mapping[str, Any]) -> Callable[[Schema], Schema]:
    def resolve(schema: Schema) -> Schema:
        target, pointer = json_pointer.followed(document, schema, "#")
        if isinstance(target, bool):
            return boolean_schema(target)
        if not isinstance(target, Mapping):
            raise PolicyError("is not a schema", key=pointer, hint="expected a schema")
        return target

    return resolve
