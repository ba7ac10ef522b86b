"""XML external entities: declarations that make a parser read files or URLs, and style sheets that run code.

Threat: CWE-611, CWE-776 (entity expansion), CWE-91 (XML injection), XSLT injection. A document type alone is harmless
(`<!DOCTYPE html>`, the W3C's DTDs); entities, external subsets, inclusions and extension functions are not. Character
data that is only there to hide markup (`<![CDATA[<]]>script`) is read as what remains.
"""

import re
from html.entities import html5
from typing import Final

from doorward.controls.inspect.judges.prose import is_prose
from doorward.controls.inspect.judges.xss import judge as judge_markup
from doorward.controls.inspect.verdict import Verdict

_ENTITY: Final = re.compile(
    r"<!ENTITY\s{1,16}(?:%\s{1,16}|&#x?\w{1,6};\s{1,16})?[\w:.-]{1,64}\s{1,16}(?:SYSTEM|PUBLIC|[\"'])", re.IGNORECASE
)
_NOTATION: Final = re.compile(r"<!NOTATION\s{1,16}[\w:.-]{1,64}\s{1,16}(?:SYSTEM|PUBLIC)\s", re.IGNORECASE)
_LITERAL: Final = re.compile(
    r"[\"']\s{0,4}((?:https?|ftp|file|php|expect|gopher|jar|netdoc|data|dict|ldap):[^\"']{1,256}|//[^\"']{1,256}"
    r"|/[a-z][^\"']{1,256})",
    re.IGNORECASE,
)
"""A place that an identifier of a document type names."""
_LEAVES_SECTION: Final = re.compile(r"[^<]{0,256}\]\]>[\s\"'>]{0,8}<")
_ONE_REFERENCE: Final = re.compile(r"[\s\"']{0,4}([&%])([A-Za-z_][\w.-]{0,31});[\s\"']{0,4}")
_DOCTYPE: Final = re.compile(
    r"<!DOCTYPE\s{1,16}[\w:.-]{1,64}\s{0,16}(?:(SYSTEM|PUBLIC)\b([^>\[]{0,512})|\[)", re.IGNORECASE
)
_WELL_KNOWN: Final = re.compile(
    r"-//(?:W3C|WAPFORUM|OASIS|IETF|Apple|Sun)//|\"about:legacy-compat\"|https?://(?:www\.)?(?:w3\.org|apple\.com"
    r"|java\.sun\.com|docbook\.org)/",
    re.IGNORECASE,
)
_WELL_KNOWN_PLACE: Final = re.compile(
    r"https?://(?:www\.)?(?:w3\.org|apple\.com|java\.sun\.com|docbook\.org|oasis-open\.org|docs\.oasis-open\.org"
    r"|hibernate\.org"
    r"|mybatis\.org|logging\.apache\.org|struts\.apache\.org|jcp\.org|xmlns\.jcp\.org|openmobilealliance\.org"
    r"|wapforum\.org"
    r"|dtd\.nlm\.nih\.gov|jats\.nlm\.nih\.gov|purl\.org)[/\"']",
    re.IGNORECASE,
)
_PARAMETER: Final = re.compile(
    r"<!(?:ATTLIST|ELEMENT|NOTATION)\s[^>]{0,256}>\s{0,64}(?:<!|%[\w.-]{1,64};)", re.IGNORECASE
)
_INCLUSION: Final = re.compile(
    r"<(?:\w{1,16}:)?include\s[^>]{0,512}\bhref\s{0,4}=|http://www\.w3\.org/2001/XInclude", re.IGNORECASE
)
_EXTENSION: Final = re.compile(
    r"=\s{0,4}[\"'](?:http://php\.net/xsl|http://xml\.apache\.org/xalan(?:/java|/redirect)?"
    r"|http://xml\.apache\.org/xslt/java|http://saxon\.sf\.net/|http://exslt\.org/common"
    r"|http://icl\.com/saxon|urn:schemas-microsoft-com:xslt|http://www\.oracle\.com/XSL/Transform/java|java:|clitype:"
    r"|alias:)"
    r"|<(?:msxsl|xalan|lxslt|exploit|exsl):(?:script|component|document)|\bphp:function(?:String)?\s{0,4}\("
    r"|\bunparsed-text\s{0,4}\("
    r"|<xsl:(?:include|import|result-document)\s[^>]{0,256}\bhref\s{0,4}=|\bdocument\s{0,4}\(\s{0,4}[\"'](?:https?:"
    r"|file:|/|\.\.)|\bsystem-property\s{0,4}\(\s{0,4}[\"']xsl:"
    r"|\brt:(?:exec|getRuntime)\b|xsl:version\s{0,4}=",
    re.IGNORECASE,
)
_STYLE_SHEET: Final = re.compile(
    r"<\?xml-stylesheet\s[^>]{0,256}\bhref\s{0,4}=\s{0,4}[\"']?\s{0,4}(?:https?:|file:|//|data:|javascript:)",
    re.IGNORECASE,
)
_SECTION: Final = re.compile(r"<!\[CDATA\[|\]\]>", re.IGNORECASE)
_REFERENCE: Final = re.compile(
    r">\s{0,64}(?:&|%)(?:xxe|file|ext|entity|systemEntity|payload|send|exfil\w{0,8}|test|foo|lol\d{0,2})\s{0,2};",
    re.IGNORECASE,
)


def judge(value: str) -> Verdict | None:
    """The verdict on one reading of a text; None when no parser of XML would be led elsewhere by it.

    >>> judge('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>').reason
    'an entity of its own'
    >>> judge("<!DOCTYPE html><html>"), judge("<a><![CDATA[1 < 2]]></a>")
    (None, None)
    """
    match = _ENTITY.search(value)
    if match is not None:
        return _verdict("an entity of its own", 95)
    match = _DOCTYPE.search(value)
    if match is not None and (match[1] is None or not _is_well_known(match[2])):
        return _verdict(
            "a document type from elsewhere" if match[1] else "a document type with declarations of its own", 90
        )
    for pattern, reason, score in (
        (_INCLUSION, "another document is included", 85),
        (_EXTENSION, "a style sheet that runs code or reads files", 85),
        (_STYLE_SHEET, "a foreign style sheet", 75),
        (_NOTATION, "a notation from elsewhere", 80),
        (_PARAMETER, "declarations of a document type", 80),
        (_REFERENCE, "a reference to an entity that nothing here declares", 65),
    ):
        match = pattern.search(value)
        if match is not None and (pattern is not _REFERENCE or not is_prose(value, match.start(), match.end())):
            return _verdict(reason, score)
    found = _ONE_REFERENCE.fullmatch(value)
    if found is not None and (found[1] == "%" or found[2] + ";" not in html5) and len(found[2]) > 1:
        return _verdict("a reference to an entity and nothing else", 55)
    if _LEAVES_SECTION.match(value):
        return _verdict("leaves a section of character data and goes on as markup", 75)
    if "<![CDATA[" in value:
        verdict = judge_markup(_SECTION.sub("", value))
        if verdict is not None:
            return _verdict(f"markup hidden in sections of character data: {verdict.reason}", 85)
    return None


def _is_well_known(identifiers: str) -> bool:
    """Whether a document type is a public one, and leads nowhere but where that one lies."""
    places = _LITERAL.findall(identifiers)
    if places:
        return all(_WELL_KNOWN_PLACE.match(place) for place in places)
    return _WELL_KNOWN.search(identifiers) is not None


def _verdict(reason: str, score: int) -> Verdict:
    return Verdict("xxe", reason, score)
