"""Which members of a body a caller may set, where the description names roles for a property."""

from collections.abc import Iterator
from typing import Any, Final

from doorward.denial import Denied
from doorward.exchange import UNPARSED, Check, Exchange
from doorward.media_types import is_xml
from doorward.operation import ApiDescription, Operation, Schema
from doorward.property_roles import KEY, roles_of

_DEPTH: Final = 64
_NOBODY: Final[frozenset[str]] = frozenset()


def compile_property_check(operation: Operation, description: ApiDescription) -> Check | None:
    """The check of a parsed body; None when no property of it is closed to anybody.

    Errors of the check: Denied `authorize.property`, with a pointer and never a value; also for a body whose members
    nobody can tell apart (XML, or one that was not read): it could set any of them.
    """
    body = operation.request_body
    schemas = tuple(media.schema for media in body.content.values() if media.schema is not None) if body else ()
    if not _names_roles(schemas, description):
        return None
    place = _Place(schemas, description)

    def check(exchange: Exchange) -> None:
        request = exchange.request
        if not request.has_body:
            return
        media_type = (request.headers.get(b"content-type") or b"").partition(b";")[0].strip(b" \t").lower()
        if exchange.json_body is UNPARSED or is_xml(media_type.decode("latin-1")):
            raise Denied("authorize.property", "body: its members were not read, and some are not for everybody to set")
        roles = exchange.caller.roles if exchange.caller is not None else _NOBODY
        place.judge(exchange.json_body, roles, "", 0)

    return check


class _Place:
    """One place of a body: the members that only some roles may set, and the places below. Compiled as reached."""

    __slots__ = ("_below", "_closed", "_description", "_schemas")

    def __init__(self, schemas: tuple[Schema, ...], description: ApiDescription) -> None:
        self._description = description
        self._schemas = tuple(_branches(schemas, description))
        self._closed: dict[str, frozenset[str]] = {}
        for schema in self._schemas:
            for name, member in _members(schema).items():
                allowed = [roles_of(one).write for one in (member, *_branches((member,), description))]
                for roles in allowed:
                    if roles is not None:  # several rules: a role must be in each
                        self._closed[name] = self._closed.get(name, roles) & roles
        self._below: dict[str, _Place] = {}

    def judge(self, value: Any, roles: frozenset[str], pointer: str, depth: int) -> None:
        if depth > _DEPTH:
            raise Denied("authorize.property", f"body: nested deeper than {_DEPTH} levels, where nobody looks")
        if isinstance(value, list):
            for item in value:
                if isinstance(item, (dict, list)):
                    self._at("[]").judge(item, roles, f"{pointer}/*", depth + 1)
        elif isinstance(value, dict):
            for name in self._closed.keys() & value.keys():
                if not self._closed[name] & roles:
                    raise Denied("authorize.property", f"{pointer}/{name}: none of the caller's roles may set it")
            for name, member in value.items():
                if isinstance(member, (dict, list)):
                    self._at(f".{name}").judge(member, roles, f"{pointer}/{name}", depth + 1)

    def _at(self, step: str) -> "_Place":
        declared = step == "[]" or any(step[1:] in _members(schema) for schema in self._schemas)
        key = step if declared else ""
        found = self._below.get(key)
        if found is None:
            if step == "[]":
                below = [schema["items"] for schema in self._schemas if isinstance(schema.get("items"), dict)]
                # each line of a sequence is what the schema of the whole describes
                below = below or list(self._schemas)
            elif declared:
                below = [_members(schema)[step[1:]] for schema in self._schemas if step[1:] in _members(schema)]
            else:
                others = [schema.get("additionalProperties") for schema in self._schemas]
                below = [schema for schema in others if isinstance(schema, dict)]
            found = self._below[key] = _Place(tuple(below), self._description)
        return found


def _members(schema: Schema) -> dict[str, Schema]:
    return {name: member for name, member in schema.get("properties", {}).items() if isinstance(member, dict)}


def _branches(schemas: tuple[Schema, ...], description: ApiDescription) -> Iterator[Schema]:
    """The schemas and all they are combined of, resolved, each once."""
    seen: set[int] = set()
    waiting = list(schemas)
    while waiting:
        schema = waiting.pop()
        if not isinstance(schema, dict):
            continue
        schema = description.resolve(schema)
        if id(schema) in seen:
            continue
        seen.add(id(schema))
        yield schema
        for keyword in ("allOf", "anyOf", "oneOf"):
            waiting.extend(schema.get(keyword, ()))
        waiting.extend(schema[keyword] for keyword in ("then", "else") if keyword in schema)


def _names_roles(schemas: tuple[Schema, ...], description: ApiDescription) -> bool:
    """Whether any property below names roles."""
    seen: set[int] = set()
    waiting = list(schemas)
    while waiting:
        for schema in _branches((waiting.pop(),), description):
            if id(schema) in seen:
                continue
            seen.add(id(schema))
            if KEY in schema:
                return True
            waiting.extend(_members(schema).values())
            waiting.extend(
                schema[key] for key in ("items", "additionalProperties") if isinstance(schema.get(key), dict)
            )
    return False
