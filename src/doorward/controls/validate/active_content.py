"""Content that is run where it is opened: by a browser, a server, an operating system; told by its bytes and its name.

Source: CWE-434, CWE-646, CWE-79; WHATWG MIME Sniffing section 7.1 (which beginnings a browser takes for HTML).
"""

import re
from typing import Final

ACTIVE: Final = frozenset(
    {
        "text/html", "application/xhtml+xml", "image/svg+xml", "text/javascript", "application/javascript", "text/xml",
        "application/xml", "application/x-httpd-php", "application/x-sh", "application/x-msdownload", "text/x-php",
        "application/x-msdos-program", "application/x-executable", "application/wasm", "application/hta",
        "text/vbscript", "application/java-archive", "application/vnd.android.package-archive",
    }
)  # fmt: skip
"""Types that a browser, a server or a system runs: taken only where the description names them for the field."""
PROGRAMS: Final = ACTIVE - {"image/svg+xml", "text/xml", "application/xml"}
"""Those of them that are nothing but code."""
_PROGRAM_HEADS: Final = (
    b"MZ", b"\x7fELF", b"#!", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xfe\xed\xfa",
    b"\x00asm", b"dex\n", b"L\x00\x00\x00\x01\x14\x02\x00", b"ITSF\x03",
)  # fmt: skip
_IN_HEADER: Final = (b"GIF87a/*", b"GIF89a/*", b"GIF87a=", b"GIF89a=", b"\xff\xd8\xff\xe0/*", b"BM/*", b"BM=")
"""The beginning of an image whose size, read as a script, opens a comment or an assignment."""
_SCRIPTED: Final = re.compile(
    # Tags of three or four signs stand in every few megabytes of compressed pixels: they count with text behind them.
    rb"<\?php|<script[\s>/]|<html[\s>/]|<!doctype html"
    rb"|<svg[\s>/][\t\n\r\x20-\x7e]{8}|<(?:\?=|%=|%@)[\t\n\r\x20-\x7e]{11}",
    re.IGNORECASE,
)
_MAYBE_SCRIPTED: Final = re.compile(
    rb"<[?%!sh](?:php|=[\t\n\r\x20-\x7e]{11}|@[\t\n\r\x20-\x7e]{11}|cript[\s>/]|vg[\s>/][\t\n\r\x20-\x7e]{8}|tml[\s>/]"
    rb"|doctype html)"
)
"""Finds, in lower case, all that `_SCRIPTED` finds and a little more; a quarter of the cost where every byte is `<`."""
_SHORT_TAG: Final = re.compile(rb"<\?=|<%@|<%=|<svg[\s>/]|<\?php", re.IGNORECASE)
"""The same in text, where nothing stands by chance."""
_SNIFFED: Final = re.compile(
    rb"[\t\n\x0c\r ]*+<(?:!--"
    rb"|(?:!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title|body|br|b|p)[ \t\r\n>/])",
    re.IGNORECASE,
)
"""How content begins that browsers take for HTML, whatever it is called."""
_MARKUP: Final = re.compile(
    rb"<[a-z][^<>]{0,2000}?[\s\"'/](?:on[a-z]{3,32}\s{0,64}=|(?:href|src|action|formaction|data)\s{0,64}=[\s\"']{0,64}"
    rb"(?:javascript|vbscript):)|xmlns(?::[\w-]{1,64})?\s{0,64}=\s{0,64}[\"']http://www\.w3\.org/(?:1999/xhtml|2000/svg)[\"']"
    rb"|<(?:iframe|embed|meta[\s/][^<>]{0,200}?http-equiv)[\s/]",
    re.IGNORECASE,
)
_REACH: Final = 1 << 20
"""How far from the beginning and from the end of a file readers look, in bytes."""
_HEADER: Final = 4_096
"""How much of the beginning a browser judges by, in bytes: 1445, in a coding of up to four bytes a character."""
_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
_MARK_BYTES: Final = b"\xef\xbb\xbf\xff\xfe\0"
_BINARY: Final = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
RUN_BY_SERVERS: Final = re.compile(
    r"\.(?:php[0-9]?|phtml|phar|pht|jspx?|jspf|asp|aspx|ashx|asmx|cer|cgi|pl|py|rb|sh|bash|bat|cmd|ps1|exe|dll|so|war|jar|htaccess|htpasswd"
    r"|shtml|svg|html?|xhtml|hta|js|mjs|vbs|wsf|scr|com|msi|lnk)(?=\.|$)",
    re.IGNORECASE,
)
"""Extensions that servers or systems run, also before another one (`a.php.jpg`)."""


def runs(data: bytes, *, is_text: bool, may_hold_markup: bool = False) -> str:
    """Why the content would be run somewhere; empty when it would not.

    `is_text`: it is said to be text, or looks like it. `may_hold_markup`: readers expect some in it (Markdown).
    """
    if data.startswith(_PROGRAM_HEADS):
        return "the content is a program"
    if data.startswith(_IN_HEADER):
        return "the content is an image and a script at once"
    for piece in (data,) if len(data) <= 2 * _REACH else (data[:_REACH], data[-_REACH:]):
        # UTF-16 and UTF-32 are ASCII with NULs between: what is left without them is what their readers read.
        is_wide = (is_text or data.startswith(_MARKS)) and b"\0" in piece
        text = piece.replace(b"\0", b"") if is_wide else piece
        if _is_scripted(piece) or (is_wide and _is_scripted(text)) or (is_text and _SHORT_TAG.search(text)):
            return "the content holds markup or code that is run where it is opened"
        if is_text and not may_hold_markup and _MARKUP.search(text):
            return "the content holds markup that browsers run"
    if is_text and not may_hold_markup and _SNIFFED.match(data[:_HEADER].lstrip(_MARK_BYTES).replace(b"\0", b"")):
        return "the content begins as HTML does"
    return ""


def _is_scripted(data: bytes) -> bool:
    return any(_SCRIPTED.match(data, found.start()) for found in _MAYBE_SCRIPTED.finditer(data.lower()))


def looks_like_text(data: bytes) -> bool:
    """Whether nothing at the beginning says that it is not text (WHATWG MIME Sniffing section 7.2).

    >>> looks_like_text(b"a,b"), looks_like_text(bytes(4))
    (True, False)
    """
    return _BINARY.search(data, 0, _HEADER) is None
