"""What must follow a verb of SQL for the two to be a statement and not the beginning of a sentence."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Final, NamedTuple

from doorward.controls.inspect.judges.sql_grammar import closing_index, from_ends_well, is_select_list, is_word
from doorward.controls.inspect.judges.sql_lexer import Token
from doorward.controls.inspect.judges.sql_words import COMMON_CALLS, OBJECTS

ALONE: Final = frozenset({"shutdown", "commit", "rollback"})
"""Verbs that are statements by themselves."""
_NOTHING: Final = Token("", "")


class Statement(NamedTuple):
    """What may be a statement."""

    tokens: list[Token]
    start: int
    """Where the verb stands."""
    rest: list[Token]
    """What follows it, as far as anybody looks: at least one token."""
    strict: bool
    """It must be SQL beyond doubt."""

    @property
    def first(self) -> Token:
        """Follows the verb."""
        return self.rest[0]

    @property
    def second(self) -> Token:
        """Follows that."""
        return self.rest[1] if len(self.rest) > 1 else _NOTHING

    @property
    def ends(self) -> bool:
        """It has an end."""
        return any(token.kind in {";", "comment"} for token in self.rest)

    def names(self, *words: str, within: slice = slice(None)) -> bool:
        """Whether one of the words stands in that part of what follows."""
        return any(is_word(token, words) for token in self.rest[within])


def _select(it: Statement) -> bool:
    return _whole_select(it.rest) if it.strict else is_select_list(it.tokens, it.start + 1)


def _define(it: Statement) -> bool:
    if not is_word(it.first, OBJECTS):
        return False
    is_title = it.tokens[it.start].text in {"create", "alter"}
    return it.second.kind == "word" and (not it.strict or _object_ends(it.rest, is_title=is_title))


def _truncate(it: Statement) -> bool:
    return _define(it) if is_word(it.first, OBJECTS) else not it.strict and it.first.kind == "word"


def _insert(it: Statement) -> bool:
    return is_word(it.first, {"into"}) and (it.names("values", "select") or any(t.kind == "(" for t in it.rest))


def _replace(it: Statement) -> bool:
    return is_word(it.first, {"into"}) and it.names("values", "select")


def _delete(it: Statement) -> bool:
    is_sure = it.names("where") and any(token.kind == "operator" for token in it.rest)
    return is_word(it.first, {"from"}) and (it.ends or not it.strict or is_sure)


def _update(it: Statement) -> bool:
    return _assigns(it.rest)


def _execute(it: Statement) -> bool:
    is_known = not it.strict or it.first.text.startswith(("xp_", "sp_", "master", "immediate"))
    return it.first.kind in {"(", "variable"} or (it.first.kind == "word" and is_known)


def _declare(it: Statement) -> bool:
    return it.first.kind == "variable"


def _set(it: Statement) -> bool:
    return it.first.kind == "variable" and it.second.text in {"=", ":="}


def _waitfor(it: Statement) -> bool:
    return is_word(it.first, {"delay", "time"})


def _grant(it: Statement) -> bool:
    on = next((index for index, token in enumerate(it.rest[:8]) if is_word(token, {"on"})), 0)
    if on and it.names("to", "from", within=slice(on + 2, on + 6)):
        return it.ends or not it.strict or any(a.text == "*" and b.kind == "." for a, b in pairwise(it.rest))
    return not it.strict and it.ends and is_word(it.second, {"to", "from"})


def _shutdown(it: Statement) -> bool:
    return not it.strict and (is_word(it.first, {"with"}) or it.first.kind in {"comment", ";"})


def _copy(it: Statement) -> bool:
    return it.names("program", "stdin") or any(
        is_word(a, {"from", "to"}) and b.kind in {"string", "open"} and (not it.strict or b.text.startswith("/"))
        for a, b in pairwise(it.rest)
    )


def _merge(it: Statement) -> bool:
    return is_word(it.first, {"into", "insert"}) and (not it.strict or it.ends)


def _backup(it: Statement) -> bool:
    return is_word(it.first, {"database"})


def _load(it: Statement) -> bool:
    return is_word(it.first, {"data"}) and it.names("infile")


def _handler(it: Statement) -> bool:
    return it.names("open", "read", within=slice(1, 3))


def _rename(it: Statement) -> bool:
    return is_word(it.first, {"table", "user"}) and it.names("to", within=slice(1, 6))


def _show(it: Statement) -> bool:
    return not it.strict and it.ends and it.first.kind in {"word", "comment", ";"}


def _attach(it: Statement) -> bool:
    return is_word(it.first, {"database"}) and it.names("as", within=slice(1, 4))


def _do(it: Statement) -> bool:
    return not it.strict and (it.first.kind == "number" or it.second.kind == "(")


def _prepare(it: Statement) -> bool:
    return it.names("from", within=slice(1, 3))


def _use(it: Statement) -> bool:
    return not it.strict and it.first.kind == "word" and it.ends


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


VERBS: Final[Mapping[str, Callable[[Statement], bool]]] = {
    "select": _select,
    **dict.fromkeys(("drop", "create", "alter"), _define),
    "truncate": _truncate,
    "insert": _insert,
    "replace": _replace,
    "delete": _delete,
    "update": _update,
    **dict.fromkeys(("exec", "execute", "call"), _execute),
    "declare": _declare,
    "set": _set,
    "waitfor": _waitfor,
    **dict.fromkeys(("grant", "revoke"), _grant),
    "shutdown": _shutdown,
    "copy": _copy,
    **dict.fromkeys(("merge", "bulk"), _merge),
    "backup": _backup,
    "load": _load,
    "handler": _handler,
    "rename": _rename,
    **dict.fromkeys(("show", "describe", "desc", "explain", "vacuum", "analyze", "reindex"), _show),
    **dict.fromkeys(("attach", "detach"), _attach),
    **dict.fromkeys(("do", "perform", "kill"), _do),
    "prepare": _prepare,
    "use": _use,
}
"""Verb to whether what follows it makes a statement."""
