"""SQL where a number, a name or nothing is expected: what follows a value there, or stands in place of one."""

from typing import Final

from doorward.controls.inspect.judges.sql_constructs import has_construct
from doorward.controls.inspect.judges.sql_grammar import (
    LOGIC,
    begins_with_call,
    calls_dangerous,
    comparison,
    is_word,
    names_derived,
    ordering,
    orders_by_call,
    subselect,
    tautology,
    waits,
)
from doorward.controls.inspect.judges.sql_lexer import Token
from doorward.controls.inspect.judges.sql_statements import statement
from doorward.controls.inspect.judges.sql_words import CLAUSES, COMPARING
from doorward.controls.inspect.verdict import Verdict

_FORMULA: Final = frozenset({"if", "sum", "count", "concat", "round", "now"})
"""Functions of a spreadsheet, behind `=`."""
_TRUE: Final = "adds a condition that is always true"


def judge_bare(found: list[Token]) -> Verdict | None:
    """The verdict on the text where SQL expects a number, a name or nothing."""
    if len(found) > 1 and found[0].text in {"-", "+"} and found[1].kind == "number":
        found = found[1:]
    if not found:
        return None
    construct = has_construct(found)
    if construct:
        return _verdict(construct[0].upper() + construct[1:], 90)
    if statement(found, 0, strict=True):
        return _verdict("is a whole SQL statement", 85)
    start = _value_end(found)
    if start == len(found):
        return None
    return _condition(found, start) or _continuation(found, start) or _call(found, start) or _later(found)


def _value_end(found: list[Token]) -> int:
    """Where the value ends that the text begins with: 0 when it begins with none."""
    first = found[0]
    is_call = len(found) > 1 and found[1].kind == "("
    is_name = first.kind == "word" and first.text not in LOGIC and first.text not in CLAUSES and not is_call
    end = 1 if is_name or first.kind in {"number", "string", "variable"} else 0
    while end < len(found) and found[end].kind in {")", "string"}:
        end += 1
    return end


def _condition(found: list[Token], start: int) -> Verdict | None:
    """What a logic operator behind the value leads to."""
    first = found[start]
    if first.kind not in {"word", "operator"} or first.text not in LOGIC:
        return None
    if tautology(found, start):
        return _verdict(_TRUE, 90)
    if start == 0 or found[0].kind == "number":
        seen = comparison(found, start + 1)
        if seen and seen.is_constant:
            return _verdict("adds a condition on constants", 80)
        if seen and found[-1].kind == "comment" and first.kind == "word":
            return _verdict("adds a condition and cuts the rest off", 80)
    if calls_dangerous(found, start + 1) or (start and subselect(found, start + 1)):
        return _verdict("adds a condition that calls a function", 85)
    return None


def _continuation(found: list[Token], start: int) -> Verdict | None:
    """How else a query goes on behind the value."""
    first = found[start]
    if names_derived(found, start):
        return _verdict("ends the query it stands in, and names it", 80)
    if is_word(first, COMPARING) and (calls_dangerous(found, start + 1) or subselect(found, start + 1)):
        return _verdict("compares a value with a function or query", 80)
    if first.kind == ";" and statement(found, start + 1, strict=False):
        return _verdict("adds a second statement", 90)
    is_clause = is_word(first, CLAUSES) and (start == 0 or found[0].kind != "word")
    if is_clause and (ordering(found, start, needs_end=True) or orders_by_call(found, start)):
        return _verdict("adds a clause", 70)
    return None


def _call(found: list[Token], start: int) -> Verdict | None:
    first = found[start]
    is_formula = start == 0 and first.text == "=" and len(found) > 1 and found[1].text in _FORMULA
    computes = first.kind in {"operator", ","} and not is_formula and calls_dangerous(found, start)
    return _verdict("calls a database function", 80) if begins_with_call(found) or computes else None


def _later(found: list[Token]) -> Verdict | None:
    """A statement or condition anywhere in the text."""
    for index, token in enumerate(found):
        if token.kind == ";" and statement(found, index + 1, strict=True):
            return _verdict("adds a second statement", 80)
        if token.kind == "word" and token.text in LOGIC:
            if waits(found, index + 1):
                return _verdict("adds a condition that delays the database", 80)
            if tautology(found, index):
                return _verdict(_TRUE, 80)
    return None


def _verdict(reason: str, score: int) -> Verdict:
    return Verdict("sql", reason, score)
