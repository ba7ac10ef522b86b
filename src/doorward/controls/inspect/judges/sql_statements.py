"""Whole SQL statements recognised in a list of tokens, by the structure their verb asks for."""

from itertools import pairwise

from doorward.controls.inspect.judges.sql_grammar import (
    REACH,
    closing_index,
    comparison,
    from_ends_well,
    is_select_list,
    is_word,
)
from doorward.controls.inspect.judges.sql_lexer import Token
from doorward.controls.inspect.judges.sql_words import COMMON_CALLS, OBJECTS


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
        return not strict and verb in {"shutdown", "commit", "rollback"}
    first = rest[0]
    second = rest[1] if len(rest) > 1 else None
    ends = any(token.kind in {";", "comment"} for token in rest)
    if verb == "select":
        return _whole_select(rest) if strict else is_select_list(tokens, start + 1)
    if verb in {"drop", "create", "alter", "truncate"}:
        if not is_word(first, OBJECTS):
            return verb == "truncate" and not strict and first.kind == "word"
        return (
            second is not None
            and second.kind == "word"
            and (not strict or _object_ends(rest, is_title=verb in {"create", "alter"}))
        )
    if verb == "insert":
        return is_word(first, {"into"}) and any(
            is_word(token, {"values", "select"}) or token.kind == "(" for token in rest
        )
    if verb == "replace":
        return is_word(first, {"into"}) and any(is_word(token, {"values", "select"}) for token in rest)
    if verb == "delete":
        return is_word(first, {"from"}) and (
            ends or not strict or (any(is_word(t, {"where"}) for t in rest) and any(t.kind == "operator" for t in rest))
        )
    if verb == "update":
        return _assigns(rest)
    if verb in {"exec", "execute", "call"}:
        return first.kind in {"(", "variable"} or (
            first.kind == "word" and (not strict or first.text.startswith(("xp_", "sp_", "master", "immediate")))
        )
    if verb == "declare":
        return first.kind == "variable"
    if verb == "set":
        return first.kind == "variable" and second is not None and second.text in {"=", ":="}
    if verb == "waitfor":
        return is_word(first, {"delay", "time"})
    if verb in {"grant", "revoke"}:
        on = next((index for index, token in enumerate(rest[:8]) if is_word(token, {"on"})), 0)
        if on and any(is_word(token, {"to", "from"}) for token in rest[on + 2 : on + 6]):
            return ends or not strict or any(a.text == "*" and b.kind == "." for a, b in pairwise(rest))
        return not strict and ends and second is not None and is_word(second, {"to", "from"})
    if verb == "shutdown":
        return not strict and (is_word(first, {"with"}) or first.kind in {"comment", ";"})
    if verb == "copy":
        return any(is_word(t, {"program", "stdin"}) for t in rest) or any(
            b.kind in {"string", "open"} and is_word(a, {"from", "to"}) and (not strict or b.text.startswith("/"))
            for a, b in pairwise(rest)
        )
    if verb in {"merge", "bulk"}:
        return is_word(first, {"into", "insert"}) and (not strict or ends)
    if verb == "backup":
        return is_word(first, {"database"})
    if verb == "load":
        return is_word(first, {"data"}) and any(is_word(t, {"infile"}) for t in rest)
    if verb == "handler":
        return any(is_word(t, {"open", "read"}) for t in rest[1:3])
    if verb == "rename":
        return is_word(first, {"table", "user"}) and any(is_word(t, {"to"}) for t in rest[1:6])
    if verb in {"show", "describe", "desc", "explain", "vacuum", "analyze", "reindex"}:
        return not strict and ends and first.kind in {"word", "comment", ";"}
    if verb in {"attach", "detach"}:
        return is_word(first, {"database"}) and any(is_word(t, {"as"}) for t in rest[1:4])
    if verb in {"do", "perform", "kill"}:
        return not strict and (first.kind == "number" or (second is not None and second.kind == "("))
    if verb == "prepare":
        return any(is_word(t, {"from"}) for t in rest[1:3])
    if verb == "begin":
        return False
    if verb == "use":
        return not strict and first.kind == "word" and ends
    return False


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


def _assigns(rest: list[Token]) -> bool:
    """Whether `set NAME =` comes soon in the tokens, the name with its table or without."""
    position = next((index for index, token in enumerate(rest[:6]) if index and is_word(token, {"set"})), 0)
    if not position:
        return False
    position += 2
    while position + 1 < len(rest) and rest[position].kind == ".":
        position += 2
    return position < len(rest) and rest[position].text in {"=", ":="}


def _object_ends(rest: list[Token], *, is_title: bool) -> bool:
    """Whether `table NAME` is followed by something a definition or removal goes on with.

    `is_title`: nothing at all is not enough (`Create user settings`).
    """
    position = 1
    while position < len(rest) and is_word(rest[position], {"if", "not", "exists", "table", "or", "replace"}):
        position += 1
    position += 1
    while position + 1 < len(rest) and rest[position].kind == ".":
        position += 2
    if position >= len(rest):
        return not is_title
    if is_title and is_word(rest[0], {"user", "role", "login"}):
        return is_word(rest[position], {"identified", "with", "without"})
    return rest[position].kind in {";", "comment", ",", "("} or is_word(
        rest[position], {"cascade", "restrict", "add", "modify", "rename", "identified", "as", "with", "on", "drop"}
    )


def _whole_select(rest: list[Token]) -> bool:
    """Whether the tokens after a leading `select` are a query and not a sentence."""
    if rest[0].text == "case" and len(rest) > 1 and (is_word(rest[1], {"when"}) or rest[1].kind == "number"):
        return any(is_word(token, {"then"}) for token in rest)
    end = next((index for index, token in enumerate(rest) if token.kind == ";"), len(rest) - 1)
    rest = rest[: end + 1]
    signs = sum(
        token.kind in {"operator", ".", "(", "variable", "number"} or token.text in {"*", "null"} for token in rest
    )
    for index, token in enumerate(rest):
        if is_word(token, {"from"}):
            if not index or not from_ends_well(rest, index):
                return False
            if rest[0].text == "*":
                return True
            words_in_row = any(
                rest[i].kind == "word" and rest[i + 1].kind == "word" and not is_word(rest[i], {"as", "distinct"})
                for i in range(index - 1)
            )
            return (signs > 0 or rest[-1].kind == ";") and not words_in_row
    first = rest[0]
    return (
        first.kind == "variable"
        or (
            first.kind == "word"
            and len(rest) > 1
            and rest[1].kind == "("
            and (first.text in COMMON_CALLS or _is_one_call(rest))
        )
        or (first.kind == "(" and len(rest) > 1 and is_word(rest[1], {"select"}))
        or (
            (first.kind in {"string", "number"} and len(rest) == 1)
            or (len(rest) > 1 and rest[1].kind in {",", "comment", ";"} and first.kind in {"string", "number"})
        )
    )


def _is_one_call(rest: list[Token]) -> bool:
    """Whether the tokens are `name(...)` and nothing but an end after it."""
    closing = closing_index(rest, 1)
    return rest[1].glued and all(token.kind in {";", "comment"} for token in rest[closing + 1 :])
