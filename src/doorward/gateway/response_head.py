"""The upstream's response head, read as strictly as a client's request: an upstream is not trusted either."""

import re
from typing import Final

from doorward.denial import Denied
from doorward.exchange import Header
from doorward.wire import HOP_BY_HOP

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*+)?")
_FIELD: Final = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]++):[\t ]*+([\t\x20-\x7e\x80-\xff]*+)")
_LENGTH_DIGITS: Final = 16
_DROPPED: Final = HOP_BY_HOP | {b"content-length"}
_BODILESS: Final = frozenset({204, 304})
_HTTP_1_1: Final = b"1"
_KEPT_LINES: Final = 2_048
_KEPT_STARTS: Final = 64
_KEPT_LINE_BYTES: Final = 128
_UNKEPT: Final = frozenset({b"set-cookie", b"authorization", b"location"})
_known_starts: Final[dict[bytes, tuple[bytes, int]]] = {}
_known: Final[dict[bytes, Header]] = {}
"""Field lines read before: an upstream sends few different ones. Bounded, and without those that hold secrets."""


class ResponseHead:
    """What a response head says."""

    __slots__ = ("chunked", "headers", "keeps_alive", "length", "status")

    def __init__(
        self, status: int, headers: list[Header], length: int | None, chunked: bool, keeps_alive: bool
    ) -> None:
        self.status = status
        self.headers = headers
        """End-to-end fields, names in lower case: framing and hop-by-hop fields are gone."""
        self.length = length
        """Body length in bytes; None when chunked or ended by the connection's close."""
        self.chunked = chunked
        self.keeps_alive = keeps_alive


def read_fields(head: bytes) -> tuple[bytes, int, list[Header]]:
    """Minor version, status and every field of a response head. Errors: Denied `forward.upstream_framing`."""
    lines = head[:-4].split(b"\r\n")
    minor, status = _known_starts.get(lines[0]) or _read_start(lines[0])
    del lines[0]
    return minor, status, [_known.get(line) or _read_field(line) for line in lines]


def read_response_head(head: bytes, *, to_head_request: bool) -> ResponseHead:
    """The response head in `head` (up to and with CRLFCRLF).

    Errors: Denied `forward.upstream_framing` for anything two readers could take differently.
    Source: RFC 9112 sections 4-6; hostile input S25.
    """
    minor, status, fields = read_fields(head)
    lengths: list[bytes] = []
    codings: list[bytes] = []
    options: list[bytes] = []
    headers: list[Header] = []
    for field in fields:
        name = field[0]
        if name not in _DROPPED:
            headers.append(field)
        elif name == b"content-length":
            lengths.append(field[1])
        elif name == b"transfer-encoding":
            codings.append(field[1].lower())
        elif name == b"connection":
            options += [option.strip(b" \t").lower() for option in field[1].split(b",")]
    if options:
        headers = [field for field in headers if field[0] not in options]
    keeps_alive = b"close" not in options and (minor == _HTTP_1_1 or b"keep-alive" in options)
    length = _framing(lengths, codings, http_1_1=minor == _HTTP_1_1)
    if to_head_request or status in _BODILESS or status < 200:
        return ResponseHead(status, headers, 0, False, keeps_alive)
    if length is None and not codings:
        keeps_alive = False
    return ResponseHead(status, headers, length, bool(codings), keeps_alive)


def _read_start(line: bytes) -> tuple[bytes, int]:
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise framing_fault("malformed response head")
    start = match[1], int(match[2])
    if len(line) <= _KEPT_LINE_BYTES and len(_known_starts) < _KEPT_STARTS:
        _known_starts[line] = start
    return start


def _read_field(line: bytes) -> Header:
    match = _FIELD.fullmatch(line)
    if match is None:
        raise framing_fault("malformed response head")
    field = match[1].lower(), match[2].rstrip(b" \t")
    if len(line) <= _KEPT_LINE_BYTES and field[0] not in _UNKEPT:
        if len(_known) >= _KEPT_LINES:
            _known.clear()
        _known[line] = field
    return field


def framing_fault(detail: str) -> Denied:
    """The denial for a response whose extent cannot be trusted."""
    return Denied("forward.upstream_framing", detail)


def _framing(lengths: list[bytes], codings: list[bytes], *, http_1_1: bool) -> int | None:
    if codings:
        if lengths:
            raise framing_fault("Content-Length and Transfer-Encoding in one response")
        if codings != [b"chunked"] or not http_1_1:
            raise framing_fault(f"Transfer-Encoding {codings[:4]!r}")
        return None
    if not lengths:
        return None
    if len(lengths) > 1 or not lengths[0].isdigit() or len(lengths[0]) > _LENGTH_DIGITS:
        raise framing_fault(f"Content-Length {lengths[:4]!r}")
    return int(lengths[0])
