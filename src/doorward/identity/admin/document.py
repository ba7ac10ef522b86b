"""The OpenAPI document of the admin API, made of the table its answers are made of."""

import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from doorward.identity.admin.endpoint import PAGE_DEFAULT, Endpoint
from doorward.identity.admin.problems import PROBLEMS
from doorward.identity.paging import PAGE_MOST

BASE: Final = "/admin/v1"
_PARAMETER: Final = re.compile(r"\{([a-z]+)\}")


class Problem(msgspec.Struct, frozen=True):
    """Why not (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str = ""


def openapi(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """The document."""
    listed = list(endpoints)
    types = [Problem, *(given for one in listed for given in (one.takes, one.gives) if given is not None)]
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip(map(repr, types), schemas, strict=True))
    paths: dict[str, Any] = {}
    for endpoint in listed:
        paths.setdefault(BASE + endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Doorward admin API", "version": "1", "description": "See docs/admin-api.md."},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"session": {"type": "http", "scheme": "bearer"}},
            "responses": {
                "Problem": {
                    "description": _codes(),
                    "content": {"application/problem+json": {"schema": schema_of[repr(Problem)]}},
                }
            },
        },
        "security": [{"session": []}],
    }


def _operation(endpoint: Endpoint, schema_of: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": endpoint.summary}
    if endpoint.gives is not None:
        answer["content"] = {"application/json": {"schema": schema_of[repr(endpoint.gives)]}}
    if endpoint.has_version:
        answer["headers"] = {"ETag": {"required": True, "schema": {"type": "string"}}}
    operation: dict[str, Any] = {
        "operationId": endpoint.id,
        "summary": endpoint.summary,
        "responses": {str(endpoint.status): answer, "default": {"$ref": "#/components/responses/Problem"}},
    }
    if parameters := _parameters(endpoint):
        operation["parameters"] = parameters
    if endpoint.takes is not None:
        body = {"application/json": {"schema": schema_of[repr(endpoint.takes)]}}
        operation["requestBody"] = {"required": True, "content": body}
    if endpoint.is_open:
        operation["security"] = []
    return operation


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    text = {"type": "string", "maxLength": 1024}
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": text} for name in _PARAMETER.findall(endpoint.path)
    ]
    if endpoint.is_paged:
        number = {"type": "integer", "minimum": 1, "maximum": PAGE_MOST, "default": PAGE_DEFAULT}
        found += [
            {"name": "limit", "in": "query", "schema": number},
            {"name": "after", "in": "query", "schema": text},
        ]
    if endpoint.needs_version:
        found.append({"name": "If-Match", "in": "header", "required": True, "schema": text})
    return found


def _codes() -> str:
    return "; ".join(f"{status} urn:doorward:admin:{code}" for code, (status, _) in PROBLEMS.items())
