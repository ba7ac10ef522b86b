"""One valid request to one operation, made from the API description alone."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlencode

from doorward.attack.case import Ask, Who
from doorward.attack.multipart import BOUNDARY, multipart
from doorward.attack.values import NoSampleError, sample
from doorward.controls.authorize.place import IdPlace
from doorward.media_types import is_json
from doorward.operation import ApiDescription, MediaType, Operation, Parameter


@dataclass(slots=True, kw_only=True)
class Draft:
    """A request in parts, so that one of them can be replaced before it is written down."""

    operation: Operation
    path_values: dict[str, str] = field(default_factory=dict)
    query: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    media_type: str = ""

    def ask(self, who: Who) -> Ask:
        """The request as data."""
        path = self.operation.path
        for name, value in self.path_values.items():
            path = path.replace("{" + name + "}", quote(value, safe=""))
        query = "&".join(f"{quote(name, safe='')}={quote(_text(value), safe='')}" for name, value in self.query.items())
        headers = dict(self.headers)
        if self.media_type:
            headers["Content-Type"] = self.media_type
        return Ask(
            method=self.operation.method,
            target=f"{path}?{query}" if query else path,
            headers=tuple(headers.items()),
            body=self._body_bytes(),
            who=who,
        )

    def at(self, place: IdPlace) -> Any:
        """What stands at the place now, in the first element of every list on the way; None for nothing."""
        if place.query:
            return self.query.get(place.query)
        value = self.body
        for step in place.steps:
            if isinstance(value, list):
                value = value[0] if value and step == "*" else None
            else:
                value = value.get(step) if isinstance(value, dict) else None
        return value

    def naming(self, place: IdPlace, object_id: str) -> "Draft":
        """The request with this id there, in every element of every list on the way."""
        if place.query:
            return replace(self, query={**self.query, place.query: object_id})
        return replace(self, body=_placed(self.body, place.steps, object_id))

    def _body_bytes(self) -> bytes:
        if not self.media_type:
            return b""
        if isinstance(self.body, bytes):
            return self.body
        if is_json(self.media_type):
            return json.dumps(self.body, separators=(",", ":")).encode()
        if self.media_type == "application/x-www-form-urlencoded" and isinstance(self.body, dict):
            return urlencode(self.body).encode()
        return _text(self.body).encode()


def draft(operation: Operation, description: ApiDescription) -> Draft:
    """A valid request with what is required and no more. Errors: NoSampleError."""
    made = Draft(operation=operation)
    for parameter in operation.parameters:
        if parameter.required or parameter.location == "path":
            _set(made, parameter, parameter_value(parameter, description))
    body = operation.request_body
    if body is not None and body.content:
        media = _preferred(body.content)
        made.media_type = media.name.replace("*/*", "application/octet-stream").replace("/*", "/plain")
        if is_json(made.media_type):
            made.body = sample(media.schema or {}, description.resolve)
        elif media.schema is not None and made.media_type == "application/x-www-form-urlencoded":
            made.body = sample(media.schema, description.resolve)
        elif made.media_type == "multipart/form-data":
            made.body, made.media_type = multipart(media, description), f"multipart/form-data; boundary={BOUNDARY}"
        elif "multipart" in made.media_type:
            raise NoSampleError("multipart bodies of other kinds are not made")
        elif "xml" in made.media_type:
            made.body = b"<sample>doorward</sample>"
        else:
            made.body = b"doorward"
    return made


def parameter_value(parameter: Parameter, description: ApiDescription) -> Any:
    """A valid value: the parameter's own example first. Errors: NoSampleError."""
    written = _at(description.document, parameter.pointer)
    offered = [written["example"]] if "example" in written else []
    offered += [
        each["value"] for each in written.get("examples", {}).values() if isinstance(each, Mapping) and "value" in each
    ]
    for example in offered:
        # A path parameter is one segment (OpenAPI 3.1 section 4.8.12.1); some descriptions show several.
        if parameter.location != "path" or "/" not in _text(example):
            return example
    return sample(parameter.schema, description.resolve)


def _placed(value: Any, steps: tuple[str, ...], object_id: str) -> Any:
    if not steps:
        return int(object_id) if isinstance(value, int) and object_id.isdecimal() else object_id
    step, below = steps[0], steps[1:]
    if step == "*":
        return [_placed(each, below, object_id) for each in (value if isinstance(value, list) and value else [None])]
    members = value if isinstance(value, dict) else {}
    return {**members, step: _placed(members.get(step), below, object_id)}


def _preferred(content: Mapping[str, MediaType]) -> MediaType:
    return next((media for name, media in content.items() if is_json(name)), next(iter(content.values())))


def _set(made: Draft, parameter: Parameter, value: Any) -> None:
    match parameter.location:
        case "path":
            made.path_values[parameter.name] = _text(value)
        case "query":
            if isinstance(value, dict):
                raise NoSampleError("a required query parameter is an object")
            made.query[parameter.name] = value
        case "header":
            made.headers[parameter.name] = _text(value)
        case "cookie":
            earlier = made.headers.get("Cookie")
            pair = f"{parameter.name}={_text(value)}"
            made.headers["Cookie"] = f"{earlier}; {pair}" if earlier else pair


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(_text(item) for item in value)
    return str(value)


def _at(document: Any, pointer: str) -> Mapping[str, Any]:
    """The member of a document at a JSON pointer (RFC 6901); an empty mapping when there is none."""
    for step in pointer.removeprefix("#").split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(document, list) and name.isdecimal():
            document = document[int(name)] if int(name) < len(document) else {}
        elif isinstance(document, Mapping):
            document = document.get(name, {})
    return document if isinstance(document, Mapping) else {}
