import importlib
import itertools
import pkgutil
import re
import sys
from collections.abc import Callable
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from types import FrameType
from typing import Any

import pytest

from doorward.controls import inspect
from doorward.controls.inspect import judges
from doorward.controls.inspect.judges import sql_query
from doorward.controls.inspect.judging import JUDGES
from doorward.controls.inspect.normalise import base64_reading, readings

UNITS = [
    "'", '"', "`", "(", "((select ", "union(", "select ", "or 1", "a.", "/*", "/**/", "--", "#", "+", ";", "|", "$(", "${IFS}", "<",
    "<a ", "<style>/*", "onx=", "alert(", "document.", "%25", "\\u0041", "&lt;", "../", "/", "0x2e", "..2f", "() { ", "for %%", "`a`",
    "\nls", "; cat ", "{{", "${", "#{", "<%", "{%", "{{a}}", "@{[", "%0d%0a", "\r\nX: ", ")(", "(a=", "*)", "(&", "$ne:", "[$gt]", "this.a.", "//", "http://", "//[", "0x7f.",
    "@", "<!DOCTYPE a ", "<!ENTITY a ", "<![CDATA[", "<xsl:", "<!--#", "__proto__", "constructor.", 'O:1:"a"', "rO0AB", "!!java.", "child::", "count(", "doc('", "word ", "a.b(",
    "$_GET[", "eval(", "phpinfo()", "os.", "process.", "require('", "$a(", "T(", "#set($", "&&&", "'||", "\u560a", "<?php ", "system(", "=$'", "' or ", "'||", "a b ", "${", "expression/*", "javascript:", "+AD", " ", "a,", "\x00",
    "a=b;$", "a=;", "$()a", "a''", "^a", "`a`b", "w\\", "${a:0:1}b", "if exist a ", ">/tmp/", "a|id", ") as t where 1=1 ", "$$;", "or 1=1 ", ";if(1=1)", "in boolean mode)",
    "=1 or not ", "case when ", "'>\"", '">a', "<a b='<a ", "&#0000106", "[](", "+!![]", "//a'+document", "url(a;b:/*", "<b style='a}{", "*/a(", "1;a(", "https://a@", "?u=http://0x7f.1",
    " @a", "metadata.", "/a[b]", "%a%/", "a../", "\r\nA:", "\u010dX-A:", "a HTTP/1.1\r\n", "%0d%0aa:", "return this.a==", "function(){", "match (", "},{a", "]]><", "&a;", "<!NOTATION a ", "{{'a'|", "{% set a=", "@(", "${.", "(uid=*",
]  # fmt: skip


def lines_run(judge: Callable[[str], object], text: str) -> int:
    """Lines of our own code run for one text: a count of steps that no other load on the machine disturbs."""
    count = 0

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal count
        if "/controls/inspect/" not in frame.f_code.co_filename:
            return None
        count += event == "line"
        return trace

    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        judge(text)
    finally:
        sys.settrace(previous)
    return count


def all_readings(text: str) -> list[str]:
    return [*readings(text)]


@pytest.mark.parametrize("judge", [*JUDGES.values(), all_readings, sql_query.judge, base64_reading])
@pytest.mark.parametrize("unit", UNITS)
def test_twice_the_text_takes_twice_the_steps_at_most(judge: Callable[[str], object], unit: str) -> None:
    steps = [lines_run(judge, unit * count) for count in (100, 200)]
    assert steps[1] <= steps[0] * 2 + 500


def patterns() -> list[tuple[str, re.Pattern[str]]]:
    found = []
    for module_info in (
        *pkgutil.iter_modules(inspect.__path__, "inspect."),
        *pkgutil.iter_modules(judges.__path__, "inspect.judges."),
    ):
        module = importlib.import_module(f"doorward.controls.{module_info.name}")
        values = [value for value in vars(module).values() if isinstance(value, (re.Pattern, dict, tuple))]
        for value in values:
            inner = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else (value,)
            found += [(module_info.name, each) for each in inner if isinstance(each, re.Pattern)]
    return found


def nests_unbounded(items: Any, *, inside: bool = False) -> bool:
    """Whether a backtracking repeat without bound stands inside another one: the shape that takes exponential time."""
    for code, value in items:
        if code in {op.MAX_REPEAT, op.MIN_REPEAT}:
            unbounded = value[1] is op.MAXREPEAT
            if (unbounded and inside) or nests_unbounded(value[2], inside=inside or unbounded):
                return True
        elif code is op.BRANCH:
            if any(nests_unbounded(branch, inside=inside) for branch in value[1]):
                return True
        elif code is op.SUBPATTERN and nests_unbounded(value[3], inside=inside):
            return True
    return False


def test_no_pattern_can_backtrack_without_bound() -> None:
    compiled = patterns()
    assert len(compiled) > 40
    assert [name for name, pattern in compiled if nests_unbounded(parser.parse(pattern.pattern, pattern.flags))] == []


@pytest.mark.parametrize("length", [1, 2])
def test_no_judge_stumbles_over_short_texts(length: int) -> None:
    """An exception would be a fault, and a fault somebody can bring about at will."""
    alphabet = "'\"`=;()<>|&${}[]/\\-#*.,:@!%^~ ax1\n"
    stumbled = set()
    for text in map("".join, itertools.product(alphabet, repeat=length)):
        for threat, judge in JUDGES.items():
            try:
                verdict = judge(text)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a fault
                stumbled.add((threat, text, repr(error)))
            else:
                if verdict is not None and not (
                    verdict.threat == threat and verdict.reason and 0 < verdict.score <= 100
                ):
                    stumbled.add((threat, text, repr(verdict)))
    assert stumbled == set()
