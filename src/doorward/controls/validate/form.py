"""`name=value&...` text, as queries and form bodies carry it: pairs, strictly decoded."""

from doorward.controls.validate.wire import NotText, percent_decoded


class TooMany(ValueError):
    """More pairs than allowed."""


def pairs(text: str, limit: int) -> list[tuple[str, str]]:
    """Names and values in order, percent-decoded once, a plus sign being a space; a semicolon separates nothing.

    Errors: NotText; TooMany beyond `limit` pairs.
    Source: WHATWG URL section 5.1, made strict; catalogue row B10.

    >>> pairs("a=1&b=x%20y&c", 10)
    [('a', '1'), ('b', 'x y'), ('c', '')]
    """
    if text.count("&") >= limit:
        raise TooMany(f"more than {limit} fields")
    made: list[tuple[str, str]] = []
    for part in text.split("&"):
        if part:
            name, _, value = part.partition("=")
            made.append((percent_decoded(name, plus_is_space=True), percent_decoded(value, plus_is_space=True)))
    return made


def ascii_text(data: bytes) -> str:
    """Bytes of a query or form, which hold ASCII only: everything else travels percent-encoded. Errors: NotText."""
    try:
        return data.decode("ascii")
    except UnicodeDecodeError:
        raise NotText("has bytes that must be percent-encoded") from None
