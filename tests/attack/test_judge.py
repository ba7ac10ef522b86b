"""What counts as stopped and what as passed."""

from dataclasses import replace

import orjson
import pytest

from doorward.attack.case import Attack
from doorward.attack.judge import is_passed, is_stopped, judge
from doorward.attack.wire import Answer

ATTACK = Attack(
    id="authorize.x",
    name="x",
    earns="authorize.role",
    threat="API5:2023",
    source="none",
    send=lambda samples: samples.read(),
    twin=lambda samples: samples.read(),
)


def problem(code: str, status: int) -> Answer:
    body = orjson.dumps({"type": f"urn:doorward:{code}"})
    return Answer(status=status, headers=(("content-type", "application/problem+json"),), body=body)


OK = Answer(status=200, body=b"{}")


def test_the_denial_it_must_earn_stops_it() -> None:
    assert is_stopped(ATTACK, [problem("denial:authorize.role", 403)])


@pytest.mark.parametrize(
    "answer",
    [
        OK,
        Answer(),
        problem("denial:authorize.scope", 403),
        problem("denial:authorize.role", 200),
        problem("fault", 500),
        Answer(status=403, body=orjson.dumps({"type": "urn:doorward:denial:authorize.role"})),
    ],
)
def test_nothing_else_stops_it(answer: Answer) -> None:
    assert not is_stopped(ATTACK, [answer])


def test_a_refusal_of_a_hidden_second_request_counts() -> None:
    assert is_stopped(ATTACK, [OK, problem("denial:authorize.role", 403)])


def test_a_closed_connection_counts_only_where_it_is_said_to() -> None:
    closing = Attack(
        **{name: getattr(ATTACK, name) for name in Attack.__slots__ if name != "earns_close"}, earns_close=True
    )
    assert is_stopped(closing, [Answer()])
    assert not is_stopped(ATTACK, [Answer()])


@pytest.mark.parametrize("status", [200, 204, 302, 404, 500])
def test_a_twin_passes_whatever_the_upstream_says(status: int) -> None:
    assert is_passed([Answer(status=status)])


@pytest.mark.parametrize("answers", [[], [Answer()], [problem("denial:authorize.role", 403)], [problem("fault", 500)]])
def test_a_twin_that_was_refused_or_lost_did_not_pass(answers: list[Answer]) -> None:
    assert not is_passed(answers)


def test_an_outcome_says_what_was_expected_and_what_came() -> None:
    outcome = judge(ATTACK, [OK], [OK])
    assert outcome.is_failure
    assert outcome.note == "expected authorize.role, got 200"


def test_a_refused_twin_is_a_failure_even_when_the_attack_was_stopped() -> None:
    refused = problem("denial:authorize.role", 403)
    assert judge(ATTACK, [refused], [refused]).verdict == "twin_refused"


def test_an_answer_that_may_leave_cleaned_is_stopped_when_it_came_without_its_harm() -> None:
    cleaned = replace(ATTACK, earns="minimise.masked", is_harmless=lambda answer: b"secret" not in answer.body)
    assert is_stopped(cleaned, [OK])
    assert not is_stopped(cleaned, [Answer(status=200, body=b"a secret")])
    assert not is_stopped(cleaned, [OK, Answer(status=200, body=b"a secret")])
    for nothing_to_see in ([], [Answer()], [problem("denial:authorize.role", 403)], [problem("fault", 500)]):
        assert not is_stopped(cleaned, nothing_to_see), "an outage takes the harm out too"
