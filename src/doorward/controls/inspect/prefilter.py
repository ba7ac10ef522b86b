"""One pass in linear time that tells which judges need to see a text at all. Never a verdict of its own.

Compiled once per process and shared. The patterns are wider than the judges: whatever a judge refuses, they must
touch (a test holds that). Hyperscan, because hostile text never meets a backtracking engine (catalogue row B16).
"""

import re
from functools import cache
from typing import Any, Final

import hyperscan

from doorward.controls.inspect.verdict import THREATS, Threat

DECODE: Final = 1 << 8
"""The text holds something that has further readings (`%41`, `\\u0041`, `&lt;`, full-width letters)."""
ALL: Final = (1 << len(THREATS)) - 1
"""Every class."""
BIT: Final[dict[Threat, int]] = {threat: 1 << index for index, threat in enumerate(THREATS)}

_S: Final = r"(?:\s|/\*.*\*/|[()+~!@-])*"
_EVERYWHERE: Final[tuple[tuple[int, str], ...]] = (
    (DECODE, r"%u?[0-9a-f]{2}"),
    (DECODE, r"&(?:#|lt|gt|quot|apos|colon|lpar|tab|newline)"),
    (DECODE, r"\\[ux][0-9a-f{]"),
    (DECODE, r"\xef[\xbc\xbd]"),
    (DECODE, r"\xe2\x80[\x98\x99]|\xca\xbc|\xe2\x88[\x95\x96]|\xe2\x81\x84"),
    # SQL: out of a single-quoted string and on
    (
        BIT["sql"],
        r"['`]" + _S + r"(?:x?or|and|union|like|in|is|not|having|group|order|limit|div|mod|rlike|regexp|into"
        r"|between|exec|execute|select|where|procedure|waitfor|if|then|end|returning|offset|collate|sounds)\b",
    ),
    (BIT["sql"], r"['`][\s()]*(?:--|#|/\*|;|\|\||&&|[-+*/%^<>=,|&~!])"),
    # SQL: as it stands
    (
        BIT["sql"],
        r"\b(?:x?or|and|having|when|where)\b"
        + _S
        + r"(?:['\x22]|['`\x22\w.]+['`\x22]?"
        + _S
        + r"(?:=|<|>|!=|like\b|between\b|in\b|is\b|rlike\b|regexp\b))",
    ),
    (
        BIT["sql"],
        (
            r"\b(?:union|select|insert|delete|update|drop|truncate|alter|create|exec|execute|declare|waitfor"
            r"|shutdown|merge|grant|revoke|replace|copy|call|handler|load|set|backup|bulk)\b.*(?:[;*(=#/\x22`|<>]|--)"
        ),
    ),
    # NUL and the no-break space part words for the lexer, as they do for some databases, but are no `\s` here.
    (BIT["sql"], r"\x00|\xc2\xa0|\bcase\s+when\b"),
    (BIT["sql"], r"\bunion\b[\s(]*(?:all|distinct|select|/)|\bselect\b.*\bfrom\b|\bdrop\s+(?:table|database)"),
    (
        BIT["sql"],
        r"\b(?:declare|exec|execute|set)\s+(?:@|xp_|sp_|master|immediate)|\b(?:create|alter|truncate|drop)\s+\w+\s+\w",
    ),
    (BIT["sql"], r"(?:\|\||&&)\s*[\w'\x22(]+\s*[=<>]|\b(?:rlike|regexp|in|like|between|mod|div)\s*\(?\s*\w+\s*\("),
    (BIT["sql"], r"\b(?:order|group)\s+by\s+\d|\bhaving\s+\d|\bwaitfor\s+(?:delay|time)\b|\binto\s+(?:out|dump)file\b"),
    (
        BIT["sql"],
        (
            r"\b(?:sleep|benchmark|pg_sleep|load_file|extractvalue|updatexml|randomblob|dbms_\w+|utl_\w+"
            r"|xp_\w+|sp_\w+|char|chr|concat|ascii|substr|substring|convert|cast|if|ifnull|elt|version|database|user"
            r"|current_user|system_user|exists|case|sqlite_version|ctxsys|ordsys|xmltype|make_set|lower|hex|unhex|len|length"
            r"|count|password|md5|sha1|mid|bin|ord)\s*[(.]"
        ),
    ),
    (BIT["sql"], r"@@\w|/\*!|\binformation_schema\b|\bsysobjects\b|\bsyscolumns\b|\bpg_catalog\b|\bsqlite_master\b"),
    (
        BIT["sql"],
        r"^[\s)'`\x22]*(?:;|--|#|/\*|,\s*\(?\s*(?:null|select))|;\s*(?:--|#|/\*)|--\s*$|#\s*$|\*/|\b(?:or|and)\s+(?:true|1|not|exists)\b",
    ),
    # markup and script
    (BIT["xss"], r"<[\s\x00/!?a-z%&]"),
    (BIT["xss"], r"\bon[a-z]+[\s\x00/]*="),
    (
        BIT["xss"],
        r"(?:j\s*a\s*v\s*a|v\s*b|l\s*i\s*v\s*e)\s*s\s*c\s*r\s*i\s*p\s*t\s*:|data\s*:[^,]*(?:html|xml|svg|script|base64)",
    ),
    (
        BIT["xss"],
        (
            r"\b(?:alert|prompt|confirm|eval|atob|fetch|import|require|settimeout|setinterval|setimmediate|function"
            r"|execscript|escape|unescape|fromcharcode|write|writeln|constructor|open|print|location|src)\s*(?:[(`=\[?]|\.\s*(?:call|apply|bind))"
        ),
    ),
    (BIT["xss"], r"\b(?:document|window|self|top|parent|this|frames|globalthis|location|cookie)\s*[.\[]|\$\{.*\}"),
    (BIT["xss"], r"expression\s*\(|-moz-binding|behaviou?r\s*:|@import"),
    # shells
    (
        BIT["command"],
        (
            r"[;|&\n\r`]|\$[({'\x22+a-z@*#?!0-9]|[<>]\s*[(&/\w]|\^\w|\\[nr][a-z/]|<\?|\bfor\s.*%"
            r"|\b(?:cmd|powershell|pwsh|bash|sh|zsh|python|perl|ruby|php|node|nc|ncat|netcat|curl|wget)(?:\.exe|[0-9.]{0,4})?\s+[-/]"
        ),
    ),
    (
        BIT["command"],
        (
            r"^[\s'\x22]*(?:/bin/|/usr/|/sbin/|system|exec|passthru|shell_exec|popen|proc_open|phpinfo|kernel|import|os\.|subprocess"
            r"|require|__import__|runtime|\()|(?:\b(?:system|exec|passthru|popen|spawn|shell_exec|getruntime)|%x)\s*[(\x22'\[{]"
        ),
    ),
    (
        BIT["command"],
        r"^[\s'\x22]*[a-z]{2,12}[\s+$].*(?:/etc|/home|/root|/proc|/tmp|/var/|passwd|shadow|boot\.ini|\\sam\b|c:|%[a-z]{3,24}%)",
    ),
    # paths
    (
        BIT["traversal"],
        (
            r"%(?:25){0,3}(?:c[01]|e0|f[08c])|0x(?:2[ef]|5c)|\.[\xe2\xee\xef]|^[\x00-\x20]*\.[a-z]|\.[\s\x00-\x1f]?[./\\]|\.\.|\x00"
            r"|[/\\]\.|\b[0-9]f(?:etc|boot|win)|\?\?[/\\]"
        ),
    ),
    (
        BIT["traversal"],
        (
            r"(?:^|[\s=:'\x22(,;|\\/])[/\\]{1,3}(?:etc|proc|root|var|usr|home|opt|dev|sys|boot|bin|sbin|tmp|lib|srv|mnt|www|apache"
            r"|apache2|private|library|volumes|system|windows|winnt|program|xampp|inetpub|logs|log|nginx|httpd|mysql|web|local|usr1"
            r"|php|php4|php5)\b"
        ),
    ),
    (
        BIT["traversal"],
        (
            r"[a-z]:[/\\]{1,4}\w|\\\\[\w.?]+\\|\b(?:file|php|zip|phar|expect|netdoc|glob|ogg|rar|zlib|compress\.(?:zlib|bzip2)"
            r"|jar:[a-z]{2,5}):/|[/\\]etc[/\\]|\xef\x80\xa5|\xee\xbf\x88|boot\.ini|win\.ini|web-inf|meta-inf|passwd|\.htaccess|\.ssh"
        ),
    ),
)
_OUTSIDE_JSON: Final[tuple[tuple[int, str], ...]] = (
    # A double quote is structure in JSON text; inside a JSON string it is always escaped.
    (
        BIT["sql"],
        r"\x22" + _S + r"(?:x?or|and|union|like|in|is|not|having|group|order|limit|div|mod|rlike|regexp|into"
        r"|between|exec|execute|select|where|procedure|waitfor|if|collate)\b",
    ),
    (BIT["sql"], r"\x22[\s()]*(?:--|#|/\*|;|\|\||&&|[-+*/%^<>=,|&~!])"),
    (BIT["xss"], r"[\x22'`\\][\s)\]}]*[-+*/%^<>=,|&~!?;:]"),
)
_START: Final = re.compile(r"(?:(?<![^|])|(?<=\(\?:))\^")
"""`^` as an anchor: first in the pattern or in an alternative, never in a character class."""
_END: Final = re.compile(r"(?<!\\)\$(?=[|)]|\Z)")


class Prefilter:
    """A compiled set of patterns; `bits(data)` says which judges must look."""

    __slots__ = ("_database", "_meaning")

    def __init__(self, patterns: tuple[tuple[int, str], ...]) -> None:
        self._meaning = tuple(bit for bit, _ in patterns)
        self._database = hyperscan.Database()
        self._database.compile(
            expressions=[pattern.encode("ascii") for _, pattern in patterns],
            ids=list(range(len(patterns))),
            elements=len(patterns),
            flags=[hyperscan.HS_FLAG_CASELESS | hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_DOTALL]
            * len(patterns),
        )

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


@cache
def text_prefilter() -> Prefilter:
    """For one decoded text."""
    return Prefilter(_EVERYWHERE + _OUTSIDE_JSON)


@cache
def json_prefilter() -> Prefilter:
    """For a whole JSON document in UTF-8: any backslash in it calls for its strings to be looked at one by one."""
    return Prefilter((*((bit, _within_string(pattern)) for bit, pattern in _EVERYWHERE), (DECODE, r"\\")))


def _within_string(pattern: str) -> str:
    """The pattern for text inside a JSON document: what it spans ends where the string it began in ends.

    Its anchors hold at the quotes of every string too, not only at the ends of the document.
    """
    pattern = _START.sub(r"(?:^|\\x22)", _END.sub(r"(?:$|\\x22)", pattern))
    return pattern.replace(".*", r"[^\x22]*").replace(r"[;*(=#/\x22`|<>]", "[;*(=#/`|<>]")
