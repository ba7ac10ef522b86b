"""`multipart/form-data` bodies as parts, read so strictly that no two readers could see different parts.

Source: RFC 7578, RFC 2046 section 5.1; catalogue rows B6 and B7. What parsers disagree about is refused: text before
the first boundary or behind the last, boundaries that others begin with, folded or unknown header fields, `filename*`,
a backslash in a name, line ends other than CRLF.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from doorward.controls.validate.media import parse_content_type
from doorward.denial import Denied

_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,./:=?-](?:[0-9A-Za-z'()+_,./:=? -]{0,68}[0-9A-Za-z'()+_,./:=?-])?")
_FIELD: Final = re.compile(
    rb"(Content-Disposition|Content-Type|Content-Length|Content-Transfer-Encoding): ?([\x20-\x7e\x80-\xff]+)",
    re.IGNORECASE,
)
_QUOTED: Final = r'"([^"\\\x00-\x1f\x7f]{1,255})"'
_DISPOSITION: Final = re.compile(
    rf'form-data; ?name={_QUOTED}(?:; ?filename="([^"\x00-\x1f\x7f]{{0,255}})")?;?', re.IGNORECASE
)
HEAD_BYTES: Final = 4_096
"""Longest header fields of one part, in bytes."""
_CHARSETS: Final = frozenset({"utf-8", "utf8", "us-ascii"})


class PartHead(NamedTuple):
    """What the header fields of a part say."""

    name: str
    filename: str | None
    media_type: str
    length: str | None
    """As written; None when it is not."""


class Part(NamedTuple):
    """One part as it came."""

    name: str
    filename: str | None
    """None: a field, no file."""
    media_type: str
    """Lower case without parameters; `text/plain` when the part names none (RFC 7578 section 4.4)."""
    data: bytes


def parts(body: bytes, parameters: Mapping[str, str], limit: int) -> list[Part]:
    r"""The parts, in order. Errors: Denied `validate.multipart`, `validate.charset`, `validate.json_limit`.

    `parameters`: of the request's Content-Type. `limit`: most parts.

    >>> body = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b--\r\n'
    >>> parts(body, {"boundary": "b"}, 9)[0].data
    b'1'
    """
    delimiter = b"\r\n--" + boundary_of(parameters)
    pieces = (b"\r\n" + body).split(delimiter, limit + 2)
    if pieces[0]:
        raise malformed("text before the first boundary")
    if len(pieces) > limit + 2 or (len(pieces) == limit + 2 and not pieces[-1].startswith(b"--")):
        raise Denied("validate.json_limit", f"multipart: more than {limit} parts")
    if len(pieces) < 2 or pieces[-1] not in {b"--", b"--\r\n"}:
        raise malformed("the last boundary is missing, or text stands behind it")
    return [_part(piece) for piece in pieces[1:-1]]


def _part(piece: bytes) -> Part:
    if not piece.startswith(b"\r\n"):
        raise malformed("a boundary is followed by something else than a line end")
    head, separator, data = piece[2:].partition(b"\r\n\r\n")
    if not separator or len(head) > HEAD_BYTES:
        raise malformed("a part has no header fields, or too many")
    found = part_head(head)
    if found.length is not None and found.length != str(len(data)):
        raise malformed("a part has another length than it says")
    return Part(found.name, found.filename, found.media_type, data)


def part_head(head: bytes) -> PartHead:
    """What the header fields of a part say. Errors: Denied `validate.multipart`, `validate.charset`."""
    fields: dict[str, str] = {}
    for line in head.split(b"\r\n"):
        field = _FIELD.fullmatch(line)
        if field is None or field[1].lower().decode() in fields:
            raise malformed("a part has a malformed, unknown or repeated header field")
        try:
            fields[field[1].lower().decode()] = field[2].strip(b" ").decode()
        except UnicodeDecodeError:
            raise malformed("a header field of a part is not UTF-8") from None
    disposition = _DISPOSITION.fullmatch(fields.get("content-disposition", ""))
    if disposition is None:
        raise malformed("a part has no plain Content-Disposition with a name")
    if fields.get("content-transfer-encoding", "binary").lower() not in {"binary", "8bit", "7bit"}:
        raise malformed("a part has a content-transfer-encoding")
    media_type, parameters = parse_content_type(fields.get("content-type", "text/plain").encode())
    if parameters.get("charset", "utf-8").lower() not in _CHARSETS:
        raise Denied("validate.charset", f"part {disposition[1][:64]!r}: charset {parameters['charset'][:40]!r}")
    if media_type.startswith("multipart/"):
        raise malformed("a part has parts of its own")
    return PartHead(disposition[1], disposition[2], media_type, fields.get("content-length"))


def boundary_of(parameters: Mapping[str, str]) -> bytes:
    """The boundary that a Content-Type names. Errors: Denied `validate.multipart`."""
    boundary = parameters.get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise malformed("the boundary is missing or malformed")
    return boundary.encode("ascii")


def malformed(detail: str) -> Denied:
    """The denial of a body whose parts two readers could see differently."""
    return Denied("validate.multipart", detail)
