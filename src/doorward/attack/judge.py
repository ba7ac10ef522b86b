"""What counts as stopped, and what as passed. Pure: it looks at answers and sends nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from doorward.attack.case import Attack
from doorward.attack.wire import NO_ANSWER, Answer

Verdict = Literal["held", "got_through", "twin_refused", "not_applicable"]


class Described(Protocol):
    """What a report says of an attack."""

    @property
    def id(self) -> str:
        """`group.what_it_tries`, unique."""

    @property
    def name(self) -> str:
        """In words."""

    @property
    def earns(self) -> str:
        """The denial code, or what else it meets."""

    @property
    def threat(self) -> str:
        """In words of the OWASP API Security Top 10."""

    @property
    def source(self) -> str:
        """Where it comes from."""

    @property
    def control(self) -> str:
        """The group it is listed in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one attack and its twin."""

    attack: Described
    verdict: Verdict
    answer: Answer = NO_ANSWER
    twin_answer: Answer = NO_ANSWER
    note: str = ""
    """What was expected and what came instead; empty when it held."""

    @property
    def is_failure(self) -> bool:
        """It got through, or its harmless twin was refused."""
        return self.verdict in {"got_through", "twin_refused"}


def is_stopped(attack: Attack, answers: Sequence[Answer]) -> bool:
    """Whether one of the answers is the denial this attack must earn, or, where that counts, there is none at all.

    An attack by an answer is stopped when the answer came and no longer does harm.
    """
    if attack.is_harmless is not None:
        return is_passed(answers) and all(attack.is_harmless(answer) for answer in answers)
    if any(answer.denial == attack.earns for answer in answers):
        return True
    return attack.earns_close and all(answer.status == 0 for answer in answers)


def is_passed(answers: Sequence[Answer]) -> bool:
    """Whether the gateway let it through: there is an answer, and it is neither a denial nor a fault of ours."""
    return bool(answers) and all(answer.status and not answer.problem.startswith("urn:doorward:") for answer in answers)


def described(answers: Sequence[Answer]) -> str:
    """What came back, in a few words: `403 authorize.role`, `200`, `no answer`.

    >>> described([Answer(status=200)]), described([])
    ('200', 'no answer')
    """
    answer = answers[-1] if answers else NO_ANSWER
    if not answer.status:
        return "no answer"
    code = answer.problem.rpartition(":")[2]
    return f"{answer.status} {code}".strip()


def judge(attack: Attack, attack_answers: Sequence[Answer], twin_answers: Sequence[Answer]) -> Outcome:
    """The outcome of one attack and its twin."""
    last, twin = (answers[-1] if answers else NO_ANSWER for answers in (attack_answers, twin_answers))
    if not is_stopped(attack, attack_answers):
        note = f"expected {attack.earns}, got {described(attack_answers)}"
        return Outcome(attack=attack, verdict="got_through", answer=last, twin_answer=twin, note=note)
    if not is_passed(twin_answers):
        note = f"the twin must pass, got {described(twin_answers)}"
        return Outcome(attack=attack, verdict="twin_refused", answer=last, twin_answer=twin, note=note)
    return Outcome(attack=attack, verdict="held", answer=last, twin_answer=twin)
