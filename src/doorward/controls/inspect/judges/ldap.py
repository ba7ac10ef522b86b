r"""LDAP injection: text that ends its condition in a search filter and adds one of its own.

Threat: CWE-90; RFC 4515 (the filter's grammar). Filters nest in parentheses, so what tells an attack from a text with
parentheses is balance: `x)(uid=*` closes what it did not open, and a condition follows.
"""

import re
from typing import Final

from doorward.controls.inspect.judges.prose import is_prose
from doorward.controls.inspect.verdict import Verdict

_CONDITION: Final = r"[A-Za-z0-9][\w;.-]{0,48}\s{0,4}(?:[~<>]|:[\w.:]{0,48}:?)?="
_OPENS: Final = re.compile(rf"\(\s{{0,4}}[&|!]\s{{0,4}}\(?\s{{0,4}}{_CONDITION}")
_GOES_ON: Final = re.compile(
    rf"[\s)]{{0,8}}[&|!]?\s{{0,4}}\(\s{{0,4}}(?:[&|!]\s{{0,4}}\(?\s{{0,4}})?(?:{_CONDITION}|[&|!]\s{{0,4}}[()]|\))"
)
_ENDS: Final = re.compile(r"[)\s]{0,8}(?:\x00|%00|\\00|\(?[&|!]\(?\s{0,4}(?:[|&(]|$)|$)")
_DIRECTORY: Final = re.compile(
    r"\(\s{0,4}(?:objectClass|objectCategory|userPassword|sAMAccountType"
    r"|userAccountControl(?::[\d.]{1,32}:)?)\s{0,4}[~<>]?=\s{0,4}[\w*]{1,64}\s{0,4}\)"
    r"|^[\s(]{0,4}[&|!]?\(\s{0,4}(?:uid|cn|sn|mail|objectClass|userPassword|sAMAccountName)=\*\)?\s{0,4}$"
    r"|\(\s{0,4}(?:objectClass|objectCategory|uid|cn|sn|dn|ou|givenName|mail|userPassword|member(?:Of|Uid)?"
    r"|sAMAccountName|userPrincipalName"
    r"|homeDirectory|uidNumber|gidNumber)\s{0,4}=\s{0,4}\*\s{0,4}\)",
    re.IGNORECASE,
)
_ALTERNATIVE: Final = re.compile(
    r"\)\)+\s{0,4}(?:\x00|%00)|\*\s{0,4}\)\s{0,4}\)?\s{0,4}[&|!(]|\*\)\)+\s{0,4}(?:\x00|%00|$)|^\*\)+$"
    r"|\*\(\s{0,4}\)?[|&!]"
)


def judge(value: str) -> Verdict | None:
    """The verdict on one reading of a text; None when it could not change a search filter.

    >>> judge("admin)(uid=*))(|(uid=*").reason
    'ends a condition of a search filter and adds one'
    >>> judge("see (a)(b=c) and :) (hello=1)"), judge("cn=Ann,ou=people,dc=example")
    (None, None)
    """
    if _PROBE.fullmatch(value):
        return _verdict("an encoded sign of search filters and nothing else", 55)
    if ")" not in value and "(" not in value:
        return None
    depth = 0
    for match in _PARENTHESIS.finditer(value):
        if match[0] == "(":
            depth += 1
        elif depth:
            depth -= 1
        elif _is_break(value, match.start()):
            if is_prose(value, match.start(), match.end()):
                return None
            return _verdict("ends a condition of a search filter and adds one", 85)
        else:
            break
    for pattern, reason, score in _CONDITIONS:
        found = pattern.search(value)
        if found is not None and not is_prose(value, found.start(), found.end()):
            return _verdict(reason, score)
    return None


_CONDITIONS: Final = (
    (_OPENS, "a search filter of its own", 80),
    (_DIRECTORY, "a condition that every entry of a directory fulfils", 80),
    (_ALTERNATIVE, "a wildcard that ends a condition of a search filter", 70),
)
_PROBE: Final = re.compile(r"%(?:2[1689aA]|7[cC]|5[cC]|00)")
_PARENTHESIS: Final = re.compile(r"[()]")


def _is_break(value: str, position: int) -> bool:
    """Whether the closing parenthesis there, which nothing opened, is followed by more of a filter."""
    before = value[position - 1 : position]
    if before in {":", ";", "-", "=", "^", "'", "8"} and not value[position + 1 : position + 2].startswith("("):
        return False  # a face
    if _GOES_ON.match(value, position + 1):
        return True
    return before in {"*", ""} and _ENDS.match(value, position + 1) is not None and position + 1 < len(value)


def _verdict(reason: str, score: int) -> Verdict:
    return Verdict("ldap", reason, score)
