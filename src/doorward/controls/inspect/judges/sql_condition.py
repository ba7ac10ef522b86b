"""What a logic operator right behind a closing quote leads to."""

from doorward.controls.inspect.judges.sql_expression import ends_open, is_expression
from doorward.controls.inspect.judges.sql_grammar import (
    LOGIC,
    calls_dangerous,
    comparison,
    is_cut,
    is_word,
    subselect,
    tautology,
)
from doorward.controls.inspect.judges.sql_lexer import Token
from doorward.controls.inspect.judges.sql_words import COMPARING
from doorward.controls.inspect.verdict import Verdict

_TRUE = "adds a condition that is always true"


def condition(tail: list[Token], quote: str) -> Verdict | None:
    """The verdict on tokens that begin with a logic operator."""
    if tautology(tail, 0):
        return leaving(_TRUE, 95)
    seen = comparison(tail, 1)
    if seen is not None and (seen.has_literal or tail[-1].kind == "comment"):
        return leaving("adds a condition", 85)
    is_any_call = len(tail) > 3 and tail[1].kind == "word" and tail[2].kind == "(" and is_cut(tail[-1])
    if calls_dangerous(tail, 1) or subselect(tail, 1) or is_any_call:
        return leaving("adds a condition that calls a function or query", 90)
    if 2 < len(tail) <= 24 and is_cut(tail[-1]) and tail[1].kind in {"word", "("}:
        return leaving("adds a condition and cuts the rest off", 80)
    return _bare_value(tail, quote)


def _bare_value(tail: list[Token], quote: str) -> Verdict | None:
    """`' or 1 -- `, `' || '1`: a value is true by itself, and needs the API's closing quote dealt with."""
    position = 1
    while position < len(tail) and (
        tail[position].kind in {"(", "operator"} or is_word(tail[position], {"not", "binary"})
    ):
        position += 1
    if position == len(tail):
        return None
    operand = tail[position]
    if operand.kind == "open" and position == len(tail) - 1:
        return leaving("adds a condition", 75)
    if operand.kind in {"string", "open"} and ends_open(tail, quote) and is_expression(tail):
        return leaving("adds a condition", 80)
    if operand.kind in {"number", "string", "variable"} or is_word(operand, {"true", "false", "null"}):
        closing = [token for token in tail[position + 1 :] if token.kind not in {")", ";"}]
        if not closing:
            return leaving(_TRUE, 70) if tail[0].text not in {"||", "|"} else None
        return leaving(_TRUE, 90) if _deals_with_quote(closing, quote) else None
    return None


def _deals_with_quote(closing: list[Token], quote: str) -> bool:
    """Whether what follows the value cuts the rest off, or takes the API's closing quote for one of its own."""
    first, last = closing[0], closing[-1]
    return first.kind == "comment" or (
        len(closing) == 2
        and (first.text in LOGIC or first.text in COMPARING)
        and last.kind == "open"
        and last.quote == quote
    )


def leaving(reason: str, score: int) -> Verdict:
    """The verdict on a text that leaves its quoted string, and then does this."""
    return Verdict("sql", f"leaves a quoted string and {reason}", score)
