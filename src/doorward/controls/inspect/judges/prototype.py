"""Prototype pollution: names that reach the prototype of every JavaScript object when they are merged or set.

Threat: CWE-1321. `__proto__` and `constructor.prototype` as member names, in bracketed and dotted parameter names, and
as paths of a setter.
"""

import re
from typing import Final

from doorward.controls.inspect.judges.prose import is_prose
from doorward.controls.inspect.verdict import Verdict

_NAME: Final = re.compile(r"__proto__|__defineGetter__|__defineSetter__|__lookupGetter__")
_PROTO: Final = re.compile(r"(?:^|[\[.\"'{,\s:/&?$])__proto__[\"']?\s{0,4}(?:[\].:=\[/]|$)")
_CONSTRUCTOR: Final = re.compile(
    r"constructor[\"']?\s{0,4}\]?\s{0,4}[.\[/:]\s{0,4}\{?\s{0,4}[\"']?prototype\b|constructor\]\[prototype"
    r"|constructor\.constructor\b"
)


def judge(value: str) -> Verdict | None:
    """The verdict on one reading of a text; None when it reaches no prototype.

    >>> judge('{"__proto__": {"admin": true}}').reason
    'reaches the prototype of every object'
    >>> judge("the constructor of a class"), judge("what is __proto__ good for")
    (None, None)
    """
    if _NAME.fullmatch(value):
        return Verdict("prototype", "the name of a prototype", 90)
    for pattern in (_PROTO, _CONSTRUCTOR):
        match = pattern.search(value)
        if match is not None and not is_prose(value, match.start(), match.end()):
            return Verdict("prototype", "reaches the prototype of every object", 85)
    return None
