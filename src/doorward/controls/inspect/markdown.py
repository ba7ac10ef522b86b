"""Markdown without the code that every renderer shows as it is. Doubt leaves text in: what stays is judged.

The only importer of markdown-it. What is code is decided by its parser of CommonMark; cut out is only what other common
renderers (GitHub's tables, footnotes and bare URLs, renderers without raw HTML) take as code too.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline, backtick
from markdown_it.token import Token

LONGEST_CHARS: Final = 8_192
"""Longer texts are judged whole. The parser takes up to 14 ms a KiB on hostile text (rows of `![`; measured, and linear
up to 8 KiB), a hundred times what it takes on honest text."""
PARSING_COST: Final = 8
"""What parsing a character costs at worst, in characters judged."""
_SPAN: Final = "span"
_LINE_END: Final = re.compile(r"\r\n?|\n")
_DELIMITERS: Final = re.compile(r"^[ \t]*(?=[|:-])[ \t|:]*-[-|: \t]*$", re.MULTILINE)
"""The line below the head of a table (GitHub's dialect): cells end at bars, in code spans too."""
_BARE_URLS: Final = ("://", "www.")
"""GitHub's dialect ends a bare URL at white space, and takes a tick into it."""
_TARGET: Final = re.compile(r"(?:\](?:\(|:)\s{0,64}<?|<(?=[A-Za-z][A-Za-z0-9+.-]{1,31}:))([^\s<>]{1,2048})")
_ESCAPED: Final = re.compile(r"\\([!-/:-@\[-`{-~])")


def outside_code(text: str) -> str:
    r"""The text without closed fenced blocks and plain code spans; the text itself when it holds none, or is long.

    A block of lines leaves its info string, a span a blank. Kept, because renderers differ: indented code, fences
    without an end, spans over several lines, and in one paragraph all that follows a tick which opens no span.
    Source: CommonMark 0.31 sections 4.5, 6.1.

    >>> outside_code("run `rm -rf /` or\n```sh\nid; ls\n```\nno `more")
    'run   or\nsh\nno `more'
    """
    if len(text) > LONGEST_CHARS or ("`" not in text and "~~~" not in text) or "\0" in text:
        return text
    is_ended = text.endswith(("\n", "\r"))
    kept = _lines(text)
    for token in _PARSER.parse(text if is_ended else text + "\n"):
        if token.map is None:
            continue
        first, end = token.map
        if token.type == "fence" and end - first == token.content.count("\n") + 2:  # a fence that ends
            _replace(kept, first, end, token.info.strip() + "\n")
        elif token.type == "inline" and (shown := _without_spans(token)) != token.content:
            _replace(kept, first, end, shown + "\n")
    rest = "".join(kept)
    return rest if is_ended else rest.removesuffix("\n")


def targets(text: str) -> Iterator[str]:
    r"""What links and images may lead to, in code too; a backslash before punctuation falls away, as renderers do it.

    >>> [*targets(r"[a](javascript\:b) <cc:d>"), *targets("[e]: <//f> [g](#h)")]
    ['javascript:b)', 'cc:d', '//f']
    """
    for match in _TARGET.finditer(text):
        target = _ESCAPED.sub(r"\1", match[1])
        if ":" in target or "&" in target or target[:2] == "//":  # else it stays where it is
            yield target


def _lines(text: str) -> list[str]:
    """The lines with their ends, parted where the parser parts them."""
    ends = [0, *(match.end() for match in _LINE_END.finditer(text)), len(text)]
    return [text[start:end] for start, end in pairwise(ends) if start < end]


def _replace(lines: list[str], first: int, end: int, shown: str) -> None:
    lines[first:end] = [shown, *[""] * (end - first - 1)]  # as many as before: the parser counts lines


def _without_spans(block: Token) -> str:
    """The source of a paragraph or heading without its code spans, up to the first that renderers might differ on."""
    source = block.content
    is_table = _DELIMITERS.search(source) is not None
    pieces: list[str] = []
    position = 0
    for start, end in _spans(block):
        before, span = source[position:start], source[start:end]
        if _is_doubtful(before, span, is_table=is_table):
            break
        pieces += [before, " "]
        position = end
    return "".join([*pieces, source[position:]])


def _is_doubtful(before: str, span: str, *, is_table: bool) -> bool:
    """Whether a renderer might read the span, and those after it, otherwise; `before`: since the last one."""
    word = before[max(before.rfind(" "), before.rfind("\n"), before.rfind("\t")) + 1 :].lower()
    return (
        "`" in before
        or len(span.splitlines()) > 1
        or (is_table and "|" in span)
        or any(url in word for url in _BARE_URLS)
    )


def _spans(block: Token) -> Iterator[tuple[int, int]]:
    # Not those within an image's own children: their places count in the image's text.
    for token in block.children or ():
        if token.type == "code_inline":
            yield token.meta[_SPAN]


def _backticks(state: StateInline, silent: bool) -> bool:
    """The parser's rule for ticks, which notes where a span stands."""
    start = state.pos
    count = len(state.tokens)
    has_read = backtick(state, silent)
    if has_read and len(state.tokens) > count and state.tokens[-1].type == "code_inline":
        state.tokens[-1].meta[_SPAN] = (start, state.pos)
    return has_read


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark").disable(["emphasis", "entity", "newline"])  # they move no tick
    parser.inline.ruler.at("backticks", _backticks)
    parser.validateLink = lambda url: True  # type: ignore[method-assign] # noqa: ARG005
    parser.normalizeLink = lambda url: url  # type: ignore[method-assign]
    return parser


_PARSER: Final = _parser()
