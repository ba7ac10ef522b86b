"""The API description: an OpenAPI 3.0, 3.1 or 3.2 document as operations. It judges the document, never a request."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, cast, get_args
from urllib.parse import urlsplit

from doorward.errors import PolicyError
from doorward.operation import (
    ApiDescription,
    Location,
    MediaType,
    Operation,
    Parameter,
    RequestBody,
    ResponseDescription,
    Schema,
    SecurityRequirement,
    SecurityScheme,
)
from doorward.policy import pointer as json_pointer
from doorward.policy.bundle import Bundle
from doorward.policy.dialect import SchemaWalk, modernise, operations_of
from doorward.policy.messages import did_you_mean

_KINDS: Final = ("apiKey", "http", "oauth2", "openIdConnect", "mutualTLS")
_SIGNATURES: Final = ("rfc9421", "hmac", "")
_STATUS: Final = re.compile(r"[1-5](?:[0-9]{2}|XX)|default")
_STYLES: Final[Mapping[str, tuple[str, ...]]] = {
    "path": ("simple", "label", "matrix"),
    "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
    "header": ("simple",),
    "cookie": ("form", "cookie"),
}
UNDESCRIBED: Final = "undescribed"
"""The id of the operation that stands for all that are not described."""
_QUERY_STRING: Final = "querystring"
_FORM: Final = "application/x-www-form-urlencoded"
_IGNORED_HEADERS: Final = frozenset({"accept", "content-type", "authorization"})
"""Header parameters that OpenAPI ignores (3.1 section 4.8.12.1): content and security describe them."""
_T = TypeVar("_T")


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
    reader = _Reader(dict(description.document), description.version)
    return Operation(
        id=UNDESCRIBED,
        method=method,
        path="/{undescribed}",
        template="/{undescribed}",
        request_body=None if method in {"GET", "HEAD", "OPTIONS"} else RequestBody(required=False, content=anything),
        responses={"default": ResponseDescription(status="default", content=anything)},
        security=reader.security(),
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
    return _Reader(own, version).description()


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


class _Reader:
    """Turns the parts of one document into the contract's plain data."""

    def __init__(self, document: dict[str, Any], version: str) -> None:
        self.document, self.version = document, version
        self.schemes = self._schemes()

    def description(self) -> ApiDescription:
        info = self._mapping(self.document.get("info", {}), "#/info")
        paths = self.document.get("paths", {})
        operations: list[Operation] = []
        for template, item in self._mapping(paths, "#/paths").items():
            if not template.startswith("x-"):
                operations.extend(self._path(template, item, json_pointer.joined("#/paths", template)))
        return ApiDescription(
            title=str(info.get("title", "")),
            version=self.version,
            operations=tuple(operations),
            document=self.document,
            resolve=_resolver(self.document),
        )

    def security(self) -> tuple[SecurityRequirement, ...]:
        """What the document asks of every operation that says nothing itself."""
        return self._security(self.document.get("security", []), "#/security")

    def _path(self, template: str, value: Any, pointer: str) -> list[Operation]:
        if not template.startswith("/"):
            raise PolicyError(f"the path {template!r} does not start with a slash", key=pointer)
        item, at = self._followed(value, pointer)
        shared = self._parameters(item.get("parameters", []), json_pointer.joined(at, "parameters"))
        return [
            self._operation(template, place[-1], operation, item, shared, json_pointer.joined(at, *place))
            for place, operation in operations_of(item)
        ]

    def _operation(
        self,
        template: str,
        method: str,
        operation: Any,
        item: Mapping[str, Any],
        shared: dict[tuple[str, str], Parameter],
        pointer: str,
    ) -> Operation:
        value = self._mapping(operation, pointer)
        own = self._parameters(value.get("parameters", []), json_pointer.joined(pointer, "parameters"))
        parameters = {**shared, **own}
        servers = value.get("servers") or item.get("servers") or self.document.get("servers")
        security = value.get("security", self.document.get("security", []))
        place = json_pointer.joined(pointer, "security") if "security" in value else "#/security"
        body = value.get("requestBody")
        return Operation(
            id=str(value.get("operationId") or f"{method} {template}"),
            method=method.upper(),
            path=_base_path(servers, pointer) + template,
            template=template,
            parameters=self._path_parameters(template, parameters, pointer),
            request_body=None if body is None else self._body(body, json_pointer.joined(pointer, "requestBody")),
            responses=self._responses(value.get("responses", {}), json_pointer.joined(pointer, "responses")),
            security=self._security(security, place),
            extension=self._mapping(value.get("x-doorward", {}), json_pointer.joined(pointer, "x-doorward")),
            pointer=pointer,
        )

    def _path_parameters(
        self, template: str, parameters: dict[tuple[str, str], Parameter], pointer: str
    ) -> tuple[Parameter, ...]:
        """All parameters; one the template names and nobody describes is any text."""
        names = re.findall(r"\{([^{}/]+)\}", template)
        for (location, name), parameter in parameters.items():
            if location == "path" and name not in names:
                hint = did_you_mean(name, names)
                problem = f"the path {template!r} has no parameter {{{name}}}"
                raise PolicyError(problem, key=parameter.pointer, hint=hint)
        undescribed = [
            Parameter(
                name=name,
                location="path",
                required=True,
                schema={"type": "string"},
                style="simple",
                explode=False,
                pointer=pointer,
            )
            for name in names
            if ("path", name) not in parameters
        ]
        return (*parameters.values(), *undescribed)

    def _parameters(self, values: Any, pointer: str) -> dict[tuple[str, str], Parameter]:
        made: dict[tuple[str, str], Parameter] = {}
        for index, value in enumerate(self._list(values, pointer)):
            parameter = self._parameter(value, json_pointer.joined(pointer, index))
            if parameter.location == "header" and parameter.name.lower() in _IGNORED_HEADERS:
                continue
            key = (parameter.location, parameter.name)
            if key in made:
                raise PolicyError(f"the {key[0]} parameter {key[1]!r} is described twice", key=parameter.pointer)
            made[key] = parameter
        return made

    def _parameter(self, value: Any, pointer: str) -> Parameter:
        data, pointer = self._followed(value, pointer)
        name, location = data.get("name"), str(data.get("in"))
        if not isinstance(name, str) or not name:
            raise PolicyError("a parameter without a name", key=pointer)
        if location == _QUERY_STRING:
            return self._query_string(name, data, pointer)
        if location not in _STYLES:
            hint = did_you_mean(location, get_args(Location))
            raise PolicyError(f"parameter {name!r}: `in` is {location!r}", key=pointer, hint=hint)
        media_type, schema = None, data.get("schema")
        content = self._mapping(data.get("content") or {}, pointer)
        if content and schema is None:
            media_type, media = next(iter(content.items()))
            schema = self._followed(media, json_pointer.joined(pointer, "content", media_type))[0].get("schema")
        style = data.get("style") or _STYLES[location][0]
        if style not in _STYLES[location]:
            hint = did_you_mean(str(style), _STYLES[location])
            raise PolicyError(f"style {style!r} is not for parameters in {location}", key=pointer, hint=hint)
        return Parameter(
            name=name,
            location=cast("Location", location),
            required=data.get("required") is True or location == "path",
            schema=self._schema(schema, pointer) or {},
            style=str(style),
            explode=data["explode"] is True if "explode" in data else style in {"form", "cookie"},
            media_type=media_type.lower() if media_type else None,
            allow_reserved=data.get("allowReserved") is True,
            pointer=pointer,
        )

    def _query_string(self, name: str, data: Mapping[str, Any], pointer: str) -> Parameter:
        """A query described as one form: the members of its schema are the fields (OpenAPI 3.2 section 4.12.3)."""
        content = self._mapping(data.get("content") or {}, pointer)
        media = content.get(_FORM)
        if media is None:
            problem = f"the query {name!r} is described by {', '.join(content) or 'no content'}"
            raise PolicyError(problem, key=pointer, hint=f"only {_FORM} can be held to its schema in a query")
        return Parameter(
            name=name,
            location="query",
            required=data.get("required") is True,
            schema=self._schema(self._followed(media, pointer)[0].get("schema"), pointer) or {"type": "object"},
            style="form",
            explode=True,
            pointer=pointer,
        )

    def _body(self, value: Any, pointer: str) -> RequestBody:
        data, pointer = self._followed(value, pointer)
        content = self._content(data.get("content", {}), json_pointer.joined(pointer, "content"))
        return RequestBody(required=data.get("required") is True, content=content)

    def _content(self, value: Any, pointer: str) -> dict[str, MediaType]:
        made: dict[str, MediaType] = {}
        for written, media in self._mapping(value, pointer).items():
            data, at = self._followed(media, json_pointer.joined(pointer, written))
            name = written.partition(";")[0].strip().lower()
            schema = self._schema(data.get("schema"), at)
            if schema is None and "itemSchema" in data:  # of each value of a sequence (OpenAPI 3.2 section 4.14)
                schema = {"type": "array", "items": self._schema(data["itemSchema"], at)}
            # `application/json` and `application/json; charset=utf-8` are one: the first one written counts.
            encoding = self._encoding(data.get("encoding"), f"{at}/encoding")
            made.setdefault(name, MediaType(name=name, schema=schema, pointer=at, encoding=encoding))
        return made

    def _encoding(self, value: Any, pointer: str) -> dict[str, tuple[str, ...]]:
        """The media types of each part, where the description names them."""
        made: dict[str, tuple[str, ...]] = {}
        for name, described in self._mapping(value if value is not None else {}, pointer).items():
            types = self._mapping(described, json_pointer.joined(pointer, name)).get("contentType")
            if isinstance(types, str):
                made[name] = tuple(each.partition(";")[0].strip().lower() for each in types.split(","))
        return made

    def _responses(self, value: Any, pointer: str) -> dict[str, ResponseDescription]:
        made: dict[str, ResponseDescription] = {}
        for status, described in self._mapping(value, pointer).items():
            if status.startswith("x-"):
                continue
            at = json_pointer.joined(pointer, status)
            if not _STATUS.fullmatch(status.replace("x", "X")):
                hint = "write a status such as 200, a class such as 2XX, or default"
                raise PolicyError(f"{status!r} is not a response status", key=at, hint=hint)
            name = status if status == "default" else status.upper()
            data, at = self._followed(described, at)
            made[name] = ResponseDescription(
                status=name,
                content=self._content(data.get("content") or {}, json_pointer.joined(at, "content")),
                headers=frozenset(header.lower() for header in self._mapping(data.get("headers") or {}, at)),
            )
        return made

    def _schemes(self) -> dict[str, SecurityScheme]:
        components = self._mapping(self.document.get("components") or {}, "#/components")
        pointer = "#/components/securitySchemes"
        schemes = self._mapping(components.get("securitySchemes") or {}, pointer)
        return {name: self._scheme(name, value, json_pointer.joined(pointer, name)) for name, value in schemes.items()}

    def _scheme(self, name: str, value: Any, pointer: str) -> SecurityScheme:
        data, pointer = self._followed(value, pointer)
        kind, location = data.get("type"), data.get("in", "")
        if kind not in _KINDS:
            hint = did_you_mean(str(kind), _KINDS)
            raise PolicyError(f"security scheme {name!r} has the type {kind!r}", key=pointer, hint=hint)
        if kind == "apiKey" and (
            location not in {"query", "header", "cookie"} or not isinstance(data.get("name"), str)
        ):
            hint = "write in: header (or query, cookie) and name: X-Api-Key"
            raise PolicyError(f"security scheme {name!r} does not say where the key travels", key=pointer, hint=hint)
        return SecurityScheme(
            name=name,
            kind=cast('Literal["apiKey", "http", "oauth2", "openIdConnect", "mutualTLS"]', kind),
            location=location if kind == "apiKey" else "",
            parameter=data["name"] if kind == "apiKey" else "",
            http_scheme=str(data.get("scheme", "")).lower() if kind == "http" else "",
            signature=_signature(data.get("x-doorward", {}), json_pointer.joined(pointer, "x-doorward")),
        )

    def _security(self, value: Any, pointer: str) -> tuple[SecurityRequirement, ...]:
        made: list[SecurityRequirement] = []
        for index, entry in enumerate(self._list(value, pointer)):
            at = json_pointer.joined(pointer, index)
            alternative: dict[SecurityScheme, tuple[str, ...]] = {}
            for name, scopes in self._mapping(entry, at).items():
                if name not in self.schemes:
                    hint = did_you_mean(name, self.schemes)
                    raise PolicyError(f"there is no security scheme {name!r}", key=at, hint=hint)
                alternative[self.schemes[name]] = tuple(str(scope) for scope in self._list(scopes, at))
            made.append(alternative)
        return tuple(made)

    def _schema(self, value: Any, pointer: str) -> Schema | None:
        """A schema object; `true` and `false` become the objects that mean the same."""
        if isinstance(value, bool):
            return {} if value else {"not": {}}
        return None if value is None else self._mapping(value, json_pointer.joined(pointer, "schema"))

    def _followed(self, value: Any, pointer: str) -> tuple[Mapping[str, Any], str]:
        target, at = json_pointer.followed(self.document, value, pointer)
        return self._mapping(target, at), at

    def _mapping(self, value: Any, pointer: str) -> Mapping[str, Any]:
        return _of_type(value, dict, pointer, "an object")

    def _list(self, value: Any, pointer: str) -> list[Any]:
        return _of_type(value, list, pointer, "a list")


def _of_type(value: Any, kind: type[_T], pointer: str, wanted: str) -> _T:
    if not isinstance(value, kind):
        raise PolicyError(f"is not {wanted}", key=pointer, hint=f"expected {wanted}")
    return value


def _resolver(document: Mapping[str, Any]) -> Callable[[Schema], Schema]:
    def resolve(schema: Schema) -> Schema:
        target, pointer = json_pointer.followed(document, schema, "#")
        if isinstance(target, bool):
            return {} if target else {"not": {}}
        return _of_type(target, dict, pointer, "a schema")

    return resolve


def _base_path(servers: Any, pointer: str) -> str:
    """Path of the first server's URL, without a slash at its end: what stands before every path template."""
    if not isinstance(servers, list) or not servers:
        return ""
    server = servers[0] if isinstance(servers[0], dict) else {}
    url = str(server.get("url", ""))
    variables = server.get("variables")
    for name, variable in (variables if isinstance(variables, dict) else {}).items():
        default = variable.get("default", "") if isinstance(variable, dict) else ""
        url = url.replace(f"{{{name}}}", str(default))
    # What is left in braces stands for a host or a scheme nearly always; in a path it would match nothing.
    try:
        path = urlsplit(re.sub(r"^[^/]*//[^/]*", "", url)).path.rstrip("/")
    except ValueError:
        raise PolicyError(f"the server URL {url!r} is not a URL", key=pointer) from None
    if "{" in path:
        hint = "give the variable a default, or write the server URL out"
        raise PolicyError(
            f"the server URL {url!r} has a variable without a default in its path", key=pointer, hint=hint
        )
    return path if path.startswith("/") or not path else f"/{path.removeprefix('./').lstrip('.')}".rstrip("/")


def _signature(extension: Any, pointer: str) -> Literal["rfc9421", "hmac", ""]:
    """How requests are signed, as a scheme's `x-doorward` says. Errors: PolicyError for anything else in there."""
    said = extension.get("signature", "") if isinstance(extension, Mapping) else None
    if said is None or said not in _SIGNATURES or not extension.keys() <= {"signature"}:
        hint = "write x-doorward: {signature: rfc9421} or {signature: hmac}"
        raise PolicyError("x-doorward of a security scheme says how requests are signed", key=pointer, hint=hint)
    return cast('Literal["rfc9421", "hmac", ""]', said)
