"""Styles that run code, or are built to leave the attribute or string they stand in."""

import re
from typing import Final

from doorward.controls.inspect.normalise import markup_reading
from doorward.controls.inspect.verdict import Verdict

RUNNING_STYLE: Final = Verdict("xss", "a style that runs code", 80)
_STYLE_HINT: Final = re.compile(r"\\|/\*|expression|binding|behavi|@import|script|data:|xss:", re.IGNORECASE)
_STYLE: Final = re.compile(
    r"expression\("
    r"|[:*/]\s{0,8}\w{0,4}expression\s{1,4}\((?!\s{0,4}[A-Za-z]{1,24}[ \t]{1,4}[A-Za-z])"
    r"|-moz-binding|behaviou?r\s*:|@import\s{0,4}(?:[\"'/\\]|url"
    r"|\w{1,8}:)|(?:java|vb)script\s*:"
    r"|url\s{0,8}\(\s{0,8}[\"']?\s{0,8}(?:java|vb)?script:"
    r"|data:image/svg",
    re.IGNORECASE,
)
_CSS_ESCAPE: Final = re.compile(r"\\(?:([0-9A-Fa-f]{1,6})[ \t\n]?|(.))", re.DOTALL)
_ASCII_ESCAPE: Final = re.compile(r"\\0{0,4}[2-7][0-9A-Fa-f](?![0-9A-Fa-f])")
"""A letter or sign of ASCII as an escape of CSS: only disguise needs several."""
_TORN_ADDRESS: Final = re.compile(
    r"url\(\s{0,4}(?!data:)[^\s\"'();]{1,128}[^\"'()]{0,64};[^\"'():]{0,64}:[^\"'()]{0,64}/\*", re.IGNORECASE
)
_TORN_STRING: Final = re.compile(r":\s{0,4}(?:'[^'\n]{0,64}(?:\n|\[a\])[^']{0,64};|\"[^\"\n]{0,64}\n[^\"]{0,64};)")


def runs_as_style(value: str) -> bool:
    """Whether a style sheet, or a style attribute's value, runs code."""
    if not _STYLE_HINT.search(value):
        return False
    plain = _without_comments(_CSS_ESCAPE.sub(_css_character, value))
    for reading in (value, plain, value.replace("\\0", "").replace("\x00", "")):
        match = _STYLE.search(reading)
        if match is not None and (":" in reading[: match.start()] or match[0][0] in "@-" or "{" in reading):
            return True
    return False


def misleads(style: str) -> bool:
    """Whether the value of a style attribute is built to leave a string or an address that it seems to stay in."""
    return (
        -1 < style.find("}") < (style + "{").find("{")
        or _TORN_ADDRESS.search(style) is not None
        or _TORN_STRING.search(markup_reading(style) or style) is not None
        or len(_ASCII_ESCAPE.findall(style)) >= 4
    )


def _without_comments(style: str) -> str:
    """The style without `/* ... */`; a comment that does not end takes the rest along."""
    kept, position = [], 0
    while (opening := style.find("/*", position)) >= 0:
        kept.append(style[position:opening])
        closing = style.find("*/", opening + 2)
        if closing < 0:
            return "".join(kept)
        position = closing + 2
    return "".join(kept) + style[position:]


def _css_character(match: re.Match[str]) -> str:
    if match[1]:
        code = int(match[1], 16)
        return chr(code) if code < 0x110000 else ""
    return match[2]
