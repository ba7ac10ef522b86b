"""SQL injection: whether the text leaves the place where SQL expects a value, and goes on as SQL.

Threat: CWE-89. The text is read in the places where an API could put it: as it stands (a number, a name, a whole
statement) and inside each kind of quote. In a quote it is harmless until it closes that quote, and what follows must
then be able to follow a string in SQL; honest apostrophes fail there, because prose goes on with a word.
"""

import re
from typing import Final

from doorward.controls.inspect.judges.prose import prose_words
from doorward.controls.inspect.judges.sql_bare import judge_bare
from doorward.controls.inspect.judges.sql_lexer import breakout, tokens
from doorward.controls.inspect.judges.sql_tail import judge_tail
from doorward.controls.inspect.verdict import Verdict

_INITIAL: Final = re.compile(r"(?:^|[^A-Za-z0-9])[A-Z]\Z")
"""The capital before the apostrophe of a name."""
_SURE: Final = 90
"""From this score on no sentence around it explains a construct."""


def judge(value: str) -> Verdict | None:
    """The verdict on one reading of a text; None when it stays a value in every place.

    >>> judge("' OR 'a'='a").reason
    'leaves a quoted string and adds a condition that is always true'
    >>> judge("Conan O'Brien or somebody else"), judge("select the best of both")
    (None, None)
    """
    verdict = judge_bare(tokens(value))
    if verdict is not None:
        return verdict
    if "$$" in value:  # a string of PostgreSQL
        verdict = judge_tail(tokens(value, start=value.find("$$") + 2), "'")
        if verdict is not None and verdict.score >= _SURE:
            return verdict
    for quote in ("'", '"', "`"):
        if quote in value:
            starts = {breakout(value, quote)}
            if "\\" in value:  # standard SQL: a backslash escapes nothing
                starts.add(value.find(quote) + 1)
            for start in starts:
                if start > 0:
                    verdict = judge_tail(tokens(value, start=start), quote)
                    if verdict is not None and (verdict.score >= _SURE or not _opens_in_prose(value, start - 1)):
                        return verdict
    return None


def _opens_in_prose(value: str, position: int) -> bool:
    """Whether the quote there begins a quotation in a sentence (`set it to '*' to allow all`): it ends no value."""
    if _INITIAL.search(value, max(0, position - 2), position):
        return True  # D'Or
    if position <= 0 or value[position - 1] not in " \t\n([{=>":
        return False
    before = prose_words(value, position)
    return before >= 2 or (before == 1 and prose_words(value[position + 1 :], 160) >= 3)
