"""Sends attacks and twins to a target and hands the outcomes to whoever reports them."""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Final

from doorward.attack.case import Ask, Attack, Samples
from doorward.attack.judge import Outcome, is_passed, is_stopped, judge
from doorward.attack.wire import Answer, Connection, Target, request_bytes

Stages = Callable[[str], AbstractContextManager[Target]]
"""The laboratory's stage of a name: what must hold while the request is sent, and where it goes."""

_ANSWER_S: Final = 60.0
"""Longest wait for an answer: longer than any default deadline of the gateway."""
_SECOND_ANSWER_S: Final = 1.0
"""How long a raw attack's connection is watched for the refusal of what was hidden behind its first request."""
_MOST_ANSWERS: Final = 8
"""Most answers read on one raw attack's connection."""
_PATIENCE: Final = 3
"""How often a request that met somebody else's rate limit is tried again."""
_LONGEST_WAIT_S: Final = 65.0
_PASSING: Final = frozenset({"limits.rate", "limits.overload", "authenticate.unavailable"})


class Runner:
    """Attacks one target. It waits where a rate limit that is not the matter asks it to, so limits stay on."""

    def __init__(self, target: Target, samples: Samples, *, stages: Stages | None = None) -> None:
        self._target, self._samples = target, samples
        self._stages: Stages = stages or (lambda _name: contextlib.nullcontext(target))

    def run(self, attacks: Iterable[Attack]) -> Iterator[Outcome]:
        """The outcome of each attack, as it is known. Errors: OSError when the target cannot be reached at all."""
        for attack in in_order(attacks):
            yield self.try_one(attack)

    def try_one(self, attack: Attack) -> Outcome:
        """The outcome of one attack: the twin first, so that nothing the attack uses up is missing for it."""
        ask, twin = attack.send(self._samples), attack.twin(self._samples)
        if ask is None or twin is None:
            return Outcome(attack=attack, verdict="not_applicable", note="the API has no operation for it")
        twin_answers = self._answers(twin, None)
        if is_passed(twin_answers) and not any(twin.echoes.encode() in answer.body for answer in twin_answers):
            note = "the API does not give back what it is sent"
            return Outcome(attack=attack, verdict="not_applicable", twin_answer=twin_answers[-1], note=note)
        return judge(attack, self._answers(ask, attack), twin_answers)

    def _answers(self, ask: Ask, attack: Attack | None) -> list[Answer]:
        """All answers to one ask. `attack` is None for a twin."""
        for _ in range(_PATIENCE):
            answers = self._sent(ask, attack)
            wait_s = _wait_s(answers, "" if attack is None else attack.earns)
            if not wait_s:
                break
            time.sleep(wait_s)
        return answers

    def _sent(self, ask: Ask, attack: Attack | None) -> list[Answer]:
        with self._stages(ask.lab) if ask.lab else contextlib.nullcontext(self._target) as target:
            data = self._bytes(ask, target)
            method = ask.raw.partition(b" ")[0].decode("latin-1") if ask.raw else ask.method
            connection = Connection(target, plain=ask.plain, timeout_s=_ANSWER_S)
            try:
                for _ in range(ask.times):
                    if not connection.is_open:
                        connection = Connection(target, plain=ask.plain, timeout_s=_ANSWER_S)
                    connection.send(data, pause_s=ask.pause_s)
                    answers = [connection.receive(method=method)]
                    if attack is not None and is_stopped(attack, answers):
                        break
                # A smuggled second request is refused, if at all, after its carrier was answered.
                if attack is not None and ask.raw:
                    answers += _further(connection, lambda found: is_stopped(attack, found), answers)
                return answers
            finally:
                connection.close()

    def _bytes(self, ask: Ask, target: Target) -> bytes:
        if ask.finish is not None:
            ask = ask.finish(ask, target.authority)
        token = None if ask.who in {"anonymous", "api_key"} else self._samples.token(ask.who)
        own = any(name.lower() == "authorization" for name, _ in ask.headers)
        authorization = () if token is None or own else (("Authorization", f"Bearer {token}"),)
        if not ask.raw:
            headers = (*authorization, *ask.headers)
            return request_bytes(ask.method, ask.target, headers, ask.body, authority=target.authority)
        line = f"Authorization: Bearer {token}\r\n" if token else ""
        raw = ask.raw.replace(b"{host}", target.authority.encode()).replace(b"{path}", ask.target.encode("latin-1"))
        return raw.replace(b"{authorization}", line.encode())


def _further(
    connection: Connection, is_enough: Callable[[list[Answer]], bool], answers: list[Answer]
) -> Iterator[Answer]:
    """What else comes on the connection until it is enough, silent or closed."""
    found = list(answers)
    while connection.is_open and len(found) < _MOST_ANSWERS and not is_enough(found):
        answer = connection.receive(timeout_s=_SECOND_ANSWER_S)
        if not answer.status:
            return
        found.append(answer)
        yield answer


def in_order(attacks: Iterable[Attack]) -> list[Attack]:
    """The attacks as they should run: those that use up a limit last, the floods at the very end."""
    return sorted(attacks, key=lambda attack: (attack.control == "limits", attack.earns == "limits.rate"))


def _wait_s(answers: list[Answer], earns: str) -> float:
    """Seconds to wait before trying again: 0 unless what was sent was refused for a reason that passes.

    Right after its start a gateway cannot tell which signatures were used before.
    """
    refused = next((answer for answer in answers if answer.denial in _PASSING), None)
    if refused is None or refused.denial == earns:
        return 0.0
    asked = refused.header("retry-after") or "1"
    return min(float(asked) if asked.isdecimal() else 1.0, _LONGEST_WAIT_S)
