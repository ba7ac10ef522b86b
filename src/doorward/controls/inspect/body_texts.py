"""Which texts of a request's body are judged, and as what: by its media type, and by what validate made of it."""

from collections.abc import Mapping
from typing import Final

from doorward.controls.inspect.contents import ANY, SECRET, Contents, is_password
from doorward.controls.inspect.fields import Fields, declared_contents, holds, is_base64, pins_text, texts
from doorward.controls.inspect.judgement import Judgement
from doorward.controls.inspect.prefilter import json_prefilter
from doorward.controls.inspect.wire_text import decoded, json_in, json_of, literals, pairs
from doorward.exchange import UNPARSED, Exchange
from doorward.media_types import JSON_LINES, is_json, is_xml
from doorward.operation import ApiDescription, MediaType, Schema

_FORM: Final = b"application/x-www-form-urlencoded"
_MULTIPART: Final = b"multipart/form-data"
_FORMS: Final = frozenset({_FORM, _MULTIPART})


def has_free_text(content: Mapping[str, MediaType], description: ApiDescription) -> bool:
    """Whether a valid body may hold text of the client's choosing.

    Only what validate parses is held to its schema: `text/plain` of a closed enum arrives as any text. A multipart body
    has file names, which no schema speaks of.
    """
    return any(
        not (_is_parsed(media.name) and pins_text(media.schema, description)) or media.name == _MULTIPART.decode()
        for media in content.values()
    )


class BodyTexts:
    """The texts of one operation's bodies."""

    __slots__ = ("_fields", "_fields_of", "_reads_all", "_unread", "_whole")

    def __init__(self, content: Mapping[str, MediaType], description: ApiDescription, *, pins: bool) -> None:
        """`pins`: the description holds."""
        described = {
            media.name.encode(): _whole_schema(media.name, media.schema, description)
            for media in content.values()
            if media.schema is not None
        }
        schemas = tuple(described.values())
        self._fields = Fields(schemas, description, pins=pins)
        """Of all media types."""
        self._fields_of = {name: Fields((schema,), description, pins=pins) for name, schema in described.items()}
        self._unread = SECRET if holds(schemas, description, is_password) else ANY
        """What bodies hold whose fields cannot be told apart."""
        said = {name: declared_contents((schema,), description, pins=pins) for name, schema in described.items()}
        self._whole = {name: held for name, held in said.items() if held is not ANY}
        """What whole bodies are said to hold, by media type."""
        self._reads_all = pins and holds(schemas, description, is_base64)
        """JSON bodies hold texts that the first pass over the raw bytes cannot see through."""

    def judge(self, exchange: Exchange, judgement: Judgement) -> None:
        """Nothing, when none is an attack. Errors: Denied."""
        body = exchange.request.body
        media_type = (exchange.request.headers.get(b"content-type") or b"").partition(b";")[0].strip(b" \t").lower()
        if exchange.json_body is not UNPARSED:
            self._read(exchange, media_type, judgement)
        elif media_type == _FORM:
            self._form(body, judgement)
        elif media_type == _MULTIPART:
            self._parts(body, judgement)
        elif is_json(media_type.decode("latin-1")):
            self._json(body, judgement)
        else:
            self._any(body, media_type, judgement)

    def _read(self, exchange: Exchange, media_type: bytes, judgement: Judgement) -> None:
        """What validate has read and held to the schema."""
        # Raw bytes of a form are percent-encoded, those of XML hold references: they say too little of the texts.
        is_form = media_type in _FORMS
        is_opaque = self._reads_all or is_form or is_xml(media_type.decode("latin-1"))
        if is_opaque or json_prefilter().bits(exchange.request.body):
            for pointer, text, field in texts(exchange.json_body, self._fields_of.get(media_type, self._fields)):
                if field is None or text not in field.closed:
                    place = _form_place(pointer) if is_form else pointer
                    judgement.judge(place, text, field.contents if field is not None else ANY)
        for name, file_name in exchange.file_names:
            judgement.judge(f"form:{name}", file_name)

    def _form(self, body: bytes, judgement: Judgement) -> None:
        for name, value in pairs(body):
            judgement.judge(f"form:{name}", name)
            judgement.judge(f"form:{name}", value, _unpinned(self._fields.member(name)))

    def _parts(self, body: bytes, judgement: Judgement) -> None:
        """A multipart body: what stands between its line ends, piece by piece.

        A part's own header fields would read as an injected header of an answer; each piece is judged by itself.
        """
        for piece in body.split(b"\r\n"):
            judgement.judge("body", decoded(piece), self._unread)

    def _json(self, body: bytes, judgement: Judgement) -> None:
        """JSON that is wrong, or at which nobody looked: its texts one by one."""
        data = json_of(body)
        if data is not UNPARSED:
            self._strings(data, judgement)
            return
        judgement.judge("body", decoded(body), self._unread)
        for text in literals(body):
            judgement.judge("body", text, self._unread)

    def _any(self, body: bytes, media_type: bytes, judgement: Judgement) -> None:
        judgement.judge("body", decoded(body), self._whole.get(media_type, self._unread))
        data = json_in(body)
        if data is not UNPARSED and json_prefilter().bits(body):
            # Many an API reads JSON under whatever content type it comes.
            self._strings(data, judgement)

    def _strings(self, data: object, judgement: Judgement) -> None:
        for pointer, text, field in texts(data, self._fields):
            judgement.judge(pointer, text, _unpinned(field))


def _whole_schema(name: str, schema: Schema, description: ApiDescription) -> Schema:
    """The schema of a body as validate reads it: of JSON lines the list, where the schema is that of one line."""
    resolved = description.resolve(schema)
    if name not in JSON_LINES or (resolved.get("type") == "array" and "items" in resolved):
        return schema
    return {"type": "array", "items": schema}


def _unpinned(field: Fields | None) -> Contents:
    """How a text is judged that validate has not held to the field."""
    return SECRET if field is not None and field.contents.is_secret else ANY


def _form_place(pointer: str) -> str:
    """How an exclusion names the form field in which this pointer lies: `form:name`, whoever read the form."""
    return f"form:{pointer[1:].partition('/')[0].replace('~1', '/').replace('~0', '~')}"


def _is_parsed(media_type: str) -> bool:
    """Whether validate holds bodies of this type (lower case, no parameters) to their schema: JSON, and forms."""
    return is_json(media_type) or media_type.encode("latin-1") in _FORMS
