"""The little of JavaScript that tells code from prose: calls and assignments that reach the page or run text."""

import re
from typing import Final

_SINK_NAMES: Final = (
    r"alert|prompt|confirm|eval|atob|fetch|setTimeout|setInterval|setImmediate|execScript|Function|importScripts|import"
    r"|document\s*\.\s*(?:write|writeln|cookie|domain|location|body|getElementById|createElement|documentElement)"
    r"|(?:window|self|top|parent|this|frames|globalThis)\s*(?:\.\s*(?:alert|prompt|confirm|eval|location|open|name"
    r"|onerror)|\[)"
    r"|location\s*\.\s*(?:href|replace|assign|hash)|location|XMLHttpRequest|String\s*\.\s*fromCharCode"
    r"|constructor\s*\.\s*constructor"
    r"|\$\s*\.\s*(?:get|post|ajax|getScript)|navigator\s*\.\s*sendBeacon|localStorage|sessionStorage|throw|onerror"
    r"|javascript"
)
_SINK: Final = re.compile(rf"(?<![\w$.])(?:{_SINK_NAMES})(?![\w$])")
_AFTER_SINK: Final = re.compile(
    r"\)?[(`\[]|\s*=\s*\S|\s*\?\.|\s*\.\s*(?:call|apply|bind|source)|\s*/\*|[\s)]*\(\s*(?:[\"'`/\d)\[]|document"
    r"|window|location|String|atob|this|self)"
)
_ASSIGNED: Final = re.compile(r"\s?=\s?\w")
_PROSE: Final = re.compile(
    r"(?<![A-Za-z])(?!(?:var|let|const|new|return|throw|typeof|void|delete|in|of|if|else|do|function|await|async"
    r"|yield|case|instanceof|with)\b)"
    r"[A-Za-z]{2,24}[ \t]+[A-Za-z]{2,24}(?![\w$]*\s?[(=.\[`])"
)
_HANDED_ON: Final = re.compile(r"[=(\[,:]\s*(?:eval|alert|prompt|confirm|Function)\s*(?:[);,\]]|$)")
_ENDS: Final = re.compile(r"(?://[^\n]{0,80}|<!--.{0,80}|/\*.{0,80}|[\"'`])\s*\Z", re.DOTALL)
_COMPUTED: Final = re.compile(
    r"\s*(?:(?:top|self|window|parent|this|frames|globalThis)\s?\[\s?[\"'`/]|(?:new\s+)?Function\s?\(\s?[\"'`])"
)
_CALL_ALONE: Final = re.compile(
    r"\s*(?:(?:window|self|top|parent|this|globalThis|frames|document\.defaultView)\s?\.\s?)?"
    r"(?:(?:alert|prompt|confirm|eval)(?:[(`]|\s+\((?=[\d\"'`/)])|\s?\.\s?(?:call|apply|bind)\s?[(`])"
    r"|\(\s{0,4}(?:[0-9],\s?)?(?:alert|prompt|confirm|eval)\s{0,4}\)\s{0,4}[(`]|(?:alert|prompt|confirm|eval)\?\.\("
    r"|\[\s?(?:alert|eval|prompt|confirm)\s?\]\s?\[\s?0\s?\]\s?\("
    r"|\(\s?\(\s?\)\s?=>\s?\{?\s?(?:alert|prompt|confirm|eval)\s?[(`]|setTimeout\s?`|(?:setTimeout|setInterval"
    r"|setImmediate)\s?\(\s{0,4}(?:alert|prompt|confirm"
    r"|eval)\b|(?:new\s{1,4})?(?:Function|(?:\w{1,16}|\[\]|\(\))\.constructor)\s?`)[^\n]{0,256}[)`][\s;/]*\Z"
)
_SENDS: Final = re.compile(
    r"[\"'`](?:https?:)?//[^\"'`\s]{1,128}(?:[\"'`]\s{0,4}(?:\+|,|\.concat\()\s{0,4}(?:\w{1,16}\()?"
    r"|\$\{)\s{0,4}(?:document\s?\.\s?(?:cookie|body|domain"
    r"|documentElement|location)|localStorage|sessionStorage|escape\(|btoa\(|encodeURI\w{0,9}\(document)"
    r"|\bsendBeacon\s?\(\s?[\"'`](?:https?:)?//[^\"'`]{1,128}[\"'`]\s?,\s?document"
)
"""What the page holds, sent to another host."""
_LOADS: Final = re.compile(
    r"(?:^|[;,({\s])(?:import|importScripts|\$\.getScript|jQuery\.getScript)\s?\(\s?[\"'`](?:https?:)?//"
    r"|\blocation(?:\s?\.\s?href)?\s?(?:=|\.\s?(?:replace|assign)\s?\()\s?[\"'`]\s{0,4}(?:(?:java|vb)script:|//)"
    r"|\bopen\s?\(\s?[\"'`](?:(?:java|vb)script:|//)|\.\s?src\s?=\s?[\"'`]//|\bonerror\s?:\s?(?:eval|alert)"
    r"|\{\s?\w{1,16}\s?:\s?onerror\s?\}"
    r"|\.src\s?=\s?[\"'`](?:https?:)?//[^\"'`]{1,128}[\"'`]\s?\+\s?document"
    r"|\bonerror\s?=\s?(?:alert|eval|prompt|confirm)\b|\beval\s?\(\s?(?:\w{1,16}\s?\+|atob|unescape|String\."
    r"|name\s?\)|location|decodeURI|document)"
    r"|\b(?:window|self|top|content|parent|frames|globalThis)\s?\[\s?\w{1,16}\s?\]\s?\("
    r"|\bfunction\s?\(\s?\)\s?\{\s?(?:alert|prompt|confirm|eval)\s?\([^{}]{0,64}\}\s?\)?\s?\("
)
"""Foreign code fetched and run, or text run as code."""
_SIGNS_ONLY: Final = re.compile(r"[\[\]()!+{}\-~]{12,}+")
"""JavaScript without letters (JSFuck): brackets and signs make every value."""
_FALSY: Final = re.compile(r"!!?\[\]|\+\[\]|\+!\+|\[\]\[|\+\{\}")


def runs_code(text: str, start: int = 0) -> bool:
    """Whether, from `start` on, something is called or assigned that runs text or reaches page, cookies or network."""
    for sink in _SINK.finditer(text, start):
        if sink[0] in {"alert", "prompt", "confirm"} and _ASSIGNED.match(text, sink.end()):
            continue  # `alert=on` names something
        if _AFTER_SINK.match(text, sink.end(), sink.end() + 32) or sink[0].startswith("document"):
            return _PROSE.search(text, start, sink.start()) is None
    return _HANDED_ON.search(text, start) is not None


def ends_neutral(text: str) -> bool:
    """Whether the end takes care of the page's own closing quote: by a comment, or by opening a string again."""
    return _ENDS.search(text, max(0, len(text) - 96)) is not None


def takes_over(text: str) -> bool:
    """Whether a script sends away what the page holds, fetches foreign code or runs text; or has no letters at all."""
    found = _SENDS.search(text) or _LOADS.search(text)
    if found is not None:
        return _PROSE.search(text, max(0, found.start() - 64), found.start()) is None
    signs = _SIGNS_ONLY.search(text)
    return signs is not None and ("![]" in signs[0] or "+[]" in signs[0]) and len(_FALSY.findall(signs[0])) >= 3


def is_single_call(text: str) -> bool:
    """Whether the whole text is one call of a function that proves that script runs (`alert(1)`)."""
    return _CALL_ALONE.match(text) is not None or (
        _COMPUTED.match(text) is not None and text.rstrip(" ;/")[-1:] in {")", "`"}
    )
