"""One breach as data: what is tried, what proves that it worked, what must go on working."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from doorward.attack.wire import Answer
from doorward.demo.client import Client

Answers: TypeAlias = tuple[Answer, ...]

_EVIDENCE_CHARACTERS: Final = 60

API1: Final = "API1:2023 Broken object level authorization"
API2: Final = "API2:2023 Broken authentication"
API3: Final = "API3:2023 Broken object property level authorization"
API4: Final = "API4:2023 Unrestricted resource consumption"
API5: Final = "API5:2023 Broken function level authorization"
API6: Final = "API6:2023 Unrestricted access to sensitive business flows"
API7: Final = "API7:2023 Server side request forgery"
API8: Final = "API8:2023 Security misconfiguration"
API9: Final = "API9:2023 Improper inventory management"


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """An attack that succeeds on the bare bank, and its nearest harmless relative."""

    id: str
    name: str
    threat: str
    """In the words of the OWASP API Security Top 10 (2023), with its id."""
    code: str
    """The denial that stops it; for an attack whose answer is cleaned, not refused: the finding in the record."""
    attack: Callable[[Client], Answers]
    evidence: Callable[[Answers], str | None]
    """What the attacker holds in hand: proof of the breach, or None when there is none."""
    twin: Callable[[Client], Answers]
    twin_works: Callable[[Answers], bool]
    is_finding: bool = False
    """The answer leaves without the stolen part instead of being refused."""

    @property
    def control(self) -> str:
        """The control that stops it."""
        return self.code.partition(".")[0]


def found(text: str, *, status: int = 200) -> Callable[[Answers], bool]:
    """Whether the last answer has the status and contains the text."""
    return lambda answers: answers[-1].status == status and text in answers[-1].text


def member(answer: Answer, *path: str | int) -> object:
    """A member of a JSON answer by its path, or None when it is not there."""
    value = answer.json
    for step in path:
        is_there = (isinstance(value, dict) and step in value) or (
            isinstance(value, list) and isinstance(step, int) and step < len(value)
        )
        if not is_there:
            return None
        value = value[step]  # type: ignore[index]  # is_there says that it can be indexed by it
    return value


def line_with(answers: Answers, text: str) -> str | None:
    """The last answer from the text on, to the end of its line: what was stolen, word for word."""
    _, found_text, rest = answers[-1].text.partition(text)
    return (found_text + rest.partition("\n")[0])[:_EVIDENCE_CHARACTERS] if found_text else None
