"""SQL behind the quote that a text closes: whether what follows there can follow a string in SQL, and what it does."""

from typing import Final

from doorward.controls.inspect.judges.sql_condition import condition, leaving
from doorward.controls.inspect.judges.sql_constructs import has_construct
from doorward.controls.inspect.judges.sql_expression import ends_open, is_expression
from doorward.controls.inspect.judges.sql_grammar import (
    COMMENT_END,
    LOGIC,
    calls_dangerous,
    comparison,
    is_cut,
    is_word,
    names_derived,
    ordering,
    subselect,
)
from doorward.controls.inspect.judges.sql_lexer import Token
from doorward.controls.inspect.judges.sql_statements import statement
from doorward.controls.inspect.judges.sql_words import CLAUSES, COMPARING
from doorward.controls.inspect.verdict import Verdict

_COMPUTING: Final = frozenset(
    {"+", "-", "*", "/", "%", "^", "&", "|", "||", "=", "<", ">", "<>", "!=", "<=", ">=", "<=>", "<<", "~", "!"}
)
_COMPARING_SIGNS: Final = frozenset({"=", "<", ">", "<>", "!=", "<=", ">=", "<=>", "-", "^", "&", "*"})
_FOLLOWERS: Final = CLAUSES | {
    "collate", "notnull", "isnull", "is", "in", "like", "glob", "between", "escape", "except", "intersect",
    "rlike", "regexp", "similar",
    "not", "as", "asc", "desc", "div", "mod", "xor", "sounds", "match",
}  # fmt: skip


def judge_tail(tail: list[Token], quote: str) -> Verdict | None:
    """The verdict on what follows a closing quote."""
    closed = 0
    while closed < len(tail) and tail[closed].kind == ")":
        closed += 1
    tail = tail[closed:]
    if not tail:
        return None
    if tail[0].kind == "comment":
        return leaving("cuts the rest off by a comment", 80) if _cuts(tail[0], quote, closed > 0) else None
    if tail[0].kind == ";":
        return _after_semicolon(tail)
    verdict = (
        _other_query(tail)
        or _condition(tail, quote)
        or _construct(tail)
        or _clause(tail, quote)
        or _comparison(tail, quote)
    )
    if verdict is not None or _is_short_comparison(tail, quote):
        return verdict
    return _computation(tail, quote) or _later(tail) or _rest_of_list(tail)


def _after_semicolon(tail: list[Token]) -> Verdict | None:
    position = 0
    while position < len(tail) and tail[position].kind == ";":
        position += 1
    if position == len(tail):
        return None
    if statement(tail, position, strict=False) or has_construct(tail):
        return leaving("adds a second statement", 95)
    if tail[position].kind == "comment" and is_cut(tail[position]):
        return leaving("cuts the rest off by a comment", 80)
    return None


def _other_query(tail: list[Token]) -> Verdict | None:
    """A query beside the one it stands in, or that one's end."""
    first = tail[0]
    if names_derived(tail, 0):
        return leaving("ends the query it stands in, and names it", 85)
    is_query = len(tail) > 2 and is_word(tail[1], {"select"}) and is_word(tail[2], {"top", "distinct"})
    if first.kind == "(" and (subselect(tail, 0) or is_query):
        return leaving("asks a query", 80)
    if is_word(first, {"union"}) and any(is_word(token, {"select"}) for token in tail[1:4]):
        return leaving("joins a second query", 95)
    if first.kind == "word" and tail[-1].kind == "comment" and statement(tail, 0, strict=False):
        return leaving("adds a second statement", 85)
    return None


def _condition(tail: list[Token], quote: str) -> Verdict | None:
    first = tail[0]
    is_name = first.glued and first.text in {"where", "when", "having"}  # O'Where
    is_logic = first.text in LOGIC and first.kind in {"word", "operator"} and not is_name
    return condition(tail, quote) if is_logic else None


def _construct(tail: list[Token]) -> Verdict | None:
    construct = has_construct(tail)
    if construct and tail[0].kind in {"word", "operator", ",", "hint"} and not _goes_on_as_prose(tail[0]):
        return leaving(construct, 95)
    return None


def _clause(tail: list[Token], quote: str) -> Verdict | None:
    """What may follow a condition."""
    first = tail[0]
    if first.kind == "word" and first.text in CLAUSES and ordering(tail, 0, needs_end=False):
        return leaving("adds a clause", 80)
    if (
        quote == "'"
        and is_word(first, _FOLLOWERS)
        and (not first.glued or first.text in {"collate", "notnull", "isnull", "is", "like"})
        and is_cut(tail[-1])
        and len(tail) <= 24
    ):
        return leaving("goes on as a condition, and cuts the rest off", 80)
    return None


def _comparison(tail: list[Token], quote: str) -> Verdict | None:
    """A word that compares the string with something."""
    first, last = tail[0], tail[-1]
    if first.text in {"rlike", "regexp", "like", "in", "div", "mod"} and calls_dangerous(tail, 1) and len(tail) > 3:
        return leaving("compares it with a function or query", 80)
    if (
        first.text in COMPARING
        and 2 < len(tail) <= 12
        and last.kind == "open"
        and last.quote == quote
        and (tail[-2].kind in {"operator", "("} or is_word(tail[-2], LOGIC | COMPARING | {"binary", "null"}))
        and not _goes_on_as_prose(first)
    ):
        return leaving("compares it", 75)
    if _is_short_comparison(tail, quote) and tail[1].kind in {"(", "string", "open", "number"}:
        return leaving("compares it", 70)
    return None


def _is_short_comparison(tail: list[Token], quote: str) -> bool:
    """Whether it can be nothing but a comparison: judged as such, it is judged to its end."""
    is_ended = ends_open(tail, quote) or tail[-1].kind == "comment"
    return len(tail) > 1 and tail[0].text in COMPARING and is_ended


def _computation(tail: list[Token], quote: str) -> Verdict | None:
    """An operator that computes with the string, or another value behind it."""
    first = tail[0]
    calls = calls_dangerous(tail, 1) or subselect(tail, 1)
    if first.kind == ",":
        is_added = calls and ends_open(tail, quote)
        return leaving("adds a value that is computed", 80) if is_added else None
    if first.kind != "operator" or first.text not in _COMPUTING or not is_expression(tail):
        return None
    if calls:
        return leaving("computes with a function or query", 90)
    if not ends_open(tail, quote):
        return None
    if any(token.kind in {"number", "variable"} or token.text == "(" for token in tail[1:]):
        return leaving("computes a value", 70)
    is_order = first.text == "-" and len(tail) > 1 and tail[1].kind == "word"  # ordering = ['-created_at']
    return leaving("compares it", 70) if first.text in _COMPARING_SIGNS and not is_order else None


def _later(tail: list[Token]) -> Verdict | None:
    """What comes after an expression: a second statement, or a condition and a cut."""
    for index, token in enumerate(tail):
        if token.kind == ";" and statement(tail, index + 1, strict=True):
            return leaving("adds a second statement", 90)
        if token.kind in {"word", "operator"} and token.text in LOGIC and index:
            seen = comparison(tail, index + 1)
            if seen is not None and seen.is_constant and seen.end < len(tail) and is_cut(tail[seen.end]):
                return leaving("adds a condition that is always true", 90)
    return None


def _rest_of_list(tail: list[Token]) -> Verdict | None:
    is_list = tail[0].kind == "," and len(tail) > 2 and tail[-1].kind == "comment"
    if is_list and all(
        token.kind in {",", "string", "number", "(", ")", "comment", "variable"} or is_word(token, {"null", "default"})
        for token in tail
    ):
        return leaving("completes a list of values", 85)
    return None


def _cuts(comment: Token, quote: str, parenthesis: bool) -> bool:
    """Whether a comment right after a closing quote is there to cut, not a dash or a number sign in prose."""
    body = comment.text.strip("-#/*+ \t\r\n\x00;")
    if not body:
        # A line of dashes, an empty heading: only a short one cuts.
        return len(comment.text) <= COMMENT_END
    if quote == '"' or (comment.text[:1] == "#" and not comment.glued):
        return False
    return parenthesis or (comment.glued and len(body.split()) <= 2 and quote == "'" and comment.text[:1] != "#")


def _goes_on_as_prose(first: Token) -> bool:
    return first.kind == "word" and first.glued and first.text not in LOGIC and first.text != "union"
