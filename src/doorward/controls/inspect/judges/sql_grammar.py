"""Pieces of SQL grammar recognised in a list of tokens. Each looks at a bounded number of tokens from one place."""

from collections.abc import Collection
from typing import Final, NamedTuple

from doorward.controls.inspect.judges.sql_lexer import Token
from doorward.controls.inspect.judges.sql_words import COMMON_CALLS, RARE_CALLS

LOGIC: Final = frozenset({"or", "and", "xor", "&&", "||", "|", "having", "when", "where"})
COMMENT_END: Final = 12
"""Longest comment, in characters, that is taken for a cut even with a blank before it (`-- -`, `--+`, `#`)."""
_LITERALS: Final = frozenset({"number", "string", "open", "variable"})
_COMPARATORS: Final = frozenset({"=", "<", ">", "<=", ">=", "<>", "!=", "<=>", ":=", "!<", "!>", "^=", "~"})
_WORD_COMPARATORS: Final = frozenset(
    {"like", "in", "is", "between", "rlike", "regexp", "sounds", "ilike", "glob", "similar"}
)
_PREFIXES: Final = frozenset({"not", "binary", "exists", "all", "any", "some"})
REACH: Final = 48
"""Tokens looked at for the end of a parenthesis or a statement's telling part."""


class Comparison(NamedTuple):
    """One comparison found in the tokens."""

    is_constant: bool
    """Both sides are literals."""
    is_equal: bool
    """Both sides are the same literal."""
    has_literal: bool
    end: int


def is_word(token: Token, words: Collection[str]) -> bool:
    """Whether the token is one of the words."""
    return token.kind == "word" and token.text in words


def comparison(tokens: list[Token], start: int) -> Comparison | None:
    """A comparison that begins at `start`, parentheses and signs before it skipped; None when there is none."""
    left = _skip_prefix(tokens, start)
    left_end = _operand_end(tokens, left)
    if left_end <= left or left_end >= len(tokens):
        return None
    if tokens[left_end].text == "::" and left_end + 2 < len(tokens):  # a cast of PostgreSQL
        left_end += 2
    between = tokens[left_end]
    if between.kind == ")":
        while left_end < len(tokens) and tokens[left_end].kind == ")":
            left_end += 1
        if left_end >= len(tokens):
            return None
        between = tokens[left_end]
    if between.kind == "operator" and between.text in _COMPARATORS | {"->", "->>", "<@", "@>", "?&", "?|"}:
        right = left_end + 1
    elif is_word(between, _WORD_COMPARATORS | {"not"}):
        right = left_end + 1
        while right < len(tokens) and is_word(tokens[right], {"not", "like", "in", "null"}):
            right += 1
    else:
        return None
    is_null_test = between.text == "is" and right > left_end + 1
    if right >= len(tokens) and not is_null_test:
        return None
    right = _skip_prefix(tokens, right)
    right_end = _operand_end(tokens, right)
    if right_end <= right and not is_null_test:
        return None
    left_token = tokens[left]
    right_token = tokens[min(right, len(tokens) - 1)]
    sides = (left_token.kind in _LITERALS, right_token.kind in _LITERALS)
    both_computed = left_token.kind == "number" and right_token.kind == "number"
    return Comparison(
        is_constant=all(sides) or both_computed,
        is_equal=left_token.text == right_token.text and between.text == "=" and right_end - right <= 1,
        has_literal=any(sides) or is_null_test,
        end=right_end,
    )


def tautology(tokens: list[Token], logic: int) -> bool:
    """Whether the logic operator at `logic` is followed by a condition that is true (or false) for every row."""
    if tokens[logic].text not in LOGIC:
        return False
    seen = comparison(tokens, logic + 1)
    if seen is None:
        return False
    if seen.is_constant:
        return seen.is_equal or logic <= 1
    return seen.is_equal and logic == 0


def waits(tokens: list[Token], position: int) -> bool:
    """Whether a call that only delays the database stands at `position`, signs before it skipped."""
    position = _skip_prefix(tokens, position)
    return (
        position + 2 < len(tokens)
        and is_word(tokens[position], {"sleep", "pg_sleep", "benchmark"})
        and tokens[position + 1].kind == "("
        and tokens[position + 1].glued
        and tokens[position + 2].kind == "number"
    )


def names_derived(tokens: list[Token], position: int) -> bool:
    """Whether `as NAME where`, with a comparison after it, stands at `position`: the end of a query in parentheses."""
    return (
        position + 4 < len(tokens)
        and is_word(tokens[position], {"as"})
        and tokens[position + 1].kind == "word"
        and is_word(tokens[position + 2], {"where"})
        and comparison(tokens, position + 3) is not None
    )


def is_select_list(tokens: list[Token], position: int) -> bool:
    """Whether what follows `select` is a list of expressions rather than prose."""
    while position < len(tokens) and (
        tokens[position].kind in {"(", "hint"} or is_word(tokens[position], {"all", "distinct", "top", "sql_no_cache"})
    ):
        position += 1
    if position >= len(tokens):
        return False
    first = tokens[position]
    if first.kind in {"number", "string", "variable", "open"} or first.text in {"*", "null", "@", "-", "~", "!", "+"}:
        return True
    if first.kind != "word" or position + 1 >= len(tokens):
        return False
    after = tokens[position + 1]
    if first.text == "case":
        return _begins_case(tokens, position)
    if after.kind == "(":
        return after.glued or first.text in COMMON_CALLS
    if after.kind == "." or after.text == "||":
        return True
    if after.kind == "," and position + 2 < len(tokens):
        return _has_from(tokens, position)
    if is_word(after, {"from", "into"}):
        return from_ends_well(tokens, position + 1)
    return after.kind == "comment" and not after.text.startswith("#")


def _has_from(tokens: list[Token], position: int) -> bool:
    for index in range(position, min(len(tokens), position + REACH)):
        token = tokens[index]
        if is_word(token, {"from"}):
            return from_ends_well(tokens, index)
        if token.kind in {"comment", "number", "string"} or is_word(token, {"null"}):
            return True
        if token.kind not in {"word", ",", "operator", "(", ")", ".", "variable"}:
            return False
        # Expressions in a list alternate with commas; two words in a row are prose (or an alias, rare in attacks).
        if (
            token.kind == "word"
            and index > position
            and tokens[index - 1].kind == "word"
            and not is_word(tokens[index - 1], {"as", "distinct"})
        ):
            return is_word(token, {"as"})
    return False


def from_ends_well(tokens: list[Token], position: int) -> bool:
    """Whether `from NAME` at `position` ends the text or goes on as SQL."""
    if position + 1 >= len(tokens):
        return False
    name = tokens[position + 1]
    if name.kind == "(":
        return True
    if name.kind != "word":
        return False
    after = position + 2
    while after + 1 < len(tokens) and tokens[after].kind == ".":
        after += 2
        if after - 1 < len(tokens) and tokens[after - 1].kind == ".":
            after += 1
    if after >= len(tokens):
        return True
    token = tokens[after]
    if token.kind == "." or (token.kind in {",", ";", ")", "comment", "operator"} and after == len(tokens) - 1):
        return token.kind != "."
    if token.kind in {"comment", ")", ";"}:
        return True
    return is_word(
        token,
        {
            "where",
            "limit",
            "order",
            "group",
            "having",
            "union",
            "join",
            "inner",
            "left",
            "procedure",
            "into",
            "as",
            "for",
        },
    ) and after + 1 < len(tokens)


def subselect(tokens: list[Token], start: int) -> bool:
    """Whether a query in parentheses stands at `start` (signs and parentheses before it skipped)."""
    position = start
    opened = False
    while (
        position < len(tokens)
        and position < start + 8
        and (tokens[position].kind in {"(", "operator", "hint"} or is_word(tokens[position], _PREFIXES))
    ):
        opened = opened or tokens[position].kind == "("
        position += 1
    if not opened or position >= len(tokens) or tokens[position].text != "select" or position + 1 >= len(tokens):
        return False
    first = tokens[position + 1]
    if first.kind in {"number", "string"} and start == 0:
        # "(select 1)" alone is a form's label; with a `from`, a comment or an operator around it is not
        return any(
            is_word(token, {"from", "union", "where"}) or token.kind in {"comment", "operator"}
            for token in tokens[position : position + REACH]
        )
    return is_select_list(tokens, position + 1)


def is_cut(comment: Token) -> bool:
    """Whether a comment at the end is there to cut off what follows: it says nothing, or one word at most."""
    return (
        comment.kind == "comment"
        and len(comment.text) <= COMMENT_END
        and len(comment.text.strip("-#/*+ \t\r\n\x00;").split()) <= 1
    )


def begins_with_call(tokens: list[Token]) -> bool:
    """Whether the text begins with a call that no other language spells so."""
    if len(tokens) < 3 or tokens[1].kind != "(" or not tokens[1].glued:
        return False
    if tokens[0].text in RARE_CALLS | {"sleep", "char"}:
        return len(tokens) > 3 or tokens[0].text != "sleep"  # `sleep()` is spoken of
    if tokens[0].text in {"if", "iif"} and (seen := comparison(tokens, 2)) is not None and seen.is_constant:
        return True
    return tokens[0].text in {"if", "iif", "ifnull", "coalesce", "case"} and any(
        is_word(token, {"sleep", "benchmark", "pg_sleep"}) for token in tokens[2:REACH]
    )


def calls_dangerous(tokens: list[Token], start: int) -> bool:
    """Whether an expression at `start` calls a function of the database."""
    position = _skip_prefix(tokens, start)
    for index in range(position, min(len(tokens) - 1, position + 6)):
        token, after = tokens[index], tokens[index + 1]
        if (
            token.kind == "word"
            and after.kind == "("
            and (index == position or (after.glued and _takes_operand(tokens[index - 1])))
            and token.text in COMMON_CALLS
            and not _is_plural(tokens, index + 1)
        ):
            return index == 0 or tokens[index - 1].kind != "."
        if token.kind == "word" and token.text == "case" and _begins_case(tokens, index):
            return True
        if token.kind == "word" and after.kind == "word":
            return False
    return False


def _begins_case(tokens: list[Token], position: int) -> bool:
    """Whether `case when` or `case 5 when` stands at `position`."""
    return any(is_word(token, {"when"}) for token in tokens[position + 1 : position + 3])


def _is_plural(tokens: list[Token], opening: int) -> bool:
    """Whether the parenthesis at `opening` holds but the letter of a plural: `user(s)`."""
    return opening + 2 < len(tokens) and tokens[opening + 1].text == "s" and tokens[opening + 2].kind == ")"


def ordering(tokens: list[Token], start: int, *, needs_end: bool) -> bool:
    """Whether a clause of positions or constants stands at `start`.

    `order by 5`, `group by 1,2`, `having 1=1`, `limit 1,1`. `needs_end`: nothing but an end or a comment may follow.
    """
    first = tokens[start].text
    position = start + 1
    if first == "having":
        return comparison(tokens, position) is not None
    if first in {"order", "group"}:
        if position >= len(tokens) or not is_word(tokens[position], {"by"}):
            return False
        position += 1
    elif first == "limit":
        pass
    else:
        return False
    seen = 0
    while position < len(tokens) and (
        tokens[position].kind in {"number", ",", ")", "("}
        or (seen and is_word(tokens[position], {"asc", "desc", "offset", "into"}))
        or (not needs_end and first != "limit" and tokens[position].kind in {"word", "."})
    ):
        seen += 1
        position += 1
    if not seen:
        return False
    if position == len(tokens):
        return True
    return tokens[position].kind in {"comment", ";"} and (
        tokens[position].kind == ";" or len(tokens[position].text.split()) <= 3
    )


def _takes_operand(before: Token) -> bool:
    """Whether an operand may follow this token."""
    return before.kind in {"operator", "(", ",", "hint"} or is_word(
        before, LOGIC | _PREFIXES | {"select", "when", "then", "else"}
    )


def orders_by_call(tokens: list[Token], start: int) -> bool:
    """Whether `order by` or `group by` stands at `start`, with a function of the database after it."""
    for index in range(start + 1, min(len(tokens) - 1, start + 8)):
        if index == start + 1 and not is_word(tokens[index], {"by"}):
            return False
        if tokens[index].kind == "word" and tokens[index + 1].kind == "(" and tokens[index + 1].glued:
            return tokens[index].text in COMMON_CALLS
    return False


def _skip_prefix(tokens: list[Token], position: int) -> int:
    end = min(len(tokens), position + REACH)
    while position < end and (
        tokens[position].kind in {"(", "hint", "{"}
        or (tokens[position].kind == "operator" and tokens[position].text in {"!", "~", "-", "+", "@"})
        or is_word(tokens[position], _PREFIXES)
    ):
        position += 1
    return position


def _operand_end(tokens: list[Token], position: int) -> int:
    """The index after one operand at `position`; `position` itself when there is none."""
    if position >= len(tokens):
        return position
    token = tokens[position]
    if token.kind in _LITERALS:
        position += 1
    elif token.kind == "word" and token.text not in {"or", "and", "from", "where", "union"}:
        position += 1
        while position + 1 < len(tokens) and tokens[position].kind == "." and tokens[position + 1].kind == "word":
            position += 2
        if position < len(tokens) and tokens[position].kind == "(":
            position = closing_index(tokens, position) + 1
        elif token.text == "select":
            return position
    else:
        return position
    # arithmetic on it belongs to it: `1+1=2`, `'a'||'b'='ab'`
    reach = min(len(tokens) - 1, position + 12)
    while (
        position < reach
        and tokens[position].kind == "operator"
        and tokens[position].text in {"+", "-", "*", "/", "%", "||"}
    ):
        if tokens[position + 1].kind not in _LITERALS | {"word"}:
            break
        position += 2
    return position


def closing_index(tokens: list[Token], opening: int) -> int:
    """Where the parenthesis opened at `opening` closes; the last token looked at when it does not."""
    depth = 0
    for index in range(opening, min(len(tokens), opening + REACH)):
        if tokens[index].kind == "(":
            depth += 1
        elif tokens[index].kind == ")":
            depth -= 1
            if depth == 0:
                return index
    return min(len(tokens), opening + REACH) - 1
