"""Constructs that only SQL forms, wherever they stand in a list of tokens."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from doorward.controls.inspect.judges.sql_grammar import is_select_list, is_word, subselect
from doorward.controls.inspect.judges.sql_lexer import Token
from doorward.controls.inspect.judges.sql_words import PACKAGES, RARE_CALLS, SYSTEM_WORDS

_Rule: TypeAlias = Callable[[list[Token], int], str]
"""The name of the construct that the token at an index begins; empty when it begins none."""
_SELECT_STARTS: Final = frozenset({"select", "values"})
_SERVER_VARIABLES: Final = frozenset(
    {"version", "hostname", "datadir", "basedir", "servername", "global", "identity", "microsoftversion"}
)
_STRINGS: Final = frozenset({"string", "open"})
_CALL: Final = "calls a database function"
_END: Final = Token("", "")
"""Stands behind the last token."""


def has_construct(tokens: list[Token]) -> str:
    """The name of a construct that only SQL forms, wherever it stands; empty when there is none."""
    for index, token in enumerate(tokens):
        rule = _OF_KIND.get(token.kind)
        found = rule(tokens, index) if rule is not None else ""
        if found:
            return found
    return ""


def _at(tokens: list[Token], index: int) -> Token:
    return tokens[index] if index < len(tokens) else _END


def _hint(tokens: list[Token], index: int) -> str:
    return "hides SQL in a versioned comment" if _at(tokens, index + 1).kind in {"word", "number"} else ""


def _parenthesis(tokens: list[Token], index: int) -> str:
    is_query = _at(tokens, index + 1).text == "select" and subselect(tokens, index)
    return "asks a query inside an expression" if is_query else ""


def _variable(tokens: list[Token], index: int) -> str:
    name = tokens[index].text
    return "reads a server variable" if name[:2] == "@@" and name[2:].lower() in _SERVER_VARIABLES else ""


def _word(tokens: list[Token], index: int) -> str:
    if index + 1 == len(tokens):
        return ""
    rule = _OF_WORD.get(tokens[index].text)
    return (rule(tokens, index) if rule is not None else "") or _name(tokens, index)


def _name(tokens: list[Token], index: int) -> str:
    """Of a word that may be any name: whether only databases have something of that name."""
    token, after, third = tokens[index], tokens[index + 1], _at(tokens, index + 2)
    if token.text in RARE_CALLS and after.kind == "(" and third is not _END and (after.glued or "_" in token.text):
        return _CALL
    if after.kind != "." or third.kind != "word":
        return ""
    if token.text in PACKAGES:
        return _CALL
    is_asked = index > 0 and is_word(tokens[index - 1], {"from", "join", "into", "update"})
    return "reads the system catalogue" if token.text in SYSTEM_WORDS and is_asked else ""


def _set_operation(tokens: list[Token], index: int) -> str:
    return "joins a second query" if _union(tokens, index + 1) else ""


def _waitfor(tokens: list[Token], index: int) -> str:
    waits = is_word(tokens[index + 1], {"delay", "time"}) and _at(tokens, index + 2).kind in _STRINGS | {"variable"}
    return "delays the database" if waits else ""


def _into(tokens: list[Token], index: int) -> str:
    return "writes a file" if is_word(tokens[index + 1], {"outfile", "dumpfile"}) else ""


def _json_call(tokens: list[Token], index: int) -> str:
    given = _at(tokens, index + 2)
    is_call = tokens[index + 1].kind == "(" and given.kind in _STRINGS and given.text[:1] in {"{", "["}
    return _CALL if is_call else ""


def _boolean(tokens: list[Token], index: int) -> str:
    is_mode = index > 0 and is_word(tokens[index - 1], {"in"}) and is_word(tokens[index + 1], {"mode"})
    return "ends a search over a full text" if is_mode else ""


def _procedure(tokens: list[Token], index: int) -> str:
    return "analyses the query" if is_word(tokens[index + 1], {"analyse"}) else ""


def _execute(tokens: list[Token], index: int) -> str:
    after = tokens[index + 1]
    if after.kind == "(" and _at(tokens, index + 2).kind == "variable":
        return "runs text as a statement"
    is_stored = is_word(after, {"master", "xp_cmdshell", "sp_executesql"}) or after.text.startswith(("xp_", "sp_"))
    return "runs a stored procedure" if is_stored else ""


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


_OF_KIND: Final[Mapping[str, _Rule]] = {"hint": _hint, "(": _parenthesis, "variable": _variable, "word": _word}
_OF_WORD: Final[Mapping[str, _Rule]] = {
    **dict.fromkeys(("union", "intersect", "minus"), _set_operation),
    **dict.fromkeys(("json_extract", "jsonb_path_exists", "json_value", "json_query", "to_jsonb"), _json_call),
    **dict.fromkeys(("exec", "execute"), _execute),
    "waitfor": _waitfor,
    "into": _into,
    "boolean": _boolean,
    "procedure": _procedure,
}
"""Of the next token each may be sure that there is one."""
