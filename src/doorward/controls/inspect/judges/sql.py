"""SQL injection: whether the text leaves the place where SQL expects a value, and goes on as SQL.

Threat: CWE-89. The text is read in the places where an API could put it: as it stands (a number, a name, a whole
statement) and inside each kind of quote. In a quote it is harmless until it closes that quote, and what follows must
then be able to follow a string in SQL; honest apostrophes fail there, because prose goes on with a word.
"""

import re

from doorward.controls.inspect.judges.prose import prose_words
from doorward.controls.inspect.judges.sql_constructs import has_construct
from doorward.controls.inspect.judges.sql_grammar import (
    COMMENT_END,
    LOGIC,
    begins_with_call,
    calls_dangerous,
    comparison,
    is_cut,
    is_word,
    names_derived,
    ordering,
    orders_by_call,
    subselect,
    tautology,
    waits,
)
from doorward.controls.inspect.judges.sql_lexer import Token, breakout, tokens
from doorward.controls.inspect.judges.sql_statements import statement
from doorward.controls.inspect.verdict import Verdict

_CLAUSES = frozenset({"order", "group", "limit", "having", "procedure", "into", "for", "returning", "offset"})
_ARITHMETIC = frozenset(
    {"+", "-", "*", "/", "%", "^", "&", "|", "||", "=", "<", ">", "<>", "!=", "<=", ">=", "<=>", "<<"}
)
_FOLLOWERS = _CLAUSES | {
    "collate", "notnull", "isnull", "is", "in", "like", "glob", "between", "escape", "except", "intersect",
    "rlike", "regexp", "similar",
    "not", "as", "asc", "desc", "div", "mod", "xor", "sounds", "match",
}  # fmt: skip
_SIGNS = frozenset({"+", "-", "~", "!", "@", "*"})
_COMPARING = frozenset({"like", "in", "is", "between", "rlike", "regexp", "not", "div", "mod", "sounds", "collate"})


def judge(value: str) -> Verdict | None:
    """The verdict on one reading of a text; None when it stays a value in every place.

    >>> judge("' OR 'a'='a").reason
    'leaves a quoted string and adds a condition that is always true'
    >>> judge("Conan O'Brien or somebody else"), judge("select the best of both")
    (None, None)
    """
    verdict = _as_it_stands(tokens(value))
    if verdict is not None:
        return verdict
    if "$$" in value:  # a string of PostgreSQL
        verdict = _leaves_quote(tokens(value, start=value.find("$$") + 2), "'")
        if verdict is not None and verdict.score >= _SURE:
            return verdict
    for quote in ("'", '"', "`"):
        if quote in value:
            starts = {breakout(value, quote)}
            if "\\" in value:  # standard SQL: a backslash escapes nothing
                starts.add(value.find(quote) + 1)
            for start in starts:
                if start > 0:
                    verdict = _leaves_quote(tokens(value, start=start), quote)
                    if verdict is not None and (verdict.score >= _SURE or not _opens_in_prose(value, start - 1)):
                        return verdict
    return None


_INITIAL = re.compile(r"(?:^|[^A-Za-z0-9])[A-Z]\Z")
"""The capital before the apostrophe of a name."""
_SURE = 90
"""From this score on no sentence around it explains a construct."""


def _opens_in_prose(value: str, position: int) -> bool:
    """Whether the quote there begins a quotation in a sentence (`set it to '*' to allow all`): it ends no value."""
    if _INITIAL.search(value, max(0, position - 2), position):
        return True  # D'Or
    if position <= 0 or value[position - 1] not in " \t\n([{=>":
        return False
    before = prose_words(value, position)
    return before >= 2 or (before == 1 and prose_words(value[position + 1 :], 160) >= 3)


def _leaves_quote(tail: list[Token], quote: str) -> Verdict | None:
    """The verdict on what follows a closing quote."""
    closed = 0
    while closed < len(tail) and tail[closed].kind == ")":
        closed += 1
    tail = tail[closed:]
    if not tail:
        return None
    first = tail[0]
    left = "leaves a quoted string and "
    if first.kind == "comment":
        return _verdict(left + "cuts the rest off by a comment", 80) if _cuts(first, quote, closed > 0) else None
    if first.kind == ";":
        return _after_semicolon(tail, left)
    if names_derived(tail, 0):
        return _verdict(left + "ends the query it stands in, and names it", 85)
    if first.kind == "(" and (
        subselect(tail, 0) or (len(tail) > 2 and is_word(tail[1], {"select"}) and is_word(tail[2], {"top", "distinct"}))
    ):
        return _verdict(left + "asks a query", 80)
    if is_word(first, {"union"}) and any(is_word(token, {"select"}) for token in tail[1:4]):
        return _verdict(left + "joins a second query", 95)
    if first.kind == "word" and tail[-1].kind == "comment" and statement(tail, 0, strict=False):
        return _verdict(left + "adds a second statement", 85)
    is_name = first.glued and first.text in {"where", "when", "having"}  # O'Where
    if first.text in LOGIC and first.kind in {"word", "operator"} and not is_name:
        found = _condition(tail, left, quote)
        if found is not None:
            return found
    construct = has_construct(tail)
    if construct and (first.kind in {"word", "operator", ",", "hint"} and not _goes_on_as_prose(first)):
        return _verdict(left + construct, 95)
    if first.kind == "word" and first.text in _CLAUSES and ordering(tail, 0, needs_end=False):
        return _verdict(left + "adds a clause", 80)
    if (
        quote == "'"
        and is_word(first, _FOLLOWERS)
        and (not first.glued or first.text in {"collate", "notnull", "isnull", "is", "like"})
        and is_cut(tail[-1])
        and len(tail) <= 24
    ):
        return _verdict(left + "goes on as a condition, and cuts the rest off", 80)
    if first.text in {"rlike", "regexp", "like", "in", "div", "mod"} and calls_dangerous(tail, 1) and len(tail) > 3:
        return _verdict(left + "compares it with a function or query", 80)
    if (
        first.text in _COMPARING
        and 2 < len(tail) <= 12
        and tail[-1].kind == "open"
        and tail[-1].quote == quote
        and (tail[-2].kind in {"operator", "("} or is_word(tail[-2], LOGIC | _COMPARING | {"binary", "null"}))
        and not _goes_on_as_prose(first)
    ):
        return _verdict(left + "compares it", 75)
    if first.text in _COMPARING and (_ends_open(tail, quote) or tail[-1].kind == "comment") and len(tail) > 1:
        return _verdict(left + "compares it", 70) if tail[1].kind in {"(", "string", "open", "number"} else None
    if first.kind == "operator" and first.text in _ARITHMETIC | {"~", "!"} and _expression(tail):
        if calls_dangerous(tail, 1) or subselect(tail, 1):
            return _verdict(left + "computes with a function or query", 90)
        if _ends_open(tail, quote) and any(
            token.kind in {"number", "variable"} or token.text == "(" for token in tail[1:]
        ):
            return _verdict(left + "computes a value", 70)
        if (
            first.text in {"=", "<", ">", "<>", "!=", "<=", ">=", "<=>", "-", "^", "&", "*"}
            and not (first.text == "-" and len(tail) > 1 and tail[1].kind == "word")  # ordering = ['-created_at']
            and _ends_open(tail, quote)
        ):
            return _verdict(left + "compares it", 70)
    if first.kind == "," and _ends_open(tail, quote) and (calls_dangerous(tail, 1) or subselect(tail, 1)):
        return _verdict(left + "adds a value that is computed", 80)
    later = _later(tail)
    if later:
        return _verdict(left + later, 90)
    if (
        first.kind == ","
        and len(tail) > 2
        and tail[-1].kind == "comment"
        and all(
            token.kind in {",", "string", "number", "(", ")", "comment", "variable"}
            or is_word(token, {"null", "default"})
            for token in tail
        )
    ):
        return _verdict(left + "completes a list of values", 85)
    return None


def _later(tail: list[Token]) -> str:
    """What comes after an expression behind the closing quote: a second statement, or a condition and a cut."""
    for index, token in enumerate(tail):
        if token.kind == ";" and statement(tail, index + 1, strict=True):
            return "adds a second statement"
        if token.kind in {"word", "operator"} and token.text in LOGIC and index:
            seen = comparison(tail, index + 1)
            if seen is not None and seen.is_constant and seen.end < len(tail) and is_cut(tail[seen.end]):
                return "adds a condition that is always true"
    return ""


def _as_it_stands(found: list[Token]) -> Verdict | None:
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
    start = 0
    first = found[0]
    is_call = len(found) > 1 and found[1].kind == "("
    if first.kind in {"number", "string", "variable"} or (
        first.kind == "word" and first.text not in LOGIC and first.text not in _CLAUSES and not is_call
    ):
        start = 1
    while start < len(found) and found[start].kind in {")", "string"}:
        start += 1
    if start >= len(found):
        return None
    first = found[start]
    if first.kind in {"word", "operator"} and first.text in LOGIC:
        always = tautology(found, start)
        if always:
            return _verdict("adds a condition that is always true", 90)
        if start == 0 or found[0].kind == "number":
            seen = comparison(found, start + 1)
            if seen and seen.is_constant:
                return _verdict("adds a condition on constants", 80)
            if seen and found[-1].kind == "comment" and first.kind == "word":
                return _verdict("adds a condition and cuts the rest off", 80)
        if calls_dangerous(found, start + 1) or (start and subselect(found, start + 1)):
            return _verdict("adds a condition that calls a function", 85)
    if names_derived(found, start):
        return _verdict("ends the query it stands in, and names it", 80)
    if is_word(first, _COMPARING) and (calls_dangerous(found, start + 1) or subselect(found, start + 1)):
        return _verdict("compares a value with a function or query", 80)
    if first.kind == ";" and statement(found, start + 1, strict=False):
        return _verdict("adds a second statement", 90)
    if (
        is_word(first, _CLAUSES)
        and (start == 0 or found[0].kind != "word")
        and (ordering(found, start, needs_end=True) or orders_by_call(found, start))
    ):
        return _verdict("adds a clause", 70)
    second = found[1].text if len(found) > 1 else ""
    # of a spreadsheet
    is_formula = start == 0 and first.text == "=" and second in {"if", "sum", "count", "concat", "round", "now"}
    if begins_with_call(found) or (
        first.kind in {"operator", ","} and not is_formula and calls_dangerous(found, start)
    ):
        return _verdict("calls a database function", 80)
    for index, token in enumerate(found):
        if token.kind == ";" and statement(found, index + 1, strict=True):
            return _verdict("adds a second statement", 80)
        if token.kind == "word" and token.text in LOGIC and waits(found, index + 1):
            return _verdict("adds a condition that delays the database", 80)
        if token.kind == "word" and token.text in LOGIC and tautology(found, index):
            return _verdict("adds a condition that is always true", 80)
    return None


def _condition(tail: list[Token], left: str, quote: str) -> Verdict | None:
    """What a logic operator right after a closing quote leads to."""
    if tautology(tail, 0):
        return _verdict(left + "adds a condition that is always true", 95)
    seen = comparison(tail, 1)
    if seen is not None and (seen.has_literal or tail[-1].kind == "comment"):
        return _verdict(left + "adds a condition", 85)
    is_any_call = len(tail) > 3 and tail[1].kind == "word" and tail[2].kind == "(" and is_cut(tail[-1])
    if calls_dangerous(tail, 1) or subselect(tail, 1) or is_any_call:
        return _verdict(left + "adds a condition that calls a function or query", 90)
    if 2 < len(tail) <= 24 and is_cut(tail[-1]) and tail[1].kind in {"word", "("}:
        return _verdict(left + "adds a condition and cuts the rest off", 80)
    # `' or 1 -- `, `' || '1`: a bare value is true by itself, and needs the API's closing quote dealt with.
    position = 1
    while position < len(tail) and (
        tail[position].kind in {"(", "operator"} or is_word(tail[position], {"not", "binary"})
    ):
        position += 1
    if position < len(tail):
        operand, rest = tail[position], tail[position + 1 :]
        if operand.kind == "open" and position == len(tail) - 1:
            return _verdict(left + "adds a condition", 75)
        if operand.kind in {"string", "open"} and _ends_open(tail, quote) and _expression(tail):
            return _verdict(left + "adds a condition", 80)
        if operand.kind in {"number", "string", "variable"} or is_word(operand, {"true", "false", "null"}):
            closing = [token for token in rest if token.kind not in {")", ";"}]
            if (
                len(closing) == 2
                and (closing[0].text in LOGIC or closing[0].text in _COMPARING)
                and closing[1].kind == "open"
                and closing[1].quote == quote
            ):
                return _verdict(left + "adds a condition that is always true", 90)
            if closing and closing[0].kind == "comment":
                return _verdict(left + "adds a condition that is always true", 90)
            if not closing and tail[0].text not in {"||", "|"}:
                return _verdict(left + "adds a condition that is always true", 70)
    return None


def _after_semicolon(tail: list[Token], left: str) -> Verdict | None:
    position = 0
    while position < len(tail) and tail[position].kind == ";":
        position += 1
    if position == len(tail):
        return None
    if statement(tail, position, strict=False) or has_construct(tail):
        return _verdict(left + "adds a second statement", 95)
    if tail[position].kind == "comment" and is_cut(tail[position]):
        return _verdict(left + "cuts the rest off by a comment", 80)
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


def _expression(tail: list[Token]) -> bool:
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
        elif token.kind == "word" and token.text in LOGIC | _COMPARING:
            wants_operand = True
        elif wants_operand or (
            token.kind == "word" and token.text in {"from", "where", "union", "as", "all", "distinct"}
        ):
            wants_operand = token.text in {"select", "case", "when", "then", "else", "from", "where", "distinct", "not"}
        else:
            return False
    return True


def _ends_open(tail: list[Token], quote: str) -> bool:
    """Whether the API's own closing quote is taken care of: by a string left open, or by a comment."""
    last = tail[-1]
    return (last.kind == "open" and last.quote == quote) or (last.kind == "comment" and is_cut(last))


def _goes_on_as_prose(first: Token) -> bool:
    return first.kind == "word" and first.glued and first.text not in LOGIC and first.text != "union"


def _verdict(reason: str, score: int) -> Verdict:
    return Verdict("sql", reason, score)
