"""The request body against the description: read, parsed within limits, judged by its schema."""

from collections.abc import Callable, Mapping
from typing import Final, Literal, TypeAlias

from doorward.controls.validate.form import TooMany, ascii_text, pairs
from doorward.controls.validate.json_text import JsonReader
from doorward.controls.validate.judge import Failure, Judge
from doorward.controls.validate.media import BYTES, FORM, JSON, DeclaredContent, reader_of
from doorward.controls.validate.policy import ValidatePolicy
from doorward.controls.validate.wire import NotText, Shape
from doorward.denial import Denied
from doorward.exchange import Check, Exchange
from doorward.operation import ApiDescription, MediaType, Operation

BodyMode: TypeAlias = Literal["none", "read", "stream"]

SMALL_BYTES: Final = 4096
"""Bodies up to this size have all their mistakes told at once, in bytes."""
_BINARY: Final = ("image/", "audio/", "video/", "font/", "multipart/")
_BINARY_TYPES: Final = frozenset({"application/octet-stream", "application/pdf", "application/zip", "application/gzip"})


def body_mode(operation: Operation) -> BodyMode:
    """`none`: no body is declared; `stream`: only content that no control reads; `read`: whole before it is forwarded.

    One representation that is read makes all of them read: which one comes is the client's choice.
    """
    body = operation.request_body
    if body is None or not body.content:
        return "none"
    return "stream" if all(_is_binary(media) for media in body.content.values()) else "read"


def _is_binary(media: MediaType) -> bool:
    if media.schema is not None and media.schema.get("format") == "binary":
        return reader_of(media.name) == BYTES
    return media.name.startswith(_BINARY) or (media.name in _BINARY_TYPES and not media.schema)


def body_check(operation: Operation, policy: ValidatePolicy, description: ApiDescription) -> Check | None:
    """The check of a body that is read; None when there is none to read.

    Sets `exchange.json_body` to the data of a JSON or form body.
    Errors: PolicyError for a schema that does not compile. The check: Denied `validate.*`.
    """
    body = operation.request_body
    if body is None or body_mode(operation) != "read":
        return None
    return _BodyCheck(body.content, policy, description, required=body.required)


class _BodyCheck:
    """One operation's body check."""

    __slots__ = ("_declared", "_readers", "_required")

    def __init__(
        self, content: Mapping[str, MediaType], policy: ValidatePolicy, description: ApiDescription, *, required: bool
    ) -> None:
        self._declared, self._required = DeclaredContent(content), required
        json_reader = JsonReader(policy)
        self._readers: dict[tuple[str, str], Callable[[Exchange], None]] = {}
        for media in content.values():
            judge = None
            if media.schema is not None and (reader_of(media.name) != BYTES or "*" in media.name):
                judge = Judge(media.schema, description.document, policy, f"{media.pointer}/schema")
            if reader_of(media.name) == JSON or "*" in media.name:
                self._readers[media.name, JSON] = _JsonBody(json_reader, judge)
            if reader_of(media.name) == FORM or "*" in media.name:
                self._readers[media.name, FORM] = _FormBody(media, policy, description, judge)

    def __call__(self, exchange: Exchange) -> None:
        request = exchange.request
        if not request.body:
            if self._required:
                raise unfit([Failure("#", "a body is required", False)])
            return
        form = self._declared.form(request.headers)
        reader = self._readers.get((form.media.name, form.reader))
        if reader is not None:
            reader(exchange)


class _JsonBody:
    __slots__ = ("_judge", "_read")

    def __init__(self, reader: JsonReader, judge: Judge | None) -> None:
        self._read, self._judge = reader.read, judge

    def __call__(self, exchange: Exchange) -> None:
        body = exchange.request.body
        value = self._read(body)
        judge = self._judge
        if judge is not None and not judge.fits(value):
            raise unfit(judge.failures(value, is_small=len(body) <= SMALL_BYTES))
        exchange.json_body = value


class _FormBody:
    """An `application/x-www-form-urlencoded` body: fields by name, repeated only where an array is declared."""

    __slots__ = ("_judge", "_limit", "_shape")

    def __init__(
        self, media: MediaType, policy: ValidatePolicy, description: ApiDescription, judge: Judge | None
    ) -> None:
        self._judge, self._limit = judge, policy.form_fields
        self._shape = Shape(media.schema or {"type": "object", "additionalProperties": True}, description.resolve)

    def __call__(self, exchange: Exchange) -> None:
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


def unfit(failures: list[Failure]) -> Denied:
    """The denial of a body that does not fit: pointers and keywords for the client, never a value."""
    code = "validate.unknown_property" if any(each.is_undeclared for each in failures) else "validate.schema"
    errors = [{"pointer": each.pointer, "detail": each.detail} for each in failures]
    detail = "; ".join(f"{each.pointer}: {each.detail}" for each in failures)
    return Denied(code, detail[:1000], public={"errors": errors})
