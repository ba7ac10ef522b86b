"""Markup as tags with their attributes, read as leniently as browsers do.

Every `<` followed by a letter starts a tag, even inside what a strict parser would call a comment or an attribute:
which of these a browser honours depends on where the text lands, and the judge must assume the worst.
Linear: each tag is read once, up to the `>` that ends it or the next `<`.
"""

import re
from typing import Final, NamedTuple


class Tag(NamedTuple):
    """One opening tag. Names are in lower case; a namespace prefix is kept (`svg:script`)."""

    name: str
    attributes: tuple[tuple[str, str], ...]
    is_closed: bool
    """It ends in `>`; a tag left open is closed by the next one of the page it lands in."""
    is_end: bool
    """It is an end tag (`</script>`)."""
    start: int
    end: int
    """Where it stands in the text."""


_TAG: Final = re.compile(r"<[\x00/!?%]{0,3}([A-Za-z][A-Za-z0-9:_.-]{0,63})")
_NAME: Final = re.compile(r"[^\s\x00/>=\"'`<]{1,128}")
_GAP: Final = re.compile(r"[\s\x00/\x0b\"'`\\+]*")
_EQUALS: Final = re.compile(r"[\s\x00]*=[\s\x00]*")
_BARE: Final = re.compile(r"[^\s>]*")
_TAG_BYTES: Final = 8_192
"""Longest tag read, in characters; what follows in it is read on as text."""


def tags(text: str) -> list[Tag]:
    """The opening tags in the text, in order.

    >>> tags("<IMG src=x onerror='a'>")[0].attributes
    (('src', 'x'), ('onerror', 'a'))
    """
    found: list[Tag] = []
    position = 0
    while True:
        match = _TAG.search(text, position)
        if match is None:
            return found
        tag = _read(text, match)
        found.append(tag)
        position = tag.end


def attributes(text: str, position: int, end: int) -> tuple[list[tuple[str, str]], int]:
    """The attributes from `position` on, and where they end (at a `>` or at `end`)."""
    found: list[tuple[str, str]] = []
    while position < end:
        position = _GAP.match(text, position).end()  # type: ignore[union-attr]
        if position >= end or text[position] == ">":
            break
        if text[position] == "<":
            break
        if text[position] == "=":
            position += 1
            continue
        name = _NAME.match(text, position)
        if name is None:
            position += 1
            continue
        position = name.end()
        equals = _EQUALS.match(text, position)
        value = ""
        if equals is not None:
            value, position = _value(text, equals.end(), end)
        found.append((name[0].replace("\x00", "").lower(), value))
    return found, min(position, end)


def _read(text: str, match: re.Match[str]) -> Tag:
    position = match.end()
    end = min(len(text), position + _TAG_BYTES)
    found, position = attributes(text, position, end)
    is_closed = position < len(text) and text[position] == ">"
    name = match[1].replace("\x00", "").lower()
    return Tag(name, tuple(found), is_closed, "/" in match[0], match.start(), position)


def _value(text: str, position: int, end: int) -> tuple[str, int]:
    if position < end and text[position] in "\"'`":
        quote = text[position]
        closing = text.find(quote, position + 1, end)
        if closing >= 0:
            return text[position + 1 : closing], closing + 1
        # No end in this text: the page's next quote ends it. Read it as bare, so that what follows is seen.
        position += 1
    match = _BARE.match(text, position, end)
    return (match[0], match.end()) if match else ("", position)
