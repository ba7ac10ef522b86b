"""Cross-site scripting: whether a browser would run something, if the text reached a page unescaped.

Threat: CWE-79, CWE-80. The text is read in the places it could land: between tags, inside a quoted or bare attribute,
inside a script's string, as a URL. Markup that cannot run anything (`<b>`, `<p>`, a link to https) passes.
"""

import re
from typing import Final

from doorward.controls.inspect.judges.html_lexer import Tag, attributes, tags
from doorward.controls.inspect.judges.prose import prose_words
from doorward.controls.inspect.judges.script_lexer import ends_neutral, is_single_call, runs_code, takes_over
from doorward.controls.inspect.normalise import markup_reading
from doorward.controls.inspect.verdict import Verdict

_HANDLER: Final = re.compile(r"on[a-z]{3,32}")
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
_HIDDEN_HOST: Final = re.compile(
    r"\s{0,8}(?:https?:)?//(?:[^/?#\s]{0,128}(?:%[0-9A-Fa-f]{2}|@)|[\w.-]{1,128}:(?![0-9]))", re.IGNORECASE
)
"""A host in percent-encoding, behind another one's name (`http://here@there`), or with a port that is none."""
_SEVEN_BIT: Final = {0xBC: "<", 0xBE: ">", 0xA2: '"'}
"""What is left of these where only seven bits count (US-ASCII, as old browsers read it)."""
_TORN_ADDRESS: Final = re.compile(
    r"url\(\s{0,4}(?!data:)[^\s\"'();]{1,128}[^\"'()]{0,64};[^\"'():]{0,64}:[^\"'()]{0,64}/\*", re.IGNORECASE
)
_TORN_STRING: Final = re.compile(r":\s{0,4}(?:'[^'\n]{0,64}(?:\n|\[a\])[^']{0,64};|\"[^\"\n]{0,64}\n[^\"]{0,64};)")
_ASCII_ESCAPE: Final = re.compile(r"\\0{0,4}[2-7][0-9A-Fa-f](?![0-9A-Fa-f])")
"""A letter or sign of ASCII as an escape of CSS: only disguise needs several."""
_UTF7_TAG: Final = re.compile(r"\+ADw(?:-[A-Za-z/!?]|A[A-Za-z0-9/+])")
_PADDED: Final = re.compile(r"(?:&#(?:0{2,8}[0-9]{2,3}|[xX]0{1,6}[0-9A-Fa-f]{2});?[^\w&]{0,8}(?:<\w{1,8}>)?){2}")
"""Letters as references padded with zeros, several in a row: nothing writes them so but to hide them."""
_BREAKS_OUT: Final = re.compile(r"[^<]{0,512}?[\"'`]\s{0,8}/?>[^<]{0,64}<[A-Za-z!/?]", re.DOTALL)
_CLOSES_ALL: Final = re.compile(r"[\"'`]{2,3}\s?--!?>|--!?>\]\]>|[\"'`]>\]\]>")
"""A way out of attributes, comments and sections at once."""
_STYLE: Final = re.compile(
    r"expression\("
    r"|[:*/]\s{0,8}\w{0,4}expression\s{1,4}\((?!\s{0,4}[A-Za-z]{1,24}[ \t]{1,4}[A-Za-z])"
    r"|-moz-binding|behaviou?r\s*:|@import\s{0,4}(?:[\"'/\\]|url"
    r"|\w{1,8}:)|(?:java|vb)script\s*:"
    r"|url\s{0,8}\(\s{0,8}[\"']?\s{0,8}(?:java|vb)?script:"
    r"|data:image/svg",
    re.IGNORECASE,
)
_CSS_ESCAPE: Final = re.compile(r"\\(?:([0-9A-Fa-f]{1,6})[ \t\n]?|(.))", re.DOTALL)
_URL_ATTRIBUTES: Final = frozenset(
    {
        "href", "src", "action", "formaction", "data", "xlink:href", "poster", "background", "dynsrc", "lowsrc", "from",
        "to", "values", "value", "code", "codebase", "srcdoc", "content", "folder", "manifest", "classid", "cite",
        "longdesc", "usemap", "profile", "ping", "by", "begin", "filter", "handler", "xml:base", "srcset", "icon",
        "implementation", "datasrc", "url", "archive", "base", "link", "style", "pluginspage", "movie", "onqt_error",
    }
)  # fmt: skip
_RUNNING: Final = frozenset(
    {
        "plaintext", "script", "applet", "object", "embed", "xss", "isindex", "bgsound", "layer", "ilayer",
        "frameset", "frame", "base", "implementation", "handler", "listener", "eval", "vmlframe", "import",
        "foreignobject", "xml", "comment",
    }
)  # fmt: skip
_SCRIPT_NAME: Final = re.compile(r"(?:no|scr|x|java|vb|svg[:-]?)?script(?![a-z]{3})|[a-z0-9:-]*[^a-z]script")
"""The script element, also where a filter that removes one leaves it (`scrscript`); no `subscription`."""
_ANIMATIONS: Final = frozenset({"set", "animate", "animatetransform", "animatemotion", "animatecolor"})
_KNOWN_HANDLER: Final = re.compile(
    r"(?<![\w?&-])on(?:error|load|click|dblclick|contextmenu|mouse[a-z]{2,5}|pointer[a-z]{2,6}|focus(?:in)?|blur"
    r"|key(?:up|down|press)|toggle|start|begin|end"
    r"|scroll|resize|wheel|drag[a-z]{0,5}|drop|copy|cut|paste|input|change|submit|select|animation[a-z]{3,9}"
    r"|transition[a-z]{3,6})"
    r"(?:[\s\x00-\x1f/]*|[^A-Za-z0-9\s<>=]{1,40})=",
    re.IGNORECASE,
)
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
_SENTENCE: Final = re.compile(r"(?:[ ,]{1,2}[A-Za-z][a-z]{0,24}){2,400}[.!?]?\s*")
_LINKED: Final = re.compile(
    r"\]\(\s{0,4}[<]?(?:java|vb)\s?script:|<(?:java|vb)script:[^<>\s]{1,256}>|\]:\s{1,4}(?:java|vb)script:",
    re.IGNORECASE,
)
"""Markdown's links, with a script for an address."""
_FULL_URL: Final = re.compile(
    r"[\x00-\x20'\"]*(?:javascript|vbscript|livescript):(?=\S)(.*)", re.IGNORECASE | re.DOTALL
)


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
    return _judge_attribute(value) or _judge_url(value) or _judge_script_string(value) or _judge_style(value)


def _judge_markup(value: str) -> Verdict | None:
    """The verdict on the tags in a text, and on what stands before the first one."""
    if "<" not in value:
        return None
    for tag in tags(value):
        verdict = _judge_tag(tag, value)
        if verdict is not None:
            return verdict
    if _BREAKS_OUT.match(value) and not prose_words(value, value.find("<")) > 6:
        return _verdict("leaves an attribute and adds a tag", 75)
    if _CLOSES_ALL.search(value):
        return _verdict("leaves attributes, comments and sections at once", 70)
    return None


def _judge_tag(tag: Tag, text: str) -> Verdict | None:
    local = tag.name.rpartition(":")[2]
    if tag.is_end and not tag.attributes:
        return None
    given = dict(tag.attributes)
    for name, raw in tag.attributes:
        if _HANDLER.fullmatch(name.rpartition(":")[2]) and raw:
            return _verdict(f"the {local[:16]} tag has an event handler ({name[:24]})", 95)
        if name == "srcdoc":
            return _verdict(f"the {local[:16]} tag brings a document of its own", 90)
        if name == "style" or local == "style":
            verdict = _judge_style(raw)
            if verdict is not None:
                return verdict
            if name == "style" and _misleads(raw):
                return _verdict(f"the {local[:16]} tag has a style that leaves its string or address", 70)
        if name in _URL_ATTRIBUTES and _is_script_url(raw):
            return _verdict(f"the {local[:16]} tag has a script URL ({name})", 95)
        if name in {"href", "src", "action", "formaction", "data"} and _HIDDEN_HOST.match(raw):
            return _verdict(f"the {local[:16]} tag leads to a host that is written in disguise", 70)
        if "<" in raw and any(_runs(inner) for inner in tags(raw)):
            return _verdict(f"the {local[:16]} tag holds a tag that runs", 80)
        if name in {"datasrc", "datafld", "ev:handler", "ev:listener"} and raw:
            return _verdict(f"the {local[:16]} tag is bound to foreign content", 75)
    raw = text[tag.start : tag.end]
    if _KNOWN_HANDLER.search(raw):
        return _verdict(f"the {local[:16]} tag has an event handler", 85)
    if local == "style" and "script" in given.get("type", "").lower():
        return _verdict("the style tag holds a script", 90)
    if _SCRIPT_NAME.match(local):
        return _judge_script_tag(tag, given, text)
    if local in _RUNNING:
        return (
            None
            if local in {"base", "frame", "comment", "import", "eval", "xml"}
            and "src" not in given
            and "href" not in given
            else (_verdict(f"the {local} tag runs or loads foreign code", 85))
        )
    if local in _ANIMATIONS and _HANDLER.match(given.get("attributename", "")):
        return _verdict(f"the {local} tag sets an event handler", 95)
    if local in _ANIMATIONS and given.get("attributename", "").lower().rpartition(":")[2] in {"href", "src"}:
        return _verdict(f"the {local} tag changes where a link leads", 80)
    if local == "meta" and "refresh" in given.get("http-equiv", "").lower():
        return _verdict("the meta tag leads to another page", 85)
    if (
        local == "meta"
        and given.get("http-equiv", "").lower() in {"set-cookie", "link", "content-type"}
        and any(word in text.lower() for word in ("utf-7", "script", "stylesheet"))
    ):
        return _verdict("the meta tag changes how the page is read", 80)
    if local == "link" and ("stylesheet" in given.get("rel", "").lower() or "import" in given.get("rel", "").lower()):
        return _verdict("the link tag loads a foreign style sheet", 70)
    if local == "style":
        return _judge_style(text[tag.end : _next_tag(text, tag.end)])
    if local in {"xml-stylesheet", "entity", "attlist"}:
        return _verdict("a declaration brings foreign content", 70)
    if local == "iframe" and tag.attributes:
        source = given.get("src", "").strip(" ").lower()
        return (
            None
            if source.startswith(("https://", "//")) and tag.is_closed
            else _verdict("the iframe tag brings a foreign page", 60)
        )
    if (
        local in {"img", "image", "input", "video", "audio", "svg", "body", "div", "a", "x"}
        and not tag.is_closed
        and tag.attributes
        and "`" in text
    ):
        return None
    return None


def _runs(tag: Tag) -> bool:
    """Whether a tag inside an attribute would run something, once the attribute ends where nobody expected."""
    return (
        tag.name == "script"
        or any(_HANDLER.fullmatch(name) and raw for name, raw in tag.attributes)
        or any(name in _URL_ATTRIBUTES and _is_script_url(raw) for name, raw in tag.attributes)
    )


def _judge_script_tag(tag: Tag, given: dict[str, str], text: str) -> Verdict | None:
    """Any script element runs, except the empty shell of a page template that loads its own relative file."""
    source = given.get("src", "")
    if source and tag.is_closed and re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,127}\.js", source):
        return None
    if not tag.is_closed and not tag.attributes and text[tag.end : tag.end + 1] not in {"", "<"}:
        return None
    if not tag.attributes and _SENTENCE.fullmatch(text, tag.end + 1):
        return None  # somebody writes about the tag
    return _verdict("a script tag", 95)


def _judge_attribute(value: str) -> Verdict | None:
    """Whether the text, put into an attribute, adds an event handler or a script URL to the tag."""
    first_quote = min((index for index in map(value.find, "\"'`") if index >= 0), default=len(value))
    for match in _BARE_HANDLER.finditer(value):
        body = match[2]
        resolved = markup_reading(body) or body
        if runs_code(resolved) or _is_script_url(resolved.strip("\"'` ")):
            return _verdict(f"adds an event handler ({match[1].lower()})", 90)
        if first_quote <= match.start() < 256 and _CALL_OR_VALUE.match(resolved):
            return _verdict(f"leaves an attribute and adds an event handler ({match[1].lower()})", 85)
    quote = value[:1]
    if quote in {'"', "'", "`"} or value[:2] in {'">', "'>"}:
        found, _ = attributes(value, 1, min(len(value), 2_048))
        for name, raw in found:
            if name in _URL_ATTRIBUTES and _is_script_url(raw):
                return _verdict(f"leaves an attribute and adds a script URL ({name})", 90)
            if name == "style" and _judge_style(raw):
                return _verdict("leaves an attribute and adds a style that runs", 85)
    return None


def _judge_url(value: str) -> Verdict | None:
    """Whether the whole text is a URL that runs."""
    match = _FULL_URL.match(value)
    if match is None:
        compact = _IGNORED_IN_SCHEME.sub("", value[:256])
        match = _FULL_URL.match(compact) if ":" in compact else None
        if match is None or "script:" not in compact.lower()[:32] or value[:12].isalpha():
            return (
                _verdict("a data URL that runs", 85)
                if _DATA.match(value)
                and re.search(r"script|svg|on[a-z]{1,32}=|base64,\s*(?:PHN|PHNj|PD9|PGh)", value, re.IGNORECASE)
                else None
            )
        body = match[1]
        return _verdict("a script URL", 90) if runs_code(body) else None
    body = match[1]
    if runs_code(body) or re.search(r"[\w$\])]\s?[(`=]|//|[%&\\][\w#]", body[:256]):
        return _verdict("a script URL", 90)
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


def _judge_style(value: str) -> Verdict | None:
    if not _STYLE_HINT.search(value):
        return None
    plain = _without_comments(_CSS_ESCAPE.sub(_css_character, value))
    for reading in (value, plain, value.replace("\\0", "").replace("\x00", "")):
        match = _STYLE.search(reading)
        if match is not None and (":" in reading[: match.start()] or match[0][0] in "@-" or "{" in reading):
            return _verdict("a style that runs code", 80)
    return None


def _misleads(style: str) -> bool:
    """Whether the value of a style attribute is built to leave a string or an address that it seems to stay in."""
    return (
        -1 < style.find("}") < (style + "{").find("{")
        or _TORN_ADDRESS.search(style) is not None
        or _TORN_STRING.search(markup_reading(style) or style) is not None
        or len(_ASCII_ESCAPE.findall(style)) >= 4
    )


_STYLE_HINT: Final = re.compile(r"\\|/\*|expression|binding|behavi|@import|script|data:|xss:", re.IGNORECASE)


def _next_tag(text: str, position: int) -> int:
    end = text.find("<", position)
    return len(text) if end < 0 else end


def _without_comments(style: str) -> str:
    """The style without `/* ... */`; a comment that does not end takes the rest along."""
    kept, position = [], 0
    while (opening := style.find("/*", position)) >= 0:
        kept.append(style[position:opening])
        closing = style.find("*/", opening + 2)
        if closing < 0:
            return "".join(kept)
        position = closing + 2
    return "".join(kept) + style[position:]


def _css_character(match: re.Match[str]) -> str:
    if match[1]:
        code = int(match[1], 16)
        return chr(code) if code < 0x110000 else ""
    return match[2]


def _is_script_url(raw: str) -> bool:
    raw = markup_reading(raw) or raw
    if "&" in raw or "<!--" in raw:
        raw = _COMMENT.sub("", markup_reading(raw) or raw)
    compact = _IGNORED_IN_SCHEME.sub("", raw[:512])
    return (
        bool(_SCHEME.match(compact) or _SCHEME.match(raw) or _DATA.match(compact))
        or "javascript:" in compact[:64].lower()
    )


def _verdict(reason: str, score: int) -> Verdict:
    return Verdict("xss", reason, score)
