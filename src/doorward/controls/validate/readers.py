"""How each representation of a body is read and held to its schema. Each sets what it found on the exchange.

Errors: Denied `validate.*`.
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from doorward.controls.validate.archive import check_archive
from doorward.controls.validate.form import TooMany, ascii_text, pairs
from doorward.controls.validate.json_text import JsonReader
from doorward.controls.validate.judging import request_judge, unfit
from doorward.controls.validate.media import JSON, reader_of
from doorward.controls.validate.multipart import Part, parts
from doorward.controls.validate.policy import ValidatePolicy
from doorward.controls.validate.upload_sizes import FileSizes
from doorward.controls.validate.uploads import check_upload
from doorward.controls.validate.wire import NotText, Shape
from doorward.controls.validate.xml_text import XmlReader
from doorward.denial import Denied
from doorward.exchange import Exchange
from doorward.operation import ApiDescription, MediaType, Schema
from doorward.schemas.judge import Failure, Judge

Reader: TypeAlias = Callable[[Exchange, Mapping[str, str]], None]
"""Given the exchange and the parameters of its Content-Type."""
SMALL_BYTES: Final = 4096
"""Bodies up to this size have all their mistakes told at once, in bytes."""
_ANY: Final[Schema] = {"type": "object", "additionalProperties": True}


class JsonBody:
    """A JSON body."""

    __slots__ = ("_judge", "_read")

    def __init__(self, reader: JsonReader, judge: Judge | None) -> None:
        self._read, self._judge = reader.read, judge

    def __call__(self, exchange: Exchange, _: Mapping[str, str]) -> None:
        """Read it. Errors: Denied."""
        body = exchange.request.body
        value = self._read(body)
        judge = self._judge
        if judge is not None and not judge.fits(value):
            raise unfit(judge.failures(value, is_small=len(body) <= SMALL_BYTES))
        exchange.json_body = value


class FormBody:
    """An `application/x-www-form-urlencoded` body: fields by name, repeated only where an array is declared."""

    __slots__ = ("_judge", "_limit", "_shape")

    def __init__(
        self, media: MediaType, policy: ValidatePolicy, description: ApiDescription, judge: Judge | None
    ) -> None:
        self._judge, self._limit = judge, policy.form_fields
        self._shape = Shape(media.schema or _ANY, description.resolve)

    def __call__(self, exchange: Exchange, _: Mapping[str, str]) -> None:
        """Read it. Errors: Denied."""
        body = exchange.request.body
        try:
            fields = pairs(ascii_text(body), self._limit)
        except TooMany as too_many:
            raise Denied("validate.json_limit", f"form: {too_many}") from None
        except NotText as error:
            raise unfit([Failure("#", f"the form {error}", False)]) from None
        value = self._data(fields)
        judge = self._judge
        if judge is not None and not judge.fits(value):
            raise unfit(judge.failures(value, is_small=len(body) <= SMALL_BYTES))
        exchange.json_body = value

    def _data(self, fields: list[tuple[str, str]]) -> dict[str, object]:
        made: dict[str, object] = {}
        for name, text in fields:
            shape = self._shape.properties.get(name)
            pointer = f"#/{name[:64]}"
            try:
                if shape is not None and shape.kind == "array":
                    known = made.setdefault(name, [])
                    if isinstance(known, list):
                        known.append(shape.scalar(text))
                    continue
                if name in made:
                    raise Denied("validate.json_duplicate", f"the form names {name[:64]!r} twice")
                made[name] = self._shape.member(name, text)
            except NotText as error:
                raise unfit([Failure(pointer, str(error), False)]) from None
        return made


class LinesBody:
    """JSON texts, one a line (NDJSON, JSON Lines): each is held to the schema, or to that of the items of a list."""

    __slots__ = ("_judge", "_limit", "_read")

    def __init__(
        self, reader: JsonReader, media: MediaType, policy: ValidatePolicy, description: ApiDescription
    ) -> None:
        self._read, self._limit = reader.read, policy.json_members
        self._judge: Judge | None = None
        if media.schema is not None:
            schema = description.resolve(media.schema)
            is_list = schema.get("type") == "array" and "items" in schema
            pointer = f"{media.pointer}/schema/items" if is_list else f"{media.pointer}/schema"
            self._judge = request_judge(
                schema["items"] if is_list else media.schema, description.document, policy, pointer
            )

    def __call__(self, exchange: Exchange, _: Mapping[str, str]) -> None:
        """Read it. Errors: Denied."""
        body = exchange.request.body
        if body.count(b"\n") > self._limit:
            raise Denied("validate.json_limit", f"more than {self._limit} lines")
        values = [self._read(line) for line in body.split(b"\n") if line.strip(b" \t\r")]
        judge = self._judge
        for number, value in enumerate(values, 1):
            if judge is not None and not judge.fits(value):
                failures = judge.failures(value, is_small=len(body) <= SMALL_BYTES)
                raise unfit([each._replace(pointer=f"line {number} {each.pointer}") for each in failures])
        exchange.json_body = values


class MultipartBody:
    """A `multipart/form-data` body: fields as in a form, files held to their type."""

    __slots__ = ("_encoding", "_is_scanned", "_judge", "_limit", "_policy", "_read", "_shape", "_sizes", "_takes_any")

    def __init__(
        self, media: MediaType, policy: ValidatePolicy, description: ApiDescription, judge: Judge | None
    ) -> None:
        self._judge, self._limit, self._encoding = judge, policy.multipart_parts, media.encoding
        self._policy, self._is_scanned = policy, policy.antivirus is not None
        self._read = JsonReader(policy).read
        self._shape = Shape(media.schema or _ANY, description.resolve)
        self._sizes = FileSizes(media, policy, description)
        self._takes_any = media.schema is None

    def __call__(self, exchange: Exchange, parameters: Mapping[str, str]) -> None:
        """Read it. Errors: Denied."""
        body = exchange.request.body
        made: dict[str, object] = {}
        names: list[tuple[str, str]] = []
        uploads: list[tuple[str, bytes]] = []
        for part in parts(body, parameters, self._limit):
            value = self._value(part)
            if part.filename:
                names.append((part.name, part.filename))
            if self._is_scanned and self._is_upload(part):
                uploads.append((part.name, part.data))
            shape = self._shape.properties.get(part.name)
            if shape is not None and shape.kind == "array" and not isinstance(value, list):
                known = made.setdefault(part.name, [])
                if isinstance(known, list):
                    known.append(value)
            elif part.name in made:
                raise Denied("validate.json_duplicate", f"the body names {part.name[:64]!r} twice")
            else:
                made[part.name] = value
        judge = self._judge
        if judge is not None and not judge.fits(made):
            raise unfit(judge.failures(made, is_small=len(body) <= SMALL_BYTES))
        exchange.json_body, exchange.file_names, exchange.uploads = made, tuple(names), tuple(uploads)

    def _is_upload(self, part: Part) -> bool:
        return part.name in self._sizes.files or (part.filename is not None and self._takes_any)

    def _value(self, part: Part) -> object:
        """What a part is in the data: a file is a text that says nothing, since what is in it is no data."""
        if self._is_upload(part):
            stands_for_it = self._sizes.stand_in(part.name, len(part.data))
            check_upload(part, self._encoding.get(part.name, ()), self._policy)
            return stands_for_it
        if part.filename is not None:
            raise Denied("validate.upload", f"{part.name[:64]}: a file where a field is declared")
        if reader_of(part.media_type) == JSON:
            return self._read(part.data)
        if part.media_type != "text/plain" and part.media_type not in self._encoding.get(part.name, ()):
            detail = f"{part.name[:64]}: {part.media_type[:80]!r} is not declared for this field"
            raise Denied("validate.content_type", detail)
        try:
            text = part.data.decode()
            shape = self._shape.properties.get(part.name)
            return (
                shape.scalar(text)
                if shape is not None and shape.kind == "array"
                else self._shape.member(part.name, text)
            )
        except UnicodeDecodeError:
            raise unfit([Failure(f"#/{part.name[:64]}", "is not UTF-8", False)]) from None
        except NotText as error:
            raise unfit([Failure(f"#/{part.name[:64]}", str(error), False)]) from None


class XmlBody:
    """An XML body: no schema is applied, its texts are for inspect."""

    __slots__ = ("_read",)

    def __init__(self, reader: XmlReader) -> None:
        self._read = reader.read

    def __call__(self, exchange: Exchange, _: Mapping[str, str]) -> None:
        """Read it. Errors: Denied."""
        exchange.json_body = self._read(exchange.request.body)


class FileBody:
    """A body that is one file, where the policy looks into files."""

    __slots__ = ("_policy",)

    def __init__(self, policy: ValidatePolicy) -> None:
        self._policy = policy

    def __call__(self, exchange: Exchange, _: Mapping[str, str]) -> None:
        """Look into it. Errors: Denied."""
        body = exchange.request.body
        if self._policy.archives is not None:
            check_archive(body, "body", self._policy.archives, takes_programs=False, takes_macros=False)
        if self._policy.antivirus is not None:
            exchange.uploads = (("body", body),)
