"""A query as each kind of database would read it: what ends a string or a comment in one does not in another.

Lenient: it never fails; what is opened and never closed reaches to the end. Linear: each reading is one alternation
whose branches take all they can and give nothing back.
"""

import re
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple


class Token(NamedTuple):
    """One token that is no comment."""

    kind: str
    """`word`, `name` (in quotes), `disguised` (a name in escapes), `string`, `variable`, `number`, `other`, or the
    character itself (`( ) , ; .`)."""
    text: str
    """Lower case, without quotes."""


class _Reading(NamedTuple):
    """What differs between databases."""

    escapes: Literal["", "e", "all"] = ""
    """In which strings a backslash takes the next character along: in none, in `E'...'`, in all."""
    spaced_dashes: bool = False
    """`--` begins a comment only before white space."""
    hashes: bool = False
    """`#` begins a comment."""
    versioned: bool = False
    """What stands in `/*! ... */` is run."""
    dollars: bool = False
    """`$tag$ ... $tag$` is a string."""
    nests: bool = False
    """Comments hold comments."""
    brackets: bool = False
    """`[...]` is a name."""
    q_strings: bool = False
    """`q'[...]'` is a string."""


_PLAIN: Final = _Reading()
_MYSQL: Final = _Reading(escapes="all", spaced_dashes=True, hashes=True, versioned=True)
_POSTGRES: Final = _Reading(escapes="e", dollars=True, nests=True)
_READINGS: Final = (
    _Reading(q_strings=True),  # Oracle; and the standard
    _MYSQL,
    _MYSQL._replace(escapes=""),  # sql_mode NO_BACKSLASH_ESCAPES
    _POSTGRES,
    _POSTGRES._replace(escapes="all"),  # standard_conforming_strings off
    _Reading(brackets=True, nests=True),  # SQL Server
    _Reading(brackets=True),  # SQLite
)
_MATTERS: Final = (
    ("\\", "escapes"), ("--", "spaced_dashes"), ("#", "hashes"), ("/*", "versioned"), ("$", "dollars"),
    ("/*", "nests"), ("[", "brackets"), ("q'", "q_strings"),
)  # fmt: skip
"""A text without the sign on the left reads the same, whatever the property on the right."""


def readings(text: str) -> Iterator[list[Token]]:
    """The tokens of each reading that differs from those before it.

    >>> [[token.text for token in reading] for reading in readings("1--1")]
    [['1'], ['1', '-', '-', '1']]
    """
    for index in _differing(text):
        yield [*_tokens(text, _PATTERNS[index], nests=_READINGS[index].nests)]


def cost(text: str) -> int:
    """What reading a text takes, in characters judged: the readings of it, a character some 2 us each at worst."""
    return 2 * len(text) * len(_differing(text))


def _differing(text: str) -> list[int]:
    """The readings that differ for this text, by their index."""
    folded = text.replace("Q'", "q'")
    same = {name: getattr(_PLAIN, name) for sign, name in _MATTERS if sign not in folded}
    found: dict[_Reading, int] = {}
    for index, reading in enumerate(_READINGS):
        found.setdefault(reading._replace(**same), index)
    return [*found.values()]


def _tokens(text: str, pattern: re.Pattern[str], *, nests: bool) -> Iterator[Token]:
    position, length = 0, len(text)
    while position < length:
        match = pattern.match(text, position)
        if match is None:
            return
        kind, position = match.lastgroup or "other", match.end()
        if kind == "block":
            position = _comment_end(text, position, nests=nests)
        elif kind == "punctuation":
            yield Token(match[0], match[0])
        elif kind == "name":
            quote = match[0][0]
            inner = match[0][1:].removesuffix("]" if quote == "[" else quote)
            yield Token("name", inner.lower())
        elif kind not in {"space", "line", "hash"}:
            yield Token(kind, match[0].lower())


def _comment_end(text: str, position: int, *, nests: bool) -> int:
    depth = 1
    for sign in _COMMENT_SIGN.finditer(text, position):
        if sign[0] == "*/":
            depth -= 1
        elif nests:
            depth += 1
        if not depth:
            return sign.end()
    return len(text)


_COMMENT_SIGN: Final = re.compile(r"/\*|\*/")


def _pattern(reading: _Reading) -> re.Pattern[str]:
    escaped = r"(?:[^{0}\\]|\\.|{0}{0})*+(?:{0}|\Z)"
    plain = r"(?:[^{0}]|{0}{0})*+(?:{0}|\Z)"
    inner = escaped if reading.escapes == "all" else plain
    strings = ["'" + inner.format("'")]
    if reading.escapes == "e":
        strings.append("[eE]'" + escaped.format("'"))
    if reading.dollars:
        strings.append(r"\$(?P<tag>(?:[^\W\d]\w*+)?+)\$.*?(?:\$(?P=tag)\$|\Z)")
    if reading.q_strings:
        ends = (
            r"\[.*?(?:\]'|\Z)|\(.*?(?:\)'|\Z)|\{.*?(?:\}'|\Z)|<.*?(?:>'|\Z)|(?P<mark>[^\s\[({<']).*?(?:(?P=mark)'|\Z)"
        )
        strings.append(rf"[nN]?[qQ]'(?:{ends})")
    names = ['"' + inner.format('"'), "`" + plain.format("`")]
    if reading.brackets:
        names.append(r"\[(?:[^\]]|\]\])*+(?:\]|\Z)")
    groups = (
        ("space", r"[\s\x00\xa0]++" + (r"|/\*M?!\d{0,6}+|\*/" if reading.versioned else "")),
        ("block", r"/\*"),
        ("line", r"--" + (r"(?=[\s\x00]|\Z)" if reading.spaced_dashes else "") + r"[^\n]*+"),
        ("hash", r"\#[^\n]*+" if reading.hashes else r"(?!)"),
        ("string", "|".join(strings)),
        ("disguised", '[uU]&"' + plain.format('"')),
        ("name", "|".join(names)),
        ("cast", "::|:="),
        ("variable", r"@{1,2}[\w$.]*+|:\w++|\?|\$\d++"),
        ("number", r"\d[\w.]*+|\.\d++"),
        ("word", r"[^\W\d][\w$\#]*+" if not reading.hashes else r"[^\W\d][\w$]*+"),
        ("punctuation", r"[(),;.]"),
        ("other", "."),
    )
    return re.compile("|".join(f"(?P<{name}>{part})" for name, part in groups), re.DOTALL)


_PATTERNS: Final = tuple(_pattern(reading) for reading in _READINGS)
