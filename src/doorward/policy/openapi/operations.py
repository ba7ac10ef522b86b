"""One path of the document as operations."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from doorward.operation import Operation, SecurityScheme
from doorward.policy.dialect import operations_of
from doorward.policy.openapi.content import request_body, responses
from doorward.policy.openapi.parameters import Parameters, for_path, parameters
from doorward.policy.openapi.part import Part
from doorward.policy.openapi.security import requirements


def operations_at(template: str, path: Part, schemes: Mapping[str, SecurityScheme]) -> Iterator[Operation]:
    """The operations of a path. Errors: PolicyError."""
    if not template.startswith("/"):
        raise path.mistake(f"the path {template!r} does not start with a slash")
    item = path.followed()
    shared = parameters(item.member("parameters", []))
    for place, _ in operations_of(item.mapping):
        operation = item
        for name in place:
            operation = operation.member(name)
        yield _operation(template, place[-1], operation, item, shared, schemes)


def _operation(
    template: str,
    method: str,
    operation: Part,
    item: Part,
    shared: Parameters,
    schemes: Mapping[str, SecurityScheme],
) -> Operation:
    value, document = operation.mapping, operation.document
    servers = value.get("servers") or item.mapping.get("servers") or document.get("servers")
    security = operation if "security" in value else Part.whole(document)
    body = operation.member("requestBody")
    return Operation(
        id=str(value.get("operationId") or f"{method} {template}"),
        method=method.upper(),
        path=_base_path(servers, operation) + template,
        template=template,
        parameters=for_path(template, {**shared, **parameters(operation.member("parameters", []))}, operation),
        request_body=None if body.value is None else request_body(body),
        responses=responses(operation.member("responses", {})),
        security=requirements(security.member("security", []), schemes),
        extension=operation.member("x-doorward", {}).mapping,
        pointer=operation.pointer,
    )


def _base_path(servers: Any, operation: Part) -> str:
    """Path of the first server's URL, without a slash at its end: what stands before every path template."""
    if not isinstance(servers, list) or not servers:
        return ""
    url = _server_url(servers[0] if isinstance(servers[0], dict) else {})
    # What is left in braces stands for a host or a scheme nearly always; in a path it would match nothing.
    try:
        path = urlsplit(re.sub(r"^[^/]*//[^/]*", "", url)).path.rstrip("/")
    except ValueError:
        raise operation.mistake(f"the server URL {url!r} is not a URL") from None
    if "{" in path:
        hint = "give the variable a default, or write the server URL out"
        raise operation.mistake(f"the server URL {url!r} has a variable without a default in its path", hint)
    return path if path.startswith("/") or not path else f"/{path.removeprefix('./').lstrip('.')}".rstrip("/")


def _server_url(server: Mapping[str, Any]) -> str:
    """The URL, with the defaults of its variables in it."""
    url = str(server.get("url", ""))
    variables = server.get("variables")
    for name, variable in (variables if isinstance(variables, dict) else {}).items():
        default = variable.get("default", "") if isinstance(variable, dict) else ""
        url = url.replace(f"{{{name}}}", str(default))
    return url
