"""Server-side includes: directives that a web server or an edge cache carries out in a page it sends.

Threat: CWE-97; OWASP WSTG-INPV-08. SSI of Apache and nginx, Edge Side Includes.
"""

import re
from typing import Final

from doorward.controls.inspect.judges.prose import is_prose
from doorward.controls.inspect.verdict import Verdict

_DIRECTIVE: Final = re.compile(
    r"<!--\s{0,4}#\s{0,4}(exec|include|echo|config|printenv|set|flastmod|fsize|if|elif|else|endif|perl|odbc|email"
    r"|block)\b"
    r"(?:\s{1,16}[\w-]{1,32}\s{0,4}=|\s{0,16}-->)",
    re.IGNORECASE,
)
_EDGE: Final = re.compile(
    r"<esi:(include|inline|vars|debug|try|attempt|remove|assign|choose|when|text|comment)\b(?:[\s/]|>)|<!--esi\s"
    r"|\$\(HTTP_(?:COOKIE|HOST|USER_AGENT|REFERER)\b",
    re.IGNORECASE,
)


def judge(value: str) -> Verdict | None:
    """The verdict on one reading of a text; None when no server would carry anything out in it.

    >>> judge('<!--#exec cmd="ls" -->').reason
    'a server-side include (exec)'
    >>> judge("<!-- # include this chapter -->")
    """
    match = _DIRECTIVE.search(value)
    if match is not None:
        return Verdict("ssi", f"a server-side include ({match[1].lower()})", 90)
    match = _EDGE.search(value)
    if match is not None and not is_prose(value, match.start(), match.end()):
        return Verdict("ssi", "an edge-side include", 90)
    return None
