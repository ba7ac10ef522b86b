"""One request's texts before the judges: each reading, each class that applies and is not excluded for the field."""

import datetime as dt
from typing import Final, NamedTuple

from doorward.controls.inspect.contents import ANY, Contents
from doorward.controls.inspect.excerpt import excerpt
from doorward.controls.inspect.judging import JUDGES, forms
from doorward.controls.inspect.markdown import PARSING_COST
from doorward.controls.inspect.policy import InspectPolicy
from doorward.controls.inspect.prefilter import text_prefilter
from doorward.controls.inspect.prefilter_patterns import BIT, DECODE
from doorward.controls.inspect.verdict import THREATS, Judge, Threat, Verdict
from doorward.denial import Denied
from doorward.operation import Operation

_DAY_S: Final = 86_400
_DECODED_SHARE: Final = 4
"""Decoding a text once more costs a quarter of what judging it does."""
_TEXT_COST: Final = 48
"""What a judge spends on any text, however short, in characters: many small texts cost more than one large one."""


class Rules:
    """How the texts of one operation are judged: for which classes, in which fields, and how much of them."""

    __slots__ = ("_excluded", "_orders", "judged_bytes", "keeps_text", "threats")

    def __init__(self, policy: InspectPolicy, operation: Operation) -> None:
        self.threats: tuple[Threat, ...] = tuple(each for each in THREATS if each not in policy.insecure_classes_off)
        """The classes that are looked for, in the order of asking."""
        self.judged_bytes, self.keeps_text = policy.judged_bytes, policy.insecure_excerpts
        self._orders: dict[frozenset[Threat], tuple[Threat, ...]] = {}
        """The classes of a set in the order of asking: there are a handful of such sets."""
        self._excluded: dict[tuple[Threat, str], float] = {}
        for exclusion in policy.exclude:
            if exclusion.operation == f"{operation.method} {operation.template}":
                ends = dt.datetime.combine(exclusion.until, dt.time(), tzinfo=dt.UTC)
                self._excluded[exclusion.threat, exclusion.field] = ends.timestamp() + _DAY_S

    def is_excluded(self, threat: Threat, field: str, now: float) -> bool:
        """Whether the class is expected in the field, today."""
        return now < self._excluded.get((threat, field), 0.0)

    def those_of(self, judged: frozenset[Threat]) -> tuple[Threat, ...]:
        """The classes looked for that are in the set, in the order of asking."""
        found = self._orders.get(judged)
        if found is None:
            found = self._orders[judged] = tuple(each for each in self.threats if each in judged)
        return found


class _Found(NamedTuple):
    """A verdict with what it was passed on."""

    verdict: Verdict
    text: str
    judge: Judge


class Judgement:
    """Judges the texts of one request, one by one, and counts what that takes."""

    __slots__ = ("_now", "_rules", "_spent")

    def __init__(self, rules: Rules, now: float) -> None:
        self._rules, self._now = rules, now
        self._spent = 0
        """Characters judged so far."""

    def judge(self, field: str, text: str, contents: Contents = ANY) -> None:
        """Nothing, when the text is no attack. Errors: Denied."""
        found = self._find_by_own(field, text, contents) if contents.own_judges else None
        if found is None:
            found = self._find(field, text, contents)
            if found is not None and contents.rest is not None:
                self._spend(PARSING_COST * len(text), found.verdict.threat, field)
                rest = contents.rest(text)
                if rest != text:
                    found = self._find(field, rest, contents)
        if found is not None:
            raise self._denied(found, field, contents)

    def _find_by_own(self, field: str, text: str, contents: Contents) -> _Found | None:
        """The first verdict of the judges that the field has for itself."""
        for threat, (judge, cost) in contents.own_judges.items():
            if threat in self._rules.threats and not self._rules.is_excluded(threat, field, self._now):
                self._spend(cost(text) + _TEXT_COST, threat, field)
                verdict = judge(text)
                if verdict is not None:
                    return _Found(verdict, text, judge)
        return None

    def _find(self, field: str, text: str, contents: Contents) -> _Found | None:
        """The first verdict that counts."""
        if contents is ANY:
            return self._find_in(field, text, self._rules.threats, ANY)
        for part, judged in contents.parts(text):
            found = self._find_in(field, part, self._rules.those_of(judged), contents)
            if found is not None:
                return found
        return None

    def _find_in(self, field: str, text: str, threats: tuple[Threat, ...], contents: Contents) -> _Found | None:
        prefilter = text_prefilter()
        for form, bits in forms(text, prefilter.bits(text.encode("utf-8", "replace")), prefilter):
            for threat in threats:
                if bits & BIT[threat] and not self._rules.is_excluded(threat, field, self._now):
                    self._spend(len(form) + _TEXT_COST, threat, field)
                    verdict = JUDGES[threat](form)
                    if verdict is not None and not (contents.weak and contents.weak(verdict, form)):
                        return _Found(verdict, form, JUDGES[threat])
            if bits & DECODE:  # the next form is made of this one
                self._spend(len(form) // _DECODED_SHARE, self._rules.threats[0], field)
        return None

    def _spend(self, characters: int, threat: Threat, field: str) -> None:
        """Nothing, while so much more may be judged. Errors: Denied."""
        self._spent += characters
        if self._spent > self._rules.judged_bytes:
            raise Denied(f"inspect.{threat}", f"{field}: more suspicious text than may be judged (B11)")

    def _denied(self, found: _Found, field: str, contents: Contents) -> Denied:
        verdict = found.verdict
        shown = "" if contents.is_secret else excerpt(found.text, found.judge, is_plain=self._rules.keeps_text)
        where = f": {shown}" if shown else ""
        return Denied(f"inspect.{verdict.threat}", f"{field}: {verdict.reason} ({verdict.score} %){where}")
