"""One pass in linear time that tells which judges need to see a text at all. Never a verdict of its own.

Compiled once per process and shared. The patterns are wider than the judges: whatever a judge refuses, they must
touch (a test holds that). Hyperscan, because hostile text never meets a backtracking engine (catalogue row B16).
"""

import re
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Final

from doorward.automata import automaton
from doorward.controls.inspect.prefilter_patterns import DECODE, EVERYWHERE, OUTSIDE_JSON

_START: Final = re.compile(r"(?:(?<![^|])|(?<=\(\?:))\^")
"""`^` as an anchor: first in the pattern or in an alternative, never in a character class."""
_BEHIND_START: Final = re.compile(r"(\^\[[^\]]*?)\\x22\]\*")
"""`^[ ... \x22]*`: what may stand before the pattern proper."""
_END: Final = re.compile(r"(?<!\\)\$(?=[|)]|\Z)")


class Prefilter:
    """A compiled set of patterns; `bits(data)` says which judges must look."""

    __slots__ = ("_database", "_meaning")

    def __init__(self, patterns: tuple[tuple[int, str], ...]) -> None:
        self._meaning = tuple(bit for bit, _ in patterns)
        self._database = automaton([pattern for _, pattern in patterns], ignore_case=True)

    def bits(self, data: bytes) -> int:
        """The classes to be judged (`BIT`), and `DECODE` when the text has further readings; 0 for plain text."""
        found: list[int] = []
        self._database.scan(data, match_event_handler=_note, context=found)
        bits = 0
        for index in found:
            bits |= self._meaning[index]
        return bits


def _note(index: int, _start: int, _end: int, _flags: int, found: Any) -> None:
    found.append(index)


def text_prefilter() -> Prefilter:
    """For one decoded text."""
    return _prefilters()[0]


def json_prefilter() -> Prefilter:
    """For a whole JSON document in UTF-8: any backslash in it calls for its strings to be looked at one by one."""
    return _prefilters()[1]


@cache
def _prefilters() -> tuple[Prefilter, Prefilter]:
    """Both, compiled at once, on first use: that takes most of a second each, outside of Python's lock."""
    in_json = tuple((bit, _within_string(pattern)) for bit, pattern in EVERYWHERE)
    with ThreadPoolExecutor(2) as threads:
        text, json = threads.map(Prefilter, (EVERYWHERE + OUTSIDE_JSON, (*in_json, (DECODE, r"\\"))))
    return text, json


def _within_string(pattern: str) -> str:
    """The pattern for text inside a JSON document: what it spans ends where the string it began in ends.

    Its anchors hold at the quotes of every string too, not only at the ends of the document. A quote within a string is
    escaped, and the backslash calls for a closer look by itself: what may stand behind an anchor holds none.
    """
    pattern = _BEHIND_START.sub(r"\1]*", pattern)
    pattern = _START.sub(r"(?:^|\\x22)", _END.sub(r"(?:$|\\x22)", pattern))
    return pattern.replace(".*", r"[^\x22]*").replace(r"[;*(=#/\x22`|<>]", "[;*(=#/`|<>]")
