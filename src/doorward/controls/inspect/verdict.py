"""What a judge says about one text. Data only."""

from collections.abc import Callable
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

Threat = Literal[
    "xxe",
    "ssi",
    "deserialization",
    "prototype",
    "template",
    "sql",
    "xss",
    "code",
    "command",
    "traversal",
    "nosql",
    "ldap",
    "xpath",
    "ssrf",
    "crlf",
]
"""The classes of harm looked for; each is also the denial code `inspect.<threat>`. In the order of asking:
a text that several would refuse is named after the most telling construct."""
THREATS: Final[tuple[Threat, ...]] = get_args(Threat)


class Verdict(NamedTuple):
    """Why a text is an attack. A judge that finds nothing returns None instead."""

    threat: Threat
    reason: str
    """For the record: the construct that was recognised, never the text itself."""
    score: int
    """Confidence in percent; 50 is a construct that honest text hardly ever forms, 90 one that only attacks form."""


Judge: TypeAlias = Callable[[str], Verdict | None]
