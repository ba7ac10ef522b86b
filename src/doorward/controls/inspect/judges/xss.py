"""Cross-site scripting: whether a browser would run something, if the text reached a page unescaped.

Threat: CWE-79, CWE-80. The text is read in the places it could land: between tags, inside a quoted or bare attribute,
inside a script's string, as a URL. Markup that cannot run anything (`<b>`, `<p>`, a link to https) passes.
"""

import re
from typing import Final

from doorward.controls.inspect.judges.html_lexer import attributes, tags
from doorward.controls.inspect.judges.prose import prose_words
from doorward.controls.inspect.judges.script_lexer import ends_neutral, is_single_call, runs_code, takes_over
from doorward.controls.inspect.judges.xss_styles import RUNNING_STYLE, runs_as_style
from doorward.controls.inspect.judges.xss_tags import judge_tag
from doorward.controls.inspect.judges.xss_urls import holds_script_url, is_script_url, judge_url
from doorward.controls.inspect.normalise import markup_reading
from doorward.controls.inspect.verdict import Verdict

_SEVEN_BIT: Final = {0xBC: "<", 0xBE: ">", 0xA2: '"'}
"""What is left of these where only seven bits count (US-ASCII, as old browsers read it)."""
_UTF7_TAG: Final = re.compile(r"\+ADw(?:-[A-Za-z/!?]|A[A-Za-z0-9/+])")
_PADDED: Final = re.compile(r"(?:&#(?:0{2,8}[0-9]{2,3}|[xX]0{1,6}[0-9A-Fa-f]{2});?[^\w&]{0,8}(?:<\w{1,8}>)?){2}")
"""Letters as references padded with zeros, several in a row: nothing writes them so but to hide them."""
_BREAKS_OUT: Final = re.compile(r"[^<]{0,512}?[\"'`]\s{0,8}/?>[^<]{0,64}<[A-Za-z!/?]", re.DOTALL)
_CLOSES_ALL: Final = re.compile(r"[\"'`]{2,3}\s?--!?>|--!?>\]\]>|[\"'`]>\]\]>")
"""A way out of attributes, comments and sections at once."""
_DISTURBED: Final = re.compile(
    r"<\s{1,8}/?\s{0,8}script\s{0,8}>|&\{\s{0,8}\w{1,16}\s{0,4}\(|\b(?:src|href|action|formaction"
    r"|data)\s{0,8}=\s{0,8}[\"']?\s{0,8}(?:java|vb)script:"
    r"|charset\s{0,8}=\s{0,8}[\"']?(?:x-imap4|utf-7|x-user-defined|hz-gb)",
    re.IGNORECASE,
)
"""Markup as lenient browsers, and those of the past, still read it."""
_ALIASED: Final = re.compile(
    r"\.(?:find(?:Index|Last)?|map|filter|forEach|some|every|flatMap|sort|reduce)\s{0,4}\(\s{0,4}(?:alert|eval|prompt"
    r"|confirm|print|fetch)\s{0,4}[,)]"
    r"|(?:^|[;,({\s])\w{1,16}\s{0,4}=\s{0,4}(?:eval|alert|prompt|confirm|Function)\s{0,4}[;,]"
)
"""A function of scripts handed on under another name."""
_SCRIPT_BREAK: Final = re.compile(
    r"\\?[\"'`][ \t\r\n)\]}]*(?=[-+*/%^<>=,|&~!?;:])|^[^*]{0,64}\*/(?=\s{0,4}[A-Za-z(\[])|</script|\$\{"
    r"|^[\s)\]}]*[;)\]}]+|^[0-9]{1,8}[\s)\]}]{0,8};(?=\s{0,4}[\w.$\[\]]{1,24}[(`])"
)
_BARE_HANDLER: Final = re.compile(
    r"(?:^|[\"'`\s/\\])(on[a-z]{3,32})[\s\x00]*=[\s\x00]*(.{0,64})", re.IGNORECASE | re.DOTALL
)
_CALL_OR_VALUE: Final = re.compile(r"[\"'`]?[\w$.]{1,64}[(`=]")
_LINKED: Final = re.compile(
    r"\]\(\s{0,4}[<]?(?:java|vb)\s?script:|<(?:java|vb)script:[^<>\s]{1,256}>|\]:\s{1,4}(?:java|vb)script:",
    re.IGNORECASE,
)
"""Markdown's links, with a script for an address."""


def judge(value: str) -> Verdict | None:
    """The verdict on one reading of a text; None when no browser would run anything in it.

    >>> judge('<img src=x onerror=alert(1)>').reason
    'the img tag has an event handler (onerror)'
    >>> judge("a < b and c > d"), judge("I love <b>bold</b> <3")
    (None, None)
    """
    if "\xbc" in value and "\xbe" in value:
        verdict = _judge_markup(value.translate(_SEVEN_BIT))
        if verdict is not None:
            return verdict
    verdict = _judge_markup(value)
    if verdict is not None:
        return verdict
    if _DISTURBED.search(value):
        return _verdict("markup or an attribute that lenient browsers run", 80)
    if _UTF7_TAG.search(value) or _PADDED.search(value):
        return _verdict("markup in an encoding that only hides it", 80)
    if ":" in value and _LINKED.search(value):
        return _verdict("a link of Markdown with a script URL", 85)
    if _ALIASED.search(value):
        return _verdict("a function of scripts under another name", 75)
    verdict = _judge_attribute(value) or judge_url(value) or _judge_script_string(value)
    return verdict or (RUNNING_STYLE if runs_as_style(value) else None)


def _judge_markup(value: str) -> Verdict | None:
    """The verdict on the tags in a text, and on what stands before the first one."""
    if "<" not in value:
        return None
    for tag in tags(value):
        verdict = judge_tag(tag, value)
        if verdict is not None:
            return verdict
    if _BREAKS_OUT.match(value) and not prose_words(value, value.find("<")) > 6:
        return _verdict("leaves an attribute and adds a tag", 75)
    if _CLOSES_ALL.search(value):
        return _verdict("leaves attributes, comments and sections at once", 70)
    return None


def _judge_attribute(value: str) -> Verdict | None:
    """Whether the text, put into an attribute, adds an event handler or a script URL to the tag."""
    first_quote = min((index for index in map(value.find, "\"'`") if index >= 0), default=len(value))
    for match in _BARE_HANDLER.finditer(value):
        body = match[2]
        resolved = markup_reading(body) or body
        if runs_code(resolved) or is_script_url(resolved.strip("\"'` ")):
            return _verdict(f"adds an event handler ({match[1].lower()})", 90)
        if first_quote <= match.start() < 256 and _CALL_OR_VALUE.match(resolved):
            return _verdict(f"leaves an attribute and adds an event handler ({match[1].lower()})", 85)
    quote = value[:1]
    if quote in {'"', "'", "`"} or value[:2] in {'">', "'>"}:
        found, _ = attributes(value, 1, min(len(value), 2_048))
        for name, raw in found:
            if holds_script_url(name, raw):
                return _verdict(f"leaves an attribute and adds a script URL ({name})", 90)
            if name == "style" and runs_as_style(raw):
                return _verdict("leaves an attribute and adds a style that runs", 85)
    return None


def _judge_script_string(value: str) -> Verdict | None:
    """Whether the text, put into a script's string, ends it and goes on as code."""
    match = _SCRIPT_BREAK.search(value)
    if match is not None:
        position = match.end()
        if match[0].startswith("${"):
            inside = value[position : position + 256].partition("}")[0]
            return _verdict("runs an expression in a template string", 85) if runs_code(inside) else None
        if match[0].lower() == "</script":
            return _verdict("ends the script it stands in", 85) if len(value) < 64 else None
        near = value[position : position + 64]
        if runs_code(near) and (ends_neutral(value) or match.start() <= 2) and prose_words(value, position + 64) < 6:
            return _verdict("leaves a script's string and runs code", 90)
    if is_single_call(value):
        return _verdict("is a call of a script function", 70)
    if takes_over(value):
        return _verdict("a script that sends, fetches or runs what it should not", 75)
    return None


def _verdict(reason: str, score: int) -> Verdict:
    return Verdict("xss", reason, score)
