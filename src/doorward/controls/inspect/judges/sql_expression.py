"""Whether tokens behind a closing quote read as an expression of SQL, and end as one that somebody built."""

from typing import Final

from doorward.controls.inspect.judges.sql_grammar import LOGIC, is_cut
from doorward.controls.inspect.judges.sql_lexer import Token
from doorward.controls.inspect.judges.sql_words import COMPARING

_SIGNS: Final = frozenset({"+", "-", "~", "!", "@", "*"})


def is_expression(tail: list[Token]) -> bool:
    """Whether operands and operators take turns for the first few tokens, as in SQL and not as in prose."""
    wants_operand = True
    for token in tail[1:]:
        if token.kind in {"comment", "open", "(", ")", ",", ".", "hint"}:
            if token.kind in {"comment", "open"}:
                return True
            wants_operand = token.kind in {"(", ",", "."}
        elif token.kind == "operator":
            if wants_operand and token.text not in _SIGNS:
                return False
            wants_operand = True
        elif token.kind == "word" and token.text in LOGIC | COMPARING:
            wants_operand = True
        elif wants_operand or (
            token.kind == "word" and token.text in {"from", "where", "union", "as", "all", "distinct"}
        ):
            wants_operand = token.text in {"select", "case", "when", "then", "else", "from", "where", "distinct", "not"}
        else:
            return False
    return True


def ends_open(tail: list[Token], quote: str) -> bool:
    """Whether the API's own closing quote is taken care of: by a string left open, or by a comment."""
    last = tail[-1]
    return (last.kind == "open" and last.quote == quote) or (last.kind == "comment" and is_cut(last))
