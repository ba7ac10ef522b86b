"""Compiles one operation into the check that gathers its free texts, filters them fast and has the rest judged."""

import datetime as dt
import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, NoReturn
from urllib.parse import unquote_to_bytes

import jiter

from doorward.controls.inspect.contents import ANY, SECRET, Contents, is_password
from doorward.controls.inspect.excerpt import excerpt
from doorward.controls.inspect.fields import Fields, declared_contents, holds, is_base64, pins_text, texts
from doorward.controls.inspect.judges import (
    code,
    command,
    crlf,
    deserialization,
    ldap,
    nosql,
    prototype,
    sql,
    ssi,
    ssrf,
    template,
    traversal,
    xpath,
    xss,
    xxe,
)
from doorward.controls.inspect.markdown import PARSING_COST
from doorward.controls.inspect.normalise import base64_reading, markup_reading, path_reading, readings
from doorward.controls.inspect.policy import InspectPolicy
from doorward.controls.inspect.prefilter import Prefilter, json_prefilter, text_prefilter
from doorward.controls.inspect.prefilter_patterns import BIT, DECODE
from doorward.controls.inspect.verdict import THREATS, Judge, Threat, Verdict
from doorward.denial import Denied
from doorward.exchange import UNPARSED, Check, Exchange
from doorward.media_types import is_json, is_xml
from doorward.operation import ApiDescription, Operation, Parameter

JUDGES: Final[dict[Threat, Judge]] = {
    "sql": sql.judge,
    "xss": xss.judge,
    "command": command.judge,
    "traversal": traversal.judge,
    "nosql": nosql.judge,
    "ldap": ldap.judge,
    "xpath": xpath.judge,
    "template": template.judge,
    "ssrf": ssrf.judge,
    "xxe": xxe.judge,
    "crlf": crlf.judge,
    "prototype": prototype.judge,
    "deserialization": deserialization.judge,
    "ssi": ssi.judge,
    "code": code.judge,
}
"""Who judges which class."""
_FORM: Final = b"application/x-www-form-urlencoded"
_MULTIPART: Final = b"multipart/form-data"
_FORMS: Final = frozenset({_FORM, _MULTIPART})
_JSON_SPACE: Final = b" \t\r\n"
_JSON_OPEN: Final = frozenset({b"{", b"[", b'"'})
# Possessive, and the closing quote optional: it matches at every quote, so no text is looked at twice.
_LITERAL: Final = re.compile(rb'"((?:[^"\\]++|\\.)*+)"?', re.DOTALL)
_DIGITS_TO_ZERO: Final = bytes.maketrans(b"123456789", b"000000000")
_LONG_NUMBER: Final = b"0" * 1_000
"""Digits beyond this make conversion to an integer dear (quadratic): such a body is read literal by literal."""
_DAY_S: Final = 86_400
_DECODED_SHARE: Final = 4
"""Decoding a text once more costs a quarter of what judging it does."""
_TEXT_COST: Final = 48
"""What a judge spends on any text, however short, in characters: many small texts cost more than one large one."""
_MARKUP: Final = BIT["xss"] | BIT["ssi"] | BIT["xxe"]
"""The classes that what reads markup may be led to."""
MessageCheck = Callable[[Exchange, str], None]


def compile_check(
    operation: Operation, policy: InspectPolicy, description: ApiDescription, *, pins: bool = True
) -> Check | None:
    """The operation's check, or None when no part of a request to it can hold free text.

    `pins`: the description holds, because `validate` enforces it. Else nothing it pins counts as pinned.
    Errors: the check raises Denied `inspect.<threat>` with the field and the recognised construct as detail.
    """
    threats = tuple(threat for threat in THREATS if threat not in policy.insecure_classes_off)
    free = [
        parameter
        for parameter in operation.parameters
        if not (pins and pins_text(parameter.schema or None, description))
    ]
    content = operation.request_body.content if operation.request_body else {}
    # Only what validate parses is held to its schema: `text/plain` of a closed enum arrives as any text.
    # A multipart body has file names, which no schema speaks of.
    has_text_body = any(
        not (pins and is_parsed(media.name) and pins_text(media.schema, description))
        or media.name == _MULTIPART.decode()
        for media in content.values()
    )
    # Undeclared query parameters are refused by validate, unless nobody holds the request to the description.
    if not threats or (pins and not (free or has_text_body)):
        return None
    described = {media.name.encode(): media.schema for media in content.values() if media.schema is not None}
    schemas = tuple(described.values())
    unread = SECRET if holds(schemas, description, is_password) else ANY
    body_contents = {name: declared_contents((schema,), description, pins=pins) for name, schema in described.items()}
    inspector = _Inspector(
        Judging(policy, f"{operation.method} {operation.template}", threats),
        Fields(schemas, description, pins=pins),
        fields_of={name: Fields((schema,), description, pins=pins) for name, schema in described.items()},
        contents={
            _place(parameter): declared_contents((parameter.schema,), description, pins=pins) for parameter in free
        },
        body_contents={name: held if held is not ANY else unread for name, held in body_contents.items()},
        unread=unread,
        reads_all=pins and holds(schemas, description, is_base64),
        headers=tuple(parameter.name.lower().encode() for parameter in free if parameter.location == "header"),
        reads_cookies=any(parameter.location == "cookie" for parameter in free),
        reads_path=any(parameter.location == "path" for parameter in free),
    )
    return inspector.check


def compile_message_check(
    operation: Operation, policy: InspectPolicy, description: ApiDescription
) -> MessageCheck | None:
    """The check of one text message; None when every class is off. Errors of it: Denied `inspect.<threat>`."""
    threats = tuple(threat for threat in THREATS if threat not in policy.insecure_classes_off)
    if not threats:
        return None
    judging = Judging(policy, f"{operation.method} {operation.template}", threats)
    fields = Fields((), description)

    def check(exchange: Exchange, text: str) -> None:
        raw = text.encode("utf-8", "replace")
        data = _json_of(raw) if raw.lstrip(_JSON_SPACE)[:1] in _JSON_OPEN else UNPARSED
        if data is UNPARSED:
            judging.judge("message", text, exchange, 0)
            return
        spent = 0
        for pointer, value, _ in texts(data, fields):
            spent = judging.judge(pointer, value, exchange, spent)

    return check


def warm() -> None:
    """Compile what is compiled on first use: for who is about to serve. Whoever only checks a policy need not wait."""
    text_prefilter()
    code.constructs()


class _Found(NamedTuple):
    """A verdict with what it was passed on."""

    verdict: Verdict
    text: str
    judge: Judge


class Judging:
    """Judges one text: every reading of it, every class that applies and is not excluded for its field."""

    __slots__ = ("_excluded", "_judged_bytes", "_keeps_text", "_orders", "_threats")

    def __init__(self, policy: InspectPolicy, operation: str, threats: tuple[Threat, ...]) -> None:
        self._threats = threats
        self._orders: dict[frozenset[Threat], tuple[Threat, ...]] = {}
        """The classes of a set in the order of asking: there are a handful of such sets."""
        self._judged_bytes, self._keeps_text = policy.judged_bytes, policy.insecure_excerpts
        self._excluded: dict[tuple[Threat, str], float] = {}
        for exclusion in policy.exclude:
            if exclusion.operation == operation:
                ends = dt.datetime.combine(exclusion.until, dt.time(), tzinfo=dt.UTC)
                self._excluded[exclusion.threat, exclusion.field] = ends.timestamp() + _DAY_S

    def judge(self, field: str, text: str, exchange: Exchange, spent: int, contents: Contents = ANY) -> int:
        """Characters judged so far, this text's included. Errors: Denied."""
        for threat, (own_judge, cost) in contents.own_judges.items():
            if threat in self._threats and not self._is_excluded(threat, field, exchange):
                spent = self._within(spent + cost(text) + _TEXT_COST, threat, field)
                verdict = own_judge(text)
                if verdict is not None:
                    self._refuse(_Found(verdict, text, own_judge), field, contents)
        found, spent = self._find(field, text, exchange, spent, contents)
        if found is not None and contents.rest is not None:
            spent = self._within(spent + PARSING_COST * len(text), found.verdict.threat, field)
            rest = contents.rest(text)
            if rest != text:
                found, spent = self._find(field, rest, exchange, spent, contents)
        if found is not None:
            self._refuse(found, field, contents)
        return spent

    def _find(
        self, field: str, text: str, exchange: Exchange, spent: int, contents: Contents
    ) -> tuple[_Found | None, int]:
        """The first verdict that counts, and the characters judged so far."""
        if contents is ANY:
            return self._find_in(field, text, exchange, spent, self._threats, ANY)
        for part, judged in contents.parts(text):
            threats = self._orders.get(judged)
            if threats is None:
                threats = self._orders[judged] = tuple(each for each in self._threats if each in judged)
            found, spent = self._find_in(field, part, exchange, spent, threats, contents)
            if found is not None:
                return found, spent
        return None, spent

    def _find_in(
        self, field: str, text: str, exchange: Exchange, spent: int, threats: tuple[Threat, ...], contents: Contents
    ) -> tuple[_Found | None, int]:
        prefilter = text_prefilter()
        for form, form_bits in forms(text, prefilter.bits(text.encode("utf-8", "replace")), prefilter):
            for threat in threats:
                if form_bits & BIT[threat] and not self._is_excluded(threat, field, exchange):
                    spent = self._within(spent + len(form) + _TEXT_COST, threat, field)
                    verdict = JUDGES[threat](form)
                    if verdict is not None and not (contents.weak and contents.weak(verdict, form)):
                        return _Found(verdict, form, JUDGES[threat]), spent
            if form_bits & DECODE:  # the next form is made of this one
                spent = self._within(spent + len(form) // _DECODED_SHARE, self._threats[0], field)
        return None, spent

    def _refuse(self, found: _Found, field: str, contents: Contents) -> NoReturn:
        verdict = found.verdict
        shown = "" if contents.is_secret else excerpt(found.text, found.judge, is_plain=self._keeps_text)
        where = f": {shown}" if shown else ""
        raise Denied(f"inspect.{verdict.threat}", f"{field}: {verdict.reason} ({verdict.score} %){where}")

    def _is_excluded(self, threat: Threat, field: str, exchange: Exchange) -> bool:
        return exchange.now < self._excluded.get((threat, field), 0.0)

    def _within(self, spent: int, threat: Threat, field: str) -> int:
        if spent > self._judged_bytes:
            raise Denied(f"inspect.{threat}", f"{field}: more suspicious text than may be judged (B11)")
        return spent


def forms(text: str, bits: int, prefilter: Prefilter) -> Iterator[tuple[str, int]]:
    """Every reading of a text, and what it resolves to for some classes, with the prefilter's bits of each.

    `bits`: of the text itself. Look-alikes of slashes and quotes are folded as databases and file systems do; character
    references are resolved for markup alone. Base64 is decoded whatever the bits: nothing in it looks like an attack.
    """
    for reading in readings(text) if bits else (text,):
        if reading is not text:
            bits = prefilter.bits(reading.encode("utf-8", "replace"))
        if bits:
            yield reading, bits
        if bits & DECODE:
            folded = path_reading(reading)
            if folded != reading:
                yield folded, prefilter.bits(folded.encode("utf-8", "replace"))
            resolved = markup_reading(reading)
            if resolved is not None:
                yield resolved, prefilter.bits(resolved.encode("utf-8", "replace")) & _MARKUP
        hidden = base64_reading(reading)
        if hidden is not None:
            yield hidden, prefilter.bits(hidden.encode("utf-8", "replace"))


def judge_text(text: str) -> Verdict | None:
    """The first verdict on a text by any class, as the gateway would find it; None when it passes."""
    prefilter = text_prefilter()
    for form, bits in forms(text, prefilter.bits(text.encode("utf-8", "replace")), prefilter):
        for threat in THREATS:
            if bits & BIT[threat] and (verdict := JUDGES[threat](form)) is not None:
                return verdict
    return None


class _Inspector:
    """The compiled check of one operation."""

    __slots__ = (
        "_body_contents",
        "_contents",
        "_fields",
        "_fields_of",
        "_headers",
        "_judging",
        "_reads_all",
        "_reads_cookies",
        "_reads_path",
        "_unread",
    )

    def __init__(
        self,
        judging: Judging,
        fields: Fields,
        *,
        fields_of: dict[bytes, Fields],
        contents: dict[str, Contents],
        body_contents: dict[bytes, Contents],
        unread: Contents,
        reads_all: bool,
        headers: tuple[bytes, ...],
        reads_cookies: bool,
        reads_path: bool,
    ) -> None:
        """`fields_of`: of JSON bodies, by media type; `fields`: of all of them.

        `contents`: of parameters, by `query:name`; `body_contents`: of whole bodies, by media type; `unread`: of
        bodies whose fields cannot be told apart.
        `reads_all`: JSON bodies hold texts that the first pass over the raw bytes cannot see through.
        """
        self._contents, self._body_contents, self._reads_all = contents, body_contents, reads_all
        self._judging, self._fields, self._fields_of, self._unread = judging, fields, fields_of, unread
        self._headers, self._reads_cookies, self._reads_path = headers, reads_cookies, reads_path

    def check(self, exchange: Exchange) -> None:
        """Nothing, when no text of the request is an attack. Errors: Denied."""
        request = exchange.request
        spent = 0
        if self._reads_path:
            for name, value in exchange.path_values.items():
                spent = self._judge(f"path:{name}", value, exchange, spent)
        if request.query:
            spent = self._pairs("query", request.query, exchange, spent)
        for header in self._headers:
            for value_bytes in request.headers.all(header):
                spent = self._judge(f"header:{header.decode()}", _decoded(value_bytes), exchange, spent)
        if self._reads_cookies:
            for cookies in request.headers.all(b"cookie"):
                for pair in cookies.split(b";"):
                    name_bytes, _, value_bytes = pair.partition(b"=")
                    place = f"cookie:{_decoded(name_bytes).strip(' ')}"
                    spent = self._judge(place, _decoded(value_bytes), exchange, spent)
        if request.body:
            self._body(exchange, spent)

    def _judge(self, place: str, text: str, exchange: Exchange, spent: int) -> int:
        return self._judging.judge(place, text, exchange, spent, self._contents.get(place, ANY))

    def _body(self, exchange: Exchange, spent: int) -> None:
        body = exchange.request.body
        media_type = _media_type(exchange)
        if exchange.json_body is not UNPARSED:
            # Raw bytes of a form are percent-encoded, those of XML hold references: they say too little of the texts.
            is_form = media_type in _FORMS
            is_opaque = self._reads_all or is_form or is_xml(media_type.decode("latin-1"))
            if is_opaque or json_prefilter().bits(body):
                for pointer, text, field in texts(exchange.json_body, self._fields_of.get(media_type, self._fields)):
                    if field is None or text not in field.closed:
                        place = _form_place(pointer) if is_form else pointer
                        contents = field.contents if field is not None else ANY
                        spent = self._judging.judge(place, text, exchange, spent, contents)
            for name, file_name in exchange.file_names:
                spent = self._judging.judge(f"form:{name}", file_name, exchange, spent)
            return
        if media_type == _FORM:
            self._pairs("form", body, exchange, spent)
        elif media_type == _MULTIPART:
            self._unread_parts(body, exchange, spent)
        elif is_parsed(media_type.decode("latin-1")):
            self._unread_json(body, exchange, spent)
        else:
            contents = self._body_contents.get(media_type, self._unread)
            spent = self._judging.judge("body", _decoded(body), exchange, spent, contents)
            data = _json_of(body) if body.lstrip(_JSON_SPACE)[:1] in _JSON_OPEN else UNPARSED
            if data is not UNPARSED and json_prefilter().bits(body):
                # Many an API reads JSON under whatever content type it comes.
                self._strings(data, exchange, spent)

    def _unread_parts(self, body: bytes, exchange: Exchange, spent: int) -> None:
        """A multipart body that validate did not hand on: what stands between its line ends, piece by piece.

        A part's own header fields would read as an injected header of an answer; each piece is judged by itself.
        """
        for piece in body.split(b"\r\n"):
            spent = self._judging.judge("body", _decoded(piece), exchange, spent, self._unread)

    def _unread_json(self, body: bytes, exchange: Exchange, spent: int) -> None:
        """JSON that validate did not hand on, because it is wrong or nobody looked: its texts one by one."""
        data = _json_of(body)
        if data is not UNPARSED:
            self._strings(data, exchange, spent)
            return
        spent = self._judging.judge("body", _decoded(body), exchange, spent, self._unread)
        for literal in _LITERAL.findall(body):
            text = _json_of(b'"' + literal + b'"')
            text = text if isinstance(text, str) else _decoded(literal)
            spent = self._judging.judge("body", text, exchange, spent, self._unread)

    def _strings(self, data: object, exchange: Exchange, spent: int) -> None:
        for pointer, text, field in texts(data, self._fields):
            spent = self._judging.judge(pointer, text, exchange, spent, _unpinned(field))

    def _pairs(self, place: str, raw: bytes, exchange: Exchange, spent: int) -> int:
        """Names and values of a query or form, each decoded once, as every API decodes them.

        Filtered one by one: in the raw bytes no value stands at the start of a text, where some attacks show.
        """
        for pair in raw.replace(b"+", b" ").split(b"&"):
            name_bytes, _, value_bytes = pair.partition(b"=")
            name = _decoded(unquote_to_bytes(name_bytes))
            spent = self._judging.judge(f"{place}:{name}", name, exchange, spent)
            value = _decoded(unquote_to_bytes(value_bytes))
            if place == "form":
                contents = _unpinned(self._fields.member(name))
                spent = self._judging.judge(f"form:{name}", value, exchange, spent, contents)
            else:
                spent = self._judge(f"{place}:{name}", value, exchange, spent)
        return spent


def _place(parameter: Parameter) -> str:
    """How an exclusion names the parameter."""
    name = parameter.name.lower() if parameter.location == "header" else parameter.name
    return f"{parameter.location}:{name}"


def _unpinned(field: Fields | None) -> Contents:
    """How a text is judged that validate has not held to the field."""
    return SECRET if field is not None and field.contents.is_secret else ANY


def _form_place(pointer: str) -> str:
    """How an exclusion names the form field in which this pointer lies: `form:name`, whoever read the form."""
    return f"form:{pointer[1:].partition('/')[0].replace('~1', '/').replace('~0', '~')}"


def is_parsed(media_type: str) -> bool:
    """Whether validate reads bodies of this type (lower case, no parameters) into data: JSON, and forms."""
    return is_json(media_type) or media_type.encode("latin-1") in _FORMS


def _media_type(exchange: Exchange) -> bytes:
    return (exchange.request.headers.get(b"content-type") or b"").partition(b";")[0].strip(b" \t").lower()


def _json_of(body: bytes) -> object:
    """The data of a JSON text; UNPARSED when it is none, names a member twice or has a number dear to convert."""
    if _LONG_NUMBER in body.translate(_DIGITS_TO_ZERO):
        return UNPARSED
    try:
        return jiter.from_json(body, catch_duplicate_keys=True)
    except ValueError:
        return UNPARSED


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
