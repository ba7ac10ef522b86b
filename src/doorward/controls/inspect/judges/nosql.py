"""NoSQL injection: query operators where a value should stand, and JavaScript that a database runs.

Threat: CWE-943; OWASP WSTG-INPV-05.6. Document stores take operators as member names (`{"$ne": null}`), which web
frameworks also make of brackets in a parameter's name (`password[$ne]=`). `$where`, `mapReduce` and `$function` run
JavaScript: a value that leaves its string there goes on as an expression.
"""

import re
from typing import Final

from doorward.controls.inspect.judges.prose import is_prose
from doorward.controls.inspect.verdict import Verdict

_OPERATOR: Final = (
    r"(?:n?eq?|ne|gte?|lte?|n?in|n?or|and|not|exists|type|expr|jsonSchema|mod|regex|text|where|all|elemMatch|size"
    r"|function|accumulator|lookup|search|comment|natural|slice|meta|rename|unset|inc|push|pull|set|options|near"
    r"|geoWithin|geoIntersects|within|box|bits(?:All|Any)(?:Clear|Set)|out|merge|unionWith|facet|project|match|group)"
)
_ALONE: Final = re.compile(
    r"\$(?:ne|gte?|lte?|nin|nor|elemMatch|where|regex|jsonSchema|exists|expr|in|or|and|not|eq|mod)"
)
_WITH_DOLLAR: Final = re.compile(rf"\[\s{{0,4}}[\"']?\${_OPERATOR}[\"']?\s{{0,4}}\]")
_MEMBER: Final = re.compile(rf"(?:^|[{{,\[\s])[\"']?\${_OPERATOR}[\"']?\s{{0,8}}:")
_LEAVES: Final = re.compile(
    r"(?:[\"'][\s)\]}]{0,8}|^\s{0,8}[0-9]{0,12}\s{0,8})(?:;|&&|\|\||,)\s{0,8}"
    r"(?:return\b(?=\s{0,8}(?:[\"'(!\d]|true\b|this\b))|this\.[A-Za-z_]\w{0,64}|db\.[A-Za-z_]\w{0,64}[.\[(]"
    r"|sleep\s{0,4}\(\s{0,4}\d|function\s{0,4}\(|while\s{0,4}\(|(?:var|let)\s{1,4}\w{1,32}\s{0,4}=|it=new\b"
    r"|do\s{0,4}\{)"
)
_COMPARES: Final = re.compile(
    r"[\"']\s{0,8}(?:\|\||&&)\s{0,8}(?:[\"']?[\w.]{0,32}[\"']?\s{0,8}(?:===?|!==?)|true\b|1\b\s{0,8}(?:$|/[/*]"
    r"|[\"'%\x00])|!)"
)
_DATABASE_CALL: Final = re.compile(
    r"\bdb\.[A-Za-z_]\w{0,64}\.(?:find(?:One)?|insert(?:One|Many)?|remove|drop|update(?:One|Many)?|delete(?:One|Many)"
    r"|mapReduce"
    r"|aggregate|save)\s{0,4}\(|\bthis\.[A-Za-z_]\w{0,64}\.(?:match|charAt|substring?|startsWith|length)\b\s{0,4}[(=<>]"
    r"|\b(?:tojson|tojsononeline)\s{0,4}\(\s{0,4}this|\bthis\.constructor\.constructor|\bObject\.keys\(this\)"
)


def judge(value: str) -> Verdict | None:
    """The verdict on one reading of a text; None when no database would take it for more than a value.

    >>> judge('{"$ne": null}').reason
    'a query operator as a member name'
    >>> judge("it costs $in: 5"), judge("US$ gt 5"), judge("prices[low]=1")
    (None, None, None)
    """
    if "$" in value:
        if _ALONE.fullmatch(value):
            return _verdict("a query operator and nothing else", 85)
        match = _WITH_DOLLAR.search(value)
        if match is not None and not is_prose(value, match.start(), match.end()):
            return _verdict("a query operator in brackets", 90)
        match = _MEMBER.search(value)
        if match is not None and _begins_a_member(value, match) and not is_prose(value, match.start(), match.end()):
            return _verdict("a query operator as a member name", 85)
    match = _LEAVES.search(value)
    if match is not None and not is_prose(value, match.start(), match.end()):
        return _verdict("leaves a string of JavaScript and goes on", 80)
    match = _COMPARES.search(value) if "||" in value or "&&" in value else None
    if match is not None and match.start() < 64 and not is_prose(value, match.start(), match.end()):
        return _verdict("a comparison in JavaScript that is always true", 80)
    match = _DATABASE_CALL.search(value)
    if match is not None and not is_prose(value, match.start(), match.end()):
        return _verdict("a call of a database's shell", 80)
    return None


def _begins_a_member(value: str, match: re.Match[str]) -> bool:
    """Whether a name with a colon stands where an object's member may: first, or behind a brace or a comma."""
    before = value[: match.start() + 1]
    return not match.start() or "{" in before or "," in before


def _verdict(reason: str, score: int) -> Verdict:
    return Verdict("nosql", reason, score)
