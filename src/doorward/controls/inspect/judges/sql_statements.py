"""Whole SQL statements recognised in a list of tokens, by the structure their verb asks for."""

from doorward.controls.inspect.judges.sql_grammar import REACH, comparison, is_word
from doorward.controls.inspect.judges.sql_lexer import Token
from doorward.controls.inspect.judges.sql_verbs import ALONE, VERBS, Statement


def statement(tokens: list[Token], start: int, *, strict: bool) -> bool:
    """Whether a statement begins at `start`. `strict`: nothing stood before it, so it must be SQL beyond doubt."""
    if not strict and _is_condition(tokens, start):
        return True
    while start < len(tokens) and (
        tokens[start].kind in {"(", "hint"} or is_word(tokens[start], {"begin", "if", "else", "then"})
    ):
        start += 1
    if start >= len(tokens) or tokens[start].kind != "word":
        return False
    verb = tokens[start].text
    rest = tokens[start + 1 : start + 1 + REACH]
    if not rest:
        return not strict and verb in ALONE
    fits = VERBS.get(verb)
    return fits is not None and fits(Statement(tokens, start, rest, strict))


def _is_condition(tokens: list[Token], start: int) -> bool:
    """Whether `if(... = ...)`, `iif(`, or `begin NAME.NAME(` stands at `start`."""
    if start + 3 >= len(tokens) or tokens[start].kind != "word":
        return False
    if tokens[start].text in {"if", "iif"} and tokens[start + 1].kind == "(":
        return comparison(tokens, start + 2) is not None
    return (
        tokens[start].text == "begin"
        and tokens[start + 1].kind == "word"
        and (tokens[start + 2].kind == "." or (tokens[start + 2].kind == "(" and tokens[start + 2].glued))
    )
