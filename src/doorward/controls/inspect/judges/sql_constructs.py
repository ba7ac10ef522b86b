"""Constructs that only SQL forms, wherever they stand in a list of tokens."""

from typing import Final

from doorward.controls.inspect.judges.sql_grammar import is_select_list, is_word, subselect
from doorward.controls.inspect.judges.sql_lexer import Token
from doorward.controls.inspect.judges.sql_words import PACKAGES, RARE_CALLS, SYSTEM_WORDS

_SELECT_STARTS: Final = frozenset({"select", "values"})


def has_construct(tokens: list[Token]) -> str:
    """The name of a construct that only SQL forms, wherever it stands; empty when there is none."""
    last = len(tokens) - 1
    for index, token in enumerate(tokens):
        if token.kind == "hint":
            if index < last and tokens[index + 1].kind in {"word", "number"}:
                return "hides SQL in a versioned comment"
            continue
        if token.kind == "(" and index < last and tokens[index + 1].text == "select" and subselect(tokens, index):
            return "asks a query inside an expression"
        if token.kind == "variable" and token.text.startswith("@@") and len(token.text) > 4:
            if token.text[2:].lower() in {
                "version",
                "hostname",
                "datadir",
                "basedir",
                "servername",
                "global",
                "identity",
                "microsoftversion",
            }:
                return "reads a server variable"
            continue
        if token.kind != "word" or index == last:
            continue
        after = tokens[index + 1]
        if token.text in {"union", "intersect", "minus"} and _union(tokens, index + 1):
            return "joins a second query"
        if (
            token.text == "waitfor"
            and is_word(after, {"delay", "time"})
            and index + 2 <= last
            and tokens[index + 2].kind in {"string", "open", "variable"}
        ):
            return "delays the database"
        if token.text == "into" and is_word(after, {"outfile", "dumpfile"}):
            return "writes a file"
        if (
            token.text in {"json_extract", "jsonb_path_exists", "json_value", "json_query", "to_jsonb"}
            and after.kind == "("
            and index + 2 <= last
            and tokens[index + 2].kind in {"string", "open"}
            and tokens[index + 2].text[:1] in {"{", "["}
        ):
            return "calls a database function"
        if token.text == "boolean" and index and is_word(tokens[index - 1], {"in"}) and is_word(after, {"mode"}):
            return "ends a search over a full text"
        if token.text == "procedure" and is_word(after, {"analyse"}):
            return "analyses the query"
        if (
            token.text in {"exec", "execute"}
            and after.kind == "("
            and index + 2 <= last
            and tokens[index + 2].kind == "variable"
        ):
            return "runs text as a statement"
        if token.text in {"exec", "execute"} and (
            is_word(after, {"master", "xp_cmdshell", "sp_executesql"}) or after.text.startswith(("xp_", "sp_"))
        ):
            return "runs a stored procedure"
        if index + 2 <= last and (
            (token.text in RARE_CALLS and after.kind == "(" and (after.glued or "_" in token.text))
            or (token.text in PACKAGES and after.kind == "." and tokens[index + 2].kind == "word")
        ):
            return "calls a database function"
        if (
            token.text in SYSTEM_WORDS
            and after.kind == "."
            and index + 2 <= last
            and tokens[index + 2].kind == "word"
            and (index > 0 and is_word(tokens[index - 1], {"from", "join", "into", "update"}))
        ):
            return "reads the system catalogue"
    return ""


def _union(tokens: list[Token], position: int) -> bool:
    """Whether a plausible query follows `union`."""
    while position < len(tokens) and (
        tokens[position].kind in {"(", "hint", "comment", "number"}
        or is_word(tokens[position], {"all", "distinct", "distinctrow"})
    ):
        position += 1
    if position + 1 < len(tokens) and is_word(tokens[position], {"table", "values"}):
        return position + 2 >= len(tokens) or tokens[position + 2].kind in {"comment", ";", "(", ","}
    if position >= len(tokens) or not is_word(tokens[position], _SELECT_STARTS):
        # `union all selectchar(73)`: a sloppy generator, no prose
        return (
            position < len(tokens)
            and tokens[position].text.startswith("select")
            and position + 1 < len(tokens)
            and tokens[position + 1].kind == "("
        )
    return is_select_list(tokens, position + 1)
