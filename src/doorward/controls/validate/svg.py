"""SVG images that only draw: nothing in them runs, and nothing leads elsewhere.

Source: SVG 2 sections 2 (secure static mode), 15 and 16; CWE-79, CWE-611, CWE-918; catalogue row B14. Read by expat,
which loads nothing. Refused are scripts, event handlers, foreign content, references other than to a part of the image
itself or to embedded raster images and fonts, style sheets that load, document types with declarations of their own.
"""

import re
from typing import Final
from xml.parsers import expat

from doorward.denial import Denied

_DEPTH: Final = 256
"""Deepest nesting, in levels: what drawing programs write has a tenth of it."""
_SVG: Final = "http://www.w3.org/2000/svg"
_FOREIGN: Final = frozenset({"http://www.w3.org/1999/xhtml", "http://www.w3.org/1998/Math/MathML"})
_RUNS: Final = frozenset(
    {"script", "foreignobject", "handler", "listener", "iframe", "object", "embed", "audio", "video", "canvas", "link"}
)
_LEADS: Final = frozenset(
    {"href", "src", "data", "action", "formaction", "base", "ping", "srcset", "externalresourcesrequired"}
)
_ANIMATES: Final = frozenset({"set", "animate", "animatetransform", "animatemotion", "animatecolor"})
_WITHIN: Final = re.compile(r"#[^\s]{0,1000}|data:image/(?:png|jpe?g|gif|webp|avif|bmp)[;,][^<>\"']*", re.IGNORECASE)
_STYLE_LEADS: Final = re.compile(
    r"url\(\s*+[\"']?+\s*+(?!#|data:(?:image/(?:png|jpe?g|gif|webp|avif|bmp)|font/|application/(?:x-)?font)[^)]{0,64}[;,])"
    r"|(?<![\w-])(?:src|image|image-set|expression)\(|@import|-moz-binding|behaviou?r\s{0,64}:|\\",
    re.IGNORECASE,
)
_BLANKS: Final = re.compile(r"[\x00-\x20\x7f-\xa0\u200b-\u200f\u2028\u2029\ufeff]+")
_DROPPED: Final = re.compile(r"[\t\n\r]+")
_CONTROLS: Final = "".join(map(chr, range(0x21)))
_SCHEMES: Final = ("javascript:", "vbscript:", "data:text/", "data:application/x", "data:image/svg", "livescript:")


class _DoesMoreError(Exception):
    """The image does more than draw. Its text says what; no value of the client's stands in it."""


def check_svg(data: bytes, place: str) -> None:
    """Nothing, when the image only draws. Errors: Denied `validate.upload`."""
    if b"\0" in data:
        raise Denied("validate.upload", f"{place}: the SVG image is not UTF-8")
    reading = _Reading()
    parser = expat.ParserCreate("utf-8", " ")
    parser.ordered_attributes = True
    parser.buffer_text = True
    parser.StartElementHandler = reading.start
    parser.EndElementHandler = reading.end
    parser.CharacterDataHandler = reading.text
    parser.StartDoctypeDeclHandler = reading.document_type
    parser.ProcessingInstructionHandler = reading.instruction
    parser.XmlDeclHandler = reading.declaration
    try:
        parser.Parse(data, True)
    except _DoesMoreError as more:
        raise Denied("validate.upload", f"{place}: the SVG image {more}") from None
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise Denied("validate.upload", f"{place}: the SVG image is not well-formed: {reason}") from None


class _Reading:
    """What an image has shown so far."""

    __slots__ = ("_depth", "_style", "_styles")

    def __init__(self) -> None:
        self._depth = self._style = 0
        self._styles: list[str] = []

    def start(self, name: str, attributes: list[str]) -> None:
        space, _, local = name.rpartition(" ")
        local = local.lower()
        self._depth += 1
        if self._depth > _DEPTH:
            raise _DoesMoreError("nests too deep")
        if self._depth == 1 and (local != "svg" or space not in {_SVG, ""}):
            raise _DoesMoreError("is no SVG image")
        if local in _RUNS or space in _FOREIGN:
            raise _DoesMoreError(f"holds an element that runs or shows foreign content ({local[:40]})")
        if local == "style" and not self._style:
            self._style = self._depth
        for index in range(0, len(attributes), 2):
            _check_attribute(local, attributes[index], attributes[index + 1])

    def end(self, _: str) -> None:
        if self._style == self._depth:
            self._style = 0
            _check_style("".join(self._styles))
            self._styles.clear()
        self._depth -= 1

    def text(self, text: str) -> None:
        if self._style:
            self._styles.append(text)

    def document_type(self, _name: str, system: str | None, public: str | None, has_own: int) -> None:
        # Drawing programs name the one that W3C published, or none.
        is_w3c = (public or "").startswith("-//W3C//DTD SVG") and (system or "").startswith("http://www.w3.org/")
        if has_own or not (is_w3c or (public is None and system is None)):
            raise _DoesMoreError("has a document type, which may bring entities")

    def instruction(self, _target: str, _data: str) -> None:
        raise _DoesMoreError("has a processing instruction")

    def declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() not in {"utf-8", "us-ascii"}:
            raise _DoesMoreError("is not UTF-8")


def _check_attribute(element: str, name: str, value: str) -> None:
    local = name.rpartition(" ")[2].lower()
    if local.startswith("on"):
        raise _DoesMoreError("has an event handler")
    compact = _BLANKS.sub("", value).lower()
    if any(scheme in compact for scheme in _SCHEMES):
        raise _DoesMoreError("has a link that runs")
    # What URL parsers drop is dropped here and no more: a mark of no width makes a path.
    reference = _DROPPED.sub("", value).strip(_CONTROLS)
    if local in _LEADS and reference and not _WITHIN.fullmatch(reference):
        raise _DoesMoreError("refers to something outside itself")
    if element in _ANIMATES and local == "attributename" and (compact.endswith("href") or compact.startswith("on")):
        raise _DoesMoreError("animates a link or a handler")
    if local == "style" or "url(" in compact:
        _check_style(value)


def _check_style(text: str) -> None:
    if _STYLE_LEADS.search(text):
        raise _DoesMoreError("has a style that loads or runs something")
