"""What counts as code in Markdown is what every renderer shows as code; all else is judged."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from tests.controls.inspect.test_check import exchange, operation, refusal

from doorward.controls.inspect import InspectPolicy
from doorward.controls.inspect.markdown import LONGEST_CHARS, PARSING_COST, outside_code

LIVE = "<script>alert(1)</script>"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("no code", "no code"),
        ("`a` b ``c ` d`` e", "  b   e"),
        ("**`a`**, `b`/`c`", "** **,  / "),
        ("# `a`", " "),
        ("[`a`](b)", "[ ](b)"),
        ("a `b`\n===\nc", "a  \n===\nc"),
        ("```\na\n```\nb", "\nb"),
        ("```\r\na\r\n```  \r\nb", "\nb"),
        ("````\na\n```\n````\nb", "\nb"),
        ("~~~ x\na\n~~~ y\nb\n~~~", "x"),
        ("- a\n\n  ```sh\n  b\n  ```\n- c", "- a\n\nsh\n- c"),
        ("> ```\n> a\n> ```\n> b", "\n> b"),
        ("|a|b|\n|-|-|\n| `c` | d |", "|a|b|\n|-|-|\n|   | d |"),
    ],
)
def test_code_is_cut_out(text: str, left: str) -> None:
    assert outside_code(text) == left


@pytest.mark.parametrize(
    "text",
    [
        f"\\`{LIVE}\\`",
        f"a ` b\n\n{LIVE}\n\nc ` d",
        f"# a ` b\n{LIVE}\nc ` d",
        f"- a ` b\n- {LIVE}\n- c ` d",
        f"> a ` b\n\n{LIVE}\n\n> c ` d",
        f"<div>\n```\n{LIVE}\n```\n</div>",
        f"```a`b\n{LIVE}\n```\n",
        f"1. x\n   ```\n{LIVE}\n   ```\n",
        f"> ```\n> a\n\n{LIVE}\n\n> ```",
        '<img src=x title="`" onerror=alert(1) alt="`">',
        f"`` a ` {LIVE}",
        f"```\n{LIVE}",
        f"```\n{LIVE}\n\n\n",
        f"````\n{LIVE}\n```\n",
        f"```\n{LIVE}\n~~~\n",
        f"    {LIVE}",
        f"[a](b`c) `{LIVE}`",
        f"![a `{LIVE}`](b)",
        f"[a]: b '\n` {LIVE} `'\n",
    ],
)
def test_what_commonmark_does_not_take_as_code_stays(text: str) -> None:
    assert outside_code(text) == text


@pytest.mark.parametrize(
    "text",
    [
        f"|a|b|\n|-|-|\n| ` | ` a `{LIVE}` |",
        f"a|b\n-|-\n`|`{LIVE}`|`",
        f"a ` b\n[^1]: ` c `{LIVE}` d",
        f"[^1]: a\n\n    {LIVE}",
        f"www.example.com/`{LIVE}`",
        f"https://example.com/`{LIVE}`",
        f"a ` b\u2028{LIVE} ` c",
        f"`\0{LIVE}`",
    ],
)
def test_what_other_renderers_do_not_take_as_code_stays(text: str) -> None:
    assert outside_code(text) == text


def test_long_texts_are_judged_whole() -> None:
    text = f"`{LIVE}` " + "a" * (LONGEST_CHARS - len(LIVE) - 3)
    assert LIVE not in outside_code(text)
    assert outside_code(text + "a") == text + "a"


def test_parsing_counts_as_judging_and_only_what_is_refused_is_parsed() -> None:
    schema = {"properties": {f"t{n}": {"type": "string", "x-doorward": {"contains": "markdown"}} for n in range(9)}}
    policy = InspectPolicy(judged_bytes=4_096)
    harmless = "`a` [b](c) " * 12
    assert refusal(exchange({f"t{n}": harmless for n in range(9)}), operation(schema=schema), policy) is None
    costly = f"`{LIVE}`" + "a" * (4_096 // PARSING_COST)
    denied = refusal(exchange({"t0": costly}), operation(schema=schema), policy)
    assert denied is not None
    assert "more suspicious text than may be judged" in denied.detail


def steps(work: Callable[[str], object], text: str) -> int:
    """Lines run, the parser's own too."""
    count = 0

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        work(text)
    finally:
        sys.settrace(previous)
    return count


@pytest.mark.parametrize(
    "unit",
    ["`", "`a``", "[", "![", "![](", "[a](", "[`", "[a]: b\n", "[a]: '", "<!--", "<a b='", "> ", "- ", "- a\n", "~~~\n", "a\n", "* * ",
     "|-\n", "`a`:", "``` ", " \n", "[[a]](b)", "<![CDATA[", "\\`", "# `\n", "    a\n"],
)  # fmt: skip
def test_twice_the_text_takes_twice_the_steps_at_most(unit: str) -> None:
    once, twice = (steps(outside_code, "`x` " + (unit * size)[:size]) for size in (400, 800))
    assert twice <= once * 2.2 + 500
