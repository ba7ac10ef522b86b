"""One spelling for a path. What is decided on is what is forwarded, so what has two readings is refused."""

import re
import unicodedata
from typing import Final

from doorward.denial import Denied

_PLAIN: Final = re.compile(rb"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9\-._~!$&'()*+,=:@]++)*+/?")
_PIECE: Final = re.compile(rb"%[0-9A-Fa-f]{2}|[A-Za-z0-9\-._~!$&'()*+,=:@/]++")
_DOUBLE: Final = re.compile(rb"%25(?:25)*[0-9A-Fa-f]{2}")
_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_DOTS: Final = frozenset({".", ".."})
_SEPARATORS: Final = frozenset("/\\;%?#")


def canonical_path(path: bytes) -> bytes:
    """The one spelling of `path`: unreserved characters decoded once, hexadecimal digits in upper case.

    Errors: Denied `transport.path_traversal` (dot segments, empty segments, an encoded slash), `path_double`
        (encoded twice), `path_matrix` (`;`), `path_fragment` (`#`), `path_bytes` (everything else that servers
        read in more than one way: NUL, control bytes, backslash, invalid UTF-8, raw bytes that are not URI characters).
    Source: RFC 3986 sections 2.3, 3.3, 6.2.2; hostile inputs P1-P3, P6, P7. Linear.

    >>> canonical_path(b"/%61ccounts/a%20b/%c3%a9")
    b'/accounts/a%20b/%C3%A9'
    """
    if path and _PLAIN.fullmatch(path) is not None:
        return path
    _refuse_raw(path)
    _refuse_double(path)
    pieces: list[bytes] = []
    high = False
    position = 0
    while position < len(path):
        match = _PIECE.match(path, position)
        if match is None:
            raise Denied("transport.path_bytes", f"byte {path[position]:#04x} in the path")
        piece = match[0]
        if piece[0] == 0x25:
            piece = _decoded(piece)
            high = high or piece[1:2] in b"89ABCDEF"
        pieces.append(piece)
        position = match.end()
    canonical = b"".join(pieces)
    # Again: digits that were encoded themselves (`%250%30`) stand behind the percent sign only now.
    _refuse_double(canonical)
    if high:
        _refuse_lookalikes(canonical)
    if any(segment in {b"", b".", b".."} for segment in canonical[1:].split(b"/")[:-1]) or canonical.endswith(
        (b"/.", b"/..")
    ):
        raise Denied("transport.path_traversal", "dot segment or empty segment")
    return canonical


def _refuse_double(path: bytes) -> None:
    if _DOUBLE.search(path) is not None:
        raise Denied("transport.path_double", "a percent sign is percent-encoded before two hexadecimal digits")


def _refuse_raw(path: bytes) -> None:
    if b"#" in path:
        raise Denied("transport.path_fragment", "`#` in the path")
    if b";" in path:
        raise Denied("transport.path_matrix", "`;` in the path")
    if path[:1] != b"/":
        raise Denied("transport.start_line", "the path does not start with a slash")


def _decoded(triplet: bytes) -> bytes:
    """The unreserved character itself, or the triplet in upper case. Errors: Denied for what must not be in a path."""
    value = int(triplet[1:], 16)
    if value in _UNRESERVED:
        return bytes((value,))
    if value < 0x20 or value in {0x5C, 0x7F}:
        raise Denied("transport.path_bytes", f"encoded byte {value:#04x}")
    if value == 0x2F:
        raise Denied("transport.path_traversal", "encoded slash")
    if value == 0x3B:
        raise Denied("transport.path_matrix", "encoded `;`")
    return triplet.upper()


def _refuse_lookalikes(canonical: bytes) -> None:
    """Refuses invalid UTF-8 (overlong forms among it) and characters that a best-fit mapping turns into separators."""
    raw = re.sub(rb"%([89A-F][0-9A-F])", lambda match: bytes((int(match[1], 16),)), canonical)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Denied("transport.path_bytes", "the path is not valid UTF-8") from error
    for character in text:
        if character >= "\x80":
            folded = unicodedata.normalize("NFKC", character)
            if character < "\xa0" or not _SEPARATORS.isdisjoint(folded) or folded in _DOTS:
                raise Denied("transport.path_bytes", f"U+{ord(character):04X} in the path")
