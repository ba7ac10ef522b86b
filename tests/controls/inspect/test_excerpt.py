"""The record shows where the construct stands, and nobody's words."""

import pytest
from tests.controls.inspect.test_check import exchange, operation, refusal

from doorward.controls.inspect import InspectPolicy
from doorward.controls.inspect.excerpt import EXCERPT_CHARS, excerpt
from doorward.controls.inspect.judges import sql
from doorward.controls.inspect.judging import JUDGES, judge_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("hello <b>bold</b> <img src=x onerror=alert(1)> bye", "xxxxx <x>xxxx</x> ⟦<xxx xxx=x xxxxxxx=⟧xxxxx(0)> xxx"),
        ("see ../../../etc/passwd for it", "xxx ../../⟦..⟧/xxx/xxxxxx xxx xx"),
        ("Zoë 12' OR '1'='1", "xxx 00⟦' xx '⟧0'='0"),
    ],
)
def test_letters_and_digits_are_not_kept(text: str, shown: str) -> None:
    verdict = judge_text(text)
    assert verdict is not None
    assert excerpt(text, JUDGES[verdict.threat], is_plain=False) == shown


def test_only_the_surroundings_are_shown_and_long_texts_are_not_searched() -> None:
    text = "a" * 60 + "' OR '1'='1"
    assert excerpt(text, sql.judge, is_plain=True) == f"{'a' * 24}⟦' OR '⟧1'='1"
    assert excerpt(text + " " * EXCERPT_CHARS, sql.judge, is_plain=True) == ""


def test_the_place_is_looked_for_in_few_steps() -> None:
    asked = []

    def judge(text: str) -> object:
        asked.append(len(text))
        return sql.judge(text)

    excerpt("a" * 200 + "' OR '1'='1", judge, is_plain=False)  # type: ignore[arg-type]
    assert len(asked) <= 20


def test_the_text_itself_is_kept_only_where_the_policy_says_so() -> None:
    made = exchange({"text": "x' OR 1=1 --"})
    for policy, kept in ((InspectPolicy(), False), (InspectPolicy(insecure_excerpts=True), True)):
        denied = refusal(made, operation(), policy)
        assert denied is not None
        assert ("OR 1=1" in denied.detail) is kept
        assert "⟦" in denied.detail
