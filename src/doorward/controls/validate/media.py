"""Which declared representation a request body is in: media type, charset and content coding, read strictly."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from doorward.denial import Denied
from doorward.exchange import Headers
from doorward.media_types import JSON_LINES, is_json, is_xml
from doorward.operation import MediaType

_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,127}"
_TYPE: Final = re.compile(rf"({_WORD}/{_WORD})(.*)", re.DOTALL)
_PARAMETER: Final = re.compile(rf'[ \t]*+;[ \t]*+({_WORD})=(?:({_WORD})|"([^"\\\x00-\x1f\x7f]*+)")')
_CHARSETS: Final = frozenset({"utf-8", "utf8", "us-ascii"})
_REMEMBERED: Final = 64
_STRUCTURE: Final = frozenset({"properties", "items", "$ref", "allOf", "oneOf", "anyOf", "additionalProperties"})
"""Members of a schema that speak of data, not of bytes."""

JSON: Final = "json"
LINES: Final = "lines"
FORM: Final = "form"
MULTIPART: Final = "multipart"
XML: Final = "xml"
BYTES: Final = "bytes"


class Form(NamedTuple):
    """A declared representation, and how it is read."""

    media: MediaType
    reader: str
    """`json`, `lines`, `form`, `multipart`, `xml` or `bytes`."""
    parameters: dict[str, str]
    """Of the Content-Type, names in lower case."""


class DeclaredContent:
    """The representations one operation takes."""

    __slots__ = ("_content", "_known")

    def __init__(self, content: Mapping[str, MediaType]) -> None:
        self._content = content
        self._known: dict[bytes, Form] = {}

    def form(self, headers: Headers) -> Form:
        """The representation a request with a body announces.

        Errors: Denied `validate.content_encoding`, `validate.charset`, `validate.content_type`.
        Source: RFC 9110 sections 8.3, 8.4, 15.5.16; catalogue rows B4, B5.
        """
        encoding = headers.get(b"content-encoding")
        if encoding is not None and encoding.lower() != b"identity":
            # Decoding it would let 1 KB unfold into 1 GB; not decoding it would leave it unread.
            detail = f"content-encoding {encoding[:40]!r}"
            raise Denied("validate.content_encoding", detail, headers=((b"accept-encoding", b"identity"),))
        value = headers.get(b"content-type")
        if value is None:
            raise self._refused("the body has no content-type")
        known = self._known.get(value)
        if known is None:
            known = self._judge(value)
            if len(self._known) < _REMEMBERED:
                self._known[value] = known
        return known

    def _judge(self, value: bytes) -> Form:
        name, parameters = parse_content_type(value)
        charset = parameters.get("charset", "utf-8").lower()
        if charset not in _CHARSETS:
            raise Denied("validate.charset", f"charset {charset[:40]!r}")
        kind = name.partition("/")[0]
        media = self._content.get(name) or self._content.get(f"{kind}/*") or self._content.get("*/*")
        if media is None:
            raise self._refused(f"{name[:80]!r} is not declared")
        reader = reader_of(name)
        if reader == BYTES and "*" in media.name and _STRUCTURE.intersection(media.schema or ()):
            # A range with a schema promises that the schema holds: not for a type chosen so that nobody can read it.
            raise self._refused(f"{name[:80]!r} cannot be held to the schema of {media.name}")
        return Form(media, reader, parameters)

    def _refused(self, detail: str) -> Denied:
        accepted = ", ".join(sorted(self._content)).encode("ascii", "replace")
        return Denied("validate.content_type", detail, headers=((b"accept", accepted),) if accepted else ())


def reader_of(name: str) -> str:
    """How content of a media type (lower case, no parameters) is read.

    >>> reader_of("application/merge-patch+json"), reader_of("image/png"), reader_of("image/svg+xml")
    ('json', 'bytes', 'xml')
    """
    if is_json(name):
        return JSON
    if name in JSON_LINES:
        return LINES
    if name == "multipart/form-data":
        return MULTIPART
    if is_xml(name):
        return XML
    return FORM if name == "application/x-www-form-urlencoded" else BYTES


def parse_content_type(value: bytes) -> tuple[str, dict[str, str]]:
    """Media type in lower case, and its parameters.

    Errors: Denied `validate.content_type` for anything the grammar of RFC 9110 section 8.3.1 does not allow, a
    parameter written twice included: two readers would not agree on it.
    """
    text = value.decode("latin-1")
    found = _TYPE.fullmatch(text)
    if found is None:
        raise Denied("validate.content_type", "the content-type is malformed")
    parameters: dict[str, str] = {}
    rest = found[2]
    index, end = 0, len(rest.rstrip(" \t"))
    while index < end:
        parameter = _PARAMETER.match(rest, index)
        if parameter is None or parameter[1].lower() in parameters:
            raise Denied("validate.content_type", "the content-type has a malformed or repeated parameter")
        parameters[parameter[1].lower()] = parameter[2] or parameter[3] or ""
        index = parameter.end()
    return found[1].lower(), parameters
