"""How large the files of an operation may be: `maxLength` of a binary property counts its bytes."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from doorward.controls.validate.media import BYTES, reader_of
from doorward.controls.validate.policy import ValidatePolicy
from doorward.controls.validate.wire import properties_of
from doorward.denial import Denied
from doorward.operation import ApiDescription, MediaType, Operation, Schema

_PLACE: Final = 64


class Bounds(NamedTuple):
    """Of one file field, in bytes."""

    least: int
    most: int | None


class FileSizes:
    """The bounds of the files of one multipart body."""

    __slots__ = ("_declared", "files", "most")

    def __init__(self, media: MediaType, policy: ValidatePolicy, description: ApiDescription) -> None:
        self.most = policy.upload_bytes
        """Of files that no property describes; None: only the whole body is bounded."""
        self._declared: dict[str, Bounds] = {}
        for name, schema in properties_of(media.schema or {}, description.resolve).items():
            file = file_schema(schema, description)
            if file is not None:
                self._declared[name] = _bounds(file, self.most)
        self.files = frozenset(self._declared)
        """Names of the properties that are files, or lists of them."""

    @property
    def says_something(self) -> bool:
        """Whether any file has an upper bound of its own."""
        return self.most is not None or any(bounds.most is not None for bounds in self._declared.values())

    def most_of(self, name: str, *, is_file: bool) -> int | None:
        """Most bytes of a part of this name; None when only the whole body is bounded."""
        bounds = self._declared.get(name)
        return bounds.most if bounds is not None else (self.most if is_file else None)

    def stand_in(self, name: str, size: int) -> str:
        """The text that stands for a file in the data that the schema judges: long enough when the file is.

        Errors: Denied `validate.upload_size`.
        """
        require_size(name, size, self.most_of(name, is_file=True))
        bounds = self._declared.get(name)
        return "A" * bounds.least if bounds is not None and bounds.least <= size else ""


def require_size(name: str, size: int, most: int | None) -> None:
    """Nothing, when a file is no larger than that. Errors: Denied `validate.upload_size`."""
    if most is not None and size > most:
        raise Denied("validate.upload_size", f"{name[:_PLACE]}: a file above {most} bytes")


def file_schema(schema: Schema, description: ApiDescription) -> Schema | None:
    """The schema of a file, or of those in a list of files; None for anything else.

    Files are what OpenAPI 3.0 marks by `format` and 3.1 by `contentMediaType`, or says nothing about.
    """
    schema = description.resolve(schema)
    if schema.get("type") == "array" and isinstance(schema.get("items"), Mapping):
        schema = description.resolve(schema["items"])
    is_file = schema.get("format") in {"binary", "byte"} or "contentMediaType" in schema or not schema
    return schema if is_file else None


def largest_file_body(operation: Operation, description: ApiDescription) -> int | None:
    """Most bytes of a body that is one file, in whatever declared type it comes; None when one of them has no bound."""
    body = operation.request_body
    bounds: list[int | None] = []
    for media in body.content.values() if body is not None else ():
        schema = description.resolve(media.schema or {})
        is_file = reader_of(media.name) == BYTES and schema.get("format") == "binary" and "*" not in media.name
        bounds.append(_whole(schema.get("maxLength")) if is_file else None)
    known = [bound for bound in bounds if bound is not None]
    return max(known) if known and len(known) == len(bounds) else None


def _bounds(schema: Schema, most: int | None) -> Bounds:
    declared = _whole(schema.get("maxLength"))
    if declared is not None:
        most = declared if most is None else min(declared, most)
    least = _whole(schema.get("minLength")) or 0
    # Base64, which the schema judges too, comes in fours.
    return Bounds(-(-least // 4) * 4 if schema.get("format") == "byte" else least, most)


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
