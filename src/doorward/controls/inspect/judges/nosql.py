"""NoSQL injection: query operators where a value should stand, and JavaScript that a database runs.

Threat: CWE-943; OWASP WSTG-INPV-05.6. Document stores take operators as member names (`{"$ne": null}`), which web
frameworks also make of brackets in a parameter's name (`password[$ne]=`). `$where`, `mapReduce` and `$function` run
JavaScript: a value that leaves its string there goes on as an expression.
"""

import re
from typing import Final

from doorward.controls.inspect.judges.prose import is_prose, prose_words
from doorward.controls.inspect.verdict import Verdict

_OPERATOR: Final = (
    r"(?:n?eq?|ne|gte?|lte?|n?in|n?or|and|not|exists|type|expr|jsonSchema|mod|regex|text|where|all|elemMatch|size"
    r"|function|accumulator|lookup|search|comment|natural|slice|meta|rename|unset|inc|push|pull|set|options|near"
    r"|geoWithin|geoIntersects|within|box|bits(?:All|Any)(?:Clear|Set)|out|merge|unionWith|facet|project|match|group"
    r"|graphLookup|query|orderby|explain|returnKey"
    r"|max(?:Scan|TimeMS)|bucket|sample|unwind|sortByCount|count|redact|geoNear|replaceRoot|addFields|func)"
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
_LOGIC_FIRST: Final = re.compile(
    r"\s{0,8}(?:\|\||&&)\s{0,8}(?:[0-9]{1,6}\s{0,4}===?\s{0,4}[0-9]{1,6}"
    r"|([\"'])[^\"']{0,32}\1\s{0,4}===?\s{0,4}[\"']|true\b|this\.[A-Za-z_]\w{0,32})"
    r"|[\"'\s]{0,4}\}\s{0,4}[\])]?\s{0,4},\s{0,4}(?:\{\s{0,4}[\"']?\w{1,32}[\"']?\s{0,4}:|\$)"
)
"""A condition first, or the end of an object and another one: the rest of a query that was begun elsewhere."""
_WHERE: Final = re.compile(
    r"\s{0,8}(?:return\s{1,4}(?:\(\s{0,4})?)?this\.[A-Za-z_]\w{0,32}(?:\.length|\[[0-9]{1,4}\])?\s{0,4}(?:[!=]==?"
    r"|[<>]=?)\s{0,4}[\"'\w][^\r\n]{0,128}"
    r"|\s{0,8}(?:function\s{0,4}\w{0,16}\(\w{0,16}\)|\(\)\s{0,4}=>)\s{0,4}\{?\s{0,4}(?:return\s{1,4}(?:true|this\."
    r"|1\b|!)|sleep\s{0,4}\(|while\s{0,4}\()"
    r"[^\r\n]{0,256}"
)
"""What `$where` takes: an expression or a function about `this`."""
_CYPHER: Final = re.compile(
    r"\bMATCH\s{1,4}\([\w:]{0,32}(?:\s{0,4}\{)?[^()]{0,64}\)[^\r\n]{0,128}?\b(?:RETURN|DELETE|SET|DETACH|WHERE"
    r"|REMOVE)\b"
    r"|\bLOAD\s{1,4}CSV\s{1,4}(?:WITH\s{1,4}HEADERS\s{1,4})?FROM\b|\bCALL\s{1,4}(?:db|dbms|apoc)\.\w{1,32}"
    r"|[\"'\s})]\s{0,4}RETURN\s{1,4}[\w.*]{1,32}(?:\s{1,4}as\s{1,4}\w{1,16})?\s{1,4}UNION\b"
    r"|\bALLOW\s{1,4}FILTERING\b\s{0,4}(?:;|--|//|$)"
)
"""Neo4j's query language, and the end that Cassandra's needs."""
_COMPARES: Final = re.compile(
    r"[\"']\s{0,8}(?:\|\||&&)\s{0,8}(?:[\"']?[\w.]{0,32}[\"']?\s{0,8}(?:===?|!==?)|true\b|1\b\s{0,8}(?:$|/[/*]"
    r"|[\"'%\x00])|!)"
)
_DATABASE_CALL: Final = re.compile(
    r"\bdb\.(?:(?:getCollection|getSiblingDB)\(\s{0,4}[\"']|(?:dropDatabase|adminCommand|runCommand"
    r"|getCollectionNames|getUsers"
    r"|createUser|shutdownServer|eval|version|stats|getName)\()"
    r"|\bdb\.[A-Za-z_]\w{0,64}\.(?:find(?:One)?|insert(?:One|Many)?|remove|drop|update(?:One|Many)?|delete(?:One|Many)"
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
    if len(value) < 1_024 and (_WHERE.fullmatch(value) or _LOGIC_FIRST.match(value)):
        return _verdict("an expression that a document store runs", 75)
    match = _CYPHER.search(value)
    if match is not None and prose_words(value, match.start()) < 3:
        return _verdict("a clause of a query about a graph", 75)
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
