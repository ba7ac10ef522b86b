"""The parameters of an operation: path, query, header fields, cookies."""

import re
from collections.abc import Mapping
from typing import Final, TypeAlias, cast, get_args

from doorward.errors import PolicyError
from doorward.operation import Location, Parameter, Schema
from doorward.policy.messages import did_you_mean
from doorward.policy.openapi.part import Part

Parameters: TypeAlias = dict[tuple[str, str], Parameter]
"""By location and name."""

_STYLES: Final[Mapping[str, tuple[str, ...]]] = {
    "path": ("simple", "label", "matrix"),
    "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
    "header": ("simple",),
    "cookie": ("form", "cookie"),
}
"""Those of each location, the one that is meant where none is written first."""
_EXPLODING: Final = frozenset({"form", "cookie"})
"""The styles that write each item by itself unless it is said otherwise."""
_QUERY_STRING: Final = "querystring"
_FORM: Final = "application/x-www-form-urlencoded"
_IGNORED_HEADERS: Final = frozenset({"accept", "content-type", "authorization"})
"""Header parameters that OpenAPI ignores (3.1 section 4.8.12.1): content and security describe them."""


def parameters(listed: Part) -> Parameters:
    """Those of one list. Errors: PolicyError, for one that is described twice among them."""
    made: Parameters = {}
    for each in listed.items():
        part = each.followed()
        parameter = _parameter(part)
        if parameter.location == "header" and parameter.name.lower() in _IGNORED_HEADERS:
            continue
        key = (parameter.location, parameter.name)
        if key in made:
            raise part.mistake(f"the {key[0]} parameter {key[1]!r} is described twice")
        made[key] = parameter
    return made


def for_path(template: str, described: Parameters, operation: Part) -> tuple[Parameter, ...]:
    """All parameters of an operation at that path: one that the path names and nobody describes is any text.

    Errors: PolicyError for one that is said to be in the path and is not.
    """
    names = re.findall(r"\{([^{}/]+)\}", template)
    for (location, name), parameter in described.items():
        if location == "path" and name not in names:
            problem = f"the path {template!r} has no parameter {{{name}}}"
            raise PolicyError(problem, key=parameter.pointer, hint=did_you_mean(name, names))
    undescribed = [_any_text(name, operation.pointer) for name in names if ("path", name) not in described]
    return (*described.values(), *undescribed)


def _any_text(name: str, pointer: str) -> Parameter:
    return Parameter(
        name=name,
        location="path",
        required=True,
        schema={"type": "string"},
        style="simple",
        explode=False,
        pointer=pointer,
    )


def _parameter(part: Part) -> Parameter:
    data = part.mapping
    name, location = data.get("name"), str(data.get("in"))
    if not isinstance(name, str) or not name:
        raise part.mistake("a parameter without a name")
    if location == _QUERY_STRING:
        return _query_string(name, part)
    if location not in _STYLES:
        hint = did_you_mean(location, get_args(Location))
        raise part.mistake(f"parameter {name!r}: `in` is {location!r}", hint)
    media_type, schema = _described_value(part)
    style = data.get("style") or _STYLES[location][0]
    if style not in _STYLES[location]:
        hint = did_you_mean(str(style), _STYLES[location])
        raise part.mistake(f"style {style!r} is not for parameters in {location}", hint)
    return Parameter(
        name=name,
        location=cast("Location", location),
        required=data.get("required") is True or location == "path",
        schema=schema or {},
        style=str(style),
        explode=data["explode"] is True if "explode" in data else style in _EXPLODING,
        media_type=media_type,
        allow_reserved=data.get("allowReserved") is True,
        pointer=part.pointer,
    )


def _described_value(part: Part) -> tuple[str | None, Schema | None]:
    """The media type, where the value is described by one, and the schema."""
    content, schema = part.member_or_empty("content"), part.member("schema")
    if not content.mapping or schema.value is not None:
        return None, schema.schema()
    media_type, media = next(content.members())
    return media_type.lower() or None, media.followed().member("schema").schema()


def _query_string(name: str, part: Part) -> Parameter:
    """A query described as one form: the members of its schema are the fields (OpenAPI 3.2 section 4.12.3)."""
    content = part.member_or_empty("content")
    media = content.member(_FORM)
    if media.value is None:
        problem = f"the query {name!r} is described by {', '.join(content.mapping) or 'no content'}"
        raise part.mistake(problem, f"only {_FORM} can be held to its schema in a query")
    return Parameter(
        name=name,
        location="query",
        required=part.mapping.get("required") is True,
        schema=media.followed().member("schema").schema() or {"type": "object"},
        style="form",
        explode=True,
        pointer=part.pointer,
    )
