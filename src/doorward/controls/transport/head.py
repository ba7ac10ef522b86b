"""The request head as bytes, judged before any parser sees it: one compiled pattern, then the framing fields.

A head that the pattern takes is well-formed line by line; whatever it does not take is looked at again, slowly, to
name what is wrong. Nothing here repairs: two servers may repair differently, and that is the attack.
"""

import re
from typing import Final, NoReturn

from doorward.denial import Denied

METHODS: Final = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"QUERY"})
"""Methods that may ever be forwarded. An allow-list: an unknown method is not implemented here (RFC 9110 9.1)."""
_DENIED_METHODS: Final = frozenset({b"CONNECT", b"TRACE", b"TRACK"})

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
# Possessive quantifiers: no input makes the pattern try a second way. `_` is left out of field names on purpose, so
# that names a CGI-like server folds onto another (`Content_Length`) take the slow look.
_WELL_FORMED: Final = re.compile(
    rb"(?:\r\n)?(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|QUERY) [!\"$-~]++ HTTP/1\.[01]\r\n"
    rb"(?:[!#$%&'*+\-.^`|~0-9A-Za-z]++:[\t\x20-\x7e\x80-\xff]*+\r\n)*+\r\n"
)
_ORIGIN_FORM: Final = re.compile(rb"(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|QUERY) (/[!\"$-~]*+) HTTP/1\.([01])")
_START_LINE: Final = re.compile(rb"(" + _TOKEN + rb"++) ([!-~\x80-\xff]++) HTTP/1\.[01]")
_FIELD: Final = re.compile(rb"(" + _TOKEN + rb"++):[\t\x20-\x7e\x80-\xff]*+")
_FRAMING: Final = re.compile(rb"\n(transfer-encoding|content-length|expect):([^\r]*+)")
_LENGTH: Final = re.compile(rb"0|[1-9][0-9]{0,15}")
_FRAMING_ALIASES: Final = frozenset({b"transfer-encoding", b"content-length"})
_KNOWN_CODINGS: Final = frozenset({b"chunked", b"identity", b"gzip", b"x-gzip", b"deflate", b"compress", b"x-compress"})
_TOLD_BYTES: Final = 16
"""Of a line that is no field: enough to find it, too little to hold a credential whose colon was lost."""
_CODING: Final = re.compile(_TOKEN + rb"++")


def check_head(head: bytes) -> None:
    r"""Nothing, when `head` (up to and with its final CRLFCRLF) is the head of one unambiguous HTTP/1.1 request.

    Errors: Denied `transport.*`; every one of them means that the connection cannot be read on.
    Source: RFC 9112 sections 2-6; hostile inputs S1, S5-S13, S23, S24, H10. Linear in the length of the head.

    >>> check_head(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
    """
    if _WELL_FORMED.fullmatch(head) is None:
        _look_closer(head)
    lower = head.lower()
    if b"\ncontent-length:" in lower or b"\ntransfer-encoding:" in lower or b"\nexpect:" in lower:
        _check_framing(lower)


def start_line(line: bytes) -> tuple[bytes, bytes, bytes] | None:
    r"""Method, target and minor version of a request line in origin form, or None for a line that is anything else.

    >>> start_line(b"GET /a?b=1 HTTP/1.1")
    (b'GET', b'/a?b=1', b'1')
    """
    match = _ORIGIN_FORM.fullmatch(line)
    return None if match is None else (match[1], match[2], match[3])


def _check_framing(lower: bytes) -> None:
    lengths: list[bytes] = []
    codings: list[bytes] = []
    for name, value in _FRAMING.findall(lower):
        bare = value.strip(b" \t")
        if name == b"content-length":
            lengths.append(bare)
        elif name == b"transfer-encoding":
            # A tab behind the coding is refused: llhttp takes a space there and no tab (measured), so readers differ.
            codings.append(value.lstrip(b" \t").rstrip(b" "))
        elif bare != b"100-continue":
            raise Denied("transport.expect", f"Expect: {bare[:64]!r}")
    if codings and lengths:
        raise Denied("transport.cl_te", "Content-Length and Transfer-Encoding in one request")
    if len(lengths) > 1 or (lengths and b"," in lengths[0]):
        raise Denied("transport.cl_duplicate", f"Content-Length {lengths[:4]!r}")
    if lengths and _LENGTH.fullmatch(lengths[0]) is None:
        raise Denied("transport.cl_invalid", f"Content-Length {lengths[0][:64]!r}")
    if codings:
        _check_coding(codings, lower)


def _check_coding(codings: list[bytes], lower: bytes) -> None:
    if b" http/1.0\r\n" in lower[: lower.index(b"\n", 2) + 1]:
        raise Denied("transport.te_http10", "Transfer-Encoding in an HTTP/1.0 request")
    if codings == [b"chunked"]:
        return
    detail = f"Transfer-Encoding {[coding[:64] for coding in codings[:4]]!r}"
    names = [name.strip(b" \t") for name in codings[0].split(b",")] if len(codings) == 1 else []
    well_formed = all(_CODING.fullmatch(name) for name in names)
    if well_formed and len(names) == 1 and names[0] not in _KNOWN_CODINGS:
        raise Denied("transport.te_unknown", detail)
    if well_formed and len(names) > 1 and names[-1] == b"chunked" and b"chunked" not in names[:-1]:
        raise Denied("transport.te_unknown", detail)
    raise Denied("transport.te_invalid", detail)


def _look_closer(head: bytes) -> None:
    """Nothing for a head whose only peculiarity is a harmless `_` in a name. Errors: Denied, naming the first fault."""
    text = head.removeprefix(b"\r\n")
    if not text.endswith(b"\r\n\r\n"):
        raise Denied("transport.bare_lf" if b"\n" in text else "transport.start_line", "the head has no end")
    start_line, *fields = text[:-4].split(b"\r\n")
    _check_start_line(start_line)
    for position, field in enumerate(fields):
        _check_field(field, first=position == 0)


def _check_start_line(line: bytes) -> None:
    if b"\n" in line:
        raise Denied("transport.bare_lf", "bare LF in the start line")
    parts = _START_LINE.fullmatch(line)
    if parts is None:
        raise Denied("transport.start_line", f"start line {line.partition(b'?')[0][:64]!r}")
    method, target = parts.groups()
    if method in _DENIED_METHODS:
        allow = b", ".join(sorted(METHODS))
        raise Denied("transport.method_denied", f"method {method.decode('ascii')}", headers=((b"allow", allow),))
    if method not in METHODS:
        raise Denied("transport.method_unknown", f"method {method[:32]!r}")
    if b"#" in target:
        raise Denied("transport.path_fragment", "`#` in the request target")
    if not target.isascii():
        raise Denied("transport.path_bytes", "raw bytes above 0x7f in the request target")


def _check_field(line: bytes, *, first: bool) -> None:
    if line[:1] in {b" ", b"\t"}:
        if first:
            raise Denied("transport.header_name", "whitespace between start line and first field")
        raise Denied("transport.obs_fold", "a folded header field")
    well_formed = _FIELD.fullmatch(line)
    if well_formed is None:
        _name_field_fault(line)
    name = well_formed[1].lower().replace(b"_", b"-")
    if name in _FRAMING_ALIASES and b"_" in well_formed[1]:
        raise Denied("transport.header_name", f"{well_formed[1]!r} may be read as {name!r}")


def _name_field_fault(line: bytes) -> NoReturn:
    name, colon, _ = line.partition(b":")
    if b"\n" in line:
        raise Denied("transport.bare_lf", "bare LF in a header field")
    if not colon or _CODING.fullmatch(name) is None:
        raise Denied("transport.header_name", f"field name {name[:_TOLD_BYTES]!r}")
    raise Denied("transport.control_byte", f"control byte in the value of {name[:64]!r}")
