"""URLs that a browser runs instead of following them."""

import re
from typing import Final

from doorward.controls.inspect.judges.script_lexer import runs_code
from doorward.controls.inspect.normalise import markup_reading
from doorward.controls.inspect.verdict import Verdict

_URL_ATTRIBUTES: Final = frozenset(
    {
        "href", "src", "action", "formaction", "data", "xlink:href", "poster", "background", "dynsrc", "lowsrc", "from",
        "to", "values", "value", "code", "codebase", "srcdoc", "content", "folder", "manifest", "classid", "cite",
        "longdesc", "usemap", "profile", "ping", "by", "begin", "filter", "handler", "xml:base", "srcset", "icon",
        "implementation", "datasrc", "url", "archive", "base", "link", "style", "pluginspage", "movie", "onqt_error",
    }
)  # fmt: skip
_IGNORED_IN_SCHEME: Final = re.compile(
    r"[\s\x00-\x20\x7f-\xa0\u1680\u180e\u2000-\u200f\u2028\u2029\u202f\u205f\u3000\ufeff\\]+"
)
_SCHEME: Final = re.compile(
    r"[\x00-\x20\x7f-\xff\u0100-\uffff]*(?:javascript|vbscript|livescript|mocha|jar|mhtml|feed:javascript"
    r"|view-source:javascript):",
    re.IGNORECASE,
)
_DATA: Final = re.compile(
    r"\W*data:(?:text/(?:html|xml|javascript|css)|application/(?:xhtml|xml|javascript|x-)|image/svg|[^,a-z]*;base64|,"
    r"|;|[^/,]*,)",
    re.IGNORECASE,
)
_COMMENT: Final = re.compile(r"<!--.{0,64}?-->", re.DOTALL)
_FULL_URL: Final = re.compile(
    r"[\x00-\x20'\"]*(?:javascript|vbscript|livescript):(?=\S)(.*)", re.IGNORECASE | re.DOTALL
)
_DOES_SOMETHING: Final = re.compile(r"[\w$\])]\s?[(`=]|//|[%&\\][\w#]")
_DATA_THAT_RUNS: Final = re.compile(r"script|svg|on[a-z]{1,32}=|base64,\s*(?:PHN|PHNj|PD9|PGh)", re.IGNORECASE)
_SCRIPT_URL: Final = Verdict("xss", "a script URL", 90)
_DATA_URL: Final = Verdict("xss", "a data URL that runs", 85)


def holds_script_url(attribute: str, value: str) -> bool:
    """Whether an attribute's value is an address, and one that runs."""
    return attribute in _URL_ATTRIBUTES and is_script_url(value)


def is_script_url(raw: str) -> bool:
    """Whether a text is a URL that runs, however it is disguised."""
    raw = markup_reading(raw) or raw
    if "&" in raw or "<!--" in raw:
        raw = _COMMENT.sub("", markup_reading(raw) or raw)
    compact = _IGNORED_IN_SCHEME.sub("", raw[:512])
    return (
        bool(_SCHEME.match(compact) or _SCHEME.match(raw) or _DATA.match(compact))
        or "javascript:" in compact[:64].lower()
    )


def judge_url(value: str) -> Verdict | None:
    """The verdict on a text that as a whole is a URL that runs."""
    plain = _FULL_URL.match(value)
    if plain is not None:
        return _SCRIPT_URL if runs_code(plain[1]) or _DOES_SOMETHING.search(plain[1][:256]) else None
    compact = _IGNORED_IN_SCHEME.sub("", value[:256])
    disguised = _FULL_URL.match(compact) if ":" in compact else None
    if disguised is not None and "script:" in compact.lower()[:32] and not value[:12].isalpha():
        return _SCRIPT_URL if runs_code(disguised[1]) else None
    return _DATA_URL if _DATA.match(value) and _DATA_THAT_RUNS.search(value) else None
