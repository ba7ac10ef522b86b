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
    r"\s*(?:alert|prompt|confirm|eval)(?:[(`]|\s+\((?=[\d\"'`/)]))[^\n]{0,256}[)`][\s;/]*\Z"
)


def runs_code(text: str, start: int = 0) -> bool:
    """Whether, from `start` on, something is called or assigned that runs text or reaches page, cookies or network."""
    for sink in _SINK.finditer(text, start):
        if _AFTER_SINK.match(text, sink.end(), sink.end() + 32) or sink[0].startswith("document"):
            return _PROSE.search(text, start, sink.start()) is None
    return _HANDED_ON.search(text, start) is not None


def ends_neutral(text: str) -> bool:
    """Whether the end takes care of the page's own closing quote: by a comment, or by opening a string again."""
    return _ENDS.search(text, max(0, len(text) - 96)) is not None


def is_single_call(text: str) -> bool:
    """Whether the whole text is one call of a function that proves that script runs (`alert(1)`)."""
    return _CALL_ALONE.match(text) is not None or (
        _COMPUTED.match(text) is not None and text.rstrip(" ;/")[-1:] in {")", "`"}
    )
