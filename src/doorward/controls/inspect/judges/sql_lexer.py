"""SQL text as tokens, in the union of the dialects of MySQL, PostgreSQL, SQL Server, Oracle, SQLite and Db2.

Lenient: it never fails. A string without an end is a token of its own kind, because the API's own closing quote
would end it. Linear: one alternation, each branch without nested repetition.
"""

import re
from typing import Final, NamedTuple


class Token(NamedTuple):
    """One token.

    `kind` is `word`, `number`, `string`, `open` (a string without end), `variable`, `comment`, `operator`, or the
    punctuation character itself (`( ) , ; .`).
    """

    kind: str
    text: str
    """Lower case for words and operators."""
    quote: str = ""
    """Of a string: its quote."""
    glued: bool = False
    """No white space stands before it."""


_TOKEN: Final = re.compile(
    r"""
      (?P<space>[\s\x00\xa0]+)
    | (?P<versioned>/\*!\d{0,6})
    | (?P<block>/\*)
    | (?P<close>\*/)
    | (?P<line>--|\#)
    | (?P<quote>['"`])
    | (?P<variable>(?!@>)(?!\?[&|])@{1,2}[\w$.]*|:\w+|\$\d+|\?)
    | (?P<number>0[xX][0-9A-Fa-f]+|0[bB][01]+|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<word>[^\W\d][\w$]*)
    | (?P<operator>->>?|<@|@>|\?[&|]|<=>|<>|<=|>=|!=|!<|!>|:=|\|\||&&|<<|>>|::|\^=|[=<>+*/%|&^~!-])
    | (?P<punctuation>[(),;.\[\]{}])
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_STRING_END: Final = {
    quote: re.compile(rf"(?:[^{quote}\\]|\\.|{quote}{quote})*+", re.DOTALL) for quote in ("'", '"', "`")
}


def tokens(text: str, *, start: int = 0) -> list[Token]:
    """The tokens of the text from `start` on; a block comment between tokens counts as white space.

    >>> [(token.kind, token.text) for token in tokens("1 OR 'a'='a -- x")]
    [('number', '1'), ('word', 'or'), ('string', 'a'), ('operator', '='), ('open', 'a -- x')]
    """
    found: list[Token] = []
    position, length, glued = start, len(text), start > 0
    while position < length:
        match = _TOKEN.match(text, position)
        if match is None:
            break
        kind, position = match.lastgroup or "other", match.end()
        if kind in {"space", "versioned", "close"}:
            glued = False
            if kind == "versioned":
                found.append(Token("hint", match[0]))
            continue
        if kind == "block":
            end = text.find("*/", position)
            if end < 0:
                found.append(Token("comment", text[position : position + 80], "/*", glued))
                break
            position, glued = end + 2, False
            continue
        if kind == "line":
            end = text.find("\n", position)
            end = length if end < 0 else end
            # `--x` is a double minus in MySQL and a comment elsewhere; either reading suits an attack.
            found.append(Token("comment", text[position:end], match[0], glued))
            position = end
        elif kind == "quote":
            position = _string(text, position, match[0], glued, found)
        elif kind in {"word", "operator"}:
            found.append(Token(kind, match[0].lower(), "", glued))
        else:
            found.append(Token(match[0] if kind == "punctuation" else kind, match[0], "", glued))
        glued = True
    return found


def breakout(text: str, quote: str) -> int:
    """Where the text leaves a string opened with `quote` around it: the index after its first closing quote, or -1."""
    match = _STRING_END[quote].match(text)
    end = match.end() if match else 0
    return end + 1 if end < len(text) and text[end] == quote else -1


def _string(text: str, position: int, quote: str, glued: bool, found: list[Token]) -> int:
    match = _STRING_END[quote].match(text, position)
    end = match.end() if match else position
    if end < len(text) and text[end] == quote:
        found.append(Token("string" if quote != "`" else "word", text[position:end], quote, glued))
        return end + 1
    found.append(Token("open", text[position : position + 80], quote, glued))
    return len(text)
