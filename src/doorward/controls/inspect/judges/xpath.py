"""XPath injection: text that leaves its string in a query over XML and goes on with a step, a function, a condition.

Threat: CWE-643, CWE-652 (XQuery); OWASP WSTG-INPV-09. A function of XPath alone says nothing (`count`, `name`,
`contains` are words); called on a path (`count(/*)`) or after a quote it does.
"""

import re
from typing import Final

from doorward.controls.inspect.judges.prose import is_prose
from doorward.controls.inspect.verdict import Verdict

_AXIS: Final = (
    r"(?:ancestor(?:-or-self)?|attribute|child|descendant(?:-or-self)?|following(?:-sibling)?|namespace|parent"
    r"|preceding(?:-sibling)?|self)\s{0,4}::\s{0,4}"
)
_PATH: Final = (
    rf"(?:\.{{0,2}}//?(?:[\w@*.]|{_AXIS})|@\w|{_AXIS}|(?:node|text|comment)\(\)|\*\s{{0,4}}[)\[/]|name\(|string\()"
)
_FUNCTION: Final = (
    r"(?:string-length|substring(?:-before|-after)?|starts-with|ends-with|contains|normalize-space|local-name"
    r"|namespace-uri"
    r"|name|count|position|last|doc(?:-available)?|document|unparsed-text|string|string-to-codepoints|translate"
    r"|concat|sum"
    r"|matches|lower-case|upper-case|exists|not|boolean|number)"
)
_STEPS: Final = re.compile(rf"{_AXIS}(?:node\(\)|text\(\)|comment\(\)|\*)|[/(\[|]{_AXIS}[A-Za-z*@]")
_ON_PATH: Final = re.compile(
    rf"(?<![\w.$]){_FUNCTION}\s{{0,4}}\(\s{{0,4}}(?:{_FUNCTION}\s{{0,4}}\(\s{{0,4}}){{0,4}}{_PATH}"
)
_ELSEWHERE: Final = re.compile(
    r"(?<![\w.$])(?:doc|document|doc-available|unparsed-text|collection)\s{0,4}\(\s{0,4}[\"'](?:https?:|ftp:|file:|/)"
)
_LEAVES: Final = re.compile(
    r"[\"'][\s)\]]{0,8}(?:\]\s{0,4})?(?:(?:x?or|and)\s{1,8}(?:not\s{0,4}\(\s{0,4})?(?:(?:"
    + _FUNCTION
    + r")\s{0,4}\(|//?\*|@\w{1,32}\s{0,4}=|\.\s{0,4}=)"
    r"|\|\s{0,8}(?:/{1,2}[\w*@.]|[\w-]{1,32}/)|\]\s{0,4}\|)"
)
_UNION: Final = re.compile(
    r"\]\s{0,8}\|\s{0,8}/{0,2}[\w*@.]|\|\s{0,8}//?(?:\*|[\w-]{1,32}(?:/|\[|\(\)))|^\s{0,8}//?\*(?=\s{0,4}(?:$|[\[/"
    r"|)=]))|//(?:\*"
    r"|[\w-]{1,32})\[(?:@|\d{1,4}\]|\w{1,32}/|\w{1,32}\(|[\w.]{1,32}\s{0,4}=)"
)


def judge(value: str) -> Verdict | None:
    """The verdict on one reading of a text; None when no query over XML would go on with it.

    >>> judge("x' or name()='username' or 'x'='y").reason
    'leaves a string of an XPath query and goes on'
    >>> judge("count(items) or name"), judge("parent::__construct()"), judge("//cdn.example.com/a.js")
    (None, None, None)
    """
    for pattern, reason, score in (
        (_LEAVES, "leaves a string of an XPath query and goes on", 85),
        (_STEPS, "steps of an XPath query", 80),
        (_ON_PATH, "a function of XPath on a path", 80),
        (_ELSEWHERE, "a document from elsewhere", 80),
        (_UNION, "a path of XPath", 75),
    ):
        match = pattern.search(value)
        if match is not None and not is_prose(value, match.start(), match.end()):
            return Verdict("xpath", reason, score)
    return None
