"""The request body against the description: read, parsed within limits, judged by its schema."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, Literal, TypeAlias

from doorward.controls.validate.json_text import JsonReader
from doorward.controls.validate.judging import request_judge, unfit
from doorward.controls.validate.media import BYTES, FORM, JSON, LINES, MULTIPART, XML, DeclaredContent, reader_of
from doorward.controls.validate.policy import ValidatePolicy
from doorward.controls.validate.readers import FileBody, FormBody, JsonBody, LinesBody, MultipartBody, Reader, XmlBody
from doorward.controls.validate.xml_text import XmlReader
from doorward.exchange import Check, Exchange
from doorward.operation import ApiDescription, MediaType, Operation
from doorward.schemas.judge import Failure

BodyMode: TypeAlias = Literal["none", "read", "stream"]

_BINARY: Final = ("image/", "audio/", "video/", "font/", "multipart/")
_BINARY_TYPES: Final = frozenset({"application/octet-stream", "application/pdf", "application/zip", "application/gzip"})


def body_mode(operation: Operation, policy: ValidatePolicy) -> BodyMode:
    """`none`: no body is declared; `stream`: only content that no control reads; `read`: whole before it is forwarded.

    One representation that is read makes all of them read: which one comes is the client's choice. A policy that looks
    into files makes them read too.
    """
    body = operation.request_body
    if body is None or not body.content:
        return "none"
    if _looks_into_files(policy):
        return "read"
    return "stream" if all(_is_binary(media) for media in body.content.values()) else "read"


def takes_files(operation: Operation) -> bool:
    """Whether a body of the operation may be a file, or hold some."""
    body = operation.request_body
    return body is not None and any(
        reader_of(media.name) == MULTIPART or _may_be_file(media) for media in body.content.values()
    )


def _looks_into_files(policy: ValidatePolicy) -> bool:
    return policy.archives is not None or policy.antivirus is not None


def _may_be_file(media: MediaType) -> bool:
    return _is_binary(media) or "*" in media.name


def _is_binary(media: MediaType) -> bool:
    if reader_of(media.name) != BYTES:
        return False
    if media.schema is not None and media.schema.get("format") == "binary":
        return True
    return media.name.startswith(_BINARY) or (media.name in _BINARY_TYPES and not media.schema)


def body_check(operation: Operation, policy: ValidatePolicy, description: ApiDescription) -> Check | None:
    """The check of a body that is read; None when there is none to read.

    Sets `exchange.json_body` to the data of a body that is JSON, a form or XML, and `exchange.file_names`.
    Errors: PolicyError for a schema that does not compile. The check: Denied `validate.*`.
    """
    body = operation.request_body
    if body is None or body_mode(operation, policy) != "read":
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
        self._readers: dict[tuple[str, str], Reader] = {}
        for media in content.values():
            judge = None
            if media.schema is not None and (reader_of(media.name) not in {BYTES, XML} or "*" in media.name):
                judge = request_judge(media.schema, description.document, policy, f"{media.pointer}/schema")
            makers: dict[str, Callable[[], Reader]] = {
                JSON: partial(JsonBody, json_reader, judge),
                LINES: partial(LinesBody, json_reader, media, policy, description),
                FORM: partial(FormBody, media, policy, description, judge),
                MULTIPART: partial(MultipartBody, media, policy, description, judge),
                XML: partial(XmlBody, XmlReader(policy)),
            }
            if _looks_into_files(policy) and _may_be_file(media):
                makers[BYTES] = partial(FileBody, policy)
            for kind, make in makers.items():
                if reader_of(media.name) == kind or "*" in media.name:
                    self._readers[media.name, kind] = make()

    def __call__(self, exchange: Exchange) -> None:
        request = exchange.request
        if not request.body:
            if self._required:
                raise unfit([Failure("#", "a body is required", False)])
            return
        form = self._declared.form(request.headers)
        reader = self._readers.get((form.media.name, form.reader))
        if reader is not None:
            reader(exchange, form.parameters)
