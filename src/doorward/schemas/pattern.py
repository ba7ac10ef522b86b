"""Patterns of the description, for an engine whose cost is linear in the text. What it cannot match does not load."""

from functools import lru_cache
from typing import Any, Final

import jsonschema_rs

from doorward.errors import PolicyError

LINEAR: Final = jsonschema_rs.RegexOptions()
"""The automaton engine: no back-references, no look-around, and no input that makes it slow (catalogue row B16)."""
_CLASS_ESCAPES: Final = "wWdDsS"


def linear_pattern(pattern: Any, pointer: str) -> str:
    r"""The pattern as the engine takes it, meaning what ECMA-262 says it means.

    Errors: PolicyError for what needs backtracking.

    >>> linear_pattern(r"^[\w-.]{1,}$", "#"), linear_pattern("^{a}$", "#"), linear_pattern("[a&&b]", "#")
    ('^[\\w\\-.]{1,}$', '^\\{a\\}$', '[a\\&\\&b]')
    """
    if not isinstance(pattern, str):
        raise PolicyError("the pattern is not text", key=pointer)
    translated = _translated(pattern)
    problem = _problem(translated)
    if problem:
        hint = "look-around and back-references cannot be matched in linear time: write the pattern without them"
        raise PolicyError(f"the pattern {pattern[:120]!r} does not compile", key=pointer, hint=hint)
    return translated


@lru_cache(maxsize=4096)
def _problem(pattern: str) -> bool:
    try:
        jsonschema_rs.Draft202012Validator({"pattern": pattern}, pattern_options=LINEAR)
    except (jsonschema_rs.ValidationError, ValueError):
        return True
    return False


@lru_cache(maxsize=4096)
def _translated(pattern: str) -> str:
    """Escapes what is literal in ECMA-262 and syntax in the engine: set operators, `[` in a class, stray braces."""
    made: list[str] = []
    in_class = False
    index, length = 0, len(pattern)
    while index < length:
        char = pattern[index]
        if char == "\\" and index + 1 < length:
            made.append(pattern[index : index + 2])
            index += 2
            if not in_class and pattern[index - 1] in "pPuk" and pattern[index : index + 1] == "{":
                end = pattern.find("}", index)
                if end >= 0:
                    made.append(pattern[index : end + 1])
                    index = end + 1
            continue
        if in_class:
            if char == "]":
                in_class = False
            elif char in "[&~" or (char == "-" and _is_literal_dash(pattern, index)):
                char = f"\\{char}"
        elif char == "[":
            in_class = True
            # `[^` opens a negated class; the caret is no member.
            if pattern[index + 1 : index + 2] == "^":
                char, index = "[^", index + 1
        elif char == "{":
            end = _quantifier_end(pattern, index)
            if end:
                char, index = pattern[index:end], end - 1
            else:
                char = "\\{"
        elif char == "}":
            char = "\\}"
        made.append(char)
        index += 1
    return "".join(made)


def _is_literal_dash(pattern: str, index: int) -> bool:
    """Whether a dash in a class stands for itself: beside a class escape, or beside another dash."""
    before = pattern[index - 2 : index]
    after = pattern[index + 1 : index + 3]
    beside_escape = (len(before) == 2 and before[0] == "\\" and before[1] in _CLASS_ESCAPES) or (
        len(after) == 2 and after[0] == "\\" and after[1] in _CLASS_ESCAPES
    )
    return beside_escape or after[:1] == "-"


def _quantifier_end(pattern: str, index: int) -> int:
    """Index after `{2}`, `{2,}` or `{2,3}`; 0 when the brace stands for itself."""
    end = pattern.find("}", index)
    if end < 0:
        return 0
    low, comma, high = pattern[index + 1 : end].partition(",")
    digits = low.isascii() and low.isdigit() and (not high or (high.isascii() and high.isdigit()))
    return end + 1 if digits and (comma or not high) else 0
