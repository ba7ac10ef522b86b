"""The bodies of an operation: what may come, and what may be answered."""

import re
from typing import Final

from doorward.operation import MediaType, RequestBody, ResponseDescription
from doorward.policy.openapi.part import Part

_STATUS: Final = re.compile(r"[1-5](?:[0-9]{2}|XX)|default")


def request_body(part: Part) -> RequestBody:
    """What may come. Errors: PolicyError."""
    body = part.followed()
    return RequestBody(required=body.mapping.get("required") is True, content=_content(body.member("content", {})))


def responses(part: Part) -> dict[str, ResponseDescription]:
    """What may be answered, by status. Errors: PolicyError."""
    made: dict[str, ResponseDescription] = {}
    for status, described in part.members():
        if status.startswith("x-"):
            continue
        if not _STATUS.fullmatch(status.replace("x", "X")):
            hint = "write a status such as 200, a class such as 2XX, or default"
            raise described.mistake(f"{status!r} is not a response status", hint)
        name = status if status == "default" else status.upper()
        response = described.followed()
        made[name] = ResponseDescription(
            status=name,
            content=_content(response.member_or_empty("content")),
            headers=frozenset(header.lower() for header in response.member_or_empty("headers").mapping),
        )
    return made


def _content(part: Part) -> dict[str, MediaType]:
    made: dict[str, MediaType] = {}
    for written, described in part.members():
        media = described.followed()
        schema = media.member("schema").schema()
        if schema is None and "itemSchema" in media.mapping:  # of each value of a sequence (OpenAPI 3.2 section 4.14)
            schema = {"type": "array", "items": media.member("itemSchema").schema()}
        name = _bare(written)
        # `application/json` and `application/json; charset=utf-8` are one: the first one written counts.
        found = MediaType(name=name, schema=schema, pointer=media.pointer, encoding=_part_types(media))
        made.setdefault(name, found)
    return made


def _part_types(media: Part) -> dict[str, tuple[str, ...]]:
    """The media types of each part of a form, where the description names them."""
    if media.mapping.get("encoding") is None:
        return {}
    made: dict[str, tuple[str, ...]] = {}
    for name, described in media.member("encoding").members():
        types = described.mapping.get("contentType")
        if isinstance(types, str):
            made[name] = tuple(_bare(each) for each in types.split(","))
    return made


def _bare(media_type: str) -> str:
    """Without parameters, in lower case."""
    return media_type.partition(";")[0].strip().lower()
